// facedata doctor: what is wrong with a data set, before a training shows it.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <map>
#include <memory>
#include <numeric>
#include <set>

#include "engine/exif.h"
#include "models/ganimation/csv.h"
#include "models/ganimation/face_set.h"
#include "tools/face_labels.h"
#include "tools/face_layouts.h"
#include "tools/facedata.h"
#include "tools/page.h"
#include "tools/progress.h"
#include "tools/run_folder.h"

namespace sga {
namespace {

struct DoctorOptions {
  CommonOptions common;
  std::string data, images, layout = "plain", labels, frames = "auto";
};

constexpr float kShown = 0.2f;        ///< intensity 1 of 5
constexpr int64_t kAdvised = 10'000;  ///< faces; what the authors of the method advise
constexpr double kConfidence = 0.88;  ///< below it labels are often wrong
constexpr size_t kShownFaces = 24;    ///< of a finding
constexpr int64_t kRim = 3;           ///< of that grid: hair and background
constexpr int64_t kGrid = 16;         ///< faces are compared as greys of 16x16
constexpr double kFlat = 0.15, kDark = 0.08, kBright = 0.92;  ///< spread / mean, and mean of the greys
constexpr double kAlike = 2.0 / 255;   ///< mean difference of greys below which two faces are one
constexpr double kOdd = 3.5;           ///< robust standard deviations below the middle likeness
constexpr double kLabelsDiffer = 0.2;  ///< of some AU, 0..1

enum class Level { good, note, problem };

/// One line of the diagnosis; `faces` are shown in a sheet of their own.
struct Finding {
  Level level;
  std::string title, detail;
  std::vector<int64_t> faces{};
  std::vector<std::string> captions{};  ///< one a face, or none
  std::string file{};                   ///< name of the sheet without .png
};

std::string text_of(double v, int digits = 2) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", digits, v);
  return text;
}

/// Names of the first few of many.
std::string list(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < names.size() && i < 5; ++i) text.append(i ? ", " : "").append(names[i]);
  return names.size() > 5 ? text + ", ..." : text;
}

std::string counted(size_t n, const std::string& thing) {
  return std::to_string(n) + " " + thing + (n == 1 ? "" : "s");
}

// ---- labels

/// Mean, share shown, 99th percentile and largest value of every AU, and its histogram.
struct LabelReport {
  std::vector<std::vector<std::string>> rows;
  std::vector<Page::Chart> charts;
  std::vector<Finding> findings;
};

LabelReport report_labels(const std::vector<ActionUnits>& labels) {
  LabelReport report;
  std::vector<std::string> rare;
  for (size_t au = 0; au < kActionUnitCount; ++au) {
    std::vector<float> values;
    double sum = 0;
    size_t shown = 0;
    for (const ActionUnits& l : labels) {
      values.push_back(l[au]);
      sum += static_cast<double>(l[au]);
      shown += l[au] > kShown;
    }
    std::sort(values.begin(), values.end());
    const auto n = static_cast<double>(values.size());
    const std::string name = "AU " + std::to_string(kActionUnitNumbers[au]);
    report.rows.push_back({name, action_unit_name(static_cast<int>(au)), text_of(5 * sum / n),
                           text_of(100 * static_cast<double>(shown) / n, 1),
                           text_of(5.0 * static_cast<double>(values[static_cast<size_t>(0.99 * (n - 1))])),
                           text_of(5.0 * static_cast<double>(values.back()))});
    if (static_cast<double>(shown) < 0.002 * n || shown == 0) rare.push_back(name);
    constexpr size_t kBins = 20;  // of a quarter of OpenFace's intensity
    Series bins{"faces", {}, {}};
    std::array<double, kBins> counts{};
    for (const float v : values)
      ++counts[static_cast<size_t>(std::clamp(static_cast<double>(v) * kBins, 0.0, kBins - 1.0))];
    for (size_t b = 0; b < kBins; ++b) {
      bins.x.push_back((static_cast<double>(b) + 0.5) * 5 / kBins);
      bins.y.push_back(std::max(counts[b], 0.5));  // a logarithmic axis has no 0
    }
    report.charts.push_back({name + " " + action_unit_name(static_cast<int>(au)), {std::move(bins)}, true});
  }
  if (!rare.empty())
    report.findings.push_back(
        {Level::note, counted(rare.size(), "action unit") + " hardly ever shown",
         list(rare) + ": an intensity above 1 in fewer than 1 of 500 faces; a model cannot learn "
                      "what it does not see"});
  size_t out = 0, blank = 0;
  for (const ActionUnits& l : labels) {
    out += std::any_of(l.begin(), l.end(), [](float v) { return !(v >= 0 && v <= 1); });
    blank += std::all_of(l.begin(), l.end(), [](float v) { return v == 0; });
  }
  if (out > 0)
    report.findings.push_back({Level::problem, counted(out, "face") + " with labels out of range",
                               "intensities must lie between 0 and 5"});
  if (static_cast<double>(blank) > 0.01 * static_cast<double>(labels.size()) && blank > 1)
    report.findings.push_back({Level::note, counted(blank, "face") + " without any action unit",
                               "all 17 intensities are 0: did OpenFace see a face?"});
  return report;
}

