// The GPU as the engine sees it: which one, its memory, copies, waiting, captured graphs. Only builds with
// CUDA (kCudaBuilt) hold the definitions.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kernels/where.h"

struct CUgraphExec_st;

namespace sga::cuda {

struct Device {
  int index = 0;
  std::string name;
  int major = 0, minor = 0;  ///< compute capability
  int64_t memory = 0;        ///< bytes
};
/// All devices the driver shows. Empty if there is none; then `why_none` says why, in a half sentence.
std::vector<Device> devices(std::string* why_none);
/// Why this build cannot run on a device, "" if it can. Runs an empty kernel there, which takes some of its
/// memory and the time of starting it: ask only for those that may be used.
std::string refusal(const Device& device);
/// Driver and runtime as text, "driver 13.0, runtime 13.0".
std::string versions();

/// Makes `index` the device of this process and opens its stream. Error if it refuses.
Cuda open(int index);

/// Null if the device has no such block left.
void* allocate(int64_t bytes);
/// What scratch, counters and library handles call before they give up for want of memory: it may release
/// blocks that are kept for later.
void when_out_of_memory(void (*release_cached)());
/// Calls it.
void release_cached();
void release(void* block) noexcept;
int64_t free_memory();

/// Room for partial sums and convolution workspaces, shared by all kernels of a stream: what a kernel left
/// there is gone at the next call. Grown to the largest request; outgrown blocks stay, as captured steps may
/// refer to them. 256-byte aligned.
void* scratch(Cuda, int64_t bytes);
/// kMostArrivals counters for last_block(), 0 between launches, shared likewise.
constexpr int kMostArrivals = 4096;
unsigned* arrivals(Cuda);

/// Device to device, in stream order.
void copy(Cuda, void* to, const void* from, int64_t bytes);
/// Host to device through pinned memory; `from` may change as soon as this returns. Error while a step is
/// captured.
void upload(Cuda, void* to, const void* from, int64_t bytes);
/// Device to host; waits for the stream. Error while a step is captured.
void download(Cuda, void* to, const void* from, int64_t bytes);
void wait(Cuda);

/// Numbers that change from step to step, written to the device in one launch.
struct Numbers {
  struct Entry {
    void* to;
    uint64_t count;
    float number;
    bool is_count;  ///< *to is a uint64_t, else a float
  };
  static constexpr int kMost = 32;
  int count = 0;
  Entry entries[kMost];
};
void set_numbers(Cuda, const Numbers& numbers);

/// Work recorded once and started as one.
class Graph {
 public:
  /// `beside`: it may run at the same time as other graphs, on a stream and with scratch of its own.
  explicit Graph(bool beside = false);
  ~Graph();
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  /// From here to end() work on the stream is recorded, not run.
  void begin(Cuda);
  /// "" or why the recorded work cannot be replayed; nothing has run then.
  std::string end(Cuda);
  /// Drops what is being recorded, after an exception. True if CUDA had refused to record something.
  bool abandon(Cuda) noexcept;
  /// Where a launch runs: behind what lies on the main stream, given here, and behind this graph's launches
  /// before.
  Cuda lane(Cuda main);
  void launch(Cuda lane);
  /// What is put on the main stream from here on waits for all graphs launched beside it.
  static void join(Cuda main);
  /// Kernels, copies and fills in it.
  int64_t nodes() const { return nodes_; }

 private:
  struct Lane;
  CUgraphExec_st* executable_ = nullptr;
  int64_t nodes_ = 0;
  std::unique_ptr<Lane> lane_;  // of a graph that runs beside others
};

}  // namespace sga::cuda
