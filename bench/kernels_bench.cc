// Every kernel family on the CPU, against a copy or a matrix product.
#include <benchmark/benchmark.h>

#include "bench/ceilings.h"
#include "bench/kernel_rows.h"
#include "kernels/adam.h"
#include "kernels/random.h"
#include "kernels/sum_parts.h"

namespace sga {
namespace {

using bench::address, bench::Extent;

void row(const std::string& family, const Extent& e, double arrays, std::function<void()> f) {
  benchmark::RegisterBenchmark((family + "/" + e.name).c_str(), [=](benchmark::State& state) {
    for (auto _ : state) f();
    bench::report_bytes(state, arrays * 4.0 * double(e.numel()), 4.0 * double(e.numel()));
  })->UseRealTime();
}

void register_random_row(const Extent& e) {
  const Tensor out = empty(e.shape());
  row("random/normal", e, 1, [=] { kernels::normal(Cpu{}, 1, 0, address(out), e.numel()); });
}

void register_adam_row() {
  const Extent e{"8.4 million parameters", 1, 1, 1, 8'388'608};
  const Tensor value = bench::noise(e.shape(), 1), g = bench::noise(e.shape(), 2), m = zeros(e.shape()),
               v = zeros(e.shape());
  row("adam/step", e, 7, [=] {
    const kernels::AdamTensor<float> t{address(value), address(g), address(m), address(v), e.c};
    kernels::adam(Cpu{}, &t, 1, 1e-4, 0.5, 0.999, 1e-8, 10, false);
  });
}

void register_sum_row() {
  const Extent e{"8.4 million parameters", 1, 1, 1, 8'388'608};
  const Tensor a = bench::noise(e.shape(), 1), b = bench::noise(e.shape(), 2), y = empty(e.shape());
  row("sum_parts/two", e, 3, [=] {
    const kernels::PartsOf<float> t{address(y), {address(a), address(b)}, 2, e.c};
    kernels::sum_parts(Cpu{}, &t, 1);
  });
}

// Above 100 %: a tree leaves most keys out.
void register_nearest(const std::string& name, double flops, double, std::function<void()> f) {
  benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) {
    for (auto _ : state) f();
    bench::report_flops(state, flops);
  })->UseRealTime();
}

}  // namespace
}  // namespace sga

int main(int argc, char** argv) {
  using namespace sga;
  for (const auto& e : bench::kActivations) bench::register_activation_rows(Cpu{}, e, row);
  for (const auto& e : bench::kImages) {
    bench::register_image_rows(Cpu{}, e, row);
    register_random_row(e);
  }
  register_adam_row();
  bench::register_nearest_rows(register_nearest);
  register_sum_row();
  benchmark::AddCustomContext("copy_GB/s", std::to_string(bench::copy_bandwidth() * 1e-9));
  benchmark::AddCustomContext("cached_copy_GB/s", std::to_string(bench::cached_copy_bandwidth() * 1e-9));
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
}