void show_labels(Page& page, const LabelReport& report) {
  page.heading("Action units");
  page.table({"", "", "mean", "% above 1", "99th percentile", "largest"}, report.rows);
  page.charts("Intensities (0 to 5) and how many faces have them", report.charts, "intensity");
}

// ---- faces of a packed set

/// A face as 16x16 greys, and what is told from them.
struct Look {
  std::vector<float> grey;
  double mean = 0, spread = 0, likeness = 0;  ///< likeness: correlation with the mean face
  bool flat() const { return spread < 0.01 || (spread < 0.03 && spread < kFlat * mean); }
};

Look look_at(const FaceSet& set, int64_t i) {
  Look look;
  const Image small = resize_image(convert_channels(set.image(i), 1), kGrid, kGrid);
  look.grey = small.pixels;
  for (const float v : look.grey) look.mean += static_cast<double>(v);
  look.mean /= static_cast<double>(look.grey.size());
  for (const float v : look.grey)
    look.spread += (static_cast<double>(v) - look.mean) * (static_cast<double>(v) - look.mean);
  look.spread = std::sqrt(look.spread / static_cast<double>(look.grey.size()));
  return look;
}

std::vector<Look> look_at_all(const FaceSet& set, const std::vector<int64_t>& faces, bool quiet) {
  std::vector<Look> looks;
  Progress progress(static_cast<int64_t>(faces.size()), "looking at faces", quiet);
  for (const int64_t i : faces) {
    stop_if_interrupted();
    looks.push_back(look_at(set, i));
    progress.advance();
  }
  // Correlation of the middle, where the face is and not its hair and background, with that of the mean face.
  const auto middle = [](const Look& l) {
    std::vector<double> values;
    double mean = 0, squares = 0;
    for (int64_t y = kRim; y < kGrid - kRim; ++y)
      for (int64_t x = kRim; x < kGrid - kRim; ++x)
        mean += values.emplace_back(static_cast<double>(l.grey[static_cast<size_t>(y * kGrid + x)]));
    mean /= static_cast<double>(values.size());
    for (double& v : values) v -= mean, squares += v * v;
    for (double& v : values) v /= std::sqrt(std::max(squares, 1e-12));
    return values;
  };
  std::vector<double> mean;
  for (const Look& l : looks) {
    const std::vector<double> values = middle(l);
    mean.resize(values.size());
    for (size_t k = 0; k < values.size(); ++k) mean[k] += values[k];
  }
  const double length = std::sqrt(std::inner_product(mean.begin(), mean.end(), mean.begin(), 0.0));
  for (Look& l : looks) {
    const std::vector<double> values = middle(l);
    l.likeness =
        std::inner_product(values.begin(), values.end(), mean.begin(), 0.0) / std::max(length, 1e-12);
  }
  return looks;
}

Image mean_face(const FaceSet& set, const std::vector<int64_t>& faces) {
  Image mean{set.size(), set.size(), 3, std::vector<float>(static_cast<size_t>(set.size() * set.size() * 3))};
  for (const int64_t i : faces) {
    const std::span<const uint8_t> from = set.pixels(i);
    for (size_t k = 0; k < from.size(); ++k)
      mean.pixels[k] += static_cast<float>(from[k]) / 255 / static_cast<float>(faces.size());
  }
  return mean;
}

