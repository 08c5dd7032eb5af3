// Whole training steps and one edit, as a share of the matrix product's rate over their convolutions.
#include <benchmark/benchmark.h>

#include "bench/ceilings.h"
#include "engine/device.h"
#include "engine/memory.h"
#include "models/ganimation/editing.h"
#include "models/ganimation/training.h"
#include "models/singan/training.h"

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

// One SinGAN iteration of a level as the preset orders it; convolutions that the mathematics needs: in units
// of a forward pass, 12 a critic step and 2 for the adversarial gradient; generator 1 a critic step, then 2 +
// 3 for each walk back. Priors are left out: they are another level's work.
void singan_iteration(benchmark::State& state, const char* preset, int64_t h, int64_t w, int64_t width,
                      Precision p) {
  set_precision(p);
  const singan::Config config = singan::preset(preset);
  const singan::NetOptions options{.width = width, .keep_bias = config.keep_bias};
  Rng rng(1);
  singan::LevelTraining level(options, rng.uniform({1, h, w, 3}));
  level.generator.net.initialise(rng);
  level.critic.net.initialise(rng);
  level.rec_prior = zeros({1, h, w, 3});
  const singan::Draws draws{rng.normal({1, h, w, 3}),
                            {},
                            rng.normal({config.critic_updates, h, w, 3}),
                            std::vector<double>(size_t(config.critic_updates), 0.4)};
  reset_memory_peak();
  for (auto _ : state) singan::train_iteration(level, config, draws, 5e-4);
  const double d = patch_net_flops(h, w, 3, width, 1), g = patch_net_flops(h + 10, w + 10, 3, width, 3);
  const double walks =
      config.generator_steps == singan::GeneratorSteps::accum ? 1 : double(config.generator_updates);
  bench::report_flops(state, double(config.critic_updates) * (12 * d + g) + 2 * d + walks * 5 * g);
  state.counters["peak_MB"] = double(memory_stats().peak) * 1e-6;
  set_precision(Precision::fp32);
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
void ganimation_cycle(benchmark::State& state, const char* recipe, int64_t size, int64_t batch, Precision p) {
  set_precision(p);
  ganimation::TrainingConfig config = ganimation::recipe(recipe);
  config.generator.size = config.discriminator.size = size;
  config.batch = batch;
  config.epoch_iterations = 1000 * config.critic_steps;
  ganimation::Trainer trainer(config);
  Rng rng(1);
  const ganimation::Batch data{rng.uniform({batch, size, size, 3}), rng.uniform({batch, 17}),
                               rng.uniform({batch, 17})};
  reset_memory_peak();
  for (auto _ : state)
    for (int64_t i = 0; i < config.critic_steps; ++i) trainer.step(data);
  const double g = generator_flops(config.generator), d = discriminator_flops(config.discriminator);
  bench::report_flops(state, double(batch) * (double(config.critic_steps) * (g + 10 * d) + 5 * g + 2 * d));
  state.counters["peak_MB"] = double(memory_stats().peak) * 1e-6;
  set_precision(Precision::fp32);
}

void edit_one_face(benchmark::State& state, Precision p) {
  set_precision(p);
  const ganimation::GeneratorConfig config;
  Rng rng(1);
  const ganimation::Model model(ganimation::export_model(ganimation::Generator(config, rng), {}), "bench");
  const Tensor face = rng.uniform({1, 128, 128, 3});
  for (auto _ : state) model.edit(face, {ActionUnits{}});
  bench::report_flops(state, generator_flops(config));
  set_precision(Precision::fp32);
}

constexpr auto kFp32 = Precision::fp32, kBf16 = Precision::bf16;
BENCHMARK_CAPTURE(singan_iteration, official_scale3_49x66, "official", 49, 66, 32, kFp32)->UseRealTime();
BENCHMARK_CAPTURE(singan_iteration, official_scale5_72x96, "official", 72, 96, 64, kFp32)->UseRealTime();
BENCHMARK_CAPTURE(singan_iteration, default_scale5_72x96, "default", 72, 96, 64, kFp32)->UseRealTime();
BENCHMARK_CAPTURE(singan_iteration, default_scale5_72x96_bf16, "default", 72, 96, 64, kBf16)->UseRealTime();
BENCHMARK_CAPTURE(singan_iteration, default_scale9_188x250, "default", 188, 250, 128, kFp32)->UseRealTime();
BENCHMARK_CAPTURE(singan_iteration, default_scale9_188x250_bf16, "default", 188, 250, 128, kBf16)
    ->UseRealTime();
BENCHMARK_CAPTURE(ganimation_cycle, small_64px_batch16, "small", 64, 16, kFp32)->UseRealTime();
BENCHMARK_CAPTURE(ganimation_cycle, small_64px_batch16_bf16, "small", 64, 16, kBf16)->UseRealTime();
BENCHMARK_CAPTURE(ganimation_cycle, official_128px_batch4, "official", 128, 4, kFp32)->UseRealTime();
BENCHMARK_CAPTURE(edit_one_face, full_size_128px, kFp32)->UseRealTime()->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(edit_one_face, full_size_128px_bf16, kBf16)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace sga

int main(int argc, char** argv) {
  benchmark::AddCustomContext("gemm_GFLOP/s", std::to_string(sga::bench::gemm_rate() * 1e-9));
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
}
