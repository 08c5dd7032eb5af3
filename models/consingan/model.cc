#include "models/consingan/model.h"

#include <algorithm>
#include <cmath>

#include "engine/ops.h"
#include "models/singan/imresize.h"

namespace sga::consingan {
namespace {

NetOptions net_options(const Config& c, const Tensor& image) {
  return {.colours = image.dim(3), .width = c.channels, .layers = c.layers, .dtype = image.dtype()};
}

Model hollow_model(const Config& config, const singan::Pyramid& pyramid, const Tensor& image) {
  Model m{config, pyramid, image, {}, GrowingGenerator(net_options(config, image)), {}};
  for (const Size size : pyramid.levels)
    m.reals.push_back(singan::imresize_to(image, size, singan::ResizeStyle::smooth));
  return m;
}

void check_start(const Model& model, int start, int lowest) {
  SGA_CHECK(model.finished() > 0, "consingan: the model has no finished level yet; train it further");
  SGA_CHECK(start >= lowest && start < model.finished(), "consingan: the start level must lie between ",
            lowest, " and ", model.finished() - 1, " for this model, got ", start);
}

std::string amp_key(int level) { return "level" + std::to_string(level) + ".noise_amp"; }

Size scaled(Size s, double factor_h, double factor_w) {
  return {int64_t(std::nearbyint(double(s.h) * factor_h)), int64_t(std::nearbyint(double(s.w) * factor_w))};
}

// Fresh noise at the levels `first`.. on top of the features below them.
Tensor climb(const Model& model, Tensor x, int first, double factor_h, double factor_w, Rng& rng) {
  const GrowingGenerator& g = model.generator;
  for (int n = first; n < model.finished(); ++n) {
    const Size size = scaled(model.size(n), factor_h, factor_w);
    x = g.rise(n, x, size,
               affine(rng.normal(g.noise_shape(n, size), model.dtype()), model.noise_amp[size_t(n)]));
  }
  return g.draw(x);
}

}  // namespace

Model make_model(const Config& config, const Tensor& picture) {
  check(config);
  SGA_CHECK(picture.rank() == 4 && picture.dim(0) == 1,
            "consingan: the picture must be a tensor (1,H,W,C), got ", picture.shape());
  const singan::Pyramid pyramid = make_pyramid(picture.dim(1), picture.dim(2), config);
  return hollow_model(config, pyramid,
                      singan::imresize_to(picture, pyramid.finest(), singan::ResizeStyle::smooth));
}

void store(const Model& model, Checkpoint& checkpoint) {
  auto& meta = checkpoint.metadata;
  meta["model"] = "consingan";
  meta["format"] = "1";
  meta["layout"] = "images NHWC, filters (out,row,column,in)";
  store(model.config, checkpoint);
  meta["pyramid.scale1"] = singan::to_text(model.pyramid.scale1);
  meta["finished"] = std::to_string(model.finished());
  checkpoint.tensors["image"] = model.image;
  for (int n = 0; n < model.finished(); ++n) meta[amp_key(n)] = singan::to_text(model.noise_amp[size_t(n)]);
  if (model.finished() == 0) return;
  for (const auto& part : model.generator.parts())
    part.parameters.store(checkpoint, "generator." + part.name + ".");
}

Model load_model(const Checkpoint& checkpoint) {
  const auto kind = checkpoint.metadata.find("model");
  SGA_CHECK(kind != checkpoint.metadata.end() && kind->second == "consingan", checkpoint.origin, " holds ",
            kind == checkpoint.metadata.end() ? "no named model" : "a '" + kind->second + "' model",
            ", not a ConSinGAN; give the model.safetensors that 'singan train --method consingan' wrote");
  SGA_CHECK(checkpoint.meta("format") == "1", "consingan: model format ", checkpoint.meta("format"),
            " is unknown to this version; it reads format 1");
  const Config config = load_config(checkpoint);
  const Tensor& image = checkpoint.get("image");
  SGA_CHECK(image.rank() == 4 && image.dim(0) == 1 && image.dim(3) >= 1 && image.dim(3) <= 64,
            "consingan model: the image has the shape ", image.shape(), " instead of (1,H,W,C)");
  singan::Pyramid pyramid = make_pyramid(image.dim(1), image.dim(2), config);
  SGA_CHECK((pyramid.finest() == Size{image.dim(1), image.dim(2)}), "consingan model: the image of shape ",
            image.shape(), " is larger than config.max_size ", config.max_size);
  pyramid.scale1 = singan::parse_double(checkpoint.meta("pyramid.scale1"), "consingan model: pyramid.scale1");
  Model m = hollow_model(config, pyramid, image);
  const int64_t finished = singan::parse_int(checkpoint.meta("finished"), "consingan model: finished");
  SGA_CHECK(finished >= 0 && finished <= pyramid.count(), "consingan model: ", finished,
            " finished levels of ", pyramid.count());
  for (int n = 0; n < int(finished); ++n) {
    m.noise_amp.push_back(
        singan::parse_double(checkpoint.meta(amp_key(n)), "consingan model: " + amp_key(n)));
    m.generator.grow();
  }
  if (finished > 0)
    for (auto& part : m.generator.parts()) part.parameters.load(checkpoint, "generator." + part.name + ".");
  return m;
}

void save_model(const fs::path& path, const Model& model) {
  Checkpoint checkpoint;
  store(model, checkpoint);
  save_checkpoint(path, checkpoint);
}

Tensor fixed_noise(const Model& model, const GrowingGenerator& generator, int n) {
  constexpr uint64_t kStream =
      0x66697865645f7a;  // apart from the streams of samples, which have small labels
  NoGrad off;
  Rng rng = Rng(model.config.seed).fork(kStream).fork(uint64_t(n));
  return rng.normal(generator.noise_shape(n, model.size(n)), model.dtype());
}

Tensor fixed_features(const Model& model, const GrowingGenerator& generator,
                      const std::vector<double>& noise_amp, const Tensor& x, int n) {
  NoGrad off;
  Tensor features = generator.begin(x);
  for (int i = 1; i <= n; ++i)
    features = generator.rise(i, features, model.size(i),
                              affine(fixed_noise(model, generator, i), noise_amp[size_t(i)]));
  return features;
}

Tensor random_sample(const Model& model, const singan::SampleOptions& o, Rng& rng) {
  check_start(model, o.start_level, 0);
  for (double factor : {o.scale_h, o.scale_v})
    SGA_CHECK(factor >= 0.1 && factor <= 10, "consingan: scale factors must lie between 0.1 and 10, got ",
              factor);
  singan::check_picture_size(scaled(model.size(model.finished() - 1), o.scale_v, o.scale_h));
  NoGrad off;
  const GrowingGenerator& g = model.generator;
  const int first = std::max(o.start_level, 1);
  const Tensor x =
      o.start_level == 0
          ? g.begin(rng.normal(g.noise_shape(0, scaled(model.size(0), o.scale_v, o.scale_h)), model.dtype()))
          : fixed_features(model, g, model.noise_amp, model.reals[0], first - 1);
  return climb(model, x, first, o.scale_v, o.scale_h, rng);
}

Tensor reconstruction(const Model& model) {
  check_start(model, 0, 0);
  NoGrad off;
  return model.generator.draw(
      fixed_features(model, model.generator, model.noise_amp, model.reals[0], model.finished() - 1));
}

Tensor inject(const Model& model, const Tensor& picture, int start_level, Rng& rng) {
  check_start(model, start_level, 1);
  SGA_CHECK(picture.rank() == 4 && picture.dim(0) == 1 && picture.dim(3) == model.image.dim(3),
            "consingan: the picture to inject must be a tensor (1,H,W,", model.image.dim(3), "), got ",
            picture.shape());
  NoGrad off;
  const Tensor coarse = singan::imresize_to(picture, model.size(0), singan::ResizeStyle::smooth);
  return climb(model, fixed_features(model, model.generator, model.noise_amp, coarse, start_level - 1),
               start_level, 1, 1, rng);
}

}  // namespace sga::consingan