/// Pairs that show the same picture, by equal coarse hash and then by their greys.
std::vector<std::pair<size_t, size_t>> find_duplicates(const std::vector<Look>& looks) {
  std::map<std::vector<bool>, std::vector<size_t>> buckets;
  for (size_t i = 0; i < looks.size(); ++i) {
    if (looks[i].flat()) continue;  // all empty pictures are alike, and a finding of their own
    std::vector<bool> hash;         // is a 4x4 block lighter than the mean?
    for (size_t by = 0; by < 4; ++by)
      for (size_t bx = 0; bx < 4; ++bx) {
        float sum = 0;
        for (size_t y = 0; y < 4; ++y)
          for (size_t x = 0; x < 4; ++x) sum += looks[i].grey[(by * 4 + y) * 16 + bx * 4 + x];
        hash.push_back(static_cast<double>(sum) / 16 > looks[i].mean);
      }
    buckets[hash].push_back(i);
  }
  std::vector<std::pair<size_t, size_t>> pairs;
  for (auto& [hash, members] : buckets) {
    // Within a bucket only neighbours in mean grey can be alike.
    std::sort(members.begin(), members.end(),
              [&](size_t a, size_t b) { return looks[a].mean < looks[b].mean; });
    for (size_t a = 0; a < members.size(); ++a)
      for (size_t b = a + 1; b < members.size() && looks[members[b]].mean - looks[members[a]].mean < kAlike;
           ++b) {
        double difference = 0;
        for (size_t k = 0; k < 256; ++k)
          difference +=
              std::abs(static_cast<double>(looks[members[a]].grey[k] - looks[members[b]].grey[k])) / 256;
        if (difference < kAlike)
          pairs.emplace_back(std::min(members[a], members[b]), std::max(members[a], members[b]));
      }
  }
  std::sort(pairs.begin(), pairs.end());
  return pairs;
}

std::vector<Finding> examine_faces(const FaceSet& set, const std::vector<int64_t>& faces,
                                   const std::vector<Look>& looks) {
  std::vector<Finding> findings;
  Finding flat{Level::problem, "", "nearly one grey: no face can be seen", {}, {}, "flat"};
  Finding dark{Level::note, "", "the mean brightness is below 0.08 or above 0.92", {}, {}, "dark"};
  std::vector<double> likeness;
  for (size_t k = 0; k < faces.size(); ++k) {
    if (looks[k].flat()) {
      flat.faces.push_back(faces[k]);
      continue;
    }
    if (looks[k].mean < kDark || looks[k].mean > kBright) dark.faces.push_back(faces[k]);
    likeness.push_back(looks[k].likeness);
  }
  flat.title = counted(flat.faces.size(), "empty picture");
  dark.title = counted(dark.faces.size(), "very dark or bright face");
  if (!flat.faces.empty()) findings.push_back(flat);
  if (!dark.faces.empty()) findings.push_back(dark);

  if (likeness.size() >= 20) {  // fewer have no usual look
    const auto median = [](std::vector<double> v) {
      std::nth_element(v.begin(), v.begin() + static_cast<int64_t>(v.size() / 2), v.end());
      return v[v.size() / 2];
    };
    const double middle = median(likeness);
    std::vector<double> away;
    for (const double v : likeness) away.push_back(std::abs(v - middle));
    const double limit = middle - std::max(0.2, kOdd * 1.4826 * median(away));
    std::vector<size_t> odd;
    for (size_t k = 0; k < faces.size(); ++k)
      if (!looks[k].flat() && looks[k].likeness < limit) odd.push_back(k);
    std::sort(odd.begin(), odd.end(),
              [&](size_t a, size_t b) { return looks[a].likeness < looks[b].likeness; });
    if (!odd.empty()) {
      Finding finding{Level::note,
                      counted(odd.size(), "face") + " unlike the mean face",
                      "correlation with the mean face below " + text_of(limit) + " (the middle one has " +
                          text_of(middle) + "): wrong crops, hands, hats, profiles",
                      {},
                      {},
                      "odd"};
      for (const size_t k : odd) {
        finding.faces.push_back(faces[k]);
        finding.captions.push_back(text_of(looks[k].likeness));
      }
      findings.push_back(std::move(finding));
    }
  }

  const auto pairs = find_duplicates(looks);
  Finding leak{Level::problem,
               "",
               "the same picture is trained on and tested with: split again, or remove one",
               {},
               {},
               "leaks"};
  Finding contrary{Level::problem, "", "the same picture with labels that differ by more than 1 of 5", {}, {},
                   "contrary"};
  Finding twice{Level::note, "", "the same picture is there more than once", {}, {}, "duplicates"};
  size_t counts[3] = {};
  for (const auto& [a, b] : pairs) {
    const FaceRecord &x = set.record(faces[a]), &y = set.record(faces[b]);
    double apart = 0;
    for (size_t au = 0; au < kActionUnitCount; ++au)
      apart = std::max(apart, static_cast<double>(std::abs(x.labels[au] - y.labels[au])));
    const int kind = x.train != y.train ? 0 : apart > kLabelsDiffer ? 1 : 2;
    Finding& finding = kind == 0 ? leak : kind == 1 ? contrary : twice;
    ++counts[kind];
    finding.faces.insert(finding.faces.end(), {faces[a], faces[b]});
  }
  leak.title = counted(counts[0], "duplicate") + " on both sides of the split";
  contrary.title = counted(counts[1], "duplicate") + " with contrary labels";
  twice.title = counted(counts[2], "duplicate");
  for (const Finding* finding : {&leak, &contrary, &twice})
    if (!finding->faces.empty()) findings.push_back(*finding);
  return findings;
}

