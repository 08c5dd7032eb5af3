// export_step singan|ganimation: the weights and inputs of a training step, and the losses it gives here, as
// one safetensors file. The scripts in bench/peers/ take the same step from it in PyTorch.
#include <cstdio>

#include "bench/model_steps.h"
#include "engine/device.h"
#include "tools/command.h"

namespace sga {
namespace {

struct Options {
  std::string device = "auto", precision = "fp32", out, preset = "official";
  int64_t scale = 9, height = 0, width = 0, channels = 0, size = 128, batch = 25, conv_dim = 64,
          iterations = 2;
};

void note(Checkpoint& file, int64_t iteration, const std::string& name, double value) {
  file.metadata["loss." + std::to_string(iteration) + "." + name] = singan::to_text(value);
}

void begin(const Options& o) {
  std::fprintf(stderr, "%s\n", set_device(o.device).c_str());
  set_precision(parse_precision(o.precision));
}

void export_singan(const Options& o) {
  begin(o);
  const std::vector<singan::Size> levels = bench::singan_levels();
  SGA_CHECK(o.scale >= 0 && size_t(o.scale) < levels.size(), "export_step: there are scales 0 to ",
            levels.size() - 1, ", got ", o.scale);
  const singan::Size level = levels[size_t(o.scale)];
  bench::SinganStep step =
      bench::make_singan_step(o.preset, o.height ? o.height : level.h, o.width ? o.width : level.w,
                              o.channels ? o.channels : singan::channels_at(int(o.scale)));
  Checkpoint file;
  singan::store(step.config, file);
  file.metadata["model"] = "singan";
  file.metadata["precision"] = name_of(precision());
  file.metadata["noise_amp"] = singan::to_text(step.level.noise_amp);
  file.metadata["lr"] = "0.0005";
  file.metadata["iterations"] = std::to_string(o.iterations);
  const auto keep = [&](const char* name, const Tensor& t) { file.tensors[name] = t.detach().clone(); };
  for (const auto& e : step.level.generator.net.parameters().entries())
    file.tensors["generator." + e.name] = e.value.clone();
  for (const auto& e : step.level.critic.net.parameters().entries())
    file.tensors["critic." + e.name] = e.value.clone();
  keep("real", step.level.real), keep("rec_prior", step.level.rec_prior);
  keep("noise", step.draws.noise), keep("priors", step.draws.priors);
  for (size_t i = 0; i < step.draws.mix.size(); ++i)
    file.metadata["mix." + std::to_string(i)] = singan::to_text(step.draws.mix[i].item());
  for (int64_t i = 1; i <= o.iterations; ++i) {
    const singan::LossesOf<Tensor> l = step.run();
    note(file, i, "d_real", l.d_real.item()), note(file, i, "d_fake", l.d_fake.item());
    note(file, i, "penalty", l.penalty.item());
    note(file, i, "g_adv", l.g_adv.item()), note(file, i, "g_rec", l.g_rec.item());
  }
  save_checkpoint(o.out, file);
}

void export_ganimation(const Options& o) {
  begin(o);
  ganimation::TrainingConfig config = bench::ganimation_config("official", o.size, o.batch);
  config.generator.conv_dim = config.discriminator.conv_dim = o.conv_dim;
  ganimation::Trainer trainer(config);
  const ganimation::Batch batch = bench::ganimation_batch(o.size, o.batch);
  const Tensor mix = Rng(2).uniform({o.batch, 1, 1, 1});
  Checkpoint file;
  ganimation::store(config.generator, file.metadata, "generator.");
  ganimation::store(config.discriminator, file.metadata, "discriminator.");
  const auto number = [&](const char* name, double value) { file.metadata[name] = singan::to_text(value); };
  file.metadata["model"] = "ganimation";
  file.metadata["precision"] = name_of(precision());
  number("lr", config.lr_generator), number("critic_steps", double(config.critic_steps));
  number("iterations", double(config.critic_steps));
  number("weight.penalty", config.weights.penalty), number("weight.aus", config.weights.aus);
  number("weight.cycle", config.weights.cycle), number("weight.mask", config.weights.mask);
  number("weight.smooth", config.weights.smooth);
  for (const auto& e : trainer.generator().parameters().entries())
    file.tensors["generator." + e.name] = e.value.clone();
  for (const auto& e : trainer.discriminator().parameters().entries())
    file.tensors["discriminator." + e.name] = e.value.clone();
  file.tensors["images"] = batch.images, file.tensors["mix"] = mix;
  file.tensors["source_aus"] = batch.source_aus, file.tensors["target_aus"] = batch.target_aus;
  for (int64_t i = 1; i <= config.critic_steps; ++i) {
    trainer.step(batch, mix);
    for (const auto& [name, value] : trainer.losses().terms) note(file, i, name, value);
  }
  save_checkpoint(o.out, file);
}

}  // namespace
}  // namespace sga

int main(int argc, char** argv) {
  using namespace sga;
  return run_tool(
      argc, argv, {"export_step", "Writes a training step for the PyTorch scripts."}, [](CLI::App& app) {
        auto o = std::make_shared<Options>();
        const auto common = [o](CLI::App* sub) {
          sub->add_option("--device", o->device, "auto, cpu or cuda");
          sub->add_option("--precision", o->precision, "fp32, tf32 or bf16");
          sub->add_option("--out", o->out, "The .safetensors file")->required();
        };
        CLI::App* singan = app.add_subcommand("singan", "An iteration of a level of a 188x250 picture");
        common(singan);
        singan->add_option("--preset", o->preset, "default or official");
        singan->add_option("--scale", o->scale, "The level, 0 is the coarsest");
        singan->add_option("--height", o->height, "Another height; 0: the level's");
        singan->add_option("--width", o->width, "Another width; 0: the level's");
        singan->add_option("--channels", o->channels, "Other hidden channels; 0: the level's");
        singan->add_option("--iterations", o->iterations, "How many iterations' losses to note");
        singan->callback([o] { export_singan(*o); });
        CLI::App* ganimation =
            app.add_subcommand("ganimation", "The critic's iterations and one of the generator");
        common(ganimation);
        ganimation->add_option("--batch", o->batch, "Faces");
        ganimation->add_option("--size", o->size, "Side of a face in pixels");
        ganimation->add_option("--conv-dim", o->conv_dim, "Channels after the first layer of both networks");
        ganimation->callback([o] { export_ganimation(*o); });
      });
}
