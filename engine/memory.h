// Memory of tensors: a caching allocator with statistics.
#pragma once
#include <cstddef>
#include <cstdint>

namespace sga {

struct MemoryStats {
  int64_t live = 0;    ///< bytes held by tensors now
  int64_t cached = 0;  ///< bytes freed by tensors and kept for reuse
  int64_t peak = 0;    ///< largest `live` since reset_memory_peak()
};

MemoryStats memory_stats();
void reset_memory_peak();
/// Gives every cached block back to the system.
void release_cached_memory();

/// Upper bound on live + cached bytes; 0 (the default) means none. Beyond it the cache is released, then
/// allocation fails with an Error that names the bytes.
void set_memory_limit(int64_t bytes);

/// One block of memory of the device, aligned to 64 bytes. Freed blocks are kept by size and reused at once:
/// one compute stream makes that safe.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(int64_t bytes);
  ~Buffer();
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  void* data() const { return data_; }
  int64_t bytes() const { return bytes_; }

 private:
  void* data_ = nullptr;
  int64_t bytes_ = 0;
};

}  // namespace sga