std::vector<Finding> examine_table(const FaceSet& set, const std::vector<int64_t>& faces) {
  std::vector<Finding> findings;
  if (const std::string damage = set.damage(); !damage.empty())
    findings.push_back({Level::problem, "damaged file", damage});
  else if (!set.pixels_intact())
    findings.push_back({Level::problem, "damaged file",
                        "the checksum of its pixels is wrong; version 1 does not tell where"});
  std::map<int64_t, std::array<int, 2>> people;
  std::vector<std::string> unsure, both;
  std::array<int64_t, 2> sides{};
  int64_t unknown = 0;
  for (const int64_t i : faces) {
    const FaceRecord& r = set.record(i);
    ++sides[r.train];
    if (r.person >= 0)
      ++people[r.person][r.train];
    else
      ++unknown;
    if (static_cast<double>(r.confidence) < kConfidence) unsure.push_back(r.name);
  }
  for (const auto& [person, count] : people)
    if (count[0] > 0 && count[1] > 0) both.push_back(std::to_string(person));
  if (!both.empty())
    findings.push_back(
        {Level::problem,
         (both.size() == 1 ? "1 person" : std::to_string(both.size()) + " people") +
             " on both sides of the split",
         list(both) + ": tests would measure faces the model knows; facedata split --by person"});
  if (sides[1] == 0) findings.push_back({Level::problem, "no training face", "facedata split makes some"});
  if (sides[0] == 0)
    findings.push_back({Level::note, "no test face", "the run's page will show training faces"});
  if (unknown > 0)
    findings.push_back({Level::note, counted(static_cast<size_t>(unknown), "face") + " of unknown people",
                        "the same person may be on both sides of the split; give --identity to prepare"});
  if (people.size() == 1 && unknown == 0)
    findings.push_back(
        {Level::note, "one person only", "a model learns this person; others will look alike"});
  if (!unsure.empty())
    findings.push_back({Level::note, counted(unsure.size(), "label") + " of low confidence", list(unsure)});
  if (static_cast<int64_t>(faces.size()) < kAdvised)
    findings.push_back({Level::note, "only " + counted(faces.size(), "face"),
                        "10,000 are advised; with fewer, masks that copy the input are likely"});
  return findings;
}

