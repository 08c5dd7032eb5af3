// What the subcommands of singan share. Each subcommand has a file of its own, singan_NAME.cc.
#pragma once
#include <functional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "engine/image.h"
#include "models/gpnn/model.h"
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
using AnyModel = std::variant<singan::Model, gpnn::Model>;
/// A model file, or the folder of a run that holds one.
AnyModel open_model(const std::string& path);
/// Picture `index` of a seed, whatever the number of pictures drawn.
Tensor sample(const AnyModel& model, const singan::SampleOptions& options, uint64_t seed, int64_t index);
/// What a model holds, as rows of a table.
std::vector<std::pair<std::string, std::string>> describe(const singan::Model& model);
std::vector<std::pair<std::string, std::string>> describe(const gpnn::Model& model);

/// --tile: "" if `text` is auto, off or a number of pixels, else what is wrong with it.
std::string check_tile(const std::string& text);
/// The side of the tiles to make `climb` in; auto is one tile up to 512x512 pixels. Error if the model cannot
/// be tiled and a side is given.
int64_t tile_side(const std::string& text, const singan::Climb& climb);
int64_t tile_count(singan::Size size, int64_t tile);
/// The upper left `size` of `climb` as a PNG, in memory for a tile and a row of tiles. Calls on_tile after
/// each tile and on_strip, if given, with each row of tiles and its top.
void save_tiles(const fs::path& path, const singan::Climb& climb, singan::Size size, int64_t tile,
                const std::function<void()>& on_tile,
                const std::function<void(const Image& strip, int64_t top)>& on_strip = {});

void declare_train(CLI::App& app);
void declare_sample(CLI::App& app);
void declare_compare(CLI::App& app);
void declare_import(CLI::App& app);
void declare_super_resolve(CLI::App& app);

}  // namespace sga
