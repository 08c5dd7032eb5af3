#include <cstdio>

#include "tools/singan.h"

namespace sga {
namespace {

std::string sizes_of(const singan::Pyramid& pyramid) {
  std::string sizes;
  for (const singan::Size s : pyramid.levels) sizes += (sizes.empty() ? "" : ", ") + text_of(s);
  return sizes;
}

std::string text_of_amps(const std::vector<double>& amps) {
  std::string text;
  for (const double amp : amps) {
    char number[16];
    std::snprintf(number, sizeof number, "%s%.4f", text.empty() ? "" : ", ", amp);
    text += number;
  }
  return text;
}

}  // namespace

std::string text_of(singan::Size s) { return std::to_string(s.w) + "x" + std::to_string(s.h); }

fs::path model_file(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) return path;
  fs::path file = path / kModelFile;
  SGA_CHECK(fs::exists(file, ignored), path.string(), " holds no ", kModelFile,
            "; give the folder that 'singan train' wrote, after its first level is done");
  return file;
}

AnyModel open_model(const std::string& path) {
  const Checkpoint checkpoint = load_checkpoint(model_file(path));
  const auto kind = checkpoint.metadata.find("model");
  if (kind != checkpoint.metadata.end() && kind->second == "consingan")
    return consingan::load_model(checkpoint);
  if (kind != checkpoint.metadata.end() && kind->second == "gpnn") return gpnn::load_model(checkpoint);
  return singan::load_model(checkpoint);
}

Tensor sample(const AnyModel& model, const singan::SampleOptions& options, uint64_t seed, int64_t index) {
  Rng rng = Rng(seed).fork(uint64_t(index));
  return std::visit([&](const auto& m) { return random_sample(m, options, rng); }, model);
}

int bits_of(const AnyModel& model) {
  return std::visit([](const auto& m) { return int(m.config.bits); }, model);
}

std::string numbered(const char* stem, int64_t index, const char* ending) {
  char name[64];
  std::snprintf(name, sizeof name, "%s_%03lld%s.png", stem, static_cast<long long>(index), ending);
  return name;
}

std::vector<std::pair<std::string, std::string>> describe(const singan::Model& m) {
  int64_t weights = 0;
  std::vector<double> amps;
  for (const singan::Level& level : m.levels) {
    weights += level.generator.net.parameters().numel();
    amps.push_back(level.noise_amp);
  }
  return {{"method", "singan"},
          {"size", text_of(m.pyramid.finest())},
          {"levels", sizes_of(m.pyramid)},
          {"ratio", singan::to_text(m.pyramid.ratio)},
          {"finished levels", std::to_string(m.finished()) + " of " + std::to_string(m.pyramid.count())},
          {"channels", std::to_string(m.channels()) + " of " + std::to_string(m.config.bits) + " bits"},
          {"iterations per level",
           std::to_string(m.config.iterations) +
               (m.config.plateau ? " at most, plateaus of " + std::to_string(m.config.plateau) : "")},
          {"critic steps", std::to_string(m.config.critic_updates) + " an iteration"},
          {"weights", std::to_string(weights)},
          {"noise of each level", text_of_amps(amps)},
          {"noise padding", m.config.noise_padding ? "yes" : "no"},
          {"seed", std::to_string(m.config.seed)}};
}

std::vector<std::pair<std::string, std::string>> describe(const consingan::Model& m) {
  int64_t weights = 0;
  for (const auto& part : m.generator.parts()) weights += part.parameters.numel();
  return {{"method", "consingan"},
          {"size", text_of(m.pyramid.finest())},
          {"levels", sizes_of(m.pyramid)},
          {"finished levels", std::to_string(m.finished()) + " of " + std::to_string(m.pyramid.count())},
          {"stages in training", std::to_string(m.config.concurrent) + " at once, each at " +
                                     singan::to_text(m.config.lr_scale) + " of the rate of the next"},
          {"channels", std::to_string(m.channels()) + " of " + std::to_string(m.config.bits) + " bits"},
          {"iterations per level", std::to_string(m.config.iterations)},
          {"critic steps", std::to_string(m.config.critic_updates) + " an iteration"},
          {"weights", std::to_string(weights)},
          {"noise of each level", text_of_amps(m.noise_amp)},
          {"seed", std::to_string(m.config.seed)}};
}

std::vector<std::pair<std::string, std::string>> describe(const gpnn::Model& m) {
  return {{"method", "gpnn"},
          {"size", text_of(m.pyramid.finest())},
          {"levels", sizes_of(m.pyramid)},
          {"ratio", singan::to_text(m.pyramid.ratio)},
          {"finished levels", std::to_string(m.finished()) + " of " + std::to_string(m.pyramid.count())},
          {"channels", std::to_string(m.image.dim(3)) + " of " + std::to_string(m.config.bits) + " bits"},
          {"patch", std::to_string(m.config.patch) + "x" + std::to_string(m.config.patch)},
          {"rounds per level", std::to_string(m.config.rounds)},
          {"weights", "0"},
          {"noise", singan::to_text(m.config.noise)},
          {"completeness", singan::to_text(m.config.alpha)},
          {"seed", std::to_string(m.config.seed)}};
}

}  // namespace sga
