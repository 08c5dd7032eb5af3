// What every tool shares on its command line: options, exit codes, signals.
//
//   int main(int argc, char** argv) {
//     return sga::run_tool(argc, argv, {"singan", "Trains SinGAN on one picture and samples from it."},
//     [](CLI::App& app) {
//       auto options = std::make_shared<TrainOptions>();
//       CLI::App* train = app.add_subcommand("train", "Train on one picture");
//       train->add_option("--image", options->image, "Picture to train on (PNG, JPEG, BMP)")->required();
//       sga::add_compute_options(*train, options->common);
//       sga::add_run_options(*train, options->common);
//       train->callback([=] { run_train(*options, *train); });
//     });
//   }
#pragma once
#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "kernels/check.h"

namespace sga {

/// Exit codes: 0 done, 1 failed (Error and everything else), 2 UsageError and whatever CLI11 refuses,
/// 3 DeviceError (engine/device.h), 130 Interrupted.
struct UsageError : Error {
  using Error::Error;
};
/// Thrown by a tool after it saved its state because interrupted() became true.
struct Interrupted : Error {
  Interrupted() : Error("interrupted; the state is saved, run the same command with --resume to go on") {}
  using Error::Error;
};

struct Tool {
  const char* name;   ///< "singan"
  const char* about;  ///< one sentence for --help
  /// What to lower when memory runs out; ends the sentence "ran out of memory ...; lower ...".
  const char* memory_advice = "the size of the picture or the batch";
};

/// Declares, parses, runs the chosen subcommand's callback and turns the outcome into an exit code, with one
/// sentence on stderr where it is not 0. Installs the handlers behind interrupted(). Exactly one subcommand
/// is required if any was declared. `main` returns its result.
int run_tool(int argc, char** argv, const Tool& tool, const std::function<void(CLI::App&)>& declare);

/// True once SIGINT or SIGTERM arrived: finish the step, save, throw Interrupted. A second signal ends at
/// once.
bool interrupted();
/// Throws Interrupted if interrupted(): where nothing is left to save.
void stop_if_interrupted();

/// "warning: <sentence>" on stderr, as one line that a terminal shows as it is.
void warn(const std::string& sentence);

struct CommonOptions {
  std::string device = "auto";     ///< as set_device takes it
  std::string precision = "auto";  ///< as parse_precision takes it
  uint64_t seed = 0;
  std::string out;
  bool resume = false;
  bool force = false;
  bool quiet = false;
};

void add_compute_options(CLI::App& app, CommonOptions& options);  ///< --device, --precision, --quiet
void add_seed_option(CLI::App& app, CommonOptions& options);      ///< --seed
void add_out_option(CLI::App& app, CommonOptions& options);       ///< --out (required), --force
void add_run_options(CLI::App& app, CommonOptions& options);      ///< --out (required), --resume, --force

/// Selects device and precision and says in one line which and why. DeviceError if this build or machine
/// lacks them.
void use_device(const CommonOptions& options);

/// An option of a subcommand as it took effect; `given` if it stood on the command line.
struct OptionValue {
  std::string name;  ///< without dashes
  std::string value;
  bool given;
};
/// All long options but help, in order of declaration.
std::vector<OptionValue> option_values(const CLI::App& app);

/// The candidate with the smallest edit distance to `word`, or "" if none is close enough to be a slip.
std::string nearest_name(const std::string& word, const std::vector<std::string>& candidates);

/// The version of the project, "0.1.0".
const char* version();

}  // namespace sga
