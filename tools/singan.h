// What the subcommands of singan share. Each subcommand has a file of its own, singan_NAME.cc.
#pragma once
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "models/consingan/model.h"
#include "models/singan/sampling.h"
#include "tools/command.h"

namespace sga {

constexpr const char* kModelFile = "model.safetensors";  ///< in the folder of a training run

/// "250x188": width, then height.
std::string text_of(singan::Size size);
/// STEM_007.png
std::string numbered(const char* stem, int64_t index);
/// A model of one picture, by any method. Each has the members image, finished() and size(level), and
/// overloads of random_sample, reconstruction, inject and describe:
///   std::visit([&](const auto& m) { return inject(m, picture, start, rng); }, model)
using AnyModel = std::variant<singan::Model, consingan::Model>;
/// A model file, or the folder of a run that holds one.
AnyModel open_model(const std::string& path);
/// Picture `index` of a seed, whatever the number of pictures drawn.
Tensor sample(const AnyModel& model, const singan::SampleOptions& options, uint64_t seed, int64_t index);
/// What a model holds, as rows of a table.
std::vector<std::pair<std::string, std::string>> describe(const singan::Model& model);
std::vector<std::pair<std::string, std::string>> describe(const consingan::Model& model);

void declare_train(CLI::App& app);
void declare_sample(CLI::App& app);
void declare_import(CLI::App& app);

}  // namespace sga
