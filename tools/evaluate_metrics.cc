// evaluate swd, sifid and psnr.
#include <cmath>
#include <memory>

#include "engine/ops.h"
#include "models/evaluation/inception.h"
#include "models/evaluation/patches.h"
#include "models/evaluation/similarity.h"
#include "tools/evaluate.h"
#include "tools/pretrained.h"

namespace sga {
namespace {

using namespace evaluation;

Metric patch_metric() {
  Metric metric{.name = "swd",
                .columns = {{"swd_full", 5},
                            {"swd_half", 5},
                            {"swd_quarter", 5},
                            {"pf_full", 6},
                            {"pf_half", 6},
                            {"pf_quarter", 6},
                            {"l1", 4}},
                .facts = {},
                .against = {}};
  metric.against = [](const Tensor& real) -> Metric::Scores {
    return [real, of_real = patch_statistics(real)](const Tensor& fake) {
      const std::vector<PatchStatistics> of_fake = patch_statistics(fake);
      std::vector<double> scores;
      for (size_t i = 0; i < of_real.size(); ++i)
        scores.push_back(sliced_wasserstein(of_real[i], of_fake[i]));
      for (size_t i = 0; i < of_real.size(); ++i) scores.push_back(patch_frechet(of_real[i], of_fake[i]));
      scores.push_back(real.shape() == fake.shape() ? l1(real, fake).item() : NAN);
      return scores;
    };
  };
  return metric;
}

Metric pixel_metric() {
  Metric metric{
      .name = "psnr", .columns = {{"psnr", 2}, {"rmse", 3}, {"ssim", 4}}, .facts = {}, .against = {}};
  metric.against = [](const Tensor& real) -> Metric::Scores {
    return [real](const Tensor& fake) {
      const Similarity s = similarity(real, fake);
      return std::vector<double>{s.psnr, s.rmse, s.ssim};
    };
  };
  return metric;
}

Metric inception_metric(const fs::path& file) {
  const auto stem = std::make_shared<const InceptionStem>(load_checkpoint(file));
  Metric metric{.name = "sifid",
                .columns = {{"sifid_64", 5}},
                .facts = {{"weights", file.filename().string()}, {"weights_checksum", file_checksum(file)}},
                .against = {}};
  if (stem->has_second()) metric.columns.push_back({"sifid_192", 5});
  metric.against = [stem](const Tensor& real) -> Metric::Scores {
    const auto gaussians = [stem](const Tensor& picture) {
      const InceptionStem::Features f = (*stem)(picture);
      std::vector<Gaussian> all = {gaussian_of(f.first)};
      if (f.second) all.push_back(gaussian_of(f.second));
      return all;
    };
    return [gaussians, of_real = gaussians(real)](const Tensor& fake) {
      const std::vector<Gaussian> of_fake = gaussians(fake);
      std::vector<double> scores;
      for (size_t i = 0; i < of_real.size(); ++i) scores.push_back(frechet_distance(of_real[i], of_fake[i]));
      return scores;
    };
  };
  return metric;
}

void declare(CLI::App& app, const char* name, const char* about, Metric (*metric)()) {
  auto o = std::make_shared<CompareOptions>();
  CLI::App* sub = app.add_subcommand(name, about);
  add_compare_options(*sub, *o);
  sub->callback([=] {
    use_device(o->common);
    compare_pictures(*o, pair_pictures(o->real, o->fake), metric());
  });
}

}  // namespace

void declare_swd(CLI::App& app) {
  declare(app, "swd",
          "Compare patches, wherever they are: sliced Wasserstein and Frechet distance; and mean L1",
          patch_metric);
}

void declare_psnr(CLI::App& app) {
  declare(app, "psnr", "Compare pixel by pixel: PSNR in dB, RMSE in 8-bit levels, SSIM", pixel_metric);
}

void declare_sifid(CLI::App& app) {
  struct Command {
    CompareOptions compare;
    std::string weights;
  };
  auto o = std::make_shared<Command>();
  CLI::App* sub = app.add_subcommand("sifid", "Compare features of Inception v3: Single Image FID");
  add_compare_options(*sub, o->compare);
  sub->add_option(
      "--weights", o->weights,
      "Weights of Inception v3 as safetensors, with torchvision's names; default: those shipped with "
      "the tools. Values only compare between equal weights");
  sub->callback([o] {
    use_device(o->compare.common);
    const PicturePairs pairs = pair_pictures(o->compare.real, o->compare.fake);
    compare_pictures(o->compare, pairs,
                     inception_metric(o->weights.empty() ? default_inception() : fs::path(o->weights)));
  });
}

}  // namespace sga
