// evaluate fid: how far two sets of pictures lie apart, as a network sees them.
#include <cmath>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "engine/image.h"
#include "engine/ops.h"
#include "models/evaluation/gaussian.h"
#include "models/evaluation/inception_v3.h"
#include "models/evaluation/kernel_distance.h"
#include "models/ganimation/face_set.h"
#include "models/judge/au_regressor.h"
#include "tools/evaluate.h"
#include "tools/face_sources.h"
#include "tools/pretrained.h"
#include "tools/progress.h"

namespace sga {
namespace {

struct Options {
  CommonOptions common;
  std::string real, fake, weights, judge, json;
};

// A network that turns pictures into features, and what the distances of those are called.
struct Extractor {
  std::string distance, kernel;  // keys of the report
  std::string features;          // in words
  fs::path weights;
  int64_t side = 0, dimensions = 0;
  Taps (*taps)(int64_t from, int64_t to) = nullptr;    // how a picture comes to that side
  std::function<Tensor(const Tensor& pictures)> read;  // (N,side,side,3) in [-1,1] -> (N,dimensions)
};

Taps antialiased(int64_t from, int64_t to) {
  const double scale = double(to) / double(from);
  return bicubic_taps(from, to, scale, scale < 1, false);
}

Extractor extractor_of(const Options& o) {
  if (!o.weights.empty()) {
    const auto net = std::make_shared<const evaluation::InceptionV3>(load_checkpoint(o.weights));
    const bool published = !net->is_torchvision();
    if (!published)
      warn(o.weights +
           " holds torchvision's classifier, not the network of the FID: its distances are called "
           "frechet_inception and kernel_inception, and compare with no published ones");
    return {published ? "fid" : "frechet_inception",
            published ? "kid" : "kernel_inception",
            "Inception v3, last average pool",
            o.weights,
            evaluation::InceptionV3::kSide,
            evaluation::InceptionV3::kFeatures,
            evaluation::bilinear_centre_taps,
            [net](const Tensor& pictures) { return (*net)(affine(pictures, 0.5, 0.5)); }};
  }
  const fs::path file = o.judge.empty() ? default_judge() : fs::path(o.judge);
  const auto net = std::make_shared<const judge::AuRegressor>(judge::load_regressor(load_checkpoint(file)));
  return {"frechet_judge",
          "kernel_judge",
          "the judge of action units, last stage averaged over places",
          file,
          net->config().size,
          8 * net->config().width,
          antialiased,
          [net](const Tensor& pictures) { return net->features(pictures); }};
}

// The pictures of a folder, a tar archive or a packed data set.
class Pictures {
 public:
  explicit Pictures(const fs::path& path) {
    if (lower_extension(path.string()) == ".sgd") {
      faces_.emplace(path);
      for (int64_t i = 0; i < faces_->count(); ++i) order_.push_back(i);
      std::erase_if(order_, [&](int64_t i) { return std::ranges::binary_search(faces_->damaged(), i); });
      if (!faces_->damage().empty()) warn(path.string() + ": " + faces_->damage());
    } else {
      source_.emplace(path);
    }
    SGA_CHECK(count() >= 2, path, " holds too few pictures, ", count(),
              "; a distance of sets needs 2 or more, and thousands to mean something");
  }
  size_t count() const { return faces_ ? order_.size() : source_->count(); }
  std::string name(size_t i) const { return faces_ ? faces_->record(order_[i]).name : source_->name(i); }
  /// (1,h,w,3) in [-1,1]
  Tensor load(size_t i) const {
    return to_tensor(convert_channels(
        faces_ ? faces_->image(order_[i]) : decode_image(source_->read(i), source_->name(i)), 3));
  }

