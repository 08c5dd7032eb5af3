// singan: train on one picture, make pictures with the model, tell what it holds.
#include "tools/singan.h"

#include <cstdio>
#include <memory>

namespace sga {
namespace {

void declare_info(CLI::App& app) {
  auto path = std::make_shared<std::string>();
  CLI::App* sub = app.add_subcommand("info", "Tell what a model holds");
  sub->add_option("model,--model", *path, "Folder of a training run, or its model.safetensors")->required();
  sub->callback([path] {
    for (const auto& [key, value] : std::visit([](const auto& m) { return describe(m); }, open_model(*path)))
      std::printf("%-22s %s\n", key.c_str(), value.c_str());
  });
}

}  // namespace
}  // namespace sga

int main(int argc, char** argv) {
  return sga::run_tool(argc, argv,
                       {"singan", "Trains SinGAN on one picture and samples from it.",
                        "--max-size, or the factors --scale-h and --scale-v"},
                       [](CLI::App& app) {
                         sga::declare_train(app);
                         sga::declare_sample(app);
                         sga::declare_compare(app);
                         sga::declare_import(app);
                         sga::declare_super_resolve(app);
                         sga::declare_paint(app);
                         sga::declare_harmonize(app);
                         sga::declare_edit(app);
                         sga::declare_animate(app);
                         sga::declare_info(app);
                       });
}
