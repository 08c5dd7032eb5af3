// facedata: turns photographs and labels into one file of cut, labelled, split faces, and looks after it.
#include "tools/facedata.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <set>

#include "models/ganimation/csv.h"
#include "models/ganimation/face_set.h"
#include "tools/page.h"

namespace sga {
namespace {

struct InfoOptions {
  std::string file, sheet;
  int64_t count = 40;
};

void info(const InfoOptions& options) {
  const FaceSet set(options.file);
  std::set<int64_t> people;
  for (int64_t i = 0; i < set.count(); ++i) people.insert(set.record(i).person);
  people.erase(-1);
  const std::string damage = set.damage();
  std::printf("faces   %lld (%lld to train, %lld to test)\npeople  %s\nrecipe  %s\npixels  %s\n\n",
              static_cast<long long>(set.count()), static_cast<long long>(set.indices(true).size()),
              static_cast<long long>(set.indices(false).size()),
              people.empty() ? "unknown" : std::to_string(people.size()).c_str(),
              to_text(set.recipe()).c_str(),
              set.pixels_intact() ? "intact"
              : damage.empty()    ? "DAMAGED"
                                  : damage.c_str());
  std::printf("AU  mean   share>0.2  99th percentile\n");
  for (size_t a = 0; a < kActionUnitCount; ++a) {
    std::vector<float> values;
    double sum = 0, active = 0;
    for (int64_t i = 0; i < set.count(); ++i) {
      values.push_back(set.record(i).labels[a]);
      sum += values.back();
      active += values.back() > 0.2f;
    }
    const auto rank = static_cast<std::ptrdiff_t>(0.99 * static_cast<double>(values.size() - 1));
    std::nth_element(values.begin(), values.begin() + rank, values.end());
    const auto n = static_cast<double>(set.count());
    std::printf("%-3d %.3f  %.3f      %.3f            %s\n", kActionUnitNumbers[a], sum / n, active / n,
                static_cast<double>(values[static_cast<size_t>(rank)]),
                action_unit_name(static_cast<int>(a)));
  }
  if (!options.sheet.empty()) {
    std::vector<Image> faces;
    std::vector<std::string> names;
    const int64_t n = std::min(options.count, set.count());
    for (int64_t k = 0; k < n; ++k) {  // spread over the whole set
      faces.push_back(set.image(k * set.count() / n));
      names.push_back(set.record(k * set.count() / n).name);
    }
    save_png(options.sheet, contact_sheet(faces, 10, names));
  }
  SGA_CHECK(damage.empty(), "face set ", options.file, ": ", damage);
  SGA_CHECK(set.pixels_intact(), "face set ", options.file, ": damaged, the checksum of its pixels is wrong");
}

}  // namespace

CLI::Validator number_in(int low, int high) {
  const std::string range = std::to_string(low) + " to " + std::to_string(high);
  return {[=](std::string& text) {
            double v = 0;
            return parse_number(text, v) && v >= low && v <= high
                       ? ""
                       : "'" + text + "' is not a number from " + range;
          },
          range};
}

void declare_facedata_info(CLI::App& app) {
  auto info_options = std::make_shared<InfoOptions>();
  CLI::App* info_app = app.add_subcommand("info", "Say what a .sgd file holds, and check it");
  info_app->add_option("data,--data", info_options->file, "The .sgd file")->required();
  info_app->add_option("--sheet", info_options->sheet, "Also write a PNG of some faces");
  info_app->add_option("--count", info_options->count, "Faces on it")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  info_app->callback([info_options] { info(*info_options); });
}

}  // namespace sga

int main(int argc, char** argv) {
  return sga::run_tool(argc, argv, {"facedata", "Makes face data sets for GANimation.", "--threads"},
                       [](CLI::App& app) {
                         sga::declare_facedata_prepare(app);
                         sga::declare_facedata_split(app);
                         sga::declare_facedata_doctor(app);
                         sga::declare_facedata_synthesize(app);
                         sga::declare_facedata_info(app);
                       });
}
