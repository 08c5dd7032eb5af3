// Convolutions and matrix products on a GPU in the three arithmetics, against a large product of the same.
#include <benchmark/benchmark.h>

#include "bench/conv_rows.h"
#include "bench/gpu_timing.h"
#include "engine/device.h"
#include "engine/random.h"
#include "kernels/gemm.h"

namespace sga {
namespace {

using bench::Map, kernels::ConvShape;
constexpr Precision kPrecisions[] = {Precision::fp32, Precision::tf32, Precision::bf16};

void run_map(Cuda where, Map map, const ConvShape& g, float* x, float* w, float* y) {
  if (map == Map::forward)
    kernels::conv(where, g, x, w, nullptr, 1, y);
  else if (map == Map::by_data)
    kernels::conv_dx(where, g, y, w, x);
  else
    kernels::conv_dw(where, g, x, y, w);
}

benchmark::internal::Benchmark* add(const std::string& name, std::function<void(benchmark::State&)> f) {
  return benchmark::RegisterBenchmark(name.c_str(), f)->UseManualTime()->Iterations(1);
}

void register_conv_rows(const std::string& name, const ConvShape& g) {
  for (const Map map : {Map::forward, Map::by_data, Map::by_weights})
    for (const Precision p : kPrecisions)
      add("conv/" + name + "/" + bench::kMapNames[size_t(map)] + "/" + name_of(p),
          [=](benchmark::State& state) {
            Rng rng(1);
            const Tensor x = rng.normal({g.n, g.h, g.w, g.c}), w = rng.normal({g.k, g.r, g.s, g.c}),
                         y = rng.normal({g.n, g.p, g.q, g.k});
            const Cuda where{gpu().stream, p};
            bench::gpu_flops_row(
                state, [&] { run_map(where, map, g, x.data<float>(), w.data<float>(), y.data<float>()); },
                g.flops(), bench::conv_bytes(g), p);
          });
}

void register_gemm_rows(int64_t m, int64_t n, int64_t k) {
  for (const Precision p : kPrecisions)
    add("gemm/" + std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(k) + "/" + name_of(p),
        [=](benchmark::State& state) {
          const Tensor a = Rng(1).normal({m, k}), b = Rng(2).normal({k, n}), c = empty({m, n});
          const Cuda where{gpu().stream, p};
          bench::gpu_flops_row(
              state,
              [&] {
                kernels::gemm(where, false, false, m, n, k, a.data<float>(), b.data<float>(),
                              c.data<float>());
              },
              2.0 * double(m * n * k), 4.0 * double(m * k + k * n + m * n), p);
        });
}

}  // namespace
}  // namespace sga

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  if (!sga::bench::open_gpu()) return 3;
  for (const auto& [name, shape] : sga::bench::kConvRows) sga::register_conv_rows(name, shape);
  // GANimation's official batch.
  sga::register_conv_rows("ganimation residual B=25", sga::bench::conv_shape(25, 32, 32, 256, 256, 3, 1, 1));
  sga::register_conv_rows("ganimation stem B=25", sga::bench::conv_shape(25, 128, 128, 20, 64, 7, 1, 3));
  sga::register_conv_rows("ganimation last critic layer B=50",
                          sga::bench::conv_shape(50, 4, 4, 1024, 2048, 4, 2, 1));
  sga::register_gemm_rows(1024, 1024, 1024);
  sga::register_gemm_rows(8192, 8192, 8192);
  benchmark::RunSpecifiedBenchmarks();
}
