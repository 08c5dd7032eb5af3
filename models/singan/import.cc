#include "models/singan/import.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "engine/ops.h"
#include "engine/torch_file.h"

namespace sga::singan {
namespace {

constexpr std::string_view kClasses[] = {"SinGAN.models.GeneratorConcatSkip2CleanAdd",
                                         "SinGAN.models.ConvBlock", "__main__.GeneratorConcatSkip2CleanAdd",
                                         "__main__.ConvBlock"};
constexpr int64_t kMaxFileBytes = int64_t{1} << 30;

Checkpoint read_torch(const fs::path& path) {
  return decode_torch_file(read_file(path, kMaxFileBytes), path.string(), kClasses);
}

/// How many entries "0...", "1..." a pickled list has.
int count_of(const Checkpoint& list) {
  int n = 0;
  const auto has = [&](int i) {
    const std::string name = std::to_string(i);
    const auto found = list.tensors.lower_bound(name);
    return found != list.tensors.end() && (found->first == name || found->first.starts_with(name + "."));
  };
  while (n < kMaxLevels && has(n)) ++n;
  return n;
}

// ---- generators

/// Our names and those of the official modules, below the level.
std::vector<std::pair<std::string, std::string>> names() {
  std::vector<std::pair<std::string, std::string>> names;
  for (int i = 0; i < 4; ++i) {
    const std::string ours = "block" + std::to_string(i) + ".";
    const std::string theirs = i == 0 ? "head." : "body.block" + std::to_string(i) + ".";
    for (const auto& [our_part, their_part] : {std::pair{"weight", "conv.weight"},
                                               {"bias", "conv.bias"},
                                               {"gamma", "norm.weight"},
                                               {"beta", "norm.bias"},
                                               {"mean", "norm.running_mean"},
                                               {"var", "norm.running_var"}})
      names.emplace_back(ours + our_part, theirs + their_part);
  }
  names.emplace_back("head.weight", "tail.0.weight");
  names.emplace_back("head.bias", "tail.0.bias");
  return names;
}

Generator generator_of(const Checkpoint& gs, int level, NetOptions options) {
  const std::string prefix = std::to_string(level) + ".";
  Checkpoint renamed{
      .tensors = {}, .metadata = {}, .origin = gs.origin + ", generator " + std::to_string(level)};
  std::set<std::string> known;
  for (const auto& [ours, theirs] : names()) {
    renamed.tensors[ours] = gs.get(prefix + theirs);
    known.insert(prefix + theirs);
  }
  for (auto at = gs.tensors.lower_bound(prefix); at != gs.tensors.end() && at->first.starts_with(prefix);
       ++at)
    SGA_CHECK(known.contains(at->first) || at->first.ends_with(".num_batches_tracked"), gs.origin, ": \"",
              at->first, "\" is no part of the official generator; only its five layers can be imported");
  for (size_t i = 0; i < options.width.of.size(); ++i) {
    const Tensor& weight = renamed.get("block" + std::to_string(i) + ".weight");
    SGA_CHECK(weight.rank() == 4, renamed.origin, ": a filter has shape ", weight.shape(),
              " instead of 4 axes");
    options.width.of[i] = weight.dim(0);
  }
  Generator generator(options);
  generator.net.parameters().load(renamed, "");
  return generator;
}

/// The iterations of a level that started afresh, from the images its statistics took in: six in an iteration
/// and one for every picture, which are made at multiples of 500 and at the end. 0 if no number fits.
int64_t iterations_of(const Checkpoint& gs) {
  const auto count = gs.tensors.find("0.head.norm.num_batches_tracked");
  if (count == gs.tensors.end()) return 0;
  const double images = count->second.item();
  if (!(images > 0 && images < 1e12)) return 0;
  const auto about = int64_t(images / (6 + 1 / 500.0));
  for (int64_t n = std::max<int64_t>(about - 2, 1); n <= about + 2; ++n)
    if (6 * n + (n + 499) / 500 + ((n - 1) % 500 != 0) == int64_t(images)) return n;
  return 0;
}

// ---- sizes

bool gives(double ratio, const std::vector<Size>& sizes) {
  if (!(ratio > 0 && ratio <= 1)) return false;
  const Size finest = sizes.back();
  for (size_t i = 0; i < sizes.size(); ++i) {
    const double scale = std::pow(ratio, double(sizes.size() - 1 - i));
    if (int64_t(std::ceil(double(finest.h) * scale)) != sizes[i].h ||
        int64_t(std::ceil(double(finest.w) * scale)) != sizes[i].w)
      return false;
  }
  return true;
}

/// See import_official. `min_size` is set to the shortest side that the formula was given.
double ratio_of(const std::vector<Size>& sizes, int64_t& min_size) {
  if (sizes.size() == 1) return 1;
  const auto shortest = [](Size s) { return std::min(s.h, s.w); };
  const auto by_formula = [&](int64_t side, size_t steps) {
    return std::pow(double(side) / double(shortest(sizes.back())), 1.0 / double(steps));
  };
  // ceil makes the coarsest side that or, by a bit of float noise, one more.
  const size_t steps = sizes.size() - 1;
  std::vector<std::pair<int64_t, size_t>> candidates = {{shortest(sizes[0]), steps},
                                                        {shortest(sizes[0]) - 1, steps}};
  for (size_t more = 1; more <= 8; ++more) candidates.emplace_back(25, steps + more);
  for (const auto& [side, n] : candidates)
    if (gives(by_formula(side, n), sizes)) {
      min_size = side;
      return by_formula(side, n);
    }
  // size - 1 < finest * ratio^k <= size
  double low = 0, high = 1;
  for (size_t i = 0; i < steps; ++i)
    for (const auto& [side, finest] : {std::pair{sizes[i].h, sizes.back().h}, {sizes[i].w, sizes.back().w}}) {
      low = std::max(low, std::pow(double(side - 1) / double(finest), 1.0 / double(steps - i)));
      high = std::min(high, std::pow(double(side) / double(finest), 1.0 / double(steps - i)));
    }
  min_size = shortest(sizes[0]);
  return (low + high) / 2;
}

Pyramid pyramid_of(const Checkpoint& reals, int64_t& min_size) {
  Pyramid pyramid;
  for (int i = 0; i < count_of(reals); ++i) {
    const Tensor& real = reals.get(std::to_string(i));
    SGA_CHECK(real.rank() == 4 && real.dim(0) == 1 && real.dim(3) == 3, reals.origin, ": level ", i,
              " has shape ", real.shape(),
              " (N,H,W,C); only models of one picture with 3 channels are imported");
    pyramid.levels.push_back({real.dim(1), real.dim(2)});
  }
  SGA_CHECK(!pyramid.levels.empty(), reals.origin, ": it holds no list of pictures");
  pyramid.ratio = ratio_of(pyramid.levels, min_size);
  SGA_CHECK(gives(pyramid.ratio, pyramid.levels), reals.origin,
            ": the sizes of its levels do not follow from one ratio, as those of the official code do");
  return pyramid;
}

// ---- z* and configuration

/// Zs.pth holds z* with a border of zeros, once for each colour, and zeros for the levels above.
Tensor code_of(const Checkpoint& codes, Size size, int64_t channels) {
  const Tensor& padded = codes.get("0", {1, size.h + 2 * kBorder, size.w + 2 * kBorder, channels});
  const Tensor inner = crop(padded, kBorder, kBorder, size.h, size.w);
  const Tensor code = slice(inner, 3, 0, 1);
  SGA_CHECK(
      mse(pad(inner, all_sides(kBorder)), padded).item() == 0, codes.origin,
      ": the border of its first tensor is not zero; models trained with noise padding are not imported");
  SGA_CHECK(mse(expand(code, inner.shape()), inner).item() == 0, codes.origin,
            ": its first tensor differs between the colours; the official code draws one noise for all");
  for (int i = 1; i < count_of(codes); ++i) {
    const Tensor& z = codes.get(std::to_string(i));
    SGA_CHECK(mse(z, zeros_like(z)).item() == 0, codes.origin, ": tensor ", i,
              " is not zero; the official code reconstructs without noise above level 0");
  }
  return code;
}

/// "scale_factor=0.750000,alpha=10": what the name states, else the default.
void take_from_name(Config& config, const std::string& name) {
  const auto take = [&](const std::string& key, double& field, double low, double high) {
    const size_t at = name.find(key);
    if (at == std::string::npos) return;
    const size_t begin = at + key.size(), end = name.find_first_not_of("0123456789.", begin);
    const double value = parse_double(name.substr(begin, end - begin), "the folder " + name);
    if (value >= low && value <= high) field = value;
  };
  take("scale_factor=", config.pyramid.scale_factor, 0.1, 0.95);
  take("alpha=", config.reconstruction_weight, 0, 1e6);
}

}  // namespace

fs::path official_folder(const fs::path& given) {
  std::error_code ignored;
  SGA_CHECK(fs::is_directory(given, ignored), given.string(),
            " is no folder; give the folder of an official training, TrainedModels/NAME");
  if (fs::exists(given / "Gs.pth", ignored)) return given;
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(given, ignored))
    if (entry.path().filename().string().starts_with("scale_factor=") &&
        fs::exists(entry.path() / "Gs.pth", ignored))
      found.push_back(entry.path());
  SGA_CHECK(!found.empty(), given.string(),
            " holds no Gs.pth; give the folder of an official training, TrainedModels/NAME");
  SGA_CHECK(found.size() == 1, given.string(), " holds ", found.size(), " trainings, among them ",
            std::min(found[0], found[1]).filename().string(), "; give the folder of one");
  return found[0];
}

