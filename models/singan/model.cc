#include "models/singan/model.h"

#include <algorithm>
#include <cmath>

#include "engine/ops.h"
#include "models/singan/palette.h"

namespace sga::singan {
namespace {

constexpr int64_t kMaxWidth = 1024;  // hidden channels

std::vector<Tensor> build_reals(const Tensor& image, const Pyramid& pyramid, ResizeStyle style) {
  std::vector<Tensor> reals;
  for (int i = 0; i < pyramid.count(); ++i) {
    // Official: a scale of exactly 1 still costs an 8-bit round trip.
    reals.push_back(style == ResizeStyle::official
                        ? imresize(image, std::pow(pyramid.ratio, pyramid.count() - 1 - i), style)
                        : imresize_to(image, pyramid.levels[size_t(i)], style));
  }
  return reals;
}

bool is_channel_count(int64_t c) { return c == 1 || c == 3 || c == 4; }

std::string level_prefix(int level) { return "level" + std::to_string(level) + "."; }

// The widths of a stored level: imported generators may have others than ours.
Widths stored_widths(const Checkpoint& checkpoint, int level) {
  Widths widths = 0;
  for (size_t i = 0; i < widths.of.size(); ++i) {
    const std::string name = level_prefix(level) + "generator.block" + std::to_string(i) + ".weight";
    const Tensor& weight = checkpoint.get(name);
    SGA_CHECK(weight.rank() == 4 && weight.dim(0) <= kMaxWidth, checkpoint.origin, ": \"", name,
              "\" has shape ", weight.shape(), ", which no filter of a SinGAN has");
    widths.of[i] = weight.dim(0);
  }
  return widths;
}

std::string text_of(const Pyramid& p) {
  std::string text;
  for (Size s : p.levels)
    text.append(text.empty() ? "" : " ").append(std::to_string(s.h)).append("x").append(std::to_string(s.w));
  return text;
}

std::vector<Size> parse_sizes(const std::string& text) {
  std::vector<Size> sizes;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    const std::string item = text.substr(at, end - at);
    const size_t cross = item.find('x');
    SGA_CHECK(cross != std::string::npos, "singan model: '", item, "' is no level size");
    const Size s{parse_int(item.substr(0, cross), "singan model: level height"),
                 parse_int(item.substr(cross + 1), "singan model: level width")};
    SGA_CHECK(s.h > 2 * kBorder && s.w > 2 * kBorder && s.h < 65536 && s.w < 65536,
              "singan model: level size ", item, " is out of range");
    SGA_CHECK(sizes.empty() || (s.h >= sizes.back().h && s.w >= sizes.back().w), "singan model: level size ",
              item, " is below the one before");
    sizes.push_back(s);
    SGA_CHECK(sizes.size() <= kMaxLevels, "singan model: more than ", kMaxLevels, " levels");
    at = end + 1;
  }
  return sizes;
}

}  // namespace

Model make_model(const Config& config, const Tensor& picture) {
  check(config);
  SGA_CHECK(picture.rank() == 4 && picture.dim(0) == 1 && is_channel_count(picture.dim(3)),
            "singan: the picture must be a tensor (1,H,W,C) with C 1, 3 or 4, got ", picture.shape());
  Model m;
  m.config = config;
  m.pyramid = make_pyramid(picture.dim(1), picture.dim(2), config.pyramid);
  m.image = config.resize == ResizeStyle::official ? imresize(picture, m.pyramid.scale1, config.resize)
                                                   : imresize_to(picture, m.pyramid.finest(), config.resize);
  m.reals = build_reals(m.image, m.pyramid, config.resize);
  return m;
}

NetOptions net_options(const Model& model, int level) {
  return {.in_channels = model.channels(),
          .out_channels = model.channels(),
          .width = channels_at(level, model.config.base_channels),
          .keep_bias = model.config.keep_bias,
          .dtype = model.dtype()};
}

