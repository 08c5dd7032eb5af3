#include "tools/command.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <new>
#include <string_view>
#include <utility>

#include "engine/device.h"
#include "engine/memory.h"

namespace sga {
namespace {

enum Exit { kDone = 0, kFailed = 1, kWrongUsage = 2, kNoDevice = 3, kInterrupted = 130 };

std::atomic<bool> stop_requested{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may only touch lock-free atomics");

extern "C" void on_stop_signal(int) {
  if (stop_requested.exchange(true)) _exit(kInterrupted);
  constexpr std::string_view text = "\nfinishing the step and saving; interrupt again to leave at once\n";
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
}

void install_signal_handlers() {
  struct sigaction action {};
  action.sa_handler = on_stop_signal;
  action.sa_flags =
      SA_RESTART;  // a read or write in progress goes on: only the training loop looks at the flag
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

/// One line that a terminal shows as it is: names of files and options may hold anything.
std::string printable(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = c == '\n' || c == '\t' ? ' ' : '?';
  return text;
}

int report(const Tool& tool, int code, const std::string& sentence) {
  const std::string prefix = std::string(tool.name) + ": ";
  const bool named = sentence.starts_with(prefix);  // the tool's model says who it is, too
  std::fprintf(stderr, "%s%s\n", named ? "" : prefix.c_str(), printable(sentence).c_str());
  return code;
}

/// The innermost subcommand the user named, or the app itself.
const CLI::App& chosen(const CLI::App& app) {
  const auto subcommands = app.get_subcommands();
  return subcommands.empty() ? app : chosen(*subcommands.front());
}

std::string full_name(const CLI::App& app) {
  const std::string name = app.get_name();
  return app.get_parent() == nullptr ? name : full_name(*app.get_parent()) + " " + name;
}

std::vector<std::string> known_words(const CLI::App& app, bool options) {
  std::vector<std::string> words;
  if (options) {
    for (const CLI::Option* option : app.get_options())
      for (const std::string& name : option->get_lnames()) words.push_back("--" + name);
  } else {
    for (const CLI::App* sub : app.get_subcommands(nullptr)) words.push_back(sub->get_name());
  }
  return words;
}

/// What is wrong with the command line: a word nobody knows before all else, as a missing option is often a
/// misspelt one.
std::string usage_sentence(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App& sub = chosen(app);
  std::string sentence = error.what();
  if (const auto unknown = app.remaining(true); !unknown.empty()) {
    const auto dashed =
        std::find_if(unknown.begin(), unknown.end(), [](const auto& w) { return w.starts_with('-'); });
    std::string word = dashed == unknown.end() ? unknown.front() : *dashed;
    const bool is_option = word.starts_with('-');
    const bool is_command = !is_option && !sub.get_subcommands(nullptr).empty();
    if (is_option) word = word.substr(0, word.find('='));
    sentence = is_option    ? "unknown option " + word
               : is_command ? "unknown command " + word
                            : "unexpected word " + word;
    if (is_option || is_command) {
      const std::string nearest = nearest_name(word, known_words(sub, is_option));
      if (!nearest.empty()) sentence += ", did you mean " + nearest + "?";
    }
  }
  return sentence + " (see " + full_name(sub) + " --help)";
}

std::string memory_sentence(const Tool& tool) {
  std::string sentence = "ran out of memory";
  if (const int64_t live = memory_stats().live; live > 0)
    sentence += " with " + std::to_string(live / 1'000'000) + " MB in tensors";
  return sentence + "; lower " + tool.memory_advice;
}

/// An empty list is no default worth printing; CLI11 would show "[]".
void hide_empty_defaults(CLI::App& app) {
  for (CLI::Option* option : app.get_options())
    if (option->get_default_str() == "[]") option->default_str("");
  for (CLI::App* sub : app.get_subcommands(nullptr)) hide_empty_defaults(*sub);
}

std::string without_brackets(const std::string& text) {
  const bool bracketed = text.size() >= 2 && text.front() == '[' && text.back() == ']';
  return bracketed ? text.substr(1, text.size() - 2) : text;
}

}  // namespace

int run_tool(int argc, char** argv, const Tool& tool, const std::function<void(CLI::App&)>& declare) {
  stop_requested = false;
  install_signal_handlers();
  CLI::App app(tool.about, tool.name);
  app.option_defaults()->always_capture_default();
  app.get_formatter()->column_width(40);
  app.set_help_flag("--help", "Print this help and exit");
  app.set_version_flag("--version", std::string(tool.name) + " " + version(), "Print the version and exit");
  app.add_flag_callback(
      "--list-devices",
      [] {
        for (const std::string& line : list_devices()) std::printf("%s\n", line.c_str());
        throw CLI::Success();
      },
      "Print the processor and the GPUs, which of them can run this build and why not, and exit");
  try {
    declare(app);
    hide_empty_defaults(app);
    if (!app.get_subcommands(nullptr).empty()) app.require_subcommand(1);
    app.parse(argc, argv);
    return kDone;
  } catch (const CLI::Success& request) {  // --help, --version
    return app.exit(request);
  } catch (const CLI::ParseError& error) {
    return report(tool, kWrongUsage, usage_sentence(app, error));
  } catch (const UsageError& error) {
    return report(tool, kWrongUsage,
                  std::string(error.what()) + " (see " + full_name(chosen(app)) + " --help)");
  } catch (const LostDevice& error) {
    return report(tool, kNoDevice, error.what());
  } catch (const DeviceError& error) {
    return report(tool, kNoDevice, error.what());
  } catch (const Interrupted& error) {
    return report(tool, kInterrupted, error.what());
  } catch (const std::bad_alloc&) {
    return report(tool, kFailed, memory_sentence(tool));
  } catch (const std::exception& error) {  // Error, and what libraries throw
    return report(tool, kFailed, error.what());
  }
}

void warn(const std::string& sentence) { std::fprintf(stderr, "warning: %s\n", printable(sentence).c_str()); }

bool interrupted() { return stop_requested; }

void stop_if_interrupted() {
  if (interrupted()) throw Interrupted();
}

void add_compute_options(CLI::App& app, CommonOptions& options) {
  const auto is_device = [](const std::string& name) {
    const bool numbered = name.starts_with("cuda:") && name.size() > 5 && name.size() < 10 &&
                          name.find_first_not_of("0123456789", 5) == std::string::npos;
    return name == "auto" || name == "cpu" || name == "cuda" || numbered
               ? std::string()
               : "must be auto, cpu, cuda or cuda:N, got " + name;
  };
  app.add_option(
         "--device", options.device,
         "Where to compute: auto takes a GPU if one can run this build, else the processor; cuda, or cuda:N "
         "for GPU N, insists (--list-devices shows them)")
      ->check(is_device, "");
  app.add_option("--precision", options.precision,
                 "Arithmetic of convolutions: fp32; tf32 on GPUs (10 bits of mantissa); bf16 on GPUs and on "
                 "processors that have it (8 bits, faster); auto is fp32 on a processor, tf32 on a GPU")
      ->check(CLI::IsMember({"auto", "fp32", "tf32", "bf16"}));
  app.add_flag("--quiet", options.quiet, "No progress on stderr");
}

void add_seed_option(CLI::App& app, CommonOptions& options) {
  const auto only_digits = [](const std::string& text) {  // CLI11 would let -1 wrap around
    const bool fits = text.find_first_not_of("0123456789") == std::string::npos;
    return fits ? std::string() : "must be a whole number from 0 on, got " + text;
  };
  app.add_option("--seed", options.seed, "Seed of all random numbers, a whole number; same seed, same bytes")
      ->check(only_digits, "");
}

void add_out_option(CLI::App& app, CommonOptions& options) {
  app.add_option("--out", options.out, "Folder for the results")->required();
  app.add_flag("--force", options.force, "Start anew in a folder that is not empty");
}

void add_run_options(CLI::App& app, CommonOptions& options) {
  add_out_option(app, options);
  app.add_flag("--resume", options.resume, "Go on with the run in --out where it stopped, or start it");
}

void use_device(const CommonOptions& options) {
  static std::string told;
  std::string line = set_device(options.device);  // the description, and why
  const size_t description = device_description().size();
  set_precision(parse_precision(options.precision));
  line = device_description() + line.substr(description);
  // Which device and why, once. That a GPU is there and cannot be used is said loudly, to those who want
  // quiet too.
  if (line == std::exchange(told, line)) return;
  const bool unusable = line.find("(no GPU") != std::string::npos &&
                        line.find("no NVIDIA driver") == std::string::npos &&
                        line.find("no CUDA kernels") == std::string::npos;
  if (unusable)
    std::fprintf(stderr, "warning: computing on the processor; %s\n", line.c_str());
  else if (!options.quiet)
    std::printf("device: %s\n", line.c_str());
}

std::vector<OptionValue> option_values(const CLI::App& app) {
  std::vector<OptionValue> values;
  for (const CLI::Option* option : app.get_options()) {
    if (option == app.get_help_ptr() || option->get_lnames().empty()) continue;
    std::string value;
    if (option->count() > 0)
      value = CLI::detail::join(option->results(), ",");
    else if (option->get_expected_max() == 0)
      value = "false";
    else
      value = without_brackets(option->get_default_str());
    values.push_back({option->get_lnames().front(), value, option->count() > 0});
  }
  return values;
}

std::string nearest_name(const std::string& word, const std::vector<std::string>& candidates) {
  std::string nearest;
  size_t smallest =
      1 + std::max<size_t>(1, word.size() / 3);  // more changes than that are another word, not a slip
  for (const std::string& candidate : candidates) {
    std::vector<size_t> row(candidate.size() + 1);  // Levenshtein distance, one row of the table at a time
    for (size_t j = 0; j < row.size(); ++j) row[j] = j;
    for (size_t i = 1; i <= word.size(); ++i) {
      size_t diagonal = row[0];
      row[0] = i;
      for (size_t j = 1; j < row.size(); ++j) {
        const size_t replaced = diagonal + (word[i - 1] == candidate[j - 1] ? 0 : 1);
        diagonal = row[j];
        row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
      }
    }
    if (row.back() < smallest) {
      smallest = row.back();
      nearest = candidate;
    }
  }
  return nearest;
}

const char* version() { return SGA_VERSION; }

}  // namespace sga