/// Rows of the faces that show an AU most: where labels are wrong it is seen at once.
Image strongest(const FaceSet& set, std::vector<int64_t> faces) {
  constexpr size_t kEach = 8;
  std::vector<Image> cells;
  std::vector<std::string> captions;
  const size_t n = std::min(kEach, faces.size());
  for (size_t au = 0; au < kActionUnitCount; ++au) {
    std::partial_sort(faces.begin(), faces.begin() + static_cast<int64_t>(n), faces.end(),
                      [&](int64_t a, int64_t b) {
                        const float x = set.record(a).labels[au], y = set.record(b).labels[au];
                        return x != y ? x > y : a < b;
                      });
    for (size_t k = 0; k < n; ++k) {
      cells.push_back(set.image(faces[k]));
      captions.push_back("AU" + std::to_string(kActionUnitNumbers[au]) + " " +
                         text_of(5.0 * static_cast<double>(set.record(faces[k]).labels[au]), 1));
    }
  }
  return contact_sheet(cells, static_cast<int64_t>(n), captions);
}

// ---- pages

const char* word(Level level) {
  return level == Level::problem ? "PROBLEM" : level == Level::note ? "note" : "good";
}

/// The findings on stdout and on the page; returns how many are problems.
size_t show(Page& page, const std::vector<Finding>& findings) {
  size_t problems = 0;
  std::vector<std::vector<std::string>> rows;
  for (const Finding& f : findings) {
    problems += f.level == Level::problem;
    rows.push_back({word(f.level), f.title, f.detail});
    std::printf("%-8s %s: %s\n", word(f.level), f.title.c_str(), f.detail.c_str());
  }
  if (findings.empty()) rows.push_back({word(Level::good), "nothing is wrong", ""});
  page.table({"", "what", "meaning"}, rows);
  return problems;
}

void conclude(const RunFolder& run, const Page& page, const std::string& what, size_t problems) {
  page.write(run / "index.html");
  std::printf("%s\n", (run / "index.html").c_str());
  SGA_CHECK(problems == 0, what, " has ", counted(problems, "problem"), "; ", run / "index.html", " shows ",
            problems == 1 ? "it" : "them");
}

const OwnFiles kOwn{"facedata doctor",
                    {"index.html", "mean.png", "faces.png", "strongest.png", "flat.png", "dark.png",
                     "odd.png", "leaks.png", "contrary.png", "duplicates.png"}};

void examine_set(const DoctorOptions& o, CLI::App& app) {
  const FaceSet set(o.data);
  std::vector<int64_t> faces = set.indices(true);
  const std::vector<int64_t> test = set.indices(false);
  faces.insert(faces.end(), test.begin(), test.end());
  std::sort(faces.begin(), faces.end());
  SGA_CHECK(!faces.empty(), o.data, ": every face is damaged");
  RunFolder run(o.common.out, false, o.common.force, kOwn);
  run.configure(app);
  const std::vector<Look> looks = look_at_all(set, faces, o.common.quiet);

  std::vector<ActionUnits> labels;
  for (const int64_t i : faces) labels.push_back(set.record(i).labels);
  const LabelReport report = report_labels(labels);
  std::vector<Finding> findings = examine_table(set, faces);
  findings.insert(findings.end(), report.findings.begin(), report.findings.end());
  for (Finding& f : examine_faces(set, faces, looks)) findings.push_back(std::move(f));
  std::stable_sort(findings.begin(), findings.end(),
                   [](const Finding& a, const Finding& b) { return a.level > b.level; });

  Page page("facedata doctor: " + fs::path(o.data).filename().string());
  page.table({{"faces", std::to_string(set.count())},
              {"to train", std::to_string(set.indices(true).size())},
              {"size", std::to_string(set.size()) + " px"},
              {"recipe", to_text(set.recipe())}});
  const size_t problems = show(page, findings);
  for (const Finding& f : findings) {
    if (f.faces.empty()) continue;
    std::vector<Image> cells;
    std::vector<std::string> captions;
    for (size_t k = 0; k < f.faces.size() && k < kShownFaces; ++k) {
      cells.push_back(set.image(f.faces[k]));
      captions.push_back(f.captions.empty() ? set.record(f.faces[k]).name
                                            : f.captions[k] + " " + set.record(f.faces[k]).name);
    }
    save_png(run / (f.file + ".png"), contact_sheet(cells, 8, captions));
    page.heading(f.title);
    page.picture({f.file + ".png", f.detail});
  }
  save_png(run / "mean.png", mean_face(set, faces));
  std::vector<Image> some;
  const size_t n = std::min<size_t>(40, faces.size());
  for (size_t k = 0; k < n; ++k) some.push_back(set.image(faces[k * faces.size() / n]));
  save_png(run / "faces.png", contact_sheet(some, 10));
  save_png(run / "strongest.png", strongest(set, faces));
  page.pictures("The mean face: eyes and mouth should be in place, and sharp for aligned crops",
                {{"mean.png", ""}});
  page.heading("Faces, spread over the set");
  page.picture({"faces.png", ""});
  page.heading("Where each action unit is strongest: do the labels tell the truth?");
  page.picture({"strongest.png", ""});
  show_labels(page, report);
  conclude(run, page, o.data, problems);
}