void store(const Model& model, Checkpoint& checkpoint) {
  auto& meta = checkpoint.metadata;
  meta["model"] = "singan";
  meta["format"] = "1";
  meta["layout"] = "images NHWC, filters (out,row,column,in)";
  store(model.config, checkpoint);
  meta["pyramid.levels"] = text_of(model.pyramid);
  meta["pyramid.ratio"] = to_text(model.pyramid.ratio);
  meta["pyramid.scale1"] = to_text(model.pyramid.scale1);
  meta["finished"] = std::to_string(model.finished());
  checkpoint.tensors["image"] = model.image;
  if (model.code) checkpoint.tensors["code"] = model.code;
  for (int i = 0; i < model.finished(); ++i) {
    const Level& level = model.levels[size_t(i)];
    meta[level_prefix(i) + "noise_amp"] = to_text(level.noise_amp);
    level.generator.net.parameters().store(checkpoint, level_prefix(i) + "generator.");
    if (level.palette) checkpoint.tensors[level_prefix(i) + "palette"] = level.palette;
  }
}

Tensor load_palette(const Checkpoint& checkpoint, const std::string& key) {
  if (!checkpoint.tensors.contains(key)) return {};
  const Tensor palette = checkpoint.get(key);
  SGA_CHECK(palette.rank() == 2 && palette.dim(0) <= kMaxColours, "singan model: ", key, " is ",
            palette.shape(), ", not (colours,channels)");
  return palette;
}

Model load_model(const Checkpoint& checkpoint) {
  const auto kind = checkpoint.metadata.find("model");
  SGA_CHECK(kind != checkpoint.metadata.end() && kind->second == "singan", checkpoint.origin, " holds ",
            kind == checkpoint.metadata.end() ? "no named model" : "a '" + kind->second + "' model",
            ", not a SinGAN; give the model.safetensors that 'singan train' wrote");
  SGA_CHECK(checkpoint.meta("format") == "1", "singan: model format ", checkpoint.meta("format"),
            " is unknown to this version; it reads format 1");
  Model m;
  m.config = load_config(checkpoint);
  m.pyramid.levels = parse_sizes(checkpoint.meta("pyramid.levels"));
  m.pyramid.ratio = parse_double(checkpoint.meta("pyramid.ratio"), "singan model: pyramid.ratio");
  m.pyramid.scale1 = parse_double(checkpoint.meta("pyramid.scale1"), "singan model: pyramid.scale1");
  SGA_CHECK(m.pyramid.ratio > 0.05 && m.pyramid.ratio <= 1, "singan model: pyramid.ratio ", m.pyramid.ratio,
            " is out of range");
  const Size finest = m.pyramid.finest();
  const auto image = checkpoint.tensors.find("image");
  const int64_t channels =
      image != checkpoint.tensors.end() && image->second.rank() == 4 && is_channel_count(image->second.dim(3))
          ? image->second.dim(3)
          : 3;
  m.image = checkpoint.get("image", {1, finest.h, finest.w, channels});
  m.reals = build_reals(m.image, m.pyramid, m.config.resize);
  const int64_t finished = parse_int(checkpoint.meta("finished"), "singan model: finished");
  SGA_CHECK(finished >= 0 && finished <= m.pyramid.count(), "singan model: ", finished,
            " finished levels of ", m.pyramid.count());
  if (finished > 0 || checkpoint.tensors.contains("code"))
    m.code =
        checkpoint.get("code", {1, noise_size(m.config, m.size(0)).h, noise_size(m.config, m.size(0)).w, 1});
  for (int i = 0; i < int(finished); ++i) {
    SGA_CHECK((Size{m.reals[size_t(i)].dim(1), m.reals[size_t(i)].dim(2)} == m.size(i)),
              "singan model: level ", i, " does not follow from its ratio");
    const std::string amp = level_prefix(i) + "noise_amp";
    NetOptions options = net_options(m, i);
    options.width = stored_widths(checkpoint, i);
    Generator generator(options);
    generator.net.parameters().load(checkpoint, level_prefix(i) + "generator.");
    m.levels.push_back({generator, FrozenGenerator(generator),
                        parse_double(checkpoint.meta(amp), "singan model: " + amp),
                        load_palette(checkpoint, level_prefix(i) + "palette")});
  }
  return m;
}

