// Every kernel family on a GPU, against copies: at 64 MiB and more from memory, at the models' shapes mostly
// from the L2.
#include <benchmark/benchmark.h>

#include "bench/gpu_timing.h"
#include "bench/kernel_rows.h"
#include "engine/device.h"
#include "kernels/adam.h"
#include "kernels/random.h"
#include "kernels/sum_parts.h"

namespace sga {
namespace {

using bench::address, bench::Extent;

const Extent kLargeActivations[] = {{"singan scale 8", 1, 151, 200, 128},
                                    {"64 MiB", 1, 512, 512, 64},
                                    {"ganimation stem B=25", 25, 128, 128, 64},
                                    {"ganimation residual B=64", 64, 32, 32, 256}};
const Extent kLargeImages[] = {{"64 MiB of pictures", 342, 128, 128, 3}};

void row(const std::string& family, const Extent& e, double arrays, std::function<void()> f) {
  benchmark::RegisterBenchmark(
      (family + "/" + e.name).c_str(),
      [=](benchmark::State& state) { bench::gpu_bytes_row(state, f, arrays * 4.0 * double(e.numel())); })
      ->UseManualTime()
      ->Iterations(1);
}

// The norm by each of its variants; the rows without a name in brackets take norm_variant's choice.
void register_norm_variants(const Extent& e) {
  const auto p = address;
  const Tensor x = bench::noise(e.shape(), 1), y = bench::noise(e.shape(), 2), g = bench::noise(e.shape(), 3),
               v = bench::noise(e.shape(), 4), out = empty(e.shape()), out2 = empty(e.shape());
  const Tensor gamma = bench::noise({e.c}, 5), beta = bench::noise({e.c}, 6), sums = empty({e.n, e.c}),
               sums2 = empty({e.n, e.c}), mean = zeros({e.n, e.c}), rstd = full({e.n, e.c}, 1);
  const kernels::NormShape s{e.n, e.h * e.w, e.c, false};
  for (int i = 0; i < int(std::size(kernels::kNormVariants)); ++i) {
    const std::string variant = std::string(" (") + kernels::kNormVariants[i] + ")";
    row("norm/forward" + variant, e, 2, [=] {
      kernels::instance_norm_variant(gpu(), i, s, p(x), p(gamma), p(beta), 1e-5f, 0.2f, p(out), p(sums),
                                     p(sums2));
    });
    row("norm/first" + variant, e, 4, [=] {
      kernels::instance_norm_grad_variant(gpu(), i, s, p(x), p(y), p(g), p(gamma), p(mean), p(rstd), 0.2f,
                                          p(out), p(sums), p(sums2));
    });
    row("norm/second" + variant, e, 6, [=] {
      kernels::instance_norm_grad2_variant(gpu(), i, s, p(x), p(y), p(g), p(v), p(gamma), p(mean), p(rstd),
                                           0.2f, p(out), p(out2), p(sums));
    });
  }
}

void register_random_row(const Extent& e) {
  const Tensor out = empty(e.shape());
  row("random/normal", e, 1, [=] { kernels::normal(gpu(), 1, nullptr, 0, address(out), e.numel()); });
}

// All parameters of a network in one launch: as many tensors as a SinGAN net (18) or GANimation's generator
// (55).
void register_adam_row(const char* name, int tensors, int64_t numel) {
  const Extent e{name, 1, 1, tensors, numel / tensors};
  const Tensor value = bench::noise(e.shape(), 1), g = bench::noise(e.shape(), 2), m = zeros(e.shape()),
               v = zeros(e.shape()), rate = full({1}, 1e-4), steps = zeros({2});
  std::vector<kernels::AdamTensor<float>> table;
  for (int i = 0; i < tensors; ++i) {
    const int64_t at = i * e.c;
    table.push_back({address(value) + at, address(g) + at, address(m) + at, address(v) + at, e.c});
  }
  row("adam/step", e, 7, [=, keep = std::vector{value, g, m, v}] {
    kernels::adam(gpu(), table.data(), tensors, address(rate), 0.5, 0.999, 1e-8,
                  reinterpret_cast<uint64_t*>(address(steps)), false);
  });
}

// Two contributions each to all parameters of a network.
void register_sum_row(const char* name, int tensors, int64_t numel) {
  const Extent e{name, 1, 1, tensors, numel / tensors};
  const Tensor a = bench::noise(e.shape(), 1), b = bench::noise(e.shape(), 2), y = empty(e.shape());
  std::vector<kernels::PartsOf<float>> table;
  for (int i = 0; i < tensors; ++i) {
    const int64_t at = i * e.c;
    table.push_back({address(y) + at, {address(a) + at, address(b) + at}, 2, e.c});
  }
  row("sum_parts/two", e, 3,
      [=, keep = std::vector{a, b, y}] { kernels::sum_parts(gpu(), table.data(), tensors); });
}

void register_nearest(const std::string& name, double flops, double bytes, std::function<void()> f) {
  benchmark::RegisterBenchmark(
      name.c_str(),
      [=](benchmark::State& state) { bench::gpu_flops_row(state, f, flops, bytes, Precision::fp32); })
      ->UseManualTime()
      ->Iterations(1);
}

}  // namespace
}  // namespace sga

int main(int argc, char** argv) {
  using namespace sga;
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  if (!bench::open_gpu()) return 3;
  const auto activations = [](const Extent& e) {
    bench::register_activation_rows(gpu(), e, row);
    register_norm_variants(e);
  };
  const auto images = [](const Extent& e) {
    bench::register_image_rows(gpu(), e, row);
    register_random_row(e);
  };
  for (const auto& e : bench::kActivations) activations(e);
  for (const auto& e : kLargeActivations) activations(e);
  for (const auto& e : bench::kImages) images(e);
  for (const auto& e : kLargeImages) images(e);
  register_adam_row("singan scale 9 net", 18, 18 * 32'768);
  register_adam_row("8.4 million parameters", 64, 8'388'608);
  register_adam_row("64 MiB", 64, 16'777'216);
  register_sum_row("singan scale 9 net", 18, 18 * 32'768);
  register_sum_row("64 MiB", 64, 16'777'216);
  bench::register_nearest_rows(register_nearest);
  benchmark::RunSpecifiedBenchmarks();
}
