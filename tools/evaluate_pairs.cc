// Pairs of pictures and the report about them.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "engine/image.h"
#include "engine/ops.h"
#include "tools/evaluate.h"
#include "tools/progress.h"

namespace sga {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kNamedInError = 10;

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

/// Pictures of a folder by name without extension.
std::map<std::string, fs::path> pictures_in(const fs::path& folder) {
  std::map<std::string, fs::path> found;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    if (!has_picture_name(it->path()) || !it->is_regular_file(ignored)) continue;
    const auto [at, first] = found.try_emplace(it->path().stem().string(), it->path());
    SGA_CHECK(first, "the folder ", folder, " holds both ", at->second.filename(), " and ",
              it->path().filename(), ", and pictures are paired by that name; keep one of them there");
  }
  SGA_CHECK(!error, "cannot read the folder ", folder, ": ", error.message());
  SGA_CHECK(!found.empty(), "the folder ", folder, " holds no PNG, JPEG or BMP picture");
  return found;
}

/// (1,H,W,3) in [0,1].
Tensor load_picture(const fs::path& path) { return affine(to_tensor(load_image(path)), 0.5, 0.5); }

struct Row {
  const PicturePair* pair;
  std::vector<double> scores;
};

double mean_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double v : values) sum += v;
  return sum / double(values.size());
}

double median_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
}

/// `statistic` of each column, over the pairs that have a value there.
std::vector<double> over_pairs(const std::vector<Row>& rows, size_t columns,
                               double (*statistic)(std::vector<double>)) {
  std::vector<double> results;
  for (size_t c = 0; c < columns; ++c) {
    std::vector<double> values;
    for (const Row& row : rows)
      if (!std::isnan(row.scores[c])) values.push_back(row.scores[c]);
    results.push_back(values.empty() ? NAN : statistic(values));
  }
  return results;
}