void save_model(const fs::path& path, const Model& model) {
  Checkpoint checkpoint;
  store(model, checkpoint);
  save_checkpoint(path, checkpoint);
}

Model load_model(const fs::path& path) { return load_model(load_checkpoint(path)); }

Size noise_size(const Config& config, Size size) {
  return config.noise_padding ? Size{size.h + 2 * kBorder, size.w + 2 * kBorder} : size;
}

Tensor draw_noise(const Model& model, int level, Size size, Rng& rng) {
  NoGrad off;
  const int64_t channels = model.channels();
  const Size s = noise_size(model.config, size);
  const Tensor z = rng.normal({1, s.h, s.w, level == 0 ? 1 : channels}, model.dtype());
  return level == 0 ? expand(z, {1, s.h, s.w, channels}) : z;
}

Tensor code_noise(const Model& model) {
  NoGrad off;
  return expand(model.code, {1, model.code.dim(1), model.code.dim(2), model.channels()});
}

GeneratorInput generator_input(const Tensor& noise, double noise_amp, const Tensor& prior) {
  NoGrad off;
  return padded_input(noise, noise_amp, pad(prior, all_sides(kBorder)));
}

GeneratorInput padded_input(const Tensor& noise, double noise_amp, const Tensor& prev) {
  NoGrad off;
  if (!noise) return {prev, prev};
  const bool is_padded = noise.shape() == prev.shape();
  return {blend(is_padded ? noise : pad(noise, all_sides(kBorder)), noise_amp, prev, 1), prev};
}

Tensor run_level(const Model& model, int n, const Tensor& noise, const Tensor& prior, FrozenNorm norm) {
  SGA_CHECK(n >= 0 && n < model.finished(), "singan: level ", n, " is not trained; this model has ",
            model.finished(), " finished levels");
  const Level& level = model.levels[size_t(n)];
  // The official code reduces what it trains on, not what it samples from.
  const bool reduce = level.palette && model.config.resize == ResizeStyle::smooth;
  const GeneratorInput in =
      generator_input(noise, level.noise_amp, reduce ? to_palette(prior, level.palette) : prior);
  return level.frozen(in.z, in.prev, norm);
}

Tensor rise(const Model& model, const Tensor& x, Size size) {
  NoGrad off;
  if (model.config.resize == ResizeStyle::smooth) return imresize_to(x, size, ResizeStyle::smooth);
  const Tensor up = imresize(x, 1 / model.pyramid.ratio, ResizeStyle::official);
  const Size cut{std::min(up.dim(1), size.h), std::min(up.dim(2), size.w)};
  const Tensor y = crop(up, 0, 0, cut.h, cut.w);
  return cut == size ? y : bilinear_to(y, size);
}

Tensor prior(const Model& model, int n, const std::function<Tensor(int)>& noise_at) {
  Tensor x;
  for (int i = 0; i < n; ++i) {
    const Tensor noise = noise_at(i);
    if (i == 0) x = zeros({noise.dim(0), model.size(0).h, model.size(0).w, noise.dim(3)}, model.dtype());
    x = rise(model, run_level(model, i, noise, x), model.size(i + 1));
  }
  return x ? x : zeros({1, model.size(0).h, model.size(0).w, model.channels()}, model.dtype());
}

Tensor random_priors(const Model& model, int n, int64_t count, Rng& rng) {
  if (n == 0) return zeros({count, model.size(0).h, model.size(0).w, model.channels()}, model.dtype());
  return prior(model, n, [&](int level) {
    std::vector<Tensor> noise;
    for (int64_t k = 0; k < count; ++k) noise.push_back(draw_noise(model, level, model.size(level), rng));
    return concat(noise, 0);
  });
}

Tensor reconstruction_prior(const Model& model, int n) {
  return prior(model, n, [&](int level) { return level == 0 ? code_noise(model) : Tensor(); });
}

}  // namespace sga::singan
