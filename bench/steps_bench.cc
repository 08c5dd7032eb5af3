// Whole training steps and one edit, as a share of the matrix product's rate over their convolutions.
//   steps_bench [--device=cpu|cuda] [--benchmark_...]
// On a GPU every scale of a 188x250 picture and GANimation's official batch, in all three arithmetics, eager
// and captured (StepGraph).
#include <benchmark/benchmark.h>

#include <cstring>

#include "bench/ceilings.h"
#include "bench/model_steps.h"
#include "engine/device.h"
#include "engine/memory.h"
#include "models/ganimation/editing.h"
#ifdef SGA_CUDA
#include "bench/gpu_timing.h"
#include "kernels/cuda.h"
#endif

namespace sga {
namespace {

// Multiply-adds count as 2. One forward pass of a five-layer patch net on an input of h x w pixels.
double patch_net_flops(int64_t h, int64_t w, int64_t in, int64_t width, int64_t out) {
  const int64_t channels[] = {in, width, width, width, width, out};
  double total = 0;
  for (int i = 0; i < 5; ++i)
    total += 2.0 * 9 * double((h - 2 * (i + 1)) * (w - 2 * (i + 1))) * double(channels[i] * channels[i + 1]);
  return total;
}

// Convolutions that the mathematics of an iteration needs: in units of a forward pass, 12 a critic step and 2
// for the adversarial gradient; generator 1 a critic step, then 2 + 3 for each walk back.
double singan_flops(const singan::Config& config, int64_t h, int64_t w, int64_t width) {
  const double d = patch_net_flops(h, w, 3, width, 1), g = patch_net_flops(h + 10, w + 10, 3, width, 3);
  const double walks =
      config.generator_steps == singan::GeneratorSteps::accum ? 1 : double(config.generator_updates);
  return double(config.critic_updates) * (12 * d + g) + 2 * d + walks * 5 * g;
}

double generator_flops(const ganimation::GeneratorConfig& c) {
  const double pixels = double(c.size * c.size), n = double(c.conv_dim);
  const double in = c.conditioning == ganimation::Conditioning::tiled ? 3 + double(c.aus) : 3;
  const double ends = pixels * n * 49 * (in + 4);
  const double halvings = pixels / 4 * 16 * n * 2 * n + pixels / 16 * 16 * 2 * n * 4 * n;
  return 2 * (ends + 2 * halvings + double(2 * c.blocks) * pixels / 16 * 9 * 16 * n * n);
}
double discriminator_flops(const ganimation::DiscriminatorConfig& c) {
  double total = 0, in = 3, out = double(c.conv_dim);
  for (int64_t side = c.size / 2; side >= 2; side /= 2, in = out, out *= 2)
    total += double(side * side) * 16 * in * out;
  return 2 * (total + 4 * 9 * in + 4 * in * double(c.aus));
}
// critic_steps iterations, the last of which trains the generator too: 1 G + 10 D each, then 5 G + 2 D.
double ganimation_flops(const ganimation::TrainingConfig& c) {
  const double g = generator_flops(c.generator), d = discriminator_flops(c.discriminator);
  return double(c.batch) * (double(c.critic_steps) * (g + 10 * d) + 5 * g + 2 * d);
}

void report_peak(benchmark::State& state) { state.counters["peak_MB"] = double(memory_stats().peak) * 1e-6; }

// Sets the arithmetic for one row.
class WithPrecision {
 public:
  explicit WithPrecision(Precision p) : before_(precision()) { set_precision(p); }
  ~WithPrecision() { set_precision(before_); }

 private:
  Precision before_;
};

// ---- CPU

void singan_iteration(benchmark::State& state, const char* preset, int64_t h, int64_t w, int64_t width,
                      Precision p) {
  const WithPrecision with(p);
  bench::SinganStep step = bench::make_singan_step(preset, h, w, width);
  reset_memory_peak();
  for (auto _ : state) step.run();
  bench::report_flops(state, singan_flops(step.config, h, w, width));
  report_peak(state);
}

void ganimation_cycle(benchmark::State& state, const char* recipe, int64_t size, int64_t batch, Precision p) {
  const WithPrecision with(p);
  const ganimation::TrainingConfig config = bench::ganimation_config(recipe, size, batch);
  ganimation::Trainer trainer(config);
  const ganimation::Batch data = bench::ganimation_batch(size, batch);
  reset_memory_peak();
  for (auto _ : state)
    for (int64_t i = 0; i < config.critic_steps; ++i) trainer.step(data);
  bench::report_flops(state, ganimation_flops(config));
  report_peak(state);
}

void edit_one_face(benchmark::State& state, Precision p) {
  const WithPrecision with(p);
  const ganimation::GeneratorConfig config;
  Rng rng(1);
  const ganimation::Model model(ganimation::export_model(ganimation::Generator(config, rng), {}), "bench");
  const Tensor face = rng.uniform({1, 128, 128, 3});
  for (auto _ : state) model.edit(face, {ActionUnits{}});
  bench::report_flops(state, generator_flops(config));
}

template <class... A>
auto* add(const std::string& name, void (*f)(benchmark::State&, A...), std::common_type_t<A>... a) {
  return benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& state) { f(state, a...); })
      ->UseRealTime();
}

