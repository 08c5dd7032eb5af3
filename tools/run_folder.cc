#include "tools/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>

#include "engine/device.h"

namespace sga {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kConfig = "config.json";
constexpr const char* kMetrics = "metrics.jsonl";
constexpr const char* kCheckpoint = "checkpoint.safetensors";

/// Names are bytes: what is no UTF-8 is replaced instead of refused.
std::string dump(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

/// What write_file leaves of a file when the process is killed in the middle of it.
// Of write_file (.sga-tmp-PROCESS-COUNT) or BigFileWriter (NAME.sga-tmp-PROCESS).
bool is_unfinished(const fs::path& file) {
  return file.filename().string().find(".sga-tmp-") != std::string::npos;
}

bool holds_files(const fs::path& folder) {
  std::error_code error;
  fs::directory_iterator entries(folder, error);
  SGA_CHECK(!error, "cannot read the folder ", folder.string(), ": ", error.message());
  return std::any_of(fs::begin(entries), fs::end(entries), [](const fs::directory_entry& entry) {
    return entry.path().filename() != kLockFile && !is_unfinished(entry.path());
  });
}

void remove_file(const fs::path& path) {
  std::error_code error;
  fs::remove(path, error);
  SGA_CHECK(!error, "cannot remove ", path.string(), ": ", error.message());
}

int lock_folder(const fs::path& folder) {
  const fs::path file = folder / kLockFile;
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  SGA_CHECK(fd >= 0, "cannot write to the folder ", folder.string(), ": ", std::strerror(errno));
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    ::close(fd);
    fail("another process is working in the folder ", folder.string(),
         "; wait for it, or choose another --out");
  }
  return fd;
}

/// a.safetensors -> a.MARK.safetensors
fs::path with_mark(const fs::path& path, const std::string& mark) {
  fs::path marked = path;
  return marked.replace_extension("." + mark + path.extension().string());
}
fs::path previous_of(const fs::path& path) { return with_mark(path, "previous"); }

std::string tool_name(const CLI::App& app) {
  return app.get_parent() ? tool_name(*app.get_parent()) + " " + app.get_name() : app.get_name();
}

std::optional<double> as_number(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// 5e-4 and 0.0005 are one setting.
bool same_value(const std::string& a, const std::string& b) {
  const auto x = as_number(a), y = as_number(b);
  return a == b || (x && y && *x == *y);
}

Json read_config(const fs::path& file) {
  const Json config = Json::parse(read_text(file), nullptr, false);
  SGA_CHECK(config.is_object() && config.contains("tool") && config["tool"].is_string() &&
                config.contains("options") && config["options"].is_object(),
            file.string(), " is not the config.json of a run; choose another --out");
  return config;
}

/// The tool that a config.json names; "" if it is none.
std::string tool_of(const fs::path& config) {
  if (!is_there(config)) return "";
  const Json json = Json::parse(read_text(config), nullptr, false);
  return json.is_object() && json.contains("tool") && json["tool"].is_string() ? json["tool"] : "";
}

/// In a pattern # stands for one digit or more.
bool matches(std::string_view name, std::string_view pattern) {
  if (pattern.empty()) return name.empty();
  if (name.empty()) return false;
  if (pattern[0] != '#') return name[0] == pattern[0] && matches(name.substr(1), pattern.substr(1));
  if (name[0] < '0' || name[0] > '9') return false;
  return matches(name.substr(1), pattern) || matches(name.substr(1), pattern.substr(1));
}

/// What --force removes, in this order.
std::vector<fs::path> files_of_the_run_before(const fs::path& folder, const OwnFiles& own) {
  std::vector<fs::path> files;
  std::error_code error;
  if (!own.tool.empty() && tool_of(folder / kConfig) == own.tool)
    for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
      const std::string name = entry.path().filename().string();
      if (!entry.is_directory(error) &&
          std::any_of(own.names.begin(), own.names.end(), [&](const auto& p) { return matches(name, p); }))
        files.push_back(entry.path());
    }
  // The config goes last: a folder that has one has not lost anything that belongs to it.
  const fs::path checkpoint = folder / kCheckpoint;
  for (const fs::path& file : {with_mark(checkpoint, "damaged"), previous_of(checkpoint), checkpoint,
                               folder / kMetrics, folder / kConfig})
    if (is_there(file)) files.push_back(file);
  return files;
}

/// Refuses to remove what the command reads. Of two names of one file either counts.
void keep_inputs(const std::vector<fs::path>& removed, const std::vector<fs::path>& inputs) {
  std::error_code ignored;
  for (const fs::path& input : inputs)
    for (const fs::path& file : removed)
      SGA_CHECK(!fs::equivalent(input, file, ignored), "--force would remove ", input.string(),
                ", which this command reads; choose another --out, or put that file elsewhere");
}

bool holds(const std::vector<std::string>& words, const std::string& word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// Gives options that are not on the command line the value of the run before; refuses those that contradict
/// it, unless they may differ or name a file whose content is compared instead.
void continue_with(const Json& stored, const Json& checksums, CLI::App& app,
                   const std::vector<std::string>& may_differ) {
  for (const OptionValue& option : option_values(app)) {
    if (holds({"out", "resume", "force", "quiet", "device"}, option.name)) continue;  // of one process alone
    if (option.given && (holds(may_differ, option.name) || checksums.contains(option.name))) continue;
    if (!stored.contains(option.name) || !stored[option.name].is_string()) continue;
    const std::string before = stored[option.name];
    if (same_value(before, option.value)) continue;
    if (option.given)
      throw UsageError("--resume: the run was started with --" + option.name + " " + before + ", not " +
                       option.value + "; leave the option out, or choose another --out");
    CLI::Option* target = app.get_option("--" + option.name);
    const bool is_list = target->get_items_expected_max() > 1;
    target->add_result(is_list ? "[" + before + "]" : before);
    target->run_callback();
  }
}

std::string value_of(const std::vector<OptionValue>& options, const std::string& name) {
  for (const OptionValue& option : options)
    if (option.name == name) return option.value;
  fail("there is no option --", name);
}

}  // namespace

bool continues_run(const CommonOptions& options) {
  return options.resume && is_there(fs::path(options.out) / kConfig);
}

std::string stored_option(const fs::path& folder, const std::string& name) {
  const fs::path file = folder / kConfig;
  if (!is_there(file)) return "";
  const Json options = read_config(file)["options"];
  return options.contains(name) && options[name].is_string() ? options[name].get<std::string>() : "";
}

RunFolder::RunFolder(const fs::path& path, bool resume, bool force, const OwnFiles& own,
                     const std::vector<fs::path>& inputs)
    : path_(path) {
  if (resume && force)
    throw UsageError("--resume goes on with a run and --force starts it anew: give one of them");
  SGA_CHECK(!is_there(path) || fs::is_directory(path), path.string(),
            " is a file, not a folder; choose another --out");
  const bool holds = is_there(path) && holds_files(path);
  SGA_CHECK(!holds || resume || force, "the folder ", path.string(),
            " is not empty; give another --out, --force to start anew, or, to a command that has it, "
            "--resume to go on "
            "with its run");
  SGA_CHECK(!holds || force || is_there(path / kConfig), "--resume: ", path.string(),
            " holds files but no run (config.json is missing); choose another --out");
  if (holds && force) keep_inputs(files_of_the_run_before(path, own), inputs);
  make_folder(path);
  lock_ = lock_folder(path);
  remove_unfinished(path);  // with the lock held nobody is writing them any more
  resumed_ = resume && holds;
  if (force)
    for (const fs::path& old : files_of_the_run_before(path_, own)) remove_file(old);
}

RunFolder::~RunFolder() {
  if (lock_ >= 0)
    ::close(lock_);  // releases the lock; the file stays, as removing it would race with a second process
}

void RunFolder::configure(CLI::App& app, const std::vector<std::string>& may_differ,
                          const std::vector<InputFile>& inputs) {
  Json started_with = Json::object();  // checksums by option
  if (resumed_) {
    const Json before = read_config(path_ / kConfig);
    SGA_CHECK(before["tool"] == tool_name(app), "--resume: ", path_.string(), " holds a run of ",
              before["tool"].get<std::string>(), ", not of ", tool_name(app), "; choose another --out");
    if (before.contains("checksums") && before["checksums"].is_object()) started_with = before["checksums"];
    continue_with(before["options"], started_with, app, may_differ);
  }
  const std::vector<OptionValue> values = option_values(app);
  Json options = Json::object(), checksums = Json::object();
  for (const OptionValue& option : values) options[option.name] = option.value;
  for (const InputFile& input : inputs) {
    const std::string path = value_of(values, input.option);
    SGA_CHECK(!resumed_ || path.empty() || is_there(path), "--resume: ", path,
              " is not there any more; give its new place with --", input.option);
    const std::string now = input.identity(path);
    if (now.empty()) continue;
    if (started_with.contains(input.option))
      SGA_CHECK(started_with[input.option] == now, "--resume: the run in ", path_.string(),
                " was started with --", input.option, " of checksum ", started_with[input.option].dump(),
                ", but ", path.empty() ? "the one shipped now" : path, " has \"", now,
                "\"; give the file it was started with, or choose another --out");
    checksums[input.option] = now;
    if (!path.empty()) options[input.option] = fs::absolute(path).lexically_normal().string();
  }
  const Json config = {{"tool", tool_name(app)},
                       {"version", version()},
                       {"device", device_description()},
                       {"options", options},
                       {"checksums", checksums}};
  write_file(path_ / kConfig, dump(config, 2) + "\n");
}

fs::path RunFolder::checkpoint() const { return path_ / kCheckpoint; }

void RunFolder::metrics(const std::vector<std::pair<std::string, double>>& values) {
  Json line = Json::object();
  for (const auto& [name, value] : values) {
    if (!std::isfinite(value))
      line[name] = nullptr;
    else if (value == std::floor(value) && std::abs(value) < 1e15)
      line[name] = static_cast<int64_t>(value);  // counts read better without ".0"
    else
      line[name] = value;
  }
  append_line(path_ / kMetrics, dump(line, -1));
}

void RunFolder::rewind_metrics(const std::string& key, double last) {
  const fs::path file = path_ / kMetrics;
  if (!is_there(file)) return;
  std::string kept;
  const std::string text = read_text(file);
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    const Json values = Json::parse(line, nullptr, false);
    if (!values.is_object()) continue;  // the cut tail of a killed process
    if (values.contains(key) && values[key].is_number() && values[key].get<double>() > last) continue;
    kept += line + "\n";
  }
  write_file(file, kept);
}

void save_keeping_previous(const fs::path& path, const Checkpoint& checkpoint) {
  // From here until save_checkpoint ends, load_newest takes the previous.
  if (is_there(path)) rename_file(path, previous_of(path));
  save_checkpoint(path, checkpoint);
}

void remove_unfinished(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> unfinished;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error))
    if (is_unfinished(entry.path())) unfinished.push_back(entry.path());
  for (const fs::path& file : unfinished) remove_file(file);
}

bool has_checkpoint(const fs::path& path) { return is_there(path) || is_there(previous_of(path)); }

Checkpoint load_newest(const fs::path& path) {
  const fs::path previous = previous_of(path);
  if (!is_there(previous)) return load_checkpoint(path);
  std::string reason;
  try {
    return load_checkpoint(path);
  } catch (const Error& error) {
    reason = error.what();
  }
  Checkpoint checkpoint = load_checkpoint(previous);
  std::fprintf(stderr, "%s; going on from %s\n", reason.c_str(), previous.c_str());
  // Put aside, or the next save would make it the previous one and lose the only good file if it fails.
  if (is_there(path)) rename_file(path, with_mark(path, "damaged"));
  return checkpoint;
}

}  // namespace sga
