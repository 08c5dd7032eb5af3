#include "bench/gpu_timing.h"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <map>
#include <vector>

#include "engine/device.h"
#include "engine/random.h"
#include "kernels/cuda.h"
#include "kernels/gemm.h"
#include "kernels/pointwise.h"
#include "kernels/reduce.h"

namespace sga::bench {
namespace {

void check(cudaError_t status) {
  SGA_CHECK(status == cudaSuccess, "bench: CUDA answered ", cudaGetErrorString(status));
}

class Event {
 public:
  Event() { check(cudaEventCreate(&event_)); }
  ~Event() { cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  void record() { check(cudaEventRecord(event_, gpu().stream)); }
  double seconds_since(const Event& start) const {
    float ms = 0;
    check(cudaEventElapsedTime(&ms, start.event_, event_));
    return double(ms) * 1e-3;
  }

 private:
  cudaEvent_t event_ = nullptr;
};

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + std::ptrdiff_t(values.size() / 2), values.end());
  return values[values.size() / 2];
}

// Not of the engine's memory, whose peak is measured.
void evict() {
  constexpr int64_t kFloats = 64 << 20;
  static float* const block = [] {
    void* const memory = cuda::allocate(4 * kFloats + 256);
    SGA_CHECK(memory, "bench: the GPU has no ", 4 * kFloats, " bytes left to empty its cache with");
    kernels::fill(gpu(), 0.0f, static_cast<float*>(memory), kFloats);
    return static_cast<float*>(memory);
  }();
  kernels::sum(gpu(), block, kFloats, block + kFloats);
}

// Median of `runs` runs of f, before(): what is not timed. Nothing is waited for until the end, so that the
// host is ahead of the GPU.
double median_seconds(const std::function<void()>& before, const std::function<void()>& f, int runs) {
  std::vector<Event> starts(static_cast<size_t>(runs)), ends(starts.size());
  for (size_t i = 0; i < starts.size(); ++i) {
    before();
    starts[i].record();
    f();
    ends[i].record();
  }
  cuda::wait(gpu());
  std::vector<double> seconds;
  for (size_t i = 0; i < starts.size(); ++i) seconds.push_back(ends[i].seconds_since(starts[i]));
  return median(seconds);
}

// How often f fits into about 0.2 seconds, within [least, most]; runs it a few times, which warms up too.
int runs_of(const std::function<void()>& f, int least, int most) {
  f();
  const double once = median_seconds([] {}, f, 3);
  return int(std::clamp(0.2 / std::max(once, 1e-9), double(least), double(most)));
}

}  // namespace

bool open_gpu() {
  try {
    std::cerr << set_device("cuda") << "\n";
  } catch (const Error& e) {
    const std::string why = e.what();  // it ends with advice on --device, which benches have not
    std::cerr << "bench: " << why.substr(0, why.find("; use --device")) << "; run it where there is one\n";
    return false;
  }
  const auto context = [](const std::string& name, double value) {
    benchmark::AddCustomContext(name, std::to_string(value));
  };
  benchmark::AddCustomContext("device", device_description());
  context("copy_GB/s", gpu_copy_bandwidth() * 1e-9);
  for (const Precision p : {Precision::fp32, Precision::tf32, Precision::bf16})
    context(std::string("gemm_") + name_of(p) + "_GFLOP/s", gpu_gemm_rate(p) * 1e-9);
  return true;
}

double gpu_seconds(const std::function<void()>& f, double bytes) {
  if (bytes > kStaysInL2) return median_seconds(evict, f, runs_of(f, 10, 50));
  constexpr int kInOne = 20;
  f();  // scratch and plans are there before the capture
  cuda::wait(gpu());
  cuda::Graph graph;
  graph.begin(gpu());
  try {
    for (int i = 0; i < kInOne; ++i) f();
  } catch (...) {
    graph.abandon(gpu());
    throw;
  }
  const std::string refusal = graph.end(gpu());
  SGA_CHECK(refusal.empty(), "bench: cannot be captured: ", refusal);
  const auto replay = [&] { graph.launch(gpu()); };
  const double seconds = median_seconds([] {}, replay, runs_of(replay, 10, 100)) / kInOne;
  cuda::wait(gpu());
  return seconds;
}

double gpu_step_seconds(const std::function<void()>& step) {
  for (int i = 0; i < 5; ++i) step();
  cuda::wait(gpu());
  Event begin, end;
  begin.record(), step(), end.record();
  cuda::wait(gpu());
  const int steps = int(std::clamp(1.0 / std::max(end.seconds_since(begin), 1e-9), 8.0, 200.0));
  std::vector<Event> events(static_cast<size_t>(steps) + 1);
  events[0].record();
  for (size_t i = 1; i < events.size(); ++i) step(), events[i].record();
  cuda::wait(gpu());
  std::vector<double> seconds;
  for (size_t i = 1; i < events.size(); ++i) seconds.push_back(events[i].seconds_since(events[i - 1]));
  return median(seconds);
}

double gpu_copy_bandwidth(double bytes) {
  static std::map<int64_t, double> measured;
  const int64_t each = std::max<int64_t>(int64_t(bytes / 2) / 4, 1);
  double& rate = measured[each];
  if (rate == 0) {
    const Tensor a = Rng(1).normal({each}), b = empty({each});
    const double moved = 8.0 * double(each);
    rate = moved / gpu_seconds([&] { cuda::copy(gpu(), b.data<float>(), a.data<float>(), 4 * each); }, moved);
  }
  return rate;
}
double gpu_copy_bandwidth() { return gpu_copy_bandwidth(double(1 << 30)); }

double gpu_gemm_rate(Precision precision) {
  static std::map<Precision, double> measured;
  double& rate = measured[precision];
  if (rate == 0) {
    constexpr int64_t n = 8192;
    const Tensor a = Rng(1).normal({n, n}), b = Rng(2).normal({n, n}), c = empty({n, n});
    const Cuda where{gpu().stream, precision};
    const auto product = [&] {
      kernels::gemm(where, false, false, n, n, n, a.data<float>(), b.data<float>(), c.data<float>());
    };
    rate = 2.0 * double(n * n * n) / gpu_seconds(product, 12.0 * double(n * n));
  }
  return rate;
}

void guarded(benchmark::State& state, const std::function<void()>& row) {
  try {
    row();
  } catch (const Error& e) {  // the other rows still count
    state.SkipWithError(e.what());
    for (auto _ : state) {
    }
  }
}

void report_seconds(benchmark::State& state, double seconds) {
  for (auto _ : state) state.SetIterationTime(seconds);
}

void gpu_bytes_row(benchmark::State& state, const std::function<void()>& f, double bytes) {
  guarded(state, [&] {
    const double seconds = gpu_seconds(f, bytes), rate = bytes / seconds;
    const double same = gpu_copy_bandwidth(bytes);
    report_seconds(state, seconds);
    state.counters["GB/s"] = rate * 1e-9;
    state.counters["%copy"] = 100 * rate / gpu_copy_bandwidth();
    state.counters["%same"] = 100 * rate / same;
  });
}

void gpu_flops_row(benchmark::State& state, const std::function<void()>& f, double flops, double bytes,
                   Precision precision) {
  guarded(state, [&] {
    const double seconds = gpu_seconds(f, bytes), rate = flops / seconds;
    report_seconds(state, seconds);
    state.counters["GFLOP/s"] = rate * 1e-9;
    state.counters["%gemm"] = 100 * rate / gpu_gemm_rate(precision);
    state.counters["FLOP/byte"] = flops / bytes;
  });
}

}  // namespace sga::bench
