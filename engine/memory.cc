#include "engine/memory.h"

#include <malloc.h>

#include <cstdlib>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "engine/device.h"
#include "kernels/check.h"
#include "kernels/cuda.h"

namespace sga {
namespace {

// Sizes are rounded up so that nearly equal requests share blocks.
int64_t rounded(int64_t bytes) {
  const int64_t step = bytes <= 4096 ? 64 : bytes <= (1 << 20) ? 4096 : 1 << 16;
  return (bytes + step - 1) / step * step;
}

void* system_allocate(Place place, int64_t bytes) {
  if constexpr (kCudaBuilt)
    if (place == Place::gpu) return cuda::allocate(bytes);
  return std::aligned_alloc(64, static_cast<size_t>(bytes));
}
void system_free(Place place, void* block) noexcept {
  if constexpr (kCudaBuilt)
    if (place == Place::gpu) return cuda::release(block);
  std::free(block);
}

// Live and cached bytes beyond which the cache is dropped.
int64_t kept_of(int64_t peak) { return peak + peak / 4 + (64 << 20); }

std::mutex mutex;       // guards everything below and all caches
MemoryStats totals[2];  // by place
int64_t limit = 0;
std::shared_ptr<Cache> in_use;  // of the pool in use, if any

const std::shared_ptr<Cache>& cache(Place place);

}  // namespace

class Cache {
 public:
  /// A pool's cache keeps every block until its end.
  Cache(Place place, bool pool) : place_(place), pool_(pool) {}
  ~Cache() {
    std::lock_guard lock(mutex);
    drop();
  }
  Cache(const Cache&) = delete;
  Cache& operator=(const Cache&) = delete;

  Place place() const { return place_; }

  void* take(int64_t bytes) {
    std::lock_guard lock(mutex);
    MemoryStats& stats = totals[int(place_)];
    auto found = free_.find(bytes);
    void* block = nullptr;
    if (found != free_.end() && !found->second.empty()) {
      block = found->second.back();
      found->second.pop_back();
      stats.cached -= bytes, cached_ -= bytes;
    } else {
      block = allocate(bytes);
    }
    stats.live += bytes;
    if (stats.live > stats.peak) stats.peak = stats.live;
    return block;
  }

  void give_back(void* block, int64_t bytes) noexcept {
    std::lock_guard lock(mutex);
    MemoryStats& stats = totals[int(place_)];
    stats.live -= bytes;
    stats.cached += bytes, cached_ += bytes;
    try {
      free_[bytes].push_back(block);
    } catch (...) {
      system_free(place_, block);
      stats.cached -= bytes, cached_ -= bytes;
    }
    // Blocks of sizes that are no longer used would pile up; those of a training step must all stay, or every
    // step would fault its pages in again. While a step is captured memory must not be freed. Pools do not
    // count: they give nothing back, and beside two of them nothing would be kept.
    if (!pool_ && !in_use && stats.live + cached_ > kept_of(stats.peak)) drop();
  }

  void release() {
    std::lock_guard lock(mutex);
    drop();
  }

 private:
  void* allocate(int64_t bytes) {
    const MemoryStats& stats = totals[int(place_)];
    // A pool's own blocks stay: a step that is being captured may refer to them. It drops the eager run's,
    // which may be as much again.
    Cache& spare = pool_ ? *cache(place_) : *this;
    if (limit && stats.live + stats.cached + bytes > limit) spare.drop();
    void* block = nullptr;
    if (!limit || stats.live + bytes <= limit) block = system_allocate(place_, bytes);
    if (!block) {
      spare.drop();
      if (!limit || stats.live + bytes <= limit) block = system_allocate(place_, bytes);
    }
    if (!block)
      fail("out of memory", place_ == Place::gpu ? " on the GPU" : "", ": needed ", bytes,
           " bytes more with ", stats.live, " live (peak ", stats.peak,
           "); use a smaller image (--max-size, --size) or a smaller --batch");
    return block;
  }
  void drop() noexcept {
    for (auto& [bytes, blocks] : free_) {
      for (void* b : blocks) system_free(place_, b);
      const int64_t all = bytes * static_cast<int64_t>(blocks.size());
      totals[int(place_)].cached -= all, cached_ -= all;
      blocks.clear();
    }
  }

  const Place place_;
  const bool pool_;
  int64_t cached_ = 0;  // bytes in free_
  std::map<int64_t, std::vector<void*>> free_;
};

namespace {

// Never destroyed: tensors with static lifetime may be freed after main.
const std::shared_ptr<Cache>& cache(Place place) {
  static const auto* caches = [] {
    // By default glibc takes blocks of up to 32 MB from its heap as soon as one that large was freed, and
    // cannot give them back from the middle of it: training SinGAN at 96 pixels held 400 MB instead of 240.
    mallopt(M_MMAP_THRESHOLD, 1 << 16);
    return new std::shared_ptr<Cache>[2] {
      std::make_shared<Cache>(Place::host, false), std::make_shared<Cache>(Place::gpu, false)
    };
  }();
  return caches[int(place)];
}

Place here() { return on_gpu() ? Place::gpu : Place::host; }

}  // namespace

MemoryStats memory_stats() {
  std::lock_guard lock(mutex);
  return totals[int(here())];
}
void reset_memory_peak() {
  std::lock_guard lock(mutex);
  MemoryStats& stats = totals[int(here())];
  stats.peak = stats.live;
}
void release_cached_memory() {
  cache(Place::host)->release();
  cache(Place::gpu)->release();
}
int64_t process_bytes(int64_t peak) {
  return on_gpu() ? 2 * peak + (int64_t{512} << 20) : kept_of(peak) + (int64_t{35} << 20);
}
int64_t available_memory() {
  if constexpr (kCudaBuilt)
    if (on_gpu()) return cuda::free_memory();
  return available_host_memory("/");
}
void set_memory_limit(int64_t bytes) {
  std::lock_guard lock(mutex);
  limit = bytes;
}

Buffer::Buffer(int64_t bytes, Place place)
    : bytes_(rounded(bytes > 0 ? bytes : 1)), home_(place == Place::gpu && in_use ? in_use : cache(place)) {
  data_ = home_->take(bytes_);
}
Buffer::~Buffer() {
  if (data_) home_->give_back(data_, bytes_);
}
Buffer::Buffer(Buffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)),
      home_(std::move(other.home_)) {}
Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  std::swap(home_, other.home_);
  return *this;
}
Place Buffer::place() const { return home_->place(); }

MemoryPool::MemoryPool() : cache_(std::make_shared<Cache>(Place::gpu, true)) {}
MemoryPool::Use::Use(MemoryPool& pool) { in_use = pool.cache_; }
MemoryPool::Use::~Use() { in_use = nullptr; }
MemoryPool::Outside::Outside() : before_(std::exchange(in_use, nullptr)) {}
MemoryPool::Outside::~Outside() { in_use = std::move(before_); }

}  // namespace sga
