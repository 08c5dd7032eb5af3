#include "tools/face_run.h"

#include <algorithm>
#include <cstdio>
#include <set>

#include "engine/device.h"
#include "tools/face_sources.h"
#include "tools/page.h"
#include "tools/pretrained.h"
#include "tools/progress.h"
#include "tools/run_folder.h"

namespace sga {
namespace {

const FaceRunOptions& checked(const FaceRunOptions& options) {
  if (options.image.empty() == options.images.empty())
    throw UsageError("give one photograph with --image, or many with --images");
  use_device(options.common);
  return options;
}

/// Is `path` the folder or below it?
bool lies_in(const fs::path& path, const fs::path& folder) {
  std::error_code ignored;
  const fs::path a = fs::weakly_canonical(path, ignored), b = fs::weakly_canonical(folder, ignored);
  const fs::path relative = a.lexically_relative(b);
  return !relative.empty() && *relative.begin() != "..";
}

/// A folder for each picture of a run: its path without the ending, and with it where two would be one.
std::vector<std::string> folders_for(const PictureSource& pictures) {
  std::vector<std::string> names;
  std::set<std::string> taken = {"index.html", "config.json", kLockFile};
  for (size_t i = 0; i < pictures.count(); ++i) {
    std::string whole = pictures.name(i);
    std::replace(whole.begin(), whole.end(), '/', '_');
    std::string name = whole.substr(0, whole.rfind('.'));
    if (name.empty() || taken.contains(name)) name = whole;
    while (taken.contains(name)) name += '_';
    taken.insert(name);
    names.push_back(name);
  }
  return names;
}

}  // namespace

void add_face_run_options(CLI::App& app, FaceRunOptions& options) {
  app.add_option("--image", options.image, "Photograph (PNG, JPEG, BMP)");
  app.add_option("--images", options.images, "Folder or tar archive of photographs, instead of --image");
  app.add_option("--face", options.face,
                 "Which of several faces, 1 is the largest; 0: the largest, and says so")
      ->check(CLI::Range(int64_t{0}, int64_t{1000}))
      ->capture_default_str();
  app.add_option(
      "--source-aus", options.source_units,
      "OpenFace CSV (or a folder of them) with the action units of the photographs; empty: the model "
      "reads them off the face where they are needed");
  app.add_option("--model", options.model, "Model file; empty: the one shipped");
  add_compute_options(app, options.common);
  add_out_option(app, options.common);
}

FaceRun::FaceRun(const FaceRunOptions& options)
    : options_(checked(options)), model_(options.model.empty() ? default_model() : fs::path(options.model)) {}

ActionUnits FaceRun::source(const FacePhoto& photo) const {
  if (!options_.source_units.empty()) return read_action_units(options_.source_units, photo.name, photo.box);
  SGA_CHECK(model_.can_estimate(),
            "the face's own action units are needed, which this model cannot estimate; give them with "
            "--source-aus",
            is_relative() ? "" : ", or use --mode set where there is one");
  return model_.estimate(to_tensor(crop_face(photo.photo, photo.box, model_.size()))).front();
}

std::optional<ActionUnits> FaceRun::source_if(bool needed, const FacePhoto& photo) const {
  if (needed || is_relative()) return source(photo);
  return {};
}

ActionUnits FaceRun::shown_by(const fs::path& file) {
  if (!has_picture_name(file)) return read_action_units(file, {});
  SGA_CHECK(model_.can_estimate(), "the action units of ", file.string(),
            " cannot be read off by this model; give an OpenFace CSV");
  const FacePhoto photo = open(read_file(file), file.string(), 0);
  return model_.estimate(to_tensor(crop_face(photo.photo, photo.box, model_.size()))).front();
}

FacePhoto FaceRun::open(const Bytes& file, const std::string& name, int64_t which) {
  Image photo = decode_image(file, name);
  if (!detector_) detector_.emplace(fs::path(), 2);
  return find_face(std::move(photo), name, model_.card().crop_recipe, which, *detector_);
}

void FaceRun::each(CLI::App& app, const Plan& plan, const std::string& sheet) {
  try {
    options_.image.empty() ? many(app, plan, sheet) : one(app, plan);
  } catch (const Interrupted&) {
    throw Interrupted("interrupted; the pictures that are written are whole");
  }
}

void FaceRun::one(CLI::App& app, const Plan& plan) {
  SGA_CHECK(!lies_in(options_.image, options_.common.out), "the photograph ", options_.image,
            " lies in --out ", options_.common.out,
            ", where a result could replace it; choose another --out");
  FacePhoto photo = open(read_file(options_.image), options_.image, options_.face);
  const Job job = plan(photo);
  // Everything that can be refused has been: only now is anything written.
  RunFolder run(options_.common.out, false, options_.common.force);
  run.configure(app);
  job(run.path());
  if (!options_.common.quiet) std::printf("%s\n", (run / "index.html").c_str());
}

void FaceRun::many(CLI::App& app, const Plan& plan, const std::string& sheet) {
  SGA_CHECK(!lies_in(options_.images, options_.common.out) && !lies_in(options_.common.out, options_.images),
            "--images ", options_.images, " and --out ", options_.common.out,
            " lie in one another, and results would be taken for photographs; choose another --out");
  const PictureSource pictures(options_.images);
  RunFolder run(options_.common.out, false, options_.common.force);
  run.configure(app);
  const std::vector<std::string> folders = folders_for(pictures);
  std::vector<Page::Picture> sheets;
  std::vector<std::vector<std::string>> skipped;
  {
    Progress progress(int64_t(pictures.count()), "photographs", options_.common.quiet);
    for (size_t i = 0; i < pictures.count(); ++i) {
      stop_if_interrupted();
      try {
        FacePhoto photo = open(pictures.read(i), pictures.name(i), options_.face);
        const Job job = plan(photo);
        make_folder(run / folders[i]);
        job(run / folders[i]);
        sheets.push_back({folders[i] + "/" + sheet, folders[i], folders[i] + "/index.html"});
      } catch (const Interrupted&) {
        throw;
      } catch (const UsageError&) {
        throw;
      } catch (const DeviceError&) {
        throw;
      } catch (const Error& error) {
        skipped.push_back({pictures.name(i), error.what()});
      }
      progress.advance();
    }
  }
  Page page(std::to_string(sheets.size()) + " photographs");
  for (const Page::Picture& picture : sheets) page.picture(picture);
  if (!skipped.empty()) {
    page.heading("Left out");
    page.table({"photograph", "why"}, skipped);
  }
  page.write(run / "index.html");
  if (!options_.common.quiet) std::printf("%s\n", (run / "index.html").c_str());
  if (skipped.empty()) return;
  std::string names;
  for (const auto& row : skipped) names += (names.empty() ? "" : "; ") + row[0] + " (" + row[1] + ")";
  fail(skipped.size(), " of ", pictures.count(), " photographs were left out: ", names);
}

}  // namespace sga
