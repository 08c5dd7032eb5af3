// A trained GANimation model as a file, and the edit of one face crop with it.
#pragma once
#include <optional>
#include <string>

#include "models/ganimation/action_units.h"
#include "models/ganimation/networks.h"

namespace sga::ganimation {

/// What a model file says about itself, beside its weights and configuration.
struct ModelCard {
  std::string crop_recipe;  ///< how the training faces were cut out, in face_crop's text form
  ActionUnits limits;  ///< 99th percentile of each AU in the training data: beyond it the model extrapolates
  std::string about;   ///< data, licence, steps, time: one line a fact

  ModelCard() { limits.fill(1); }
};

/// How an expression becomes the 17 values asked of the model.
///   set  y = strength * value, unlisted AUs 0
///   add  y = source + strength * value, unlisted AUs as in the source: strength 0 changes nothing
enum class EditMode { set, add };

/// Largest factor on an expression's values; as kMaxActionUnit, a quarter beyond the published mixtures.
constexpr float kMaxStrength = 1.25f;

/// Values are clamped to [0, max(limit, source)]; `source` is the face's own AUs (all 0 where unknown). Error
/// unless strength is in [0, kMaxStrength].
ActionUnits target_action_units(const Expression& expression, EditMode mode, float strength,
                                const ActionUnits& source, const ActionUnits& limits);

/// What an edit asks of the model. A one-sided expression asks for two faces, of which `units` is seen on
/// `side`, `other` on the other half.
struct Target {
  ActionUnits units{};
  Side side = Side::both;
  ActionUnits other{};

  bool operator==(const Target&) const = default;
};
/// target_action_units of the expression; `other` is that without its one-sided AUs. Same errors.
Target make_target(const Expression& expression, EditMode mode, float strength, const ActionUnits& source,
                   const ActionUnits& limits);

/// On the way from a face to an edit: (1 - share) * source + share * target, exactly either one at 0 and 1.
Target between(const ActionUnits& source, const Target& target, float share);

/// Every value in [0, max(limit, source)], as target_action_units has them.
Target within(Target target, const ActionUnits& source, const ActionUnits& limits);

struct Edit {
  Tensor edited;     ///< (N,S,S,3) in [-1,1]
  Tensor attention;  ///< (N,S,S,1) in (0,1); 1 keeps the photo
  Tensor colour;     ///< (N,S,S,3) in (-1,1)
};

/// The generator with its card and, if the file holds one, the discriminator's reading of action units.
class Model {
 public:
  /// Error if the file is no GANimation model, is damaged, or disagrees with its own description.
  explicit Model(const fs::path& file);
  Model(const Checkpoint& checkpoint, const std::string& name);

  const GeneratorConfig& config() const { return generator_.config(); }
  const ModelCard& card() const { return card_; }
  int64_t size() const { return config().size; }
  int64_t parameters() const { return generator_.parameters().numel(); }

  /// crops (N,S,S,3) in [-1,1], cut out with the card's recipe; one set of action units each. `sources`, what
  /// the crops show, matters to models of relative units alone; empty: estimated there.
  Edit edit(const Tensor& crops, const std::vector<ActionUnits>& targets,
            const std::vector<ActionUnits>& sources = {}) const;

  bool can_estimate() const { return estimator_.has_value(); }
  /// Action units read off each crop, clamped to [0,1]. Error without an estimator.
  std::vector<ActionUnits> estimate(const Tensor& crops) const;

 private:
  Generator generator_;
  std::optional<Discriminator> estimator_;
  ModelCard card_;
};

/// What Model reads: the generator, the card and, unless null, the discriminator as estimator.
Checkpoint export_model(const Generator& generator, const ModelCard& card,
                        const Discriminator* estimator = nullptr);

/// (N,17)
Tensor to_tensor(const std::vector<ActionUnits>& rows);
std::vector<ActionUnits> to_action_units(const Tensor& rows);

}  // namespace sga::ganimation