/// Pictures and labels before they are packed.
void examine_sources(const DoctorOptions& o, CLI::App& app) {
  const FaceLayout layout = read_layout(o.layout, o.images);
  if (o.labels.empty() && layout.labels.empty()) throw UsageError("--labels is required beside --images");
  const PictureSource pictures(layout.images);
  const FaceLabels labels = read_labels(
      {o.labels.empty() ? layout.labels : fs::path(o.labels), MissingAus::zero, o.frames}, pictures);

  RunFolder run(o.common.out, false, o.common.force, kOwn);
  run.configure(app);

  std::vector<std::string> undecodable, unlabelled, missing, several, bad, unsure, repeated, same_name;
  std::map<std::string, std::string> contents;
  std::map<std::string, int64_t> shapes;
  std::set<std::string> seen;
  int64_t turned = 0, small = 0;
  std::set<std::string> bad_keys;
  for (const RejectedRow& row : labels.rejected) {
    bad.push_back((row.image.empty() ? "line " + std::to_string(row.line) : row.image) + " (" + row.reason +
                  ")");
    bad_keys.insert(picture_key(row.image));
  }
  Progress progress(static_cast<int64_t>(pictures.count()), "reading pictures", o.common.quiet);
  for (size_t i = 0; i < pictures.count(); ++i) {
    stop_if_interrupted();
    const std::string& name = pictures.name(i);
    const std::string key = picture_key(name);
    if (!seen.insert(key).second) same_name.push_back(name);
    try {
      const Bytes file = pictures.read(i);
      const auto [first, fresh] = contents.emplace(checksum(file), name);
      if (!fresh) repeated.push_back(name + " = " + first->second);
      const ImageInfo info = image_info(file, name);
      decode_image(file, name);  // a header alone says little
      ++shapes[std::to_string(info.width) + "x" + std::to_string(info.height) +
               (info.channels == 1   ? " grey"
                : info.channels == 3 ? ""
                                     : " with alpha")];
      turned += info.format == "jpeg" && exif_orientation(file) != 1;
      small += std::min(info.width, info.height) < 64;
    } catch (const Error& error) {
      undecodable.push_back(name);
    }
    const auto label = labels.by_key.find(key);
    if (label == labels.by_key.end()) {
      if (!bad_keys.contains(key)) unlabelled.push_back(name);
    } else {
      if (label->second.faces > 1) several.push_back(name);
      if (label->second.row.confidence < kConfidence) unsure.push_back(name);
    }
    progress.advance();
  }
  std::vector<ActionUnits> values;
  for (const std::string& key : labels.order) {
    const FaceRow& row = labels.by_key.at(key).row;
    if (!seen.contains(key)) missing.push_back(row.image);
    values.push_back(row.action_units());
  }
  std::vector<Finding> findings;
  const auto add = [&](Level level, const std::vector<std::string>& names, const std::string& thing,
                       const std::string& which) {
    if (!names.empty()) findings.push_back({level, counted(names.size(), thing) + " " + which, list(names)});
  };
  add(Level::problem, undecodable, "picture", "that cannot be decoded");
  add(Level::problem, bad, "label", "that cannot be used");
  add(Level::problem, missing, "label", "without a picture");
  add(Level::problem, same_name, "picture", "named like another one in another folder");
  add(Level::note, unlabelled, "picture", "without a label");
  add(Level::note, several, "picture", "with labels of several faces");
  add(Level::note, unsure, "label", "of a confidence below 0.88");
  add(Level::note, repeated, "picture", "with the bytes of another one");
  std::vector<std::string> absent;
  for (const int au : labels.missing_aus) absent.push_back("AU " + std::to_string(au));
  add(Level::problem, absent, "action unit", "missing in the labels");
  if (turned > 0)
    findings.push_back(
        {Level::note, counted(static_cast<size_t>(turned), "picture") + " turned by EXIF",
         "they are set upright here; labels and landmarks must come from a tool that does so too"});
  if (small > 0)
    findings.push_back({Level::note, counted(static_cast<size_t>(small), "picture") + " below 64 pixels",
                        "faces will be blurred"});
  if (values.empty()) findings.push_back({Level::problem, "no label can be used", ""});

  LabelReport report;
  if (!values.empty()) report = report_labels(values);
  findings.insert(findings.end(), report.findings.begin(), report.findings.end());
  std::stable_sort(findings.begin(), findings.end(),
                   [](const Finding& a, const Finding& b) { return a.level > b.level; });
  std::vector<std::pair<int64_t, std::string>> frequent;
  for (const auto& [shape, count] : shapes) frequent.emplace_back(-count, shape);
  std::sort(frequent.begin(), frequent.end());

  Page page("facedata doctor: " + o.images);
  page.table(
      {{"pictures", std::to_string(pictures.count())}, {"labels", std::to_string(labels.order.size())}});
  const size_t problems = show(page, findings);
  page.heading("Sizes of the pictures");
  std::vector<std::vector<std::string>> rows;
  for (size_t k = 0; k < frequent.size() && k < 12; ++k)
    rows.push_back({frequent[k].second, std::to_string(-frequent[k].first)});
  page.table({"pixels", "pictures"}, rows);
  if (!values.empty()) show_labels(page, report);
  std::vector<Image> some;
  for (size_t k = 0, n = std::min<size_t>(20, pictures.count()); k < n; ++k) {
    const size_t i = k * pictures.count() / n;
    try {
      const Image picture = convert_channels(decode_image(pictures.read(i), pictures.name(i)), 3);
      const double scale = 128.0 / static_cast<double>(std::max(picture.height, picture.width));
      some.push_back(resize_image(
          picture, std::max<int64_t>(1, std::llround(static_cast<double>(picture.height) * scale)),
          std::max<int64_t>(1, std::llround(static_cast<double>(picture.width) * scale))));
    } catch (const Error&) {  // named above
    }
  }
  if (!some.empty()) {
    save_png(run / "faces.png", contact_sheet(some, 10));
    page.heading("Pictures, spread over the set");
    page.picture({"faces.png", ""});
  }
  conclude(run, page, o.images, problems);
}