Model import_official(const fs::path& folder) {
  NoGrad off;
  const Checkpoint gs = read_torch(folder / "Gs.pth"), codes = read_torch(folder / "Zs.pth"),
                   reals = read_torch(folder / "reals.pth"), amps = read_torch(folder / "NoiseAmp.pth");
  Model m;
  m.config = preset("official");
  take_from_name(m.config, fs::weakly_canonical(folder).filename().string());
  if (const int64_t n = iterations_of(gs)) m.config.iterations = n;
  m.pyramid = pyramid_of(reals, m.config.pyramid.min_size);
  m.config.pyramid.max_size = std::max(m.pyramid.finest().h, m.pyramid.finest().w);

  const Tensor& finest = reals.get(std::to_string(m.pyramid.count() - 1));
  const int finished = count_of(gs);
  SGA_CHECK(finished >= 1 && finished <= m.pyramid.count(), gs.origin, ": it holds ", finished,
            " generators for the ", m.pyramid.count(), " levels of reals.pth");
  m.image = affine(cast(finest, Dtype::f32), 1, 2.0 / 255 / 16);
  m.code = cast(code_of(codes, m.size(0), finest.dim(3)), Dtype::f32);
  for (int i = 0; i < finished; ++i) {
    Generator generator = generator_of(gs, i, net_options(m, i));
    m.levels.push_back({generator, FrozenGenerator(generator), amps.get(std::to_string(i), {1}).item()});
  }
  // By way of our own format, which makes the pictures of the levels and checks that all fits together.
  Checkpoint checkpoint;
  store(m, checkpoint);
  checkpoint.origin = folder.string();
  return load_model(checkpoint);
}

Tensor training_reconstruction(const Model& model, int level) {
  SGA_CHECK(level >= 0 && level < model.finished(), "singan: level ", level,
            " is not trained; this model has ", model.finished(), " finished levels");
  const Level& l = model.levels[size_t(level)];
  const GeneratorInput in = generator_input(level == 0 ? code_noise(model) : Tensor(), l.noise_amp,
                                            reconstruction_prior(model, level));
  return l.frozen(in.z, in.prev, FrozenNorm::instance);
}

}  // namespace sga::singan
