// The folder of one run: config.json, metrics.jsonl, checkpoints, index.html; one process at a time.
#pragma once
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "engine/checkpoint.h"
#include "engine/io.h"
#include "tools/command.h"

namespace sga {

/// In every run folder; held by the process that works there.
constexpr const char* kLockFile = "lock";

/// True if --resume finds a run in --out: what is not on the command line comes from its config.json.
bool continues_run(const CommonOptions& options);

/// The value of an option of the run in `folder`; "" if there is no run or no such option.
std::string stored_option(const fs::path& folder, const std::string& name);

/// A file that decides what a run becomes, named by an option. A resumed run may find it at another place,
/// but not with another content.
struct InputFile {
  std::string option;  ///< without dashes
  std::function<std::string(const fs::path&)> identity =
      file_checksum;  ///< of the option's value; "": no file
};

/// What a tool writes into its run folder besides config.json, metrics.jsonl and checkpoints.
struct OwnFiles {
  std::string tool;                ///< as config.json names it, "singan train"
  std::vector<std::string> names;  ///< # stands for digits: "sample_#.png"
};

class RunFolder {
 public:
  /// Makes or opens the folder, before any work is done, and holds its lock until destruction.
  /// Error if it is not empty (without resume or force), cannot be written to, is in use by another process,
  /// or, with resume, holds files but no run; UsageError for resume with force. force removes config.json,
  /// metrics.jsonl and the checkpoints of the run before and, if config.json names `own.tool`, the files
  /// `own.names`; nothing else, and nothing at all but an Error if one of `inputs`, the files that the
  /// command reads ("" for none), is among them. resume on a missing or empty folder starts a new run.
  RunFolder(const fs::path& path, bool resume, bool force, const OwnFiles& own = {},
            const std::vector<fs::path>& inputs = {});
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  /// Writes config.json: tool, version, device, seed and every effective option. On a resumed run, first: an
  /// option given on the command line that differs from the stored one is an Error unless it is in
  /// `may_differ`, and options not given take the stored value (the variables bound to `app` change, so call
  /// this before reading them). device, quiet, out, resume and force are neither compared nor taken over.
  /// Of `inputs` config.json holds the absolute path and the identity; on a resume the identity decides, not
  /// the path, and another one is an Error naming both. Call it once, at the start of the subcommand's
  /// callback.
  void configure(CLI::App& app, const std::vector<std::string>& may_differ = {},
                 const std::vector<InputFile>& inputs = {});

  /// True if an earlier run is being continued.
  bool resumed() const { return resumed_; }
  const fs::path& path() const { return path_; }
  fs::path operator/(const fs::path& name) const { return path_ / name; }

  /// Appends {"step": .., "loss": ..} to metrics.jsonl. Non-finite values are written as null.
  void metrics(const std::vector<std::pair<std::string, double>>& values);
  /// After a resume: drops the lines whose `key` is above `last` (work done after the checkpoint is done
  /// again).
  void rewind_metrics(const std::string& key, double last);

  /// The run's own checkpoint; see save_keeping_previous.
  fs::path checkpoint() const;

 private:
  fs::path path_;
  bool resumed_ = false;
  int lock_ = -1;
};

/// Removes what write_file left in `folder` when its process was killed. RunFolder does it for its own
/// folder; for those in it, call it while holding the run.
void remove_unfinished(const fs::path& folder);

/// Writes `path` (x.safetensors) atomically and keeps the one before as x.previous.safetensors.
void save_keeping_previous(const fs::path& path, const Checkpoint& checkpoint);
/// True if load_newest would find a file.
bool has_checkpoint(const fs::path& path);
/// The checkpoint, or the previous one (with a line on stderr) if that one is missing or damaged. What is
/// damaged becomes x.damaged.safetensors, so that the next save cannot put it in the place of the good one.
Checkpoint load_newest(const fs::path& path);

}  // namespace sga