void doctor(const DoctorOptions& o, CLI::App& app) {
  if (o.data.empty() == o.images.empty())
    throw UsageError("give either --data, a .sgd file, or --images and --labels, what one would be made of");
  if (o.data.empty())
    examine_sources(o, app);
  else
    examine_set(o, app);
}

}  // namespace

void declare_facedata_doctor(CLI::App& app) {
  auto o = std::make_shared<DoctorOptions>();
  CLI::App* command =
      app.add_subcommand("doctor", "Look for what is wrong with a data set; exit code 1 if something is");
  command->add_option("data,--data", o->data, "The .sgd file to examine");
  command->add_option("--images", o->images, "Or: pictures that are not packed yet, as prepare takes them");
  command->add_option("--labels", o->labels, "Their labels, as prepare takes them");
  command->add_option("--layout", o->layout, "What --images is, see prepare")
      ->check(CLI::IsMember({"plain", "celeba", "raf-db", "ganimation"}))
      ->capture_default_str();
  command->add_option("--frames", o->frames, "How frames and pictures belong together, see prepare")
      ->check(CLI::IsMember({"auto", "number", "order"}))
      ->capture_default_str();
  command->add_flag("--quiet", o->common.quiet, "No progress on stderr");
  add_out_option(*command, o->common);
  command->callback([o, command] { doctor(*o, *command); });
}

}  // namespace sga
