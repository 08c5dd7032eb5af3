// Every kernel family at the shapes of SinGAN's scales and of GANimation, against a copy or a matrix product.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "bench/ceilings.h"
#include "engine/ops.h"
#include "engine/random.h"
#include "kernels/adam.h"
#include "kernels/composite.h"
#include "kernels/layout.h"
#include "kernels/norm.h"
#include "kernels/penalty.h"
#include "kernels/pointwise.h"
#include "kernels/random.h"
#include "kernels/reduce.h"
#include "kernels/resize.h"
#include "kernels/tv.h"

namespace sga {
namespace {

struct Extent {
  const char* name;
  int64_t n, h, w, c;
  int64_t numel() const { return n * h * w * c; }
  Shape shape() const { return {n, h, w, c}; }
};
const Extent kActivations[] = {{"singan scale 3", 1, 49, 66, 32},
                               {"singan scale 7", 1, 121, 160, 64},
                               {"singan scale 9", 1, 188, 250, 128},
                               {"ganimation 64 px", 16, 64, 64, 32},
                               {"ganimation residual", 16, 32, 32, 256}};
const Extent kImages[] = {{"188x250 picture", 1, 188, 250, 3}, {"25 faces", 25, 128, 128, 3}};

// Registers one row: f runs the kernel once; `arrays` is how many arrays of the extent it must read and
// write.
void row(const std::string& family, const Extent& e, double arrays, std::function<void()> f) {
  benchmark::RegisterBenchmark((family + "/" + e.name).c_str(), [=](benchmark::State& state) {
    for (auto _ : state) f();
    bench::report_bytes(state, arrays * 4.0 * double(e.numel()), 4.0 * double(e.numel()));
  })->UseRealTime();
}

Tensor noise(const Shape& shape, uint64_t seed) { return Rng(seed).normal(shape); }

void register_activation_rows(const Extent& e) {
  const Cpu cpu;
  const Tensor x = noise(e.shape(), 1), y = noise(e.shape(), 2), g = noise(e.shape(), 3),
               v = noise(e.shape(), 4);
  const Tensor out = empty(e.shape()), out2 = empty(e.shape());
  const Tensor gamma = noise({e.c}, 5), beta = noise({e.c}, 6), sums = empty({e.n, e.c}),
               sums2 = empty({e.n, e.c});
  const Tensor mean = zeros({e.n, e.c}), rstd = full({e.n, e.c}, 1);
  const auto p = [](const Tensor& t) { return t.data<float>(); };
  const kernels::NormShape s{e.n, e.h * e.w, e.c, false};
  const int64_t n = e.numel();

  row("pointwise/blend", e, 3, [=] { kernels::blend<float>(cpu, p(x), 1, p(y), 1, p(out), n); });
  row("pointwise/gate", e, 3, [=] { kernels::gate<float>(cpu, p(g), p(y), 0.2f, p(out), n); });
  row("reduce/channel_sum", e, 1, [=] {
    kernels::sum_to<float>(cpu, {{1, 1, 1, e.c}, {1, 1, n / e.c, e.c}}, p(x), p(sums));
  });
  // What must move once: the statistics are a second read that a single pass cannot avoid.
  row("norm/forward", e, 2, [=] {
    kernels::instance_norm<float>(cpu, s, p(x), p(gamma), p(beta), 1e-5f, 0.2f, p(out), p(sums), p(sums2));
  });
  row("norm/first", e, 4, [=] {
    kernels::instance_norm_grad<float>(cpu, s, p(x), p(y), p(g), p(gamma), p(mean), p(rstd), 0.2f, p(out),
                                       p(sums), p(sums2));
  });
  row("norm/second", e, 6, [=] {
    kernels::instance_norm_grad2<float>(cpu, s, p(x), p(y), p(g), p(v), p(gamma), p(mean), p(rstd), 0.2f,
                                        p(out), p(out2), p(sums));
  });
}

void register_image_rows(const Extent& e) {
  const Cpu cpu;
  const Tensor x = noise(e.shape(), 1), c = noise(e.shape(), 2), g = noise(e.shape(), 3),
               out = empty(e.shape());
  const Tensor a = noise({e.n, e.h, e.w, 1}, 4), ga = empty(a.shape()), out2 = empty(e.shape()),
               one = full({1}, 1);
  const Tensor norms = empty({e.n * e.h * e.w}), y = empty({1});
  const auto p = [](const Tensor& t) { return t.data<float>(); };
  const int64_t pixels = e.n * e.h * e.w;

  row("pointwise/tanh", e, 2, [=] { kernels::tanh<float>(cpu, p(x), p(out), e.numel()); });
  row("reduce/mse", e, 2, [=] { kernels::mean_squared_difference<float>(cpu, p(x), p(c), e.numel(), p(y)); });
  row("composite/forward", e, 3.33,
      [=] { kernels::attention_composite<float>(cpu, pixels, e.c, p(a), p(x), p(c), p(out)); });
  row("composite/gradient", e, 5.67, [=] {
    kernels::attention_composite_grad<float>(cpu, pixels, e.c, p(a), p(x), p(c), p(g), p(ga), p(out),
                                             p(out2));
  });
  row("penalty/pixels", e, 1.33,
      [=] { kernels::gradient_penalty<float>(cpu, pixels, e.c, p(g), 0.0f, p(norms), p(y)); });
  row("penalty/pixels gradient", e, 2.33,
      [=] { kernels::gradient_penalty_grad<float>(cpu, pixels, e.c, p(g), p(norms), p(one), p(out)); });
  row("penalty/samples", e, 1,
      [=] { kernels::gradient_penalty<float>(cpu, e.n, e.numel() / e.n, p(g), 1e-12f, p(norms), p(y)); });
  row("tv/absolute", e, 1,
      [=] { kernels::total_variation<float>(cpu, e.n, e.h, e.w, e.c, false, p(x), p(y)); });
  row("tv/gradient", e, 2,
      [=] { kernels::total_variation_grad<float>(cpu, e.n, e.h, e.w, e.c, false, p(x), p(one), p(out)); });
  row("random/normal", e, 1, [=] { kernels::normal<float>(cpu, 1, 0, p(out), e.numel()); });
  const Tensor padded = empty({e.n, e.h + 10, e.w + 10, e.c});
  row("layout/pad 5", e, 2, [=] {
    kernels::shift_window<float>(cpu, e.n, e.h, e.w, e.c, 5, 5, e.h + 10, e.w + 10, p(x), p(padded));
  });
  const Taps rows = bicubic_taps(e.h, e.h * 5 / 4, 1.25, true, false),
             columns = bicubic_taps(e.w, e.w * 5 / 4, 1.25, true, false);
  row("resize/bicubic 1.25", e, 2.56, [=] { resize(x, rows, columns); });
}

void register_adam_row() {
  const Extent e{"8.4 million parameters", 1, 1, 1, 8'388'608};
  const Tensor value = noise(e.shape(), 1), g = noise(e.shape(), 2), m = zeros(e.shape()),
               v = zeros(e.shape());
  row("adam/step", e, 7, [=] {
    const kernels::AdamTensor<float> t{value.data<float>(), g.data<float>(), m.data<float>(), v.data<float>(),
                                       e.c};
    kernels::adam<float>(Cpu{}, &t, 1, 1e-4, 0.5, 0.999, 1e-8, 10, false);
  });
}

}  // namespace
}  // namespace sga

int main(int argc, char** argv) {
  for (const auto& e : sga::kActivations) sga::register_activation_rows(e);
  for (const auto& e : sga::kImages) sga::register_image_rows(e);
  sga::register_adam_row();
  benchmark::AddCustomContext("copy_GB/s", std::to_string(sga::bench::copy_bandwidth() * 1e-9));
  benchmark::AddCustomContext("cached_copy_GB/s", std::to_string(sga::bench::cached_copy_bandwidth() * 1e-9));
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
}
