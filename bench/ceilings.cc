#include "bench/ceilings.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <vector>

#include "kernels/gemm.h"
#include "kernels/layout.h"

namespace sga::bench {
namespace {

double best_seconds(const std::function<void()>& f, int inner) {
  double best = 1e9;
  for (int repeat = 0; repeat < 10; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < inner; ++i) f();
    best = std::min(best,
                    std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / inner);
  }
  return best;
}

double copy_rate(int64_t bytes, int inner) {
  const int64_t rows = 64, row = bytes / 4 / rows;
  std::vector<float> a(size_t(rows * row), 1), b(a.size());
  return 2.0 * double(bytes) /
         best_seconds([&] { kernels::copy_rows(Cpu{}, rows, row, a.data(), row, 0, b.data(), row, 0); },
                      inner);
}

}  // namespace

double copy_bandwidth() {
  static const double rate = copy_rate(64 << 20, 1);
  return rate;
}
double cached_copy_bandwidth() {
  static const double rate = copy_rate(1 << 20, 50);
  return rate;
}

double gemm_rate() {
  static const double rate = [] {
    const int64_t n = 1024;
    std::vector<float> a(size_t(n * n), 1), b(size_t(n * n), 1), c(size_t(n * n));
    return 2.0 * double(n * n * n) /
           best_seconds([&] { kernels::gemm(Cpu{}, false, false, n, n, n, a.data(), b.data(), c.data()); },
                        2);
  }();
  return rate;
}

void report_bytes(benchmark::State& state, double bytes, double block) {
  const double ceiling = block < (8 << 20) ? cached_copy_bandwidth() : copy_bandwidth();
  state.counters["GB/s"] = benchmark::Counter(bytes * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["%copy"] =  // a rate over a rate: google benchmark writes "/s" behind it all the same
      benchmark::Counter(100 * bytes / ceiling, benchmark::Counter::kIsIterationInvariantRate);
}

void report_flops(benchmark::State& state, double flops) {
  state.counters["GFLOP/s"] = benchmark::Counter(flops * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["%gemm"] =
      benchmark::Counter(100 * flops / gemm_rate(), benchmark::Counter::kIsIterationInvariantRate);
}

}  // namespace sga::bench
