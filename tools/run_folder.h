// The folder of one run: config.json, metrics.jsonl, checkpoints, index.html; one process at a time.
#pragma once
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "engine/checkpoint.h"
#include "engine/io.h"
#include "tools/command.h"

namespace sga {

class RunFolder {
 public:
  /// Makes or opens the folder, before any work is done, and holds its lock until destruction.
  /// Error if it is not empty (without resume or force), cannot be written to, is in use by another process,
  /// or, with resume, holds files but no run; UsageError for resume with force. force removes config.json,
  /// metrics.jsonl and the checkpoint of the run before, nothing else. resume on a missing or empty folder
  /// starts a new run.
  RunFolder(const fs::path& path, bool resume, bool force);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  /// Writes config.json: tool, version, device, seed and every effective option. On a resumed run, first: an
  /// option given on the command line that differs from the stored one is an Error unless it is in
  /// `may_differ`, and options not given take the stored value (the variables bound to `app` change, so call
  /// this before reading them). device, quiet, out, resume and force are neither compared nor taken over.
  /// Call it once, at the start of the subcommand's callback.
  void configure(CLI::App& app, const std::vector<std::string>& may_differ = {});

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
  fs::path checkpoint() const { return path_ / "checkpoint.safetensors"; }

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
/// The checkpoint, or the previous one (with a line on stderr) if that one is missing or damaged.
Checkpoint load_newest(const fs::path& path);

}  // namespace sga