 private:
  std::optional<FaceSet> faces_;
  std::vector<int64_t> order_;
  std::optional<PictureSource> source_;
};

// (count, dimensions); what cannot be read is left out and named.
Tensor features_of(const Pictures& pictures, const std::string& side, const Extractor& extractor,
                   std::vector<LeftOut>& left_out, Progress& progress) {
  constexpr size_t kAtOnce = 8;
  std::vector<float> rows;
  std::vector<Tensor> batch;
  NoGrad off;
  const auto flush = [&] {
    if (batch.empty()) return;
    const std::vector<float> read = to_host<float>(extractor.read(concat(batch, 0)));
    rows.insert(rows.end(), read.begin(), read.end());
    batch.clear();
  };
  for (size_t i = 0; i < pictures.count(); ++i) {
    if (interrupted()) throw Interrupted("interrupted; no report was written");
    try {
      const Tensor x = pictures.load(i);
      const bool fits = x.dim(1) == extractor.side && x.dim(2) == extractor.side;
      batch.push_back(fits ? x
                           : resize(x, extractor.taps(x.dim(1), extractor.side),
                                    extractor.taps(x.dim(2), extractor.side)));
    } catch (const Error& error) {
      left_out.push_back({side + " " + pictures.name(i), error.what()});
    }
    if (batch.size() == kAtOnce) flush();
    progress.advance();
  }
  flush();
  const auto count = int64_t(rows.size()) / extractor.dimensions;
  SGA_CHECK(count >= 2, side, ": only ", count, " of ", pictures.count(),
            " pictures could be read, a distance of sets needs 2 or more; ",
            sentence_about(left_out, pictures.count(), "picture"));
  return from_host<float>({count, extractor.dimensions}, rows);
}

void fid(const Options& o) {
  use_device(o.common);
  check_json_path(o.json);
  const Extractor extractor = extractor_of(o);
  const Pictures real(o.real), fake(o.fake);
  std::vector<LeftOut> left_out;
  Tensor a, b;
  {
    Progress progress(int64_t(real.count() + fake.count()), "fid", o.common.quiet);
    a = features_of(real, "--real", extractor, left_out, progress);
    b = features_of(fake, "--fake", extractor, left_out, progress);
  }
  const int64_t fewest = std::min(a.dim(0), b.dim(0));
  if (fewest <= extractor.dimensions)
    warn(std::to_string(fewest) + " pictures in " + std::to_string(extractor.dimensions) +
         " dimensions: the covariance is singular and " + extractor.distance +
         " far too high; compare it only between sets of this size, or look at " + extractor.kernel);
  const double distance =
      evaluation::frechet_distance(evaluation::gaussian_of(a), evaluation::gaussian_of(b));
  const double kernel = evaluation::kernel_distance(a, b);

  nlohmann::ordered_json json = {{"tool", "evaluate fid"},
                                 {"version", version()},
                                 {"real", o.real},
                                 {"fake", o.fake},
                                 {"features", extractor.features},
                                 {"dimensions", extractor.dimensions},
                                 {"weights", extractor.weights.filename().string()},
                                 {"weights_checksum", file_checksum(extractor.weights)},
                                 {"real_count", a.dim(0)},
                                 {"fake_count", b.dim(0)},
                                 {extractor.distance, distance},
                                 {extractor.kernel, kernel},
                                 {"left_out", nlohmann::ordered_json::array()}};
  for (const auto& [name, reason] : left_out)
    json["left_out"].push_back({{"name", name}, {"reason", reason}});
  for (const char* key : {"features", "weights", "weights_checksum"})
    std::printf("%s: %s\n", key, json[key].get<std::string>().c_str());
  std::printf("pictures: %lld real, %lld fake\n%s: %.5f\n%s: %.6f\n", static_cast<long long>(a.dim(0)),
              static_cast<long long>(b.dim(0)), extractor.distance.c_str(), distance,
              extractor.kernel.c_str(), kernel);
  for (const auto& [name, reason] : left_out) std::printf("left out: %s: %s\n", name.c_str(), reason.c_str());
  std::fflush(stdout);
  if (!o.json.empty()) write_file(o.json, json.dump(2) + "\n");
  SGA_CHECK(left_out.empty(), sentence_about(left_out, real.count() + fake.count(), "picture"));
}

}  // namespace

void declare_fid(CLI::App& app) {
  auto o = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand(
      "fid", "Compare two sets of pictures by features of a network: Frechet and kernel distance");
  sub->add_option("--real", o->real, "Folder, tar archive or .sgd of real pictures")->required();
  sub->add_option("--fake", o->fake, "Folder, tar archive or .sgd of generated pictures")->required();
  CLI::Option* weights = sub->add_option(
      "--weights", o->weights,
      "Inception v3 as safetensors, with torchvision's names: FID and KID. Without it: the features of the "
      "judge of action units, for faces, and their distances under another name");
  sub->add_option("--judge", o->judge, "Judge that au-train wrote; default: the one shipped")
      ->excludes(weights);
  sub->add_option("--json", o->json, "Also write the report to this file");
  o->common.precision = "fp32";  // distances are small differences of large numbers
  add_compute_options(*sub, o->common);
  sub->callback([o] { fid(*o); });
}

}  // namespace sga
