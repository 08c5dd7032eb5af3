// evaluate au: generators of GANimation, judged by a network they never learned from.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "engine/image.h"
#include "engine/ops.h"
#include "models/ganimation/batches.h"
#include "models/judge/edit_report.h"
#include "models/judge/training.h"
#include "tools/evaluate.h"
#include "tools/page.h"
#include "tools/pretrained.h"
#include "tools/progress.h"
#include "tools/run_folder.h"

namespace sga {
namespace {

using json = nlohmann::ordered_json;
using judge::AuReport, judge::EditReport, judge::Half;

struct Options {
  CommonOptions common;
  std::vector<std::string> models;
  std::string data, judge;
  int64_t faces = 64;
};

// What is judged: a generator, or one of the two that any should beat.
struct Candidate {
  std::string name;
  int64_t size;
  judge::Editor editor;
};

Tensor fitted(const Tensor& x, int64_t size) {
  if (x.dim(1) == size) return x;
  const double scale = double(size) / double(x.dim(1));
  const Taps taps = bicubic_taps(x.dim(1), size, scale, scale < 1, false);
  return resize(x, taps, taps);
}

// Test faces, of different people where persons are known.
std::vector<int64_t> chosen_faces(const FaceSet& set, int64_t count) {
  std::vector<int64_t> faces, rest;
  std::set<int64_t> people;
  for (int64_t face : set.indices(false)) {
    const int64_t person = set.record(face).person;
    const bool known = person >= 0 && !people.insert(person).second;
    (known ? rest : faces).push_back(face);
  }
  faces.insert(faces.end(), rest.begin(), rest.end());
  faces.resize(std::min(faces.size(), size_t(count)));
  return faces;
}

std::string fixed(double value, int digits = 3) {
  if (!std::isfinite(value)) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}
json number(double value) { return std::isfinite(value) ? json(value) : json(); }

std::string unit_name(size_t au) { return "AU" + std::to_string(kActionUnitNumbers[au]); }

struct Column {
  const char* name;
  const char* key;
  int digits;
  double (*value)(const AuReport&);
};
constexpr Column kColumns[] = {
    {"Spearman", "spearman", 2, [](const AuReport& u) { return u.spearman; }},
    {"rise of 5", "rise", 2, [](const AuReport& u) { return u.rise; }},
    {"change in the other half", "other_half", 3, [](const AuReport& u) { return u.other_half; }},
    {"SSIM of the other half", "other_ssim", 3, [](const AuReport& u) { return u.other_ssim; }},
    {"Pearson", "pearson", 2, [](const AuReport& u) { return u.pearson; }},
    {"ICC(3,1)", "icc", 2, [](const AuReport& u) { return u.icc; }},
    {"MSE of 5", "mse", 2, [](const AuReport& u) { return u.mse; }},
};

struct Fact {
  const char* name;
  const char* key;
  int digits;
  double EditReport::*value;
};
constexpr Fact kFacts[] = {
    {"own units: PSNR, dB", "identity_psnr", 1, &EditReport::identity_psnr},
    {"background, of 255", "background", 3, &EditReport::background},
    {"mean attention", "attention", 3, &EditReport::attention},
    {"attention > 0.95", "attention_high", 3, &EditReport::attention_high},
    {"attention < 0.05", "attention_low", 3, &EditReport::attention_low},
    {"attention entropy, bits", "attention_entropy", 3, &EditReport::attention_entropy},
    {"attention variation", "attention_variation", 4, &EditReport::attention_variation},
    {"colour overflow", "overflow", 4, &EditReport::overflow},
    {"checkerboard", "checkerboard", 3, &EditReport::checkerboard},
    {"path to a smile", "path", 3, &EditReport::path},
};

json to_json(const EditReport& report) {
  json all;
  for (const Fact& fact : kFacts) all[fact.key] = number(report.*fact.value);
  for (size_t au = 0; au < kActionUnitCount; ++au) {
    json& unit = all["units"][unit_name(au)];
    for (const Column& column : kColumns) unit[column.key] = number(column.value(report.units[au]));
    for (size_t other = 0; other < kActionUnitCount; ++other)
      unit["leakage"][unit_name(other)] = number(double(report.units[au].leakage[other]));
  }
  return all;
}

double mean_of(const EditReport& report, const Column& column) {
  double sum = 0;
  int count = 0;
  for (const AuReport& unit : report.units)
    if (const double v = column.value(unit); std::isfinite(v)) sum += v, ++count;
  return count ? sum / count : NAN;
}

void add_to_page(Page& page, const Candidate& candidate, const EditReport& report) {
  page.heading(candidate.name);
  std::vector<std::pair<std::string, std::string>> facts;
  for (const Fact& fact : kFacts) facts.emplace_back(fact.name, fixed(report.*fact.value, fact.digits));
  page.table(facts);
  std::vector<std::string> header{"unit", "name"};
  for (const Column& column : kColumns) header.push_back(column.name);
  std::vector<std::vector<std::string>> rows;
  for (size_t au = 0; au < kActionUnitCount; ++au) {
    rows.push_back({unit_name(au), action_unit_name(int(au))});
    for (const Column& column : kColumns)
      rows.back().push_back(fixed(column.value(report.units[au]), column.digits));
  }
  page.table(header, rows);
  header = {"driven"};
  for (size_t au = 0; au < kActionUnitCount; ++au) header.push_back(unit_name(au));
  rows.clear();
  for (size_t au = 0; au < kActionUnitCount; ++au) {
    rows.push_back({unit_name(au)});
    for (const float v : report.units[au].leakage) rows.back().push_back(fixed(double(v), 1));
  }
  page.paragraph("What the judge reads more at 1 than at 0, of 5: a row for each unit driven alone.");
  page.table(header, rows);
}

// A row a face: the photograph, then AU 1, 4, 12, 25 at 1, then a smile.
Image sheet_of(const Candidate& candidate, const judge::LabelledFaces& faces,
               std::vector<std::string>& labels) {
  const int64_t n = std::min<int64_t>(6, faces.crops.dim(0));
  const Tensor crops = slice(faces.crops, 0, 0, n);
  const std::vector<std::vector<int>> driven{{1, 2}, {4}, {45}, {12}, {25, 26}, {15}, {6, 12, 25}};
  std::vector<Tensor> columns;
  for (const std::vector<int>& units : driven) {
    const std::vector<ActionUnits> shown(faces.labels.begin(), faces.labels.begin() + n);
    std::vector<ActionUnits> targets = shown;
    for (ActionUnits& target : targets)
      for (const int unit : units) target[size_t(index_of(unit))] = 1;
    columns.push_back(candidate.editor(crops, targets, shown).edited);
  }
  std::vector<Image> cells;
  for (int64_t i = 0; i < n; ++i) {
    cells.push_back(to_image(crops, i));
    labels.push_back("photo");
    for (size_t k = 0; k < driven.size(); ++k) {
      cells.push_back(to_image(columns[k], i));
      std::string label;
      for (const int unit : driven[k]) label += (label.empty() ? "" : "+") + std::to_string(unit);
      labels.push_back(label);
    }
  }
  return contact_sheet(cells, 1 + int64_t(driven.size()), labels);
}

void evaluate_au(const Options& o, CLI::App& app) {
  use_device(o.common);
  const FaceSet set(o.data);
  const std::vector<int64_t> chosen = chosen_faces(set, o.faces);
  SGA_CHECK(chosen.size() >= 2, o.data, " holds too few faces for tests, ", chosen.size(),
            "; 2 or more are needed; prepare it with --split below 1");
  const fs::path judge_file = o.judge.empty() ? default_judge() : fs::path(o.judge);
  const Checkpoint judge_checkpoint = load_checkpoint(judge_file);
  const judge::AuRegressor regressor = judge::load_regressor(judge_checkpoint);
  std::vector<Candidate> candidates;
  std::vector<std::string> files = o.models;
  if (files.empty()) files.push_back(default_model().string());
  for (const std::string& file : files) {
    const auto model = std::make_shared<ganimation::Model>(fs::path(file));
    candidates.push_back(
        {file, model->size(), [model](const Tensor& crops, const auto& targets, const auto& sources) {
           return model->edit(crops, targets, sources);
         }});
  }
  const int64_t size = candidates.front().size;
  candidates.push_back({"copy of the photograph", size, [](const Tensor& crops, const auto&, const auto&) {
                          const int64_t n = crops.dim(0), s = crops.dim(1);
                          return ganimation::Edit{crops, full({n, s, s, 1}, 1), crops};
                        }});
  const ganimation::Batch batch = ganimation::batch_of(set, chosen);
  const Tensor average = [&] {
    const Tensor x = fitted(batch.images, size);
    return affine(sum_to(x, {1, size, size, 3}), 1 / double(x.dim(0)));
  }();
  candidates.push_back({"mean face", size, [average](const Tensor& crops, const auto&, const auto&) {
                          const int64_t n = crops.dim(0), s = crops.dim(1);
                          const Tensor face = expand(average, {n, s, s, 3});
                          return ganimation::Edit{face, zeros({n, s, s, 1}), face};
                        }});

  RunFolder run(o.common.out, false, o.common.force,
                {"evaluate au", {"report.json", "sheet_#.png", "index.html"}});
  run.configure(app);
  const std::vector<ActionUnits> labels = ganimation::to_action_units(batch.source_aus);
  Page page("Action units asked for and judged");
  page.paragraph(std::to_string(chosen.size()) + " faces for tests of " +
                 fs::path(o.data).filename().string() + "; the judge is " + judge_file.filename().string() +
                 ".");
  json all{{"data", fs::path(o.data).filename().string()},
           {"faces", chosen.size()},
           {"judge", judge_file.filename().string()},
           {"judge_checksum", file_checksum(judge_file)}};
  std::vector<std::vector<std::string>> summary;
  std::vector<EditReport> reports;
  {
    Progress progress(int64_t(candidates.size()) * (kActionUnitCount + 3), "au", o.common.quiet);
    for (const Candidate& candidate : candidates) {
      const judge::LabelledFaces faces{fitted(batch.images, candidate.size), labels};
      reports.push_back(report_edits(candidate.editor, regressor, faces, o.common.seed, [&] {
        stop_if_interrupted();
        progress.advance();
      }));
      all["models"][candidate.name] = to_json(reports.back());
    }
  }
  std::vector<std::string> header{"model"};
  for (const Column& column : kColumns) header.push_back(std::string(column.name));
  for (const char* name : {"AU12 rise", "AU25 rise", "own units PSNR", "attention", "background"})
    header.push_back(name);
  for (size_t i = 0; i < candidates.size(); ++i) {
    std::vector<std::string> row{candidates[i].name};
    for (const Column& column : kColumns) row.push_back(fixed(mean_of(reports[i], column), column.digits));
    for (const int unit : {12, 25}) row.push_back(fixed(reports[i].units[size_t(index_of(unit))].rise, 2));
    row.push_back(fixed(reports[i].identity_psnr, 1));
    row.push_back(fixed(reports[i].attention, 2));
    row.push_back(fixed(reports[i].background, 2));
    summary.push_back(std::move(row));
  }
  page.table(header, summary);
  page.paragraph("Means over the 17 units. Rises, MSE and leakage are on OpenFace's scale of 0 to 5.");
  for (size_t i = 0; i < candidates.size(); ++i) {
    add_to_page(page, candidates[i], reports[i]);
    std::vector<std::string> captions;
    const judge::LabelledFaces faces{fitted(batch.images, candidates[i].size), labels};
    const std::string file = "sheet_" + std::to_string(i) + ".png";
    const Image sheet = sheet_of(candidates[i], faces, captions);
    save_png(run / file, sheet);
    page.picture({file, "units driven to 1"});
  }
  write_file(run / "report.json", all.dump(2) + "\n");
  page.write(run / "index.html");
  for (size_t c = 0; c < header.size(); ++c) {
    std::printf("%-26s", header[c].c_str());
    for (const auto& row : summary) std::printf(" %24.24s", fs::path(row[c]).filename().c_str());
    std::printf("\n");
  }
  std::printf("open %s\n", (run / "index.html").c_str());
}

}  // namespace

void declare_au(CLI::App& app) {
  auto o = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand(
      "au", "Judge generators of GANimation: what was asked, what is seen, what else changed");
  sub->add_option("--model", o->models, "Model file; may be given again; default: the one shipped");
  sub->add_option("--judge", o->judge, "Judge that au-train wrote; default: the one shipped");
  sub->add_option("--data", o->data, "Packed data set (.sgd), of which the faces for tests are edited")
      ->required();
  sub->add_option("--faces", o->faces, "Faces at most, of as many people as there are")
      ->check(CLI::Range(int64_t{2}, int64_t{100'000}));
  add_seed_option(*sub, o->common);
  add_compute_options(*sub, o->common);
  add_out_option(*sub, o->common);
  sub->callback([o, sub] { evaluate_au(*o, *sub); });
}

}  // namespace sga