std::string text_of(double value, int decimals) {
  if (std::isnan(value)) return "-";
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

void print_table(const Metric& metric, const std::vector<Row>& rows, const std::vector<double>& mean,
                 const std::vector<double>& median) {
  size_t first = 6;
  for (const Row& row : rows) first = std::max(first, row.pair->name.size());
  const auto print = [&](const std::string& name, const auto& cell) {
    std::printf("%-*s", int(first), name.c_str());
    for (size_t c = 0; c < metric.columns.size(); ++c)
      std::printf("  %*s", int(std::max<size_t>(metric.columns[c].name.size(), 8)), cell(c).c_str());
    std::printf("\n");
  };
  const auto print_scores = [&](const std::string& name, const std::vector<double>& scores) {
    print(name, [&](size_t c) { return text_of(scores[c], metric.columns[c].decimals); });
  };
  print("", [&](size_t c) { return metric.columns[c].name; });
  for (const Row& row : rows) print_scores(row.pair->name, row.scores);
  if (rows.size() > 1) {
    print_scores("mean", mean);
    print_scores("median", median);
  }
}

/// null for what is not a number or infinite.
Json scores_json(const Metric& metric, const std::vector<double>& scores) {
  Json json;
  for (size_t c = 0; c < scores.size(); ++c)
    json[metric.columns[c].name] = std::isfinite(scores[c]) ? Json(scores[c]) : Json();
  return json;
}

std::string report_json(const CompareOptions& o, const Metric& metric, const std::vector<Row>& rows,
                        const std::vector<double>& mean, const std::vector<double>& median,
                        const std::vector<std::string>& unpaired, const std::vector<LeftOut>& left_out) {
  Json json = {
      {"tool", "evaluate " + metric.name}, {"version", version()}, {"real", o.real}, {"fake", o.fake}};
  for (const auto& [key, value] : metric.facts) json[key] = value;
  json["count"] = rows.size();
  json["mean"] = scores_json(metric, mean);
  json["median"] = scores_json(metric, median);
  json["pairs"] = Json::array();
  for (const Row& row : rows) {
    Json entry = {
        {"name", row.pair->name}, {"real", row.pair->real.string()}, {"fake", row.pair->fake.string()}};
    entry.update(scores_json(metric, row.scores));
    json["pairs"].push_back(entry);
  }
  json["unpaired"] = unpaired;
  json["left_out"] = Json::array();
  for (const auto& [name, reason] : left_out)
    json["left_out"].push_back({{"name", name}, {"reason", reason}});
  // File names may hold any bytes; those that are no UTF-8 become U+FFFD.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

void check_json_path(const fs::path& file) {
  if (file.empty()) return;
  const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  SGA_CHECK(is_folder(folder), "--json: there is no folder ", folder, " to write into");
  SGA_CHECK(!is_folder(file), "--json: ", file, " is a folder, the name of a file is needed");
}

std::string sentence_about(const std::vector<LeftOut>& left_out, size_t all, const std::string& thing) {
  std::string sentence = std::to_string(left_out.size()) + " of " + std::to_string(all) + " " + thing +
                         (all == 1 ? "" : "s") + " left out";
  for (size_t i = 0; i < std::min(left_out.size(), kNamedInError); ++i)
    sentence += (i == 0 ? ": " : "; ") + left_out[i].name + " (" + left_out[i].reason + ")";
  if (left_out.size() > kNamedInError)
    sentence += "; and " + std::to_string(left_out.size() - kNamedInError) + " more";
  return sentence;
}

PicturePairs pair_pictures(const fs::path& real, const fs::path& fake) {
  PicturePairs result;
  if (!is_folder(fake)) {
    SGA_CHECK(!is_folder(real), "--real ", real, " is a folder and --fake ", fake,
              " a file; give two folders, two pictures, or one real picture and a folder");
    result.pairs.push_back({fake.filename().string(), real, fake});
    return result;
  }
  auto fakes = pictures_in(fake);
  if (!is_folder(real)) {
    for (const auto& [stem, path] : fakes) result.pairs.push_back({path.filename().string(), real, path});
    return result;
  }
  for (const auto& [stem, path] : pictures_in(real)) {
    const auto partner = fakes.find(stem);
    if (partner == fakes.end()) {
      result.unpaired.push_back(path.string());
    } else {
      result.pairs.push_back({partner->second.filename().string(), path, partner->second});
      fakes.erase(partner);
    }
  }
  SGA_CHECK(!result.pairs.empty(), "no picture in ", real, " has the name of one in ", fake, " (",
            result.unpaired.front(), ", but ", fakes.begin()->second.string(),
            "); pictures are paired by file name without extension");
  for (const auto& [stem, path] : fakes) result.unpaired.push_back(path.string());
  return result;
}

void add_compare_options(CLI::App& app, CompareOptions& options) {
  app.add_option("--real", options.real, "Real picture (PNG, JPEG, BMP), or a folder of them")->required();
  app.add_option("--fake", options.fake,
                 "Generated picture, or a folder of them: each compared with the one real picture, or with "
                 "that of the same name in the real folder (0.jpg and 0.png pair)")
      ->required();
  app.add_option("--json", options.json, "Also write the report to this file");
  options.common.precision = "fp32";  // scores are small differences of large numbers
  add_compute_options(app, options.common);
}

void compare_pictures(const CompareOptions& options, const PicturePairs& pairs, const Metric& metric) {
  check_json_path(options.json);
  const bool one_real = !is_folder(options.real);
  std::vector<Row> rows;
  std::vector<LeftOut> left_out;
  Metric::Scores against;
  if (one_real) against = metric.against(load_picture(options.real));
  {
    Progress progress(int64_t(pairs.pairs.size()), metric.name, options.common.quiet);
    for (const PicturePair& pair : pairs.pairs) {
      if (interrupted()) throw Interrupted("interrupted; no report was written");
      try {
        if (!one_real) against = metric.against(load_picture(pair.real));
        rows.push_back({&pair, against(load_picture(pair.fake))});
      } catch (const Error& error) {
        if (!is_folder(options.fake)) throw;  // there is nothing else
        left_out.push_back({pair.name, error.what()});
      }
      progress.advance();
    }
  }
  const std::vector<double> mean = over_pairs(rows, metric.columns.size(), [](auto v) { return mean_of(v); }),
                            median = over_pairs(rows, metric.columns.size(), median_of);
  for (const auto& [key, value] : metric.facts) std::printf("%s: %s\n", key.c_str(), value.c_str());
  print_table(metric, rows, mean, median);
  for (const std::string& path : pairs.unpaired) std::printf("without a partner: %s\n", path.c_str());
  for (const auto& [name, reason] : left_out) std::printf("left out: %s: %s\n", name.c_str(), reason.c_str());
  std::fflush(stdout);
  if (!options.json.empty())
    write_file(options.json, report_json(options, metric, rows, mean, median, pairs.unpaired, left_out));
  SGA_CHECK(left_out.empty(), sentence_about(left_out, pairs.pairs.size(), "pair"));
}

}  // namespace sga