void register_cpu_rows() {
  constexpr auto kFp32 = Precision::fp32, kBf16 = Precision::bf16;
  add("singan_iteration/official_scale3_49x66", singan_iteration, "official", 49, 66, 32, kFp32);
  add("singan_iteration/official_scale5_72x96", singan_iteration, "official", 72, 96, 64, kFp32);
  add("singan_iteration/default_scale5_72x96", singan_iteration, "default", 72, 96, 64, kFp32);
  add("singan_iteration/default_scale5_72x96_bf16", singan_iteration, "default", 72, 96, 64, kBf16);
  add("singan_iteration/default_scale9_188x250", singan_iteration, "default", 188, 250, 128, kFp32);
  add("singan_iteration/default_scale9_188x250_bf16", singan_iteration, "default", 188, 250, 128, kBf16);
  add("ganimation_cycle/small_64px_batch16", ganimation_cycle, "small", 64, 16, kFp32);
  add("ganimation_cycle/small_64px_batch16_bf16", ganimation_cycle, "small", 64, 16, kBf16);
  add("ganimation_cycle/official_128px_batch4", ganimation_cycle, "official", 128, 4, kFp32);
  add("edit_one_face/full_size_128px", edit_one_face, kFp32)->Unit(benchmark::kMillisecond);
  add("edit_one_face/full_size_128px_bf16", edit_one_face, kBf16)->Unit(benchmark::kMillisecond);
  benchmark::AddCustomContext("gemm_GFLOP/s", std::to_string(bench::gemm_rate() * 1e-9));
}

// ---- GPU

#ifdef SGA_CUDA
void gpu_row(const std::string& name, Precision p, bool captured,
             const std::function<void(benchmark::State&)>& row) {
  const std::string full = name + "/" + name_of(p) + (captured ? "/captured" : "/eager");
  benchmark::RegisterBenchmark(full.c_str(),
                               [=](benchmark::State& state) {
                                 const WithPrecision with(p);
                                 StepGraph::set_enabled(captured);
                                 release_cached_memory();
                                 reset_memory_peak();
                                 bench::guarded(state, [&] { row(state); });
                                 StepGraph::set_enabled(true);
                               })
      ->UseManualTime()
      ->Iterations(1)
      ->Unit(benchmark::kMillisecond);
}

// peak_MB is what tensors held. device_MB is what the whole GPU has in use: the driver's context and whatever
// convolutions keep for themselves included.
void report_step(benchmark::State& state, double seconds, double flops, Precision p) {
  static const int64_t total = cuda::devices(nullptr).at(0).memory;
  bench::report_seconds(state, seconds);
  state.counters["GFLOP/s"] = flops / seconds * 1e-9;
  state.counters["%gemm"] = 100 * flops / seconds / bench::gpu_gemm_rate(p);
  state.counters["device_MB"] = double(total - cuda::free_memory()) * 1e-6;
  report_peak(state);
}

void register_gpu_rows() {
  for (const Precision p : {Precision::fp32, Precision::tf32, Precision::bf16})
    for (const bool captured : {false, true}) {
      for (const char* preset : {"default", "official"}) {
        const std::vector<singan::Size> levels = bench::singan_levels();
        for (size_t n = 0; n < levels.size(); ++n) {
          const int64_t h = levels[n].h, w = levels[n].w, width = singan::channels_at(int(n));
          const std::string name = std::string("singan_iteration/") + preset + "_scale" + std::to_string(n) +
                                   "_" + std::to_string(h) + "x" + std::to_string(w);
          gpu_row(name, p, captured, [=](benchmark::State& state) {
            bench::SinganStep step = bench::make_singan_step(preset, h, w, width);
            StepGraph graph;
            const double seconds = bench::gpu_step_seconds([&] { graph.run([&] { step.run(); }); });
            report_step(state, seconds, singan_flops(step.config, h, w, width), p);
            state.counters["nodes"] = double(graph.nodes());
          });
        }
      }
      gpu_row("ganimation_cycle/official_128px_batch25", p, captured, [=](benchmark::State& state) {
        const ganimation::TrainingConfig config = bench::ganimation_config("official", 128, 25);
        ganimation::Trainer trainer(config);
        const ganimation::Batch data = bench::ganimation_batch(128, 25);
        const double seconds = bench::gpu_step_seconds([&] {
          for (int64_t i = 0; i < config.critic_steps; ++i) trainer.step(data);
        });
        report_step(state, seconds, ganimation_flops(config), p);
      });
    }
}
#endif

// Takes --device=... out of the arguments; "cpu" if it is not there.
std::string device_of(int& argc, char** argv) {
  constexpr const char* kFlag = "--device=";
  for (int i = 1; i < argc; ++i)
    if (std::strncmp(argv[i], kFlag, std::strlen(kFlag)) == 0) {
      const std::string name = argv[i] + std::strlen(kFlag);
      std::move(argv + i + 1, argv + argc, argv + i);
      --argc;
      return name;
    }
  return "cpu";
}

}  // namespace
}  // namespace sga

int main(int argc, char** argv) {
  const std::string device = sga::device_of(argc, argv);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  if (device == "cpu") {
    sga::register_cpu_rows();
  } else {
#ifdef SGA_CUDA
    if (!sga::bench::open_gpu()) return 3;
    sga::register_gpu_rows();
#else
    std::fprintf(stderr, "steps_bench: this build runs on a CPU alone, got --device=%s\n", device.c_str());
    return 3;
#endif
  }
  benchmark::RunSpecifiedBenchmarks();
}
