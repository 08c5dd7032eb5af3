// Convolution through the engine against the same oneDNN primitive in a bare loop: filters in its own layout,
// nothing to look up, nothing to reorder. %bare is what the engine reaches of it.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>

#include "bench/ceilings.h"
#include "bench/conv_rows.h"
#include "engine/random.h"

namespace sga {
namespace {

using bench::Map, kernels::ConvShape;
using Type = dnnl::memory::data_type;
using Tag = dnnl::memory::format_tag;
using Desc = dnnl::memory::desc;

// The primitive alone, on memory of its own.
std::function<void()> bare_primitive(Map map, const ConvShape& g) {
  dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  dnnl::stream stream(cpu);
  const Desc x({g.n, g.c, g.h, g.w}, Type::f32, Tag::nhwc), w({g.k, g.c, g.r, g.s}, Type::f32, Tag::any),
      y({g.n, g.k, g.p, g.q}, Type::f32, Tag::nhwc);
  const dnnl::memory::dims stride{g.stride, g.stride}, pad{g.pad, g.pad};
  const dnnl::memory::dims after{(g.p - 1) * g.stride + g.r - g.h - g.pad,
                                 (g.q - 1) * g.stride + g.s - g.w - g.pad};
  const auto direct = dnnl::algorithm::convolution_direct;
  dnnl::convolution_forward::primitive_desc forward(
      {dnnl::prop_kind::forward_training, direct, x, w, y, stride, pad, after}, cpu);
  dnnl::primitive primitive;
  std::unordered_map<int, dnnl::memory> args;
  if (map == Map::forward) {
    primitive = dnnl::convolution_forward(forward);
    args = {{DNNL_ARG_SRC, {x, cpu}},
            {DNNL_ARG_WEIGHTS, {forward.weights_desc(), cpu}},
            {DNNL_ARG_DST, {y, cpu}}};
  } else if (map == Map::by_data) {
    dnnl::convolution_backward_data::primitive_desc d({direct, x, w, y, stride, pad, after}, cpu, forward);
    primitive = dnnl::convolution_backward_data(d);
    args = {{DNNL_ARG_DIFF_DST, {y, cpu}},
            {DNNL_ARG_WEIGHTS, {d.weights_desc(), cpu}},
            {DNNL_ARG_DIFF_SRC, {x, cpu}}};
  } else {
    dnnl::convolution_backward_weights::primitive_desc d({direct, x, w, y, stride, pad, after}, cpu, forward);
    primitive = dnnl::convolution_backward_weights(d);
    args = {{DNNL_ARG_SRC, {x, cpu}},
            {DNNL_ARG_DIFF_DST, {y, cpu}},
            {DNNL_ARG_DIFF_WEIGHTS, {d.diff_weights_desc(), cpu}}};
  }
  for (auto& [argument, memory] : args) {  // fresh memory may hold denormals, which are slow
    float* values = static_cast<float*>(memory.get_data_handle());
    std::fill_n(values, memory.get_desc().get_size() / 4, 0.5f);
  }
  return [=]() mutable {
    primitive.execute(stream, args);
    stream.wait();
  };
}

// Share of the bare primitive's speed in percent: both loops in turn, the best of eight rounds each, so that
// a busy moment of the machine hits neither.
double share_of_bare(const std::function<void()>& bare, const std::function<void()>& ours, double flops) {
  const int inner = std::max(1, int(2e9 / flops));
  const auto seconds = [&](const std::function<void()>& run) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < inner; ++i) run();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  double best_bare = 1e9, best_ours = 1e9;
  for (int round = 0; round < 9; ++round) {
    const double b = seconds(bare), o = seconds(ours);
    if (round) best_bare = std::min(best_bare, b), best_ours = std::min(best_ours, o);  // the first warms up
  }
  return 100 * best_bare / best_ours;
}

void register_rows(const std::string& name, const ConvShape& g) {
  for (Map map : {Map::forward, Map::by_data, Map::by_weights})
    for (Precision precision : {Precision::fp32, Precision::bf16}) {
      if (precision == Precision::bf16 && !kernels::cpu_has_bf16()) continue;
      const std::string title = "conv/" + name + "/" + bench::kMapNames[size_t(map)] +
                                (precision == Precision::bf16 ? "/bf16" : "/fp32");
      benchmark::RegisterBenchmark(title.c_str(), [=](benchmark::State& state) {
        Rng rng(1);
        const Tensor x = rng.normal({g.n, g.h, g.w, g.c}), w = rng.normal({g.k, g.r, g.s, g.c}),
                     y = rng.normal({g.n, g.p, g.q, g.k});
        const Cpu cpu{precision};
        const auto ours = [&] {
          if (map == Map::forward)
            kernels::conv(cpu, g, x.data<float>(), w.data<float>(), nullptr, 1.0f, y.data<float>());
          else if (map == Map::by_data)
            kernels::conv_dx(cpu, g, y.data<float>(), w.data<float>(), x.data<float>());
          else
            kernels::conv_dw(cpu, g, x.data<float>(), y.data<float>(), w.data<float>());
        };
        if (precision == Precision::fp32)
          state.counters["%bare"] = share_of_bare(bare_primitive(map, g), ours, g.flops());
        for (auto _ : state) ours();
        bench::report_flops(state, g.flops());
      })->UseRealTime();
    }
}

}  // namespace
}  // namespace sga

int main(int argc, char** argv) {
  for (const auto& [name, shape] : sga::bench::kConvRows) sga::register_rows(name, shape);
  benchmark::AddCustomContext("gemm_GFLOP/s", std::to_string(sga::bench::gemm_rate() * 1e-9));
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
}
