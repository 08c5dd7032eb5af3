#include "tools/ganimation_import.h"

#include <cstdio>
#include <memory>
#include <optional>

#include "engine/torch_file.h"
#include "models/ganimation/csv.h"
#include "models/ganimation/editing.h"
#include "models/ganimation/face_crop.h"
#include "models/ganimation/import.h"

namespace sga {
namespace {

using namespace ganimation;

constexpr int64_t kMaxFileBytes = int64_t{1} << 30;
constexpr int64_t kPublishedSize = 128;  // of the pictures both codes train on

struct ImportCommand {
  std::string generator, discriminator, out;
  int64_t size = 0;
  double margin = 1.1;
  bool force = false;
};

Checkpoint read_torch(const fs::path& path) {
  return decode_torch_file(read_file(path, kMaxFileBytes), path.string());
}

/// What the networks give for noise: those of a failed training give no numbers.
void check_output(const Tensor& output, const std::string& file) {
  SGA_CHECK(!has_nonfinite(output), file,
            ": its network gives numbers that are not finite; the training failed or the file is damaged");
}

void run_import(const ImportCommand& o) {
  std::error_code ignored;
  SGA_CHECK(o.force || !fs::exists(o.out, ignored), o.out, " exists already; add --force to replace it");
  NoGrad off;
  std::optional<ImportedDiscriminator> critic;
  if (!o.discriminator.empty()) critic = import_discriminator(read_torch(o.discriminator));
  const int64_t of_critic = critic ? critic->network.config().size : 0;
  const int64_t size = o.size ? o.size : critic ? of_critic : kPublishedSize;
  SGA_CHECK(!critic || size == of_critic, o.discriminator, ": this discriminator reads pictures of ",
            of_critic, " px, --size is ", size, "; leave --size out");
  const ImportedGenerator generator = import_generator(read_torch(o.generator), size);
  const GeneratorConfig& c = generator.network.config();
  SGA_CHECK(c.aus == kActionUnitCount, o.generator, ": the generator has ", c.aus,
            " action units, the tools need the ", kActionUnitCount, " of OpenFace");
  SGA_CHECK(!critic || critic->network.config().aus == c.aus, o.discriminator, ": the discriminator has ",
            critic ? critic->network.config().aus : 0, " action units, the generator ", c.aus);

  Rng rng;
  const Tensor noise = rng.uniform({1, size, size, 3});
  check_output(composite(generator.network.forward(noise, rng.uniform({1, c.aus})), noise), o.generator);
  if (critic) check_output(critic->network.forward(noise).aus, o.discriminator);

  ModelCard card;
  card.crop_recipe = to_text(CropRecipe{"detector", o.margin, size});
  card.about = "imported from " + fs::path(o.generator).filename().string() + " (checksum " +
               file_checksum(o.generator) + ", " + generator.layout + " PyTorch code)";
  if (critic)
    card.about += "\nestimator from " + fs::path(o.discriminator).filename().string() + " (checksum " +
                  file_checksum(o.discriminator) + ", " + critic->layout + ")";
  card.about += "\nthe largest action units of its training data are not known";
  save_checkpoint(o.out, export_model(generator.network, card, critic ? &critic->network : nullptr));
  std::printf("%s: generator of the %s code, %lld px, conv-dim %lld, %lld residual blocks; %s\n",
              o.out.c_str(), generator.layout.c_str(), static_cast<long long>(size),
              static_cast<long long>(c.conv_dim), static_cast<long long>(c.blocks),
              critic ? "reads action units off a face" : "cannot read action units off a face");
}

}  // namespace

void declare_ganimation_import(CLI::App& app) {
  auto o = std::make_shared<ImportCommand>();
  CLI::App* sub = app.add_subcommand("import", "Turn networks trained with PyTorch into a model");
  sub->add_option("--generator", o->generator,
                  "Generator: net_epoch_N_id_G.pth, or N_net_gen.pth of the replicate")
      ->required();
  sub->add_option("--discriminator", o->discriminator,
                  "Its discriminator, which then reads action units: ..._id_D.pth or N_net_dis.pth");
  sub->add_option("--size", o->size, "Side of the pictures it was trained on; 0: the discriminator's, or 128")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  sub->add_option("--margin", o->margin,
                  "How faces are cut for it: side of the cut / larger side of the landmarks")
      ->check([](const std::string& text) {
        double v = 0;
        return parse_number(text, v) && v >= 1 && v <= 4 ? "" : "'" + text + "' is not a number from 1 to 4";
      })
      ->capture_default_str();
  sub->add_option("--out", o->out, "File to write, model.safetensors")->required();
  sub->add_flag("--force", o->force, "Replace the file");
  sub->callback([o] { run_import(*o); });
}

}  // namespace sga
