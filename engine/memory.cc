#include "engine/memory.h"

#include <cstdlib>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "kernels/check.h"

namespace sga {
namespace {

// Sizes are rounded up so that nearly equal requests share blocks.
int64_t rounded(int64_t bytes) {
  const int64_t step = bytes <= 4096 ? 64 : bytes <= (1 << 20) ? 4096 : 1 << 16;
  return (bytes + step - 1) / step * step;
}

class Cache {
 public:
  void* take(int64_t bytes) {
    std::lock_guard lock(mutex_);
    auto found = free_.find(bytes);
    void* block = nullptr;
    if (found != free_.end() && !found->second.empty()) {
      block = found->second.back();
      found->second.pop_back();
      stats_.cached -= bytes;
    } else {
      block = allocate(bytes);
    }
    stats_.live += bytes;
    if (stats_.live > stats_.peak) stats_.peak = stats_.live;
    return block;
  }

  void give_back(void* block, int64_t bytes) noexcept {
    std::lock_guard lock(mutex_);
    stats_.live -= bytes;
    stats_.cached += bytes;
    try {
      free_[bytes].push_back(block);
    } catch (...) {
      std::free(block);
      stats_.cached -= bytes;
    }
    // Blocks of sizes that are no longer used would pile up; those of a training step must all stay, or every
    // step would fault its pages in again.
    if (stats_.live + stats_.cached > stats_.peak + stats_.peak / 4 + (64 << 20)) drop();
  }

  MemoryStats stats() {
    std::lock_guard lock(mutex_);
    return stats_;
  }
  void reset_peak() {
    std::lock_guard lock(mutex_);
    stats_.peak = stats_.live;
  }
  void release() {
    std::lock_guard lock(mutex_);
    drop();
  }
  void set_limit(int64_t bytes) {
    std::lock_guard lock(mutex_);
    limit_ = bytes;
  }

 private:
  void* allocate(int64_t bytes) {
    if (limit_ && stats_.live + stats_.cached + bytes > limit_) drop();
    void* block = nullptr;
    if (!limit_ || stats_.live + bytes <= limit_) block = std::aligned_alloc(64, static_cast<size_t>(bytes));
    if (!block) {
      drop();
      if (!limit_ || stats_.live + bytes <= limit_)
        block = std::aligned_alloc(64, static_cast<size_t>(bytes));
    }
    if (!block)
      fail("out of memory: needed ", bytes, " bytes more with ", stats_.live, " live (peak ", stats_.peak,
           "); use a smaller image (--max-size, --size) or a smaller --batch");
    return block;
  }
  void drop() noexcept {
    for (auto& [bytes, blocks] : free_) {
      for (void* b : blocks) std::free(b);
      stats_.cached -= bytes * static_cast<int64_t>(blocks.size());
      blocks.clear();
    }
  }

  std::mutex mutex_;
  std::map<int64_t, std::vector<void*>> free_;
  MemoryStats stats_;
  int64_t limit_ = 0;
};

// Never destroyed: tensors with static lifetime may be freed after main.
Cache& cache() {
  static Cache* c = new Cache;
  return *c;
}

}  // namespace

MemoryStats memory_stats() { return cache().stats(); }
void reset_memory_peak() { cache().reset_peak(); }
void release_cached_memory() { cache().release(); }
void set_memory_limit(int64_t bytes) { cache().set_limit(bytes); }

Buffer::Buffer(int64_t bytes) : bytes_(rounded(bytes > 0 ? bytes : 1)) { data_ = cache().take(bytes_); }
Buffer::~Buffer() {
  if (data_) cache().give_back(data_, bytes_);
}
Buffer::Buffer(Buffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

}  // namespace sga
