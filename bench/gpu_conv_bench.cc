// Convolutions and matrix products on a GPU in the three arithmetics, against a large product of the same.
#include <benchmark/benchmark.h>

#include "bench/conv_rows.h"
#include "bench/gpu_timing.h"
#include "engine/device.h"
#include "engine/random.h"
#include "kernels/conv_cuda.h"
#include "kernels/conv_direct.h"
#include "kernels/gemm.h"

namespace sga {
namespace {

using bench::Map, kernels::ConvShape;
constexpr Precision kPrecisions[] = {Precision::fp32, Precision::tf32, Precision::bf16};

constexpr kernels::ConvKind kind_of(Map map) { return kernels::ConvKind(int(map)); }

/// Runs one map.
using Run = std::function<void(Cuda, float* x, float* w, float* y)>;

Run by_engine(kernels::ConvEngine engine, Map map, const ConvShape& g) {
  return [=](Cuda where, float* x, float* w, float* y) {
    if (map == Map::forward)
      kernels::conv_with(engine, where, g, x, w, nullptr, 1, y);
    else if (map == Map::by_data)
      kernels::conv_dx_with(engine, where, g, y, w, x);
    else
      kernels::conv_dw_with(engine, where, g, x, y, w);
  };
}

Run by_tile(int variant, Map map, const ConvShape& g) {
  return [=](Cuda where, float* x, float* w, float* y) {
    if (map == Map::forward)
      kernels::conv_mma(where, g, x, w, nullptr, 1, y, variant);
    else if (map == Map::by_data)
      kernels::conv_dx_mma(where, g, y, w, x, variant);
    else
      kernels::conv_dw_mma(where, g, x, y, w, variant);
  };
}

benchmark::internal::Benchmark* add(const std::string& name, std::function<void(benchmark::State&)> f) {
  return benchmark::RegisterBenchmark(name.c_str(), f)->UseManualTime()->Iterations(1);
}

void register_conv_row(const std::string& name, const ConvShape& g, Precision p, const Run& run) {
  add(name, [=](benchmark::State& state) {
    Rng rng(1);
    const Tensor x = rng.normal({g.n, g.h, g.w, g.c}), w = rng.normal({g.k, g.r, g.s, g.c}),
                 y = rng.normal({g.n, g.p, g.q, g.k});
    const Cuda where{gpu().stream, p};
    const auto once = [&] { run(where, x.data<float>(), w.data<float>(), y.data<float>()); };
    bench::gpu_flops_row(state, once, g.flops(), bench::conv_bytes(g), p);
  });
}

// What the engine takes, the library, our tensor core kernels with each of their tiles, and the plain kernel.
void register_conv_rows(const std::string& shape, const ConvShape& g) {
  using kernels::ConvEngine;
  for (const Map map : {Map::forward, Map::by_data, Map::by_weights})
    for (const Precision p : kPrecisions) {
      const std::string name = "conv/" + shape + "/" + bench::kMapNames[size_t(map)] + "/" + name_of(p);
      register_conv_row(name, g, p, by_engine(ConvEngine::best, map, g));
      register_conv_row(name + " (library)", g, p, by_engine(ConvEngine::library, map, g));
      if (p == Precision::fp32)
        register_conv_row(name + " (direct)", g, p, by_engine(ConvEngine::direct, map, g));
      if (!kernels::mma_supports(kind_of(map), g, p)) continue;
      for (int tile = 0; tile <= kernels::kMmaVariants[int(map)]; ++tile)
        if (kernels::mma_takes(kind_of(map), g, tile))
          register_conv_row(name + (tile ? " (mma, tile " + std::to_string(tile) + ")" : " (mma)"), g, p,
                          by_tile(tile, map, g));
    }
}

void register_gemm_rows(int64_t m, int64_t n, int64_t k) {
  const auto row = [=](const std::string& variant, Precision p, auto product) {
    add("gemm/" + std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(k) + "/" + name_of(p) +
            variant,
        [=](benchmark::State& state) {
          const Tensor a = Rng(1).normal({m, k}), b = Rng(2).normal({k, n}), c = empty({m, n});
          const Cuda where{gpu().stream, p};
          const auto run = [&] {
            product(where, false, false, m, n, k, a.data<float>(), b.data<float>(), c.data<float>());
          };
          bench::gpu_flops_row(state, run, 2.0 * double(m * n * k), 4.0 * double(m * k + k * n + m * n), p);
        });
  };
  for (const Precision p : kPrecisions) row("", p, [](Cuda where, auto... a) { kernels::gemm(where, a...); });
  row(" (tiled)", Precision::fp32, [](Cuda where, auto... a) { kernels::gemm_tiled(where, a...); });
}

}  // namespace
}  // namespace sga

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  if (!sga::bench::open_gpu()) return 3;
  for (const auto& [name, shape] : sga::bench::kConvRows) sga::register_conv_rows(name, shape);
  // GANimation's official batch.
  sga::register_conv_rows("ganimation residual B=25",
                          sga::kernels::conv_shape(25, 32, 32, 256, 256, 3, 3, 1, 1));
  sga::register_conv_rows("ganimation stem B=25", sga::kernels::conv_shape(25, 128, 128, 20, 64, 7, 7, 1, 3));
  sga::register_conv_rows("ganimation last critic layer B=50",
                          sga::kernels::conv_shape(50, 4, 4, 1024, 2048, 4, 4, 2, 1));
  sga::register_gemm_rows(1024, 1024, 1024);
  sga::register_gemm_rows(8192, 8192, 8192);
  benchmark::RunSpecifiedBenchmarks();
}
