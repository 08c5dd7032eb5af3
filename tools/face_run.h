// What all editing tools of ganimation share: a model, one photograph or many, a folder for the results.
#pragma once
#include <functional>
#include <optional>
#include <string>

#include "models/ganimation/photo_edit.h"
#include "tools/command.h"
#include "tools/face_photo.h"

namespace sga {

struct FaceRunOptions {
  CommonOptions common;
  std::string image, images, model, source_units;
  int64_t face = 0;
};
/// --image, --images, --face, --source-aus, --model and what all tools have.
void add_face_run_options(CLI::App& app, FaceRunOptions& options);

class FaceRun {
 public:
  /// Writes the results of one photograph into a folder of its own.
  using Job = std::function<void(const fs::path& folder)>;
  /// Finds whatever can be wrong with a photograph, and writes nothing; may use the photograph up.
  using Plan = std::function<Job(FacePhoto& photo)>;

  /// Chooses the device and reads the model. UsageError unless one of --image and --images is given.
  explicit FaceRun(const FaceRunOptions& options);

  const ganimation::Model& model() const { return model_; }
  /// The face's own action units: by --source-aus, else read off by the model. Error if neither can be.
  ActionUnits source(const FacePhoto& photo) const;
  /// source() if `needed` or if the model works on relative units; nothing else asks for it.
  std::optional<ActionUnits> source_if(bool needed, const FacePhoto& photo) const;
  /// The action units a photograph or an OpenFace CSV shows, by its ending.
  ActionUnits shown_by(const fs::path& file);

  /// One photograph: its results lie in --out. Many: in a folder each, beside an index.html with their
  /// `sheet`s; those that cannot be done are left out and named at the end, in an Error.
  void each(CLI::App& app, const Plan& plan, const std::string& sheet);

 private:
  bool is_relative() const { return model_.config().units == ganimation::Units::relative; }
  FacePhoto open(const Bytes& file, const std::string& name, int64_t which);
  void one(CLI::App& app, const Plan& plan);
  void many(CLI::App& app, const Plan& plan, const std::string& sheet);

  const FaceRunOptions& options_;
  ganimation::Model model_;
  std::optional<FaceDetector> detector_;  // from the first photograph on
};

}  // namespace sga
