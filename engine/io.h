// The one layer under all file access: whole-file reads with a limit, atomic writes, appends, folders, locks.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/check.h"

namespace sga {

using Bytes = std::vector<std::byte>;
namespace fs = std::filesystem;

/// A whole file. Error if it is missing, not a regular file, empty where `allow_empty` is false, or above
/// `limit`.
Bytes read_file(const fs::path& path, int64_t limit = int64_t{4} << 30, bool allow_empty = false);
/// The same for text.
std::string read_text(const fs::path& path, int64_t limit = int64_t{1} << 30);

/// Writes to a temporary name in the same folder, syncs it, renames it over `path`, syncs the folder. After
/// any failure (disk full, kill -9, power loss) `path` holds the old content or the new, never a mix, and the
/// temporary file is removed where the process still lives. Error naming path and reason.
void write_file(const fs::path& path, std::span<const std::byte> data);
void write_file(const fs::path& path, std::string_view text);

/// Renames within a file system, replacing `to`, and syncs the folder of `to`. Error naming both.
void rename_file(const fs::path& from, const fs::path& to);

/// Appends one line and flushes it (metrics.jsonl): a cut tail is at most one line.
void append_line(const fs::path& path, std::string_view line);
/// Appends any bytes and flushes them: all or, after an error, nothing.
void append_text(const fs::path& path, std::string_view text);

/// Makes the folder and its parents; Error if it cannot be made or written to.
void make_folder(const fs::path& path);

/// What a write goes through; tests replace it to fail the k-th call or to "lose power".
struct FileCalls {
  std::function<int(const char* path, int flags, int mode)> open;
  std::function<int64_t(int fd, const void* data, size_t n)> write;
  std::function<int(int fd)> fsync;
  std::function<int(int fd)> close;
  std::function<int(const char* from, const char* to)> rename;
  std::function<int(const char* path)> unlink;
};
/// The system's own calls.
FileCalls system_file_calls();
/// Replaces the calls under every write from now on; returns the ones before.
FileCalls set_file_calls(FileCalls calls);

}  // namespace sga
