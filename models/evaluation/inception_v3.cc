#include "models/evaluation/inception_v3.h"

#include <algorithm>
#include <cmath>
#include <sstream>

namespace sga::evaluation {
namespace {

constexpr int64_t kSmallest = 75;

using Shapes = std::map<std::string, NormedConvShape>;

NormedConvShape point(int64_t in, int64_t out) { return {in, out}; }
NormedConvShape square(int64_t in, int64_t out, int64_t side, int64_t stride, int64_t pad) {
  return {in, out, side, side, stride, pad, pad};
}
NormedConvShape row(int64_t in, int64_t out, int64_t length) {
  return {in, out, 1, length, 1, 0, length / 2};
}
NormedConvShape column(int64_t in, int64_t out, int64_t length) {
  return {in, out, length, 1, 1, length / 2, 0};
}

void add_a(Shapes& s, const std::string& name, int64_t in, int64_t pooled) {
  s[name + ".branch1x1"] = point(in, 64);
  s[name + ".branch5x5_1"] = point(in, 48);
  s[name + ".branch5x5_2"] = square(48, 64, 5, 1, 2);
  s[name + ".branch3x3dbl_1"] = point(in, 64);
  s[name + ".branch3x3dbl_2"] = square(64, 96, 3, 1, 1);
  s[name + ".branch3x3dbl_3"] = square(96, 96, 3, 1, 1);
  s[name + ".branch_pool"] = point(in, pooled);
}

void add_c(Shapes& s, const std::string& name, int64_t c) {
  s[name + ".branch1x1"] = point(768, 192);
  s[name + ".branch7x7_1"] = point(768, c);
  s[name + ".branch7x7_2"] = row(c, c, 7);
  s[name + ".branch7x7_3"] = column(c, 192, 7);
  s[name + ".branch7x7dbl_1"] = point(768, c);
  s[name + ".branch7x7dbl_2"] = column(c, c, 7);
  s[name + ".branch7x7dbl_3"] = row(c, c, 7);
  s[name + ".branch7x7dbl_4"] = column(c, c, 7);
  s[name + ".branch7x7dbl_5"] = row(c, 192, 7);
  s[name + ".branch_pool"] = point(768, 192);
}

void add_e(Shapes& s, const std::string& name, int64_t in) {
  s[name + ".branch1x1"] = point(in, 320);
  s[name + ".branch3x3_1"] = point(in, 384);
  s[name + ".branch3x3_2a"] = row(384, 384, 3);
  s[name + ".branch3x3_2b"] = column(384, 384, 3);
  s[name + ".branch3x3dbl_1"] = point(in, 448);
  s[name + ".branch3x3dbl_2"] = square(448, 384, 3, 1, 1);
  s[name + ".branch3x3dbl_3a"] = row(384, 384, 3);
  s[name + ".branch3x3dbl_3b"] = column(384, 384, 3);
  s[name + ".branch_pool"] = point(in, 192);
}

}  // namespace

std::map<std::string, NormedConvShape> inception_v3_layers() {
  Shapes s = {{"Conv2d_1a_3x3", square(3, 32, 3, 2, 0)},
              {"Conv2d_2a_3x3", square(32, 32, 3, 1, 0)},
              {"Conv2d_2b_3x3", square(32, 64, 3, 1, 1)},
              {"Conv2d_3b_1x1", point(64, 80)},
              {"Conv2d_4a_3x3", square(80, 192, 3, 1, 0)},
              {"Mixed_6a.branch3x3", square(288, 384, 3, 2, 0)},
              {"Mixed_6a.branch3x3dbl_1", point(288, 64)},
              {"Mixed_6a.branch3x3dbl_2", square(64, 96, 3, 1, 1)},
              {"Mixed_6a.branch3x3dbl_3", square(96, 96, 3, 2, 0)},
              {"Mixed_7a.branch3x3_1", point(768, 192)},
              {"Mixed_7a.branch3x3_2", square(192, 320, 3, 2, 0)},
              {"Mixed_7a.branch7x7x3_1", point(768, 192)},
              {"Mixed_7a.branch7x7x3_2", row(192, 192, 7)},
              {"Mixed_7a.branch7x7x3_3", column(192, 192, 7)},
              {"Mixed_7a.branch7x7x3_4", square(192, 192, 3, 2, 0)}};
  add_a(s, "Mixed_5b", 192, 32), add_a(s, "Mixed_5c", 256, 64), add_a(s, "Mixed_5d", 288, 64);
  add_c(s, "Mixed_6b", 128), add_c(s, "Mixed_6c", 160), add_c(s, "Mixed_6d", 160), add_c(s, "Mixed_6e", 192);
  add_e(s, "Mixed_7b", 1280), add_e(s, "Mixed_7c", 2048);
  return s;
}

InceptionV3::InceptionV3(const Checkpoint& weights) : centred_(enters_centred(weights)) {
  const std::string prefix = inception_prefix(weights);
  for (const auto& [name, shape] : inception_v3_layers())
    layers_[name] = load_normed_conv(weights, prefix + name, shape);
  const auto classes = weights.tensors.find(prefix + "fc.weight");
  torchvision_ = classes != weights.tensors.end() && classes->second.dim(0) == 1000;
}

// Layers by name with blanks between, one after the other.
Tensor InceptionV3::run(const std::string& layers, const Tensor& x) const {
  std::istringstream names(layers);
  Tensor y = x;
  for (std::string name; names >> name;) y = layers_.at(name)(y);
  return y;
}

Tensor InceptionV3::block_a(const std::string& name, const Tensor& x) const {
  const std::string b = name + ".branch", d = b + "3x3dbl_";
  return concat({run(b + "1x1", x), run(b + "5x5_1 " + b + "5x5_2", x), run(d + "1 " + d + "2 " + d + "3", x),
                 run(b + "_pool", mean_around(x))},
                3);
}

Tensor InceptionV3::block_b(const std::string& name, const Tensor& x) const {
  const std::string b = name + ".branch", d = b + "3x3dbl_";
  return concat({run(b + "3x3", x), run(d + "1 " + d + "2 " + d + "3", x), max_pool(x)}, 3);
}

Tensor InceptionV3::block_c(const std::string& name, const Tensor& x) const {
  const std::string b = name + ".branch", s = b + "7x7_", d = b + "7x7dbl_";
  return concat(
      {run(b + "1x1", x), run(s + "1 " + s + "2 " + s + "3", x),
       run(d + "1 " + d + "2 " + d + "3 " + d + "4 " + d + "5", x), run(b + "_pool", mean_around(x))},
      3);
}

Tensor InceptionV3::block_d(const std::string& name, const Tensor& x) const {
  const std::string b = name + ".branch", s = b + "7x7x3_";
  return concat(
      {run(b + "3x3_1 " + b + "3x3_2", x), run(s + "1 " + s + "2 " + s + "3 " + s + "4", x), max_pool(x)}, 3);
}

Tensor InceptionV3::block_e(const std::string& name, const Tensor& x, bool last) const {
  const std::string b = name + ".branch", s = b + "3x3_", d = b + "3x3dbl_";
  const Tensor single = run(s + "1", x), twice = run(d + "1 " + d + "2", x);
  return concat({run(b + "1x1", x), run(s + "2a", single), run(s + "2b", single), run(d + "3a", twice),
                 run(d + "3b", twice), run(b + "_pool", last ? max_around(x) : mean_around(x))},
                3);
}

Tensor InceptionV3::operator()(const Tensor& pictures) const {
  SGA_CHECK(
      pictures.rank() == 4 && pictures.dim(3) == 3 && std::min(pictures.dim(1), pictures.dim(2)) >= kSmallest,
      "InceptionV3: pictures must be (N,h,w,3) of at least ", kSmallest, " pixels a side, got ",
      pictures.shape());
  NoGrad off;
  Tensor x = centred_ ? affine(pictures, 2, -1) : pictures;
  x = max_pool(run("Conv2d_1a_3x3 Conv2d_2a_3x3 Conv2d_2b_3x3", x));
  x = max_pool(run("Conv2d_3b_1x1 Conv2d_4a_3x3", x));
  for (const char* name : {"Mixed_5b", "Mixed_5c", "Mixed_5d"}) x = block_a(name, x);
  x = block_b("Mixed_6a", x);
  for (const char* name : {"Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"}) x = block_c(name, x);
  x = block_d("Mixed_7a", x);
  x = block_e("Mixed_7c", block_e("Mixed_7b", x, false), true);
  const Tensor sums = sum_to(x, {x.dim(0), 1, 1, kFeatures});
  return reshape(affine(sums, 1 / double(x.dim(1) * x.dim(2))), {x.dim(0), kFeatures});
}

Taps bilinear_centre_taps(int64_t n_in, int64_t n_out) {
  SGA_CHECK(n_in > 0 && n_out > 0, "bilinear_centre_taps: sizes must be positive, got ", n_in, " -> ", n_out);
  Taps taps{n_in, n_out, {0}, {}, {}, double(n_out) / double(n_in)};
  for (int64_t o = 0; o < n_out; ++o) {
    const double at = std::max(0.0, (double(o) + 0.5) * double(n_in) / double(n_out) - 0.5);
    const auto below = int64_t(std::floor(at));
    const double share = below + 1 < n_in ? at - double(below) : 0;
    taps.index.push_back(int32_t(std::min(below, n_in - 1)));
    taps.weight.push_back(1 - share);
    if (share > 0) {
      taps.index.push_back(int32_t(below + 1));
      taps.weight.push_back(share);
    }
    taps.first.push_back(int32_t(taps.index.size()));
  }
  return taps;
}

}  // namespace sga::evaluation
