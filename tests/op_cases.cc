#include "tests/op_cases.h"

#include <cmath>

#include "engine/norm_composite.h"
#include "engine/random.h"

namespace sga {

Tensor case_input(const Shape& shape, int seed, double low, double high, Dtype dtype) {
  Rng rng{uint64_t(seed) + 1000};
  std::vector<double> values = to_host<double>(rng.uniform(shape, Dtype::f64));
  for (double& v : values) {
    v = low + (high - low) * v;
    if (std::abs(v) < 0.05) v = v < 0 ? v - 0.05 : v + 0.05;
  }
  return from_host(shape, values, dtype);
}

std::vector<OpCase> op_cases() {
  using In = const std::vector<Tensor>&;
  const Shape image{2, 5, 6, 3};
  std::vector<OpCase> all;
  const auto add_case = [&](OpCase c) { all.push_back(std::move(c)); };

  add_case({"add", {image, image}, [](In t) { return add(t[0], t[1]); }, 1, -1.5, 1.5, false});
  add_case({"sub", {image, image}, [](In t) { return sub(t[0], t[1]); }, 1, -1.5, 1.5, false});
  add_case({"mul", {image, image}, [](In t) { return mul(t[0], t[1]); }});
  add_case({"mul_reuse", {image}, [](In t) { return mul(add(t[0], t[0]), mul(t[0], t[0])); }});
  add_case({"affine", {image}, [](In t) { return affine(t[0], -2.5, 0.75); }, 1, -1.5, 1.5, false});
  add_case({"blend", {image, image}, [](In t) { return blend(t[0], 0.3, t[1], -1.7); }, 1, -1.5, 1.5, false});
  add_case({"power_half", {image}, [](In t) { return power(t[0], 0.5); }, 1, 0.3, 2});
  add_case({"power_2", {image}, [](In t) { return power(t[0], 2); }});
  add_case({"power_minus_half", {image}, [](In t) { return power(t[0], -0.5); }, 1, 0.3, 2});
  add_case({"leaky_relu", {image}, [](In t) { return leaky_relu(t[0], 0.2); }, 1, -1.5, 1.5, false});
  add_case({"relu", {image}, [](In t) { return leaky_relu(t[0], 0); }, 1, -1.5, 1.5, false});
  add_case({"gate", {image, image}, [](In t) { return gate(t[0], t[1], 0.01); }, 1, -1.5, 1.5, false});
  add_case({"tanh", {image}, [](In t) { return tanh(t[0]); }});
  add_case({"sigmoid", {image}, [](In t) { return sigmoid(t[0]); }});
  add_case({"abs", {image}, [](In t) { return abs(t[0]); }, 1, -1.5, 1.5, false});
  add_case({"sign_gate", {image, image}, [](In t) { return sign_gate(t[0], t[1]); }, 1, -1.5, 1.5, false});
  add_case({"clamp", {image}, [](In t) { return clamp(t[0], -0.61, 0.83); }, 1, -1.5, 1.5, false});

  add_case({"reshape", {image}, [](In t) { return reshape(mul(t[0], t[0]), {10, 18}); }});
  add_case({"expand_channels", {{2, 5, 6, 1}}, [](In t) { return power(expand(t[0], {2, 5, 6, 3}), 2); }});
  add_case({"expand_image", {{2, 1, 1, 3}}, [](In t) { return power(expand(t[0], {2, 5, 6, 3}), 2); }});
  add_case({"expand_outer", {{1, 5, 1, 3}}, [](In t) { return power(expand(t[0], {2, 5, 6, 3}), 2); }});
  add_case({"sum_to_channels", {image}, [](In t) { return power(sum_to(t[0], {1, 1, 1, 3}), 2); }, 60});
  add_case({"sum_to_pixels", {image}, [](In t) { return power(sum_to(t[0], {2, 5, 6, 1}), 2); }, 3});
  add_case({"sum_to_images", {image}, [](In t) { return power(sum_to(t[0], {2, 1, 1, 1}), 2); }, 90});
  add_case({"sum_to_rows", {image}, [](In t) { return power(sum_to(t[0], {1, 5, 1, 3}), 2); }, 12});
  add_case({"sum", {image}, [](In t) { return power(sum(t[0]), 2); }, 180});
  add_case({"mean", {image}, [](In t) { return power(mean(t[0]), 2); }, 180});
  add_case({"pad", {image}, [](In t) { return power(pad(t[0], {1, 2, 3, 0}), 2); }});
  add_case({"pad_and_crop", {image}, [](In t) { return power(pad(t[0], {-1, 2, 1, -3}), 2); }});
  add_case({"crop", {image}, [](In t) { return power(crop(t[0], 1, 2, 3, 4), 2); }});
  add_case({"pad_reflect", {image}, [](In t) { return power(pad_reflect(t[0], 3), 2); }, 4});
  add_case({"concat_channels", {image, {2, 5, 6, 2}}, [](In t) {
              return power(concat({t[0], t[1]}, -1), 2);
            }});
  add_case({"concat_batch", {image, {1, 5, 6, 3}}, [](In t) { return power(concat({t[0], t[1]}, 0), 2); }});
  add_case({"slice_channels", {image}, [](In t) { return power(slice(t[0], 3, 1, 2), 2); }});
  add_case({"slice_rows", {image}, [](In t) { return power(slice(t[0], 1, 2, 3), 2); }});

  struct Geometry {
    const char* name;
    Shape x, w;
    ConvGeometry g;
  };
  const Geometry geometries[] = {{"3x3_valid", {1, 7, 8, 3}, {4, 3, 3, 3}, {1, 0}},
                                 {"3x3_same", {2, 6, 5, 4}, {5, 3, 3, 4}, {1, 1}},
                                 {"4x4_stride2", {2, 8, 6, 3}, {5, 4, 4, 3}, {2, 1}},
                                 {"4x4_stride2_odd", {1, 7, 9, 3}, {2, 4, 4, 3}, {2, 1}},
                                 {"7x7_pad3", {1, 8, 7, 2}, {3, 7, 7, 2}, {1, 3}},
                                 {"2x2_to_one", {3, 2, 2, 6}, {5, 2, 2, 6}, {1, 0}}};
  for (const Geometry& s : geometries) {
    const double terms = double(s.w.numel() / s.w[0]);
    const Shape y{s.x[0], (s.x[1] + 2 * s.g.pad - s.w[1]) / s.g.stride + 1,
                  (s.x[2] + 2 * s.g.pad - s.w[2]) / s.g.stride + 1, s.w[0]};
    const ConvGeometry g = s.g;
    const int64_t h = s.x[1], wd = s.x[2], r = s.w[1], q = s.w[2];
    add_case({std::string("conv_") + s.name, {s.x, s.w}, [g](In t) { return conv(t[0], t[1], g); }, terms});
    add_case({std::string("conv_dx_") + s.name,
              {y, s.w},
              [=](In t) { return conv_dx(t[0], t[1], g, h, wd); },
              terms});
    add_case({std::string("conv_dw_") + s.name,
              {s.x, y},
              [=](In t) { return conv_dw(t[0], t[1], g, r, q); },
              double(y.numel())});
    add_case({std::string("conv_bias_act_") + s.name,
              {s.x, s.w, {s.w[0]}},
              [g](In t) { return conv_bias_act(t[0], t[1], t[2], g, 0.2); },
              terms});
  }
  add_case({"matmul", {{4, 5}, {5, 3}}, [](In t) { return matmul(t[0], t[1]); }, 5});
  add_case({"matmul_ta", {{5, 4}, {5, 3}}, [](In t) { return matmul(t[0], t[1], true); }, 5});
  add_case({"matmul_tb", {{4, 5}, {3, 5}}, [](In t) { return matmul(t[0], t[1], false, true); }, 5});
  add_case({"matmul_tatb", {{5, 4}, {3, 5}}, [](In t) { return matmul(t[0], t[1], true, true); }, 5});

  for (const double slope : {1.0, 0.2, 0.0}) {
    const std::string suffix = slope == 1 ? "" : slope == 0 ? "_relu" : "_leaky";
    add_case({"instance_norm" + suffix,
              {image, {3}, {3}},
              [slope](In t) { return instance_norm(t[0], t[1], t[2], 1e-5, slope).y; },
              30});
    add_case({"instance_norm_composite" + suffix,
              {image, {3}, {3}},
              [slope](In t) { return instance_norm_composite(t[0], t[1], t[2], 1e-5, slope); },
              30});
    add_case({"instance_norm_film" + suffix,
              {image, {2, 3}, {2, 3}},
              [slope](In t) { return instance_norm(t[0], t[1], t[2], 1e-5, slope).y; },
              30});
  }
  add_case({"instance_norm_plain",
            {{2, 3, 5, 17}},
            [](In t) { return instance_norm(t[0], {}, {}, 1e-5, 0.2).y; },
            15});
  add_case({"instance_norm_wide",
            {{1, 17, 19, 33}, {33}, {33}},
            [](In t) { return instance_norm(t[0], t[1], t[2], 1e-5, 0.2).y; },
            323});

  add_case({"resize_bicubic",
            {image},
            [](In t) {
              return power(
                  resize(t[0], bicubic_taps(5, 8, 1.6, true, false), bicubic_taps(6, 4, 0.6, true, true)), 2);
            },
            30});
  add_case({"resize_nearest", {image}, [](In t) {
              return power(resize(t[0], nearest_taps(5, 2), nearest_taps(6, 2)), 2);
            }});
  add_case({"mse", {image, image}, [](In t) { return mse(t[0], t[1]); }, 180});
  add_case({"l1", {image, image}, [](In t) { return l1(t[0], affine(t[1], 1, 3)); }, 180, -1.5, 1.5, false});
  add_case({"attention_composite",
            {{2, 5, 6, 1}, image, image},
            [](In t) { return attention_composite(t[0], t[1], t[2]); },
            3});
  add_case({"total_variation", {image}, [](In t) { return total_variation(t[0]); }, 360, -1.5, 1.5, false});
  add_case({"total_variation_squared",
            {image},
            [](In t) { return total_variation(t[0], Variation::squared); },
            360});
  add_case({"gradient_penalty_channels",
            {image},
            [](In t) { return gradient_penalty(t[0], NormOver::channels); },
            60});
  add_case({"gradient_penalty_sample",
            {image},
            [](In t) { return gradient_penalty(t[0], NormOver::sample, 1e-12); },
            90});
  return all;
}

}  // namespace sga
