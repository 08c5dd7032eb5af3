// What the subcommands of singan share. Each subcommand has a file of its own, singan_NAME.cc.
#pragma once
#include <functional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "engine/image.h"
#include "engine/io.h"
#include "models/consingan/model.h"
#include "models/gpnn/model.h"
#include "models/singan/sampling.h"
#include "tools/command.h"

namespace sga {

class RunFolder;

constexpr const char* kModelFile = "model.safetensors";  ///< in the folder of a training run

/// "250x188": width, then height.
std::string text_of(singan::Size size);
/// STEM_007.png, with an ending STEM_007_masked.png
std::string numbered(const char* stem, int64_t index, const char* ending = "");
/// A model of one picture, by any method. Each has the members image, finished() and size(level), and
/// overloads of random_sample, reconstruction, inject and describe:
///   std::visit([&](const auto& m) { return inject(m, picture, start, rng); }, model)
using AnyModel = std::variant<singan::Model, consingan::Model, gpnn::Model>;
/// A model file, or the folder of a run that holds one.
AnyModel open_model(const std::string& path);
/// The file that open_model reads.
fs::path model_file(const fs::path& path);
/// Picture `index` of a seed, whatever the number of pictures drawn.
Tensor sample(const AnyModel& model, const singan::SampleOptions& options, uint64_t seed, int64_t index);
/// 8 or 16 a channel, for save_png of pictures that a model makes: as its training picture was, or as --bits
/// said.
int bits_of(const AnyModel& model);
/// What a model holds, as rows of a table.
std::vector<std::pair<std::string, std::string>> describe(const singan::Model& model);
std::vector<std::pair<std::string, std::string>> describe(const consingan::Model& model);
std::vector<std::pair<std::string, std::string>> describe(const gpnn::Model& model);

/// Training will not fit into the memory there is.
struct DoesNotFit : Error {
  using Error::Error;
};
/// DoesNotFit if training on a picture of this size takes more than `available` (available_memory()), with
/// the
/// --max-size that will fit.
void check_memory(const singan::Config& config, singan::Size picture, int64_t channels, int64_t available);
void check_memory(const consingan::Config& config, singan::Size picture, int64_t available);
/// DoesNotFit if what is left of a training takes more: a run that goes on may be on a smaller machine now.
void check_memory_to_go_on(int64_t bytes, int64_t available);
/// Error if a sample will not fit.
void check_memory(const consingan::Model& model, const singan::SampleOptions& options, int64_t available);
/// One line: how long and how much memory from iteration `begun` of level `level` on.
std::string forecast(const singan::Config& config, const singan::Pyramid& pyramid, int64_t channels,
                     int level, int64_t begun, int64_t available);
std::string forecast(const consingan::Config& config, const singan::Pyramid& pyramid, int64_t channels,
                     int level, int64_t begun, int64_t available);

/// --tile: "" if `text` is auto, off or a number of pixels, else what is wrong with it.
std::string check_tile(const std::string& text);
constexpr int64_t kMostAtOnce = 512 * 512;  ///< pixels of a picture made in one piece
/// The side of the tiles to make a picture of `size` in; auto is one tile up to kMostAtOnce.
int64_t tile_side(const std::string& text, singan::Size size);
int64_t tile_count(singan::Size size, int64_t tile);
/// The upper left `size` of `climb` as a PNG of `bits` a channel, in memory for a tile and a row of tiles.
/// Calls on_tile after each tile and on_strip, if given, with each row of tiles and its top.
void save_tiles(const fs::path& path, const singan::Climb& climb, singan::Size size, int64_t tile, int bits,
                const std::function<void()>& on_tile,
                const std::function<void(const Image& strip, int64_t top)>& on_strip = {});

/// The model with `level` trained again to start from pictures in `colours` colours (spec A.10). What is
/// trained stays in the run folder as quantized_LEVEL.safetensors and is read from there, or trained on, if
/// it exists; the training image in these colours becomes colours_LEVEL.png.
singan::Model quantized_level(const singan::Model& model, int level, int64_t colours, const RunFolder& run,
                              bool quiet);

void declare_train(CLI::App& app);
void declare_sample(CLI::App& app);
void declare_compare(CLI::App& app);
void declare_paint(CLI::App& app);
void declare_harmonize(CLI::App& app);
void declare_edit(CLI::App& app);
void declare_super_resolve(CLI::App& app);
void declare_import(CLI::App& app);
void declare_animate(CLI::App& app);

}  // namespace sga
