// What the subcommands of evaluate share: pairs of pictures, scored one by one, as a table and as JSON.
#pragma once
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "engine/io.h"
#include "engine/tensor.h"
#include "tools/command.h"

namespace sga {

struct PicturePair {
  std::string name;  ///< of the fake one's file
  fs::path real, fake;
};
struct PicturePairs {
  std::vector<PicturePair> pairs;     ///< sorted by name
  std::vector<std::string> unpaired;  ///< paths of the pictures in folders that have no partner
};
/// Two pictures; a real picture and a folder of fakes; or two folders, paired by file name without extension
/// (0.jpg with 0.png). Of a folder only PNG, JPEG and BMP files directly in it count. Error if a path is
/// missing, a name stands twice in a folder, only --real is a folder, or nothing pairs.
PicturePairs pair_pictures(const fs::path& real, const fs::path& fake);

/// How real and fake pictures are compared.
struct Metric {
  struct Column {
    std::string name;  ///< heading, and key in the JSON
    int decimals;
  };
  std::string name;  ///< of the subcommand
  std::vector<Column> columns;
  std::vector<std::pair<std::string, std::string>> facts;  ///< what the values depend on, for the report
  /// One value a column for a fake picture, NaN where there is none. Prepared once for a real picture that
  /// many fakes are compared with. Pictures are (1,H,W,3) in [0,1].
  using Scores = std::function<std::vector<double>(const Tensor& fake)>;
  std::function<Scores(const Tensor& real)> against;
};

struct CompareOptions {
  CommonOptions common;
  std::string real, fake, json;
};
/// --real, --fake, --json and what concerns the device.
void add_compare_options(CLI::App& app, CompareOptions& options);
/// Checks the options; then all pairs through the metric: table on stdout, JSON if asked for. A picture that
/// cannot be read or compared is left out and named; if there were any, an Error says so in the end.
void compare_pictures(const CompareOptions& options, const PicturePairs& pairs, const Metric& metric);

/// A picture that was not compared, and why.
struct LeftOut {
  std::string name, reason;
};
/// "2 of 50 pairs left out: a.png (reason); b.png (reason)", with `thing` = "pair".
std::string sentence_about(const std::vector<LeftOut>& left_out, size_t all, const std::string& thing);
/// Error, before the work and not after it, if --json cannot be written there. Empty is well.
void check_json_path(const fs::path& file);

void declare_swd(CLI::App& app);
void declare_sifid(CLI::App& app);
void declare_psnr(CLI::App& app);
void declare_fid(CLI::App& app);
void declare_au(CLI::App& app);
void declare_au_train(CLI::App& app);

}  // namespace sga
