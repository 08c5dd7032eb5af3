#include "models/gpnn/model.h"

#include <algorithm>
#include <cmath>

#include "engine/ops.h"

namespace sga::gpnn {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
// Our pixels are in [-1,1]: twice as far apart as in [0,1].
constexpr double kSpan = 2;

// Pixels of a level up to which all patches are compared, and with how many leaves they are otherwise: for
// larger pictures, and with completeness, the exact search may take minutes, and its result looks the same.
constexpr int64_t kExactPixels = 256 * 256, kLeaves = 32;

Tensor exchange(const Model& m, const Tensor& guess, const Tensor& keys, int level, double alpha,
                int rounds) {
  const int64_t pixels = std::max(guess.dim(1) * guess.dim(2), keys.dim(1) * keys.dim(2));
  const bool exact = std::isinf(alpha) && pixels <= kExactPixels;
  return exchange_patches(guess, keys, m.reals[size_t(level)],
                          {m.config.patch, alpha * kSpan * kSpan, rounds, exact ? 0 : kLeaves});
}

// The levels from `level` up: x is what level `level` was given, of its size times the factors.
Tensor climb(const Model& m, Tensor x, int level, double factor_h, double factor_w, double alpha) {
  for (int n = level; n < m.finished(); ++n) {
    if (n > level) {
      const singan::Size s = m.size(n);
      x = singan::imresize_to(
          x,
          {int64_t(std::nearbyint(double(s.h) * factor_h)), int64_t(std::nearbyint(double(s.w) * factor_w))},
          singan::ResizeStyle::smooth);
    }
    const Tensor blurred =
        singan::imresize_to(m.reals[size_t(n - 1)], m.size(n), singan::ResizeStyle::smooth);
    x = exchange(m, x, blurred, n, alpha, m.config.rounds);
  }
  return x;
}

void check_level(const Model& m, int level, int lowest) {
  SGA_CHECK(level >= lowest && level < m.finished(), "gpnn: the start scale must be ", lowest, " to ",
            m.finished() - 1, ", got ", level);
}

}  // namespace

void check(const Config& c) {
  SGA_CHECK(c.patch >= 3 && c.patch <= 15, "gpnn: the side of a patch must be 3 to 15 pixels, got ", c.patch);
  SGA_CHECK(c.patch <= c.pyramid.min_size, "gpnn: patches of ", c.patch,
            " pixels do not fit into a coarsest level of --min-size ", c.pyramid.min_size);
  SGA_CHECK(c.rounds >= 1 && c.rounds <= 1000, "gpnn: the rounds of a level must be 1 to 1000, got ",
            c.rounds);
  SGA_CHECK(c.noise >= 0 && c.noise <= 100, "gpnn: the noise must be 0 to 100, got ", c.noise);
  SGA_CHECK(c.bits == 8 || c.bits == 16, "gpnn: pictures have 8 or 16 bits a channel, got ", c.bits);
  SGA_CHECK(c.alpha > 0, "gpnn: alpha must be above 0, got ", c.alpha);
}

Model make_model(const Config& config, const Tensor& picture) {
  check(config);
  SGA_CHECK(picture.rank() == 4 && picture.dim(0) == 1, "gpnn: the picture must be a tensor (1,H,W,C), got ",
            picture.shape());
  NoGrad off;
  Model m;
  m.config = config;
  m.pyramid = singan::make_pyramid(picture.dim(1), picture.dim(2), config.pyramid);
  m.image = singan::imresize_to(picture, m.pyramid.finest(), singan::ResizeStyle::smooth);
  for (const singan::Size size : m.pyramid.levels)
    m.reals.push_back(singan::imresize_to(m.image, size, singan::ResizeStyle::smooth));
  return m;
}

void store(const Model& model, Checkpoint& checkpoint) {
  const Config& c = model.config;
  auto& meta = checkpoint.metadata;
  meta["model"] = "gpnn";
  meta["format"] = "1";
  meta["layout"] = "images NHWC";
  meta["config.min_size"] = std::to_string(c.pyramid.min_size);
  meta["config.max_size"] = std::to_string(c.pyramid.max_size);
  meta["config.scale_factor"] = singan::to_text(c.pyramid.scale_factor);
  meta["config.patch"] = std::to_string(c.patch);
  meta["config.rounds"] = std::to_string(c.rounds);
  meta["config.noise"] = singan::to_text(c.noise);
  meta["config.alpha"] = singan::to_text(c.alpha);
  meta["config.bits"] = std::to_string(c.bits);
  meta["config.seed"] = std::to_string(c.seed);
  checkpoint.tensors["image"] = model.image;
}

