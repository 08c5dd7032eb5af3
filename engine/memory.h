// Memory of tensors: caching allocators with statistics, one for the host and one for the GPU.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>

namespace sga {

enum class Place { host, gpu };

struct MemoryStats {
  int64_t live = 0;    ///< bytes held by tensors now
  int64_t cached = 0;  ///< bytes freed by tensors and kept for reuse
  int64_t peak = 0;    ///< largest `live` since reset_memory_peak()
};

/// Of the place where float32 tensors live now.
MemoryStats memory_stats();
void reset_memory_peak();
/// Gives every cached block back to the system.
void release_cached_memory();

/// What a process whose tensors hold `peak` bytes at most takes from its device: with freed blocks that are
/// kept, a program's own 35 MB on the host, or on a GPU the pool of a captured step beside the eager one and
/// half a GB of libraries. Host: within 10 % of what training SinGAN took; the GPU's is an estimate.
int64_t process_bytes(int64_t peak);
/// Bytes that can still be had where float32 tensors live: the GPU's free memory; on the host what the system
/// calls available, or the room left under the limit of the control group (v1, v2), if that is less. -1 if
/// unknown.
int64_t available_memory();
/// The host's, read from the files below `root`/proc and `root`/sys/fs/cgroup.
int64_t available_host_memory(const std::filesystem::path& root);

/// Upper bound on live + cached bytes of each place; 0 (the default) means none. Beyond it the cache is
/// released, then allocation fails with an Error that names the bytes.
void set_memory_limit(int64_t bytes);

class Cache;

/// One block of memory, aligned to 64 bytes (256 on a GPU). Freed blocks are kept by size and reused at once:
/// one compute stream makes that safe.
class Buffer {
 public:
  Buffer() = default;
  Buffer(int64_t bytes, Place place);
  ~Buffer();
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  void* data() const { return data_; }
  int64_t bytes() const { return bytes_; }
  Place place() const;

 private:
  void* data_ = nullptr;
  int64_t bytes_ = 0;
  std::shared_ptr<Cache> home_;
};

/// GPU memory of a captured step: replaying it writes to the same blocks again, so nobody else may get them.
/// Buffers made while it is in use come from it and go back to it; it frees them when it and they are gone.
class MemoryPool {
 public:
  MemoryPool();

  class Use {
   public:
    explicit Use(MemoryPool& pool);
    ~Use();
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
  };
  /// For memory that something outside the step writes before each replay: blocks of the pool serve many
  /// tensors in turn within one step.
  class Outside {
   public:
    Outside();
    ~Outside();
    Outside(const Outside&) = delete;
    Outside& operator=(const Outside&) = delete;

   private:
    std::shared_ptr<Cache> before_;
  };

 private:
  std::shared_ptr<Cache> cache_;
};

}  // namespace sga
