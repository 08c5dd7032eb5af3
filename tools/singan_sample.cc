// singan sample: random pictures from a trained model.
#include <cstdio>
#include <memory>

#include "engine/image.h"
#include "tools/page.h"
#include "tools/progress.h"
#include "tools/run_folder.h"
#include "tools/singan.h"

namespace sga {
namespace {

struct SampleCommand {
  CommonOptions common;
  std::string model;
  int64_t count = 8;
  singan::SampleOptions sampling;
};

void run_sample(const SampleCommand& o, CLI::App& app) {
  use_device(o.common);
  const AnyModel model = open_model(o.model);
  const Tensor first =
      sample(model, o.sampling, o.common.seed, 0);  // bad requests fail before the folder is made
  RunFolder run(o.common.out, false, o.common.force, {"singan sample", {"sample_#.png", "index.html"}});
  run.configure(app);
  std::vector<Page::Picture> pictures;
  {
    Progress progress(o.count, "sample", o.common.quiet);
    for (int64_t i = 0; i < o.count; ++i) {
      if (interrupted()) throw Interrupted("interrupted; " + std::to_string(i) + " pictures are written");
      const std::string file = numbered("sample", i);
      save_png(run / file, to_image(i == 0 ? first : sample(model, o.sampling, o.common.seed, i)),
               bits_of(model));
      pictures.push_back({file, std::to_string(i)});
      progress.advance();
    }
  }
  Page page("SinGAN samples");
  page.table({{"model", o.model},
              {"start scale", std::to_string(o.sampling.start_level)},
              {"seed", std::to_string(o.common.seed)}});
  page.pictures("Samples", pictures);
  page.write(run / "index.html");
  std::printf("%s: %lld samples\n", run.path().c_str(), static_cast<long long>(o.count));
}

}  // namespace

void declare_sample(CLI::App& app) {
  auto o = std::make_shared<SampleCommand>();
  CLI::App* sub = app.add_subcommand("sample", "Draw random samples from a trained model");
  sub->add_option("--model", o->model, "Folder of a training run, or its model.safetensors")->required();
  sub->add_option("--count", o->count, "Number of pictures")->check(CLI::Range(int64_t{1}, int64_t{100'000}));
  sub->add_option("--start-scale", o->sampling.start_level,
                  "First level with fresh noise, 0 is the coarsest; levels below it reconstruct the picture");
  sub->add_option("--scale-h", o->sampling.scale_h, "Factor of the width");
  sub->add_option("--scale-v", o->sampling.scale_v, "Factor of the height");
  add_seed_option(*sub, o->common);
  add_compute_options(*sub, o->common);
  add_out_option(*sub, o->common);
  sub->callback([o, sub] { run_sample(*o, *sub); });
}

}  // namespace sga