Model load_model(const Checkpoint& checkpoint) {
  SGA_CHECK(checkpoint.meta("model") == "gpnn", checkpoint.origin, " holds a '", checkpoint.meta("model"),
            "' model, not a GPNN");
  SGA_CHECK(checkpoint.meta("format") == "1", "gpnn: model format ", checkpoint.meta("format"),
            " is unknown to this version; it reads format 1");
  const auto whole = [&](const char* name) {
    const std::string key = std::string("config.") + name;
    return singan::parse_int(checkpoint.meta(key), "gpnn model: " + key);
  };
  const auto number = [&](const char* name) {
    const std::string key = std::string("config.") + name;
    return singan::parse_double(checkpoint.meta(key), "gpnn model: " + key);
  };
  Config c;
  c.pyramid.min_size = whole("min_size");
  c.pyramid.max_size = whole("max_size");
  c.pyramid.scale_factor = number("scale_factor");
  c.patch = whole("patch");
  const int64_t rounds = whole("rounds");
  c.rounds = int(std::min<int64_t>(std::max<int64_t>(rounds, 0), 1'000'000));  // check() sees the others
  c.bits = whole("bits");
  c.noise = number("noise");
  c.alpha = checkpoint.meta("config.alpha") == "inf" ? kInfinity : number("alpha");
  c.seed = singan::parse_seed(checkpoint.meta("config.seed"), "gpnn model: config.seed");
  const Tensor& image = checkpoint.get("image");
  Model m = make_model(c, image);
  SGA_CHECK(image.dim(3) == 1 || image.dim(3) == 3 || image.dim(3) == 4,
            "gpnn model: a picture must have 1, 3 or 4 channels, got ", image.shape());
  for (const float v : to_host<float>(image))  // far beyond, squares would overflow
    SGA_CHECK(std::abs(v) <= 2, "gpnn model: pixels must lie between -1 and 1, got ", v);
  SGA_CHECK((singan::Size{image.dim(1), image.dim(2)} == m.pyramid.finest()), "gpnn model: a picture of ",
            image.shape(), " is above config.max_size ", c.pyramid.max_size);
  return m;
}

void save_model(const fs::path& path, const Model& model) {
  Checkpoint checkpoint;
  store(model, checkpoint);
  save_checkpoint(path, checkpoint);
}

Tensor random_sample(const Model& m, const singan::SampleOptions& o, Rng& rng) {
  check_level(m, o.start_level, 0);
  for (double factor : {o.scale_h, o.scale_v})
    SGA_CHECK(factor >= 0.1 && factor <= 10, "gpnn: scale factors must lie between 0.1 and 10, got ", factor);
  const singan::Size level = m.size(o.start_level),
                     size{int64_t(std::nearbyint(double(level.h) * o.scale_v)),
                          int64_t(std::nearbyint(double(level.w) * o.scale_h))};
  SGA_CHECK(size.h >= m.config.patch && size.w >= m.config.patch, "gpnn: at these scale factors level ",
            o.start_level, " is ", size.w, "x", size.h, " pixels, smaller than a patch of ", m.config.patch,
            "; take larger factors or a higher start scale");
  const singan::Size finest = m.size(m.finished() - 1);
  singan::check_picture_size({int64_t(std::nearbyint(double(finest.h) * o.scale_v)),
                              int64_t(std::nearbyint(double(finest.w) * o.scale_h))});
  NoGrad off;
  const bool own_shape = o.scale_h == 1 && o.scale_v == 1;
  const double alpha = own_shape ? kInfinity : m.config.alpha;
  const Tensor& real = m.reals[size_t(o.start_level)];
  const Tensor noise = rng.normal({1, size.h, size.w, real.dim(3)}, real.dtype());
  Tensor x =
      blend(singan::imresize_to(real, size, singan::ResizeStyle::smooth), 1, noise, m.config.noise * kSpan);
  x = exchange(m, x, real, o.start_level, alpha, own_shape ? 1 : m.config.rounds);
  if (o.start_level + 1 == m.finished()) return x;
  const singan::Size above = m.size(o.start_level + 1);
  x = singan::imresize_to(x,
                          {int64_t(std::nearbyint(double(above.h) * o.scale_v)),
                           int64_t(std::nearbyint(double(above.w) * o.scale_h))},
                          singan::ResizeStyle::smooth);
  return climb(m, x, o.start_level + 1, o.scale_v, o.scale_h, alpha);
}

Tensor reconstruction(const Model& m) { return m.image; }

Tensor inject(const Model& m, const Tensor& picture, int start_level, Rng&) {
  check_level(m, start_level, 1);
  SGA_CHECK(picture.rank() == 4 && picture.dim(0) == 1 && picture.dim(3) == m.image.dim(3),
            "gpnn: the picture to inject must be a tensor (1,H,W,", m.image.dim(3), "), got ",
            picture.shape());
  NoGrad off;
  const Tensor coarse = singan::imresize_to(picture, m.size(start_level - 1), singan::ResizeStyle::smooth);
  const Tensor x = singan::imresize_to(coarse, m.size(start_level), singan::ResizeStyle::smooth);
  return climb(m, x, start_level, 1, 1, kInfinity);
}

}  // namespace sga::gpnn
