// evaluate au-train: a judge of action units, trained on labelled faces and tested on people it never saw.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>

#include "engine/image.h"
#include "models/judge/agreement.h"
#include "models/judge/training.h"
#include "tools/evaluate.h"
#include "tools/page.h"
#include "tools/progress.h"
#include "tools/run_folder.h"

namespace sga {
namespace {

constexpr const char *kJudgeFile = "judge.safetensors", *kFacesFile = "faces.png";

struct Options {
  CommonOptions common;
  std::string data, about;
  judge::TrainingConfig training;
  double save_minutes = 5;
};

std::string fixed(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f", value);
  return text;
}

// Per unit and for their means: Pearson, ICC(3,1) and mean absolute error (on OpenFace's scale of 0 to 5).
struct Card {
  std::vector<std::vector<std::string>> rows;
  std::map<std::string, std::string> metadata;
};

Card measure(const judge::AuRegressor& judge, const FaceSet& set, const std::vector<int64_t>& faces) {
  const std::vector<ActionUnits> read = judge::read_faces(judge, set, faces);
  Card card;
  double sums[3] = {};
  for (size_t au = 0; au < kActionUnitCount; ++au) {
    std::vector<double> label, value;
    for (size_t i = 0; i < faces.size(); ++i) {
      label.push_back(5 * double(set.record(faces[i]).labels[au]));
      value.push_back(5 * std::clamp(double(read[i][au]), 0.0, 1.0));
    }
    const double scores[] = {judge::pearson(label, value), judge::icc31(label, value),
                             judge::mean_absolute_error(label, value)};
    std::vector<std::string> row{"AU" + std::to_string(kActionUnitNumbers[au]), action_unit_name(int(au))};
    for (int k = 0; k < 3; ++k) row.push_back(fixed(scores[k])), sums[k] += scores[k] / kActionUnitCount;
    const std::string key = "heldout." + row[0];
    card.metadata[key] = row[2] + " " + row[3] + " " + row[4];
    card.rows.push_back(std::move(row));
  }
  card.rows.push_back({"mean", "", fixed(sums[0]), fixed(sums[1]), fixed(sums[2])});
  card.metadata["heldout.mean"] = fixed(sums[0]) + " " + fixed(sums[1]) + " " + fixed(sums[2]);
  card.metadata["heldout.columns"] = "Pearson ICC(3,1) MAE(0..5)";
  card.metadata["heldout.faces"] = std::to_string(faces.size());
  return card;
}

// Faces spread over those for tests, with two units under each.
Image faces_of(const judge::AuRegressor& judge, const FaceSet& set, const std::vector<int64_t>& faces) {
  constexpr size_t kShown = 24;
  std::vector<int64_t> shown;
  for (size_t i = 0; i < faces.size() && shown.size() < kShown;
       i += std::max<size_t>(1, faces.size() / kShown))
    shown.push_back(faces[i]);
  const std::vector<ActionUnits> read = judge::read_faces(judge, set, shown);
  std::vector<Image> cells;
  std::vector<std::string> labels;
  for (size_t i = 0; i < shown.size(); ++i) {
    cells.push_back(set.image(shown[i]));
    std::string text;
    for (const int unit : {12, 25}) {
      const auto au = size_t(index_of(unit));
      char part[48];
      std::snprintf(part, sizeof part, "%s%.1f %.1f", text.empty() ? "" : "  ",
                    5 * double(set.record(shown[i]).labels[au]), 5 * double(read[i][au]));
      text += part;
    }
    labels.push_back(text);
  }
  return contact_sheet(cells, 8, labels);
}

void train(Options& o, CLI::App& app) {
  use_device(o.common);
  std::optional<RunFolder> opened;
  const auto open_folder = [&] {
    opened.emplace(o.common.out, o.common.resume, o.common.force,
                   OwnFiles{"evaluate au-train", {kJudgeFile, kFacesFile, "index.html"}});
    opened->configure(app, {"save-minutes", "about", "iterations", "precision"},
                      {{"data", [](const fs::path& path) { return FaceSet(path).identity(); }}});
  };
  const bool goes_on = continues_run(o.common);
  if (app.count("--data") == 0 && !goes_on)
    throw UsageError("--data is required, unless --resume goes on with a run");
  if (goes_on) open_folder();
  use_device(o.common);
  const std::string about = o.about.empty() ? "" : read_text(o.about, 1 << 16);
  const FaceSet set(o.data);
  const std::vector<int64_t> test = set.indices(false);
  SGA_CHECK(test.size() >= 2, o.data, " holds too few faces for tests, ", test.size(),
            "; a judge needs 2 or more; prepare it with --split below 1");
  o.training.seed = o.common.seed;
  judge::Trainer trainer(o.training, set, set.indices(true));
  if (!goes_on) open_folder();
  RunFolder& run = *opened;
  if (run.resumed() && has_checkpoint(run.checkpoint())) trainer.load(load_newest(run.checkpoint()));
  run.rewind_metrics("step", double(trainer.iteration()));

  const auto save = [&] {
    Checkpoint checkpoint;
    trainer.store(checkpoint);
    save_keeping_previous(run.checkpoint(), checkpoint);
    Card card = measure(trainer.regressor(), set, test);
    card.metadata["about"] = about;
    card.metadata["crop"] = to_text(set.recipe());
    card.metadata["training"] = std::to_string(trainer.iteration()) + " iterations of batch " +
                                std::to_string(o.training.batch) + " on " +
                                std::to_string(set.indices(true).size()) + " faces";
    save_checkpoint(run / kJudgeFile, export_regressor(trainer.regressor(), card.metadata), Storage::f16);
    Page page("A judge of action units");
    if (!trainer.finished()) page.refresh_every(30);
    page.paragraph(card.metadata["training"] + "; tested on " + card.metadata["heldout.faces"] +
                   " faces it was not trained on.");
    page.table({"unit", "name", "Pearson", "ICC(3,1)", "MAE of 5"}, card.rows);
    save_png(run / kFacesFile, faces_of(trainer.regressor(), set, test));
    page.picture({kFacesFile, "AU12 and AU25 of faces for tests, of 5: label, judge"});
    page.curves("Loss", read_metrics(run / "metrics.jsonl", "step", {"loss"}), "iteration");
    page.write(run / "index.html");
    return card;
  };
  {
    using Clock = std::chrono::steady_clock;
    Progress progress(o.training.iterations, "au-train", o.common.quiet);
    progress.set(trainer.iteration());
    auto saved = Clock::now();
    while (!trainer.finished()) {
      trainer.step();
      constexpr int64_t kLogEvery = 50;
      if (trainer.iteration() % kLogEvery == 0) {
        const double loss = trainer.loss();
        run.metrics({{"step", double(trainer.iteration())}, {"loss", loss}});
        progress.set(trainer.iteration(), "loss " + fixed(loss));
      } else {
        progress.set(trainer.iteration());
      }
      if (interrupted()) {
        save();
        throw Interrupted();
      }
      if (std::chrono::duration<double>(Clock::now() - saved).count() > 60 * o.save_minutes)
        save(), saved = Clock::now();
    }
  }
  for (const auto& row : save().rows)
    std::printf("%-5s %-22s %8s %8s %8s\n", row[0].c_str(), row[1].c_str(), row[2].c_str(), row[3].c_str(),
                row[4].c_str());
  std::printf("%s; open %s\n", (run / kJudgeFile).c_str(), (run / "index.html").c_str());
}

}  // namespace

void declare_au_train(CLI::App& app) {
  auto o = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("au-train", "Train a judge of action units on a packed data set");
  sub->add_option("--data", o->data,
                  "Packed data set (.sgd) with people for tests; --resume: that of the run");
  sub->add_option("--size", o->training.regressor.size, "Pixels a side that it sees, a multiple of 16");
  sub->add_option("--width", o->training.regressor.width, "Channels of its first stage");
  sub->add_option("--batch", o->training.batch, "Faces an iteration");
  sub->add_option("--iterations", o->training.iterations, "Iterations in all")
      ->check(CLI::Range(int64_t{1}, int64_t{100'000'000}));
  sub->add_option("--lr", o->training.lr, "Learning rate at the start; it falls to 0 along a cosine")
      ->check(CLI::Range(1e-9, 1.0));
  sub->add_option("--about", o->about, "Text file to keep in the judge: data and licence");
  sub->add_option("--save-minutes", o->save_minutes, "Minutes between checkpoints")
      ->check(CLI::PositiveNumber);
  add_seed_option(*sub, o->common);
  add_compute_options(*sub, o->common);
  add_run_options(*sub, o->common);
  sub->callback([o, sub] { train(*o, *sub); });
}

}  // namespace sga
