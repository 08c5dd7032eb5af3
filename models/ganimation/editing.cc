#include "models/ganimation/editing.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "layers/init.h"

namespace sga::ganimation {
namespace {

constexpr const char* kFormat = "singanimation.ganimation.1";

Generator read_generator(const Checkpoint& checkpoint, const std::string& name) {
  const auto format = checkpoint.metadata.find("format");
  SGA_CHECK(format != checkpoint.metadata.end() && format->second == kFormat, name,
            " is not a GANimation model; give a model.safetensors written by ganimation train");
  const NoInit loaded_below;
  Rng unused;
  Generator generator(generator_config(checkpoint, "generator."), unused);
  SGA_CHECK(generator.config().aus == kActionUnitCount, name, ": the model has ", generator.config().aus,
            " action units, the tools need ", kActionUnitCount);
  generator.parameters().load(checkpoint, "generator.");
  return generator;
}

std::string text_of(const ActionUnits& values) {
  std::string text;
  for (float v : values) {
    char digits[32];
    const auto end = std::to_chars(digits, digits + sizeof digits, v).ptr;
    if (!text.empty()) text += ' ';
    text.append(digits, end);
  }
  return text;
}

ActionUnits read_limits(const std::string& text, const std::string& name) {
  ActionUnits limits;
  const char* at = text.data();
  const char* end = at + text.size();
  for (float& limit : limits) {
    while (at != end && *at == ' ') ++at;
    const auto [next, error] = std::from_chars(at, end, limit);
    SGA_CHECK(error == std::errc{} && std::isfinite(limit) && limit >= 0, name,
              ": the model's au_limits must be ", kActionUnitCount, " numbers, got '", text, "'");
    at = next;
  }
  return limits;
}

}  // namespace

Tensor to_tensor(const std::vector<ActionUnits>& rows) {
  std::vector<float> values;
  for (const ActionUnits& row : rows) values.insert(values.end(), row.begin(), row.end());
  return from_host<float>({int64_t(rows.size()), kActionUnitCount}, values);
}

std::vector<ActionUnits> to_action_units(const Tensor& rows) {
  SGA_CHECK(rows.rank() == 2 && rows.dim(1) == kActionUnitCount, "ganimation: action units must be (N,",
            kActionUnitCount, "), got ", rows.shape());
  const std::vector<float> values = to_host<float>(rows);
  std::vector<ActionUnits> result(size_t(rows.dim(0)));
  for (size_t i = 0; i < result.size(); ++i)
    std::copy_n(values.begin() + int64_t(i) * kActionUnitCount, kActionUnitCount, result[i].begin());
  return result;
}

ActionUnits target_action_units(const Expression& expression, EditMode mode, float strength,
                                const ActionUnits& source, const ActionUnits& limits) {
  SGA_CHECK(std::isfinite(strength) && strength >= 0 && strength <= kMaxStrength,
            "ganimation: strength must be in [0,", kMaxStrength, "], got ", strength);
  ActionUnits target;
  for (size_t i = 0; i < target.size(); ++i) {
    const float start = mode == EditMode::add ? source[i] : 0;
    target[i] = std::clamp(start + strength * expression.values[i], 0.f, std::max(limits[i], start));
  }
  return target;
}

Target make_target(const Expression& expression, EditMode mode, float strength, const ActionUnits& source,
                   const ActionUnits& limits) {
  Target target{target_action_units(expression, mode, strength, source, limits), expression.side, {}};
  if (target.side == Side::both) return target;
  Expression without = expression;
  for (size_t i = 0; i < without.values.size(); ++i)
    if (without.one_sided[i]) without.values[i] = 0;
  target.other = target_action_units(without, mode, strength, source, limits);
  return target;
}

Target between(const ActionUnits& source, const Target& target, float share) {
  Target result = target;
  for (size_t i = 0; i < source.size(); ++i) {
    result.units[i] = (1 - share) * source[i] + share * target.units[i];
    result.other[i] = (1 - share) * source[i] + share * target.other[i];
  }
  if (target.side == Side::both) result.other = target.other;
  return result;
}

Target within(Target target, const ActionUnits& source, const ActionUnits& limits) {
  for (ActionUnits* units : {&target.units, &target.other})
    for (size_t i = 0; i < units->size(); ++i)
      (*units)[i] = std::clamp((*units)[i], 0.f, std::max(limits[i], source[i]));
  return target;
}

Model::Model(const fs::path& file) : Model(load_checkpoint(file), file.string()) {}

Model::Model(const Checkpoint& checkpoint, const std::string& name)
    : generator_(read_generator(checkpoint, name)) {
  card_.crop_recipe = checkpoint.meta("crop_recipe");
  card_.limits = read_limits(checkpoint.meta("au_limits"), name);
  card_.about = checkpoint.meta("about");
  if (checkpoint.metadata.contains("estimator.size")) {
    const DiscriminatorConfig config = discriminator_config(checkpoint, "estimator.");
    SGA_CHECK(config.size == generator_.config().size && config.aus == generator_.config().aus, name,
              ": the model's estimator is for ", config.size, " px and ", config.aus,
              " action units, its generator for ", generator_.config().size, " and ",
              generator_.config().aus);
    const NoInit loaded_below;
    Rng unused;
    estimator_.emplace(config, unused);
    estimator_->parameters().load(checkpoint, "estimator.");
  }
}

Edit Model::edit(const Tensor& crops, const std::vector<ActionUnits>& targets,
                 const std::vector<ActionUnits>& sources) const {
  SGA_CHECK(crops.rank() == 4 && crops.dim(1) == size() && crops.dim(2) == size() && crops.dim(3) == 3,
            "ganimation: this model edits crops (N,", size(), ",", size(), ",3), got ", crops.shape());
  for (const ActionUnits& target : targets)
    for (float v : target)
      SGA_CHECK(std::isfinite(v) && v >= -4 && v <= 4,
                "ganimation: an action unit must be a number in [-4,4], got ", v);
  NoGrad off;
  const Tensor wanted = to_tensor(targets);
  const bool unknown = config().units == Units::relative && sources.empty();
  const Tensor shown = unknown ? to_tensor(estimate(crops)) : sources.empty() ? wanted : to_tensor(sources);
  const GeneratorOutput out = generator_.repaint(crops, wanted, shown);
  return {composite(out, crops), out.attention, out.colour};
}

std::vector<ActionUnits> Model::estimate(const Tensor& crops) const {
  SGA_CHECK(can_estimate(),
            "ganimation: this model cannot estimate action units; give the source's own values");
  NoGrad off;
  return to_action_units(clamp(estimator_->aus(estimator_->features(crops)), 0, 1));
}

Checkpoint export_model(const Generator& generator, const ModelCard& card, const Discriminator* estimator) {
  Checkpoint checkpoint;
  checkpoint.metadata["format"] = kFormat;
  checkpoint.metadata["crop_recipe"] = card.crop_recipe;
  checkpoint.metadata["au_limits"] = text_of(card.limits);
  checkpoint.metadata["about"] = card.about;
  store(generator.config(), checkpoint.metadata, "generator.");
  generator.parameters().store(checkpoint, "generator.");
  if (estimator) {
    store(estimator->config(), checkpoint.metadata, "estimator.");
    estimator->parameters().store(checkpoint, "estimator.");
  }
  return checkpoint;
}

}  // namespace sga::ganimation
