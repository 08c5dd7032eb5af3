// Files too large to hold in memory: read through a mapping, written piece by piece and still all or nothing.
#pragma once
#include <cstddef>
#include <span>

#include "engine/io.h"

namespace sga {

/// A whole file mapped for reading. The file must not be cut while it is mapped; files written through
/// write_file or BigFileWriter never are, they are replaced.
class MappedFile {
 public:
  MappedFile() = default;
  /// Error if it is missing, not a regular file or empty.
  explicit MappedFile(const fs::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

/// write_file in pieces, with the same promise: `path` changes in commit() or not at all. Without a commit
/// the temporary file, path.sga-tmp-PROCESS, is removed on destruction; those that killed processes left of
/// the same path are removed on construction. Error naming path and reason.
class BigFileWriter {
 public:
  explicit BigFileWriter(fs::path path);
  ~BigFileWriter();
  BigFileWriter(const BigFileWriter&) = delete;
  BigFileWriter& operator=(const BigFileWriter&) = delete;

  void write(std::span<const std::byte> data);
  /// Syncs the file, renames it over `path`, syncs the folder.
  void commit();

 private:
  [[noreturn]] void give_up(int error);
  void remove_temporary();
  fs::path path_, temporary_;
  FileCalls calls_;
  int folder_ = -1, fd_ = -1;
};

}  // namespace sga
