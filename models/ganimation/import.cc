#include "models/ganimation/import.h"

#include <map>
#include <set>

namespace sga::ganimation {
namespace {

/// Our name of a tensor and theirs.
using Names = std::vector<std::pair<std::string, std::string>>;

constexpr int64_t kFirstBlock = 9;  // position of the first residual block among the modules of the generator

/// Without what says nothing about the network.
Checkpoint plain(const Checkpoint& file) {
  Checkpoint result;
  result.origin = file.origin;
  for (const auto& [name, tensor] : file.tensors) {
    if (name.ends_with(".running_mean") || name.ends_with(".running_var") ||
        name.ends_with(".num_batches_tracked"))
      continue;
    constexpr std::string_view kPrefix = "module.";
    const std::string key = name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : name;
    SGA_CHECK(result.tensors.emplace(key, tensor).second, file.origin, ": it holds \"", key,
              "\" with and without \"module.\" before it; give the file of one network");
  }
  return result;
}

/// What the first of their modules are called by the two codes; "" if by neither.
std::string layout_of(const Checkpoint& file) {
  if (file.tensors.contains("main.0.weight")) return "official";
  return file.tensors.contains("model.0.weight") ? "replicate" : "";
}

std::string known_layout(const Checkpoint& file, const char* what) {
  const std::string layout = layout_of(file);
  SGA_CHECK(!layout.empty(), file.origin, ": it is no ", what,
            " of the official GANimation code nor of its replicate, ",
            file.tensors.empty() ? std::string("it holds no tensor")
                                 : "its first tensor is \"" + file.tensors.begin()->first + "\"",
            "; give the file ending in ",
            what[0] == 'g' ? "id_G.pth or net_gen.pth" : "id_D.pth or net_dis.pth");
  return layout;
}

/// Loads the tensors by `names`; every other one must be in `unused`.
void load(Parameters& parameters, const Checkpoint& file, const Names& names,
          const std::set<std::string>& unused, const char* what) {
  std::set<std::string> used = unused;
  std::map<std::string, std::string> theirs(names.begin(), names.end());
  Checkpoint ours;
  ours.origin = file.origin;
  for (const Parameters::Entry& e : parameters.entries()) {
    const auto name = theirs.find(e.name);
    // What no name leads to keeps its start: scales 1 and shifts 0 where the norm has none.
    ours.tensors[e.name] =
        name == theirs.end() ? e.value : cast(file.get(name->second, e.value.shape()), e.value.dtype());
    if (name != theirs.end()) used.insert(name->second);
  }
  for (const auto& [name, tensor] : file.tensors)
    SGA_CHECK(used.contains(name), file.origin, ": \"", name, "\" is no part of the ", what,
              "; only the published networks can be imported");
  parameters.load(ours, "");
}

/// The filter of a convolution, whose extents tell the configuration.
const Tensor& filter(const Checkpoint& file, const std::string& name) {
  const Tensor& tensor = file.get(name);
  SGA_CHECK(tensor.rank() == 4, file.origin, ": \"", name, "\" must be a filter of 4 axes, got shape ",
            tensor.shape());
  return tensor;
}

std::string at(const std::string& module, int64_t position, const std::string& rest) {
  return module + "." + std::to_string(position) + "." + rest;
}

}  // namespace

ImportedGenerator import_generator(const Checkpoint& given, int64_t size) {
  const Checkpoint file = plain(given);
  const std::string layout = known_layout(file, "generator");
  const bool official = layout == "official";
  const std::string module = official ? "main" : "model", inner = official ? "main" : "conv_block";
  SGA_CHECK(!file.tensors.contains(official ? "conv2.weight" : "aus_top.weight"), file.origin,
            ": it holds a discriminator; give the generator, the file ending in ",
            official ? "id_G.pth" : "net_gen.pth");
  const Tensor& stem = filter(file, at(module, 0, "weight"));
  const int64_t c = stem.dim(0), aus = stem.dim(3) - 3;
  SGA_CHECK(aus > 0, file.origin, ": \"", at(module, 0, "weight"), "\" has ", stem.dim(3),
            " input channels, a generator reads 3 colours and its action units");
  int64_t blocks = 0;
  while (file.tensors.contains(at(module, kFirstBlock + blocks, inner + ".0.weight"))) ++blocks;

  Names names;
  std::set<std::string> dead;
  // Shapes are checked before a network of that size is made.
  const auto layer = [&](const std::string& ours, const std::string& prefix, int64_t position,
                         const Shape& shape, int64_t channels) {
    file.get(at(prefix, position, "weight"), shape);
    names.emplace_back(ours + ".w", at(prefix, position, "weight"));
    if (official) {
      names.emplace_back(ours + ".gamma", at(prefix, position + 1, "weight"));
      names.emplace_back(ours + ".beta", at(prefix, position + 1, "bias"));
    } else {
      file.get(at(prefix, position, "bias"), {channels});
      dead.insert(at(prefix, position, "bias"));
    }
  };
  layer("stem", module, 0, {c, 7, 7, 3 + aus}, c);
  layer("down1", module, 3, {2 * c, 4, 4, c}, 2 * c);
  layer("down2", module, 6, {4 * c, 4, 4, 2 * c}, 4 * c);
  for (int64_t i = 0; i < blocks; ++i)
    for (const int64_t half : {0, 1})
      layer("res" + std::to_string(i) + (half ? "b" : "a"), at(module, kFirstBlock + i, inner), 3 * half,
            {4 * c, 3, 3, 4 * c}, 4 * c);
  layer("up1", module, kFirstBlock + blocks, {4 * c, 4, 4, 2 * c}, 2 * c);
  layer("up2", module, kFirstBlock + blocks + 3, {2 * c, 4, 4, c}, c);
  names.emplace_back("colour.w", official ? "img_reg.0.weight" : "color_top.0.weight");
  names.emplace_back("attention.w", official ? "attetion_reg.0.weight" : "au_top.0.weight");  // sic

  Rng unused;
  ImportedGenerator result{Generator({.size = size, .conv_dim = c, .blocks = blocks, .aus = aus}, unused),
                           layout};
  load(result.network.parameters(), file, names, dead, "generator");
  return result;
}

ImportedDiscriminator import_discriminator(const Checkpoint& given) {
  const Checkpoint file = plain(given);
  const std::string layout = known_layout(file, "discriminator");
  const bool official = layout == "official";
  const std::string module = official ? "main" : "model";
  SGA_CHECK(!file.tensors.contains(official ? "img_reg.0.weight" : "color_top.0.weight"), file.origin,
            ": it holds a generator; give the discriminator, the file ending in ",
            official ? "id_D.pth" : "net_dis.pth");
  Names names;
  int64_t convolutions = 0, in = 3, out = filter(file, at(module, 0, "weight")).dim(0);
  const int64_t conv_dim = out;
  for (; file.tensors.contains(at(module, 2 * convolutions, "weight")); ++convolutions, in = out, out *= 2) {
    const std::string ours = "conv" + std::to_string(convolutions);
    file.get(at(module, 2 * convolutions, "weight"), {out, 4, 4, in});  // before such a network is made
    names.emplace_back(ours + ".w", at(module, 2 * convolutions, "weight"));
    names.emplace_back(ours + ".b", at(module, 2 * convolutions, "bias"));
  }
  const std::string realism = official ? "conv1.weight" : "dis_top.weight",
                    aus = official ? "conv2.weight" : "aus_top.weight";
  names.emplace_back("realism.w", realism);
  names.emplace_back("aus.w", aus);

  const Tensor& head = filter(file, aus);
  SGA_CHECK(head.dim(1) == 2 && head.dim(2) == 2, file.origin, ": \"", aus, "\" reads a map of ", head.dim(1),
            "x", head.dim(2), " pixels; only discriminators that end at 2x2 can be imported");
  SGA_CHECK(convolutions >= 2 && convolutions <= 9, file.origin, ": ", convolutions,
            " convolutions are too few or too many for a discriminator; 2 to 9 can be imported");
  Rng unused;
  ImportedDiscriminator result{
      Discriminator({.size = int64_t{2} << convolutions, .conv_dim = conv_dim, .aus = head.dim(0)}, unused),
      layout};
  load(result.network.parameters(), file, names, {}, "discriminator");
  return result;
}

}  // namespace sga::ganimation
