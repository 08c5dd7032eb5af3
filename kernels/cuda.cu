// The GPU as the engine sees it. Everything here is host code, but for two small kernels: probe_kernel, one
// thread that does nothing, to learn whether this GPU runs our code, and set_numbers_kernel, one block that
// writes up to Numbers::kMost numbers given as arguments (grid 1, shared 0).
#include "kernels/cuda.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "kernels/launch.h"

namespace sga::cuda {
namespace {

using kernels::check_cuda;

__global__ void probe_kernel() {}

__global__ void set_numbers_kernel(Numbers numbers) {
  const int i = threadIdx.x;
  if (i >= numbers.count) return;
  const Numbers::Entry& e = numbers.entries[i];
  if (e.is_count)
    *static_cast<uint64_t*>(e.to) = e.count;
  else
    *static_cast<float*>(e.to) = e.number;
}

void (*release_hook)() = nullptr;

void* allocate_or_release(int64_t bytes) {
  void* block = allocate(bytes);
  if (block) return block;
  release_cached();
  return allocate(bytes);
}

// What kernels of one stream share.
class Workspace {
 public:
  Workspace() = default;
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  ~Workspace() {
    for (void* b : outgrown_) cudaFree(b);
    cudaFree(block_), cudaFree(arrivals_);
  }

  void* scratch(int64_t bytes) {
    constexpr int64_t kLeast = 4 << 20;
    if (bytes > size_) {
      const int64_t wanted = bytes > kLeast ? bytes : kLeast;
      void* const block = allocate_or_release(wanted);
      if (!block)
        fail("out of memory: a kernel needs ", wanted, " bytes of scratch on the GPU, ", free_memory(),
             " are free; use a smaller image (--max-size, --size) or a smaller --batch");
      if (block_) outgrown_.push_back(block_);
      block_ = block, size_ = wanted;
    }
    return block_;
  }
  // Before anything is captured: a captured fill would be repeated with every replay.
  void make_arrivals(Cuda where) {
    if (arrivals_) return;
    constexpr int64_t kBytes = kMostArrivals * int64_t(sizeof(unsigned));
    arrivals_ = static_cast<unsigned*>(allocate_or_release(kBytes));
    if (!arrivals_)
      fail("out of memory: the GPU has no ", kBytes, " bytes left; stop the other programs on it");
    check_cuda(cudaMemsetAsync(arrivals_, 0, size_t(kBytes), where.stream), "clearing counters");
  }
  unsigned* arrivals() const { return arrivals_; }

 private:
  void* block_ = nullptr;
  int64_t size_ = 0;
  unsigned* arrivals_ = nullptr;
  std::vector<void*> outgrown_;
};
Workspace& main_workspace() {
  static Workspace* w = new Workspace;  // the driver may be gone before static destructors run
  return *w;
}
Workspace* in_use = nullptr;  // of a graph being captured; else the main one
Workspace& workspace() { return in_use ? *in_use : main_workspace(); }

bool capturing = false;

std::string version_text(int v) { return std::to_string(v / 1000) + "." + std::to_string(v % 1000 / 10); }

// Runs the probe; leaves the device chosen.
std::string probe(const Device& device) {
  cudaError_t status = cudaSetDevice(device.index);
  if (status == cudaSuccess) {
    try {
      kernels::launch(Cuda{}, {"probe", 1, 1}, probe_kernel);
      status = cudaDeviceSynchronize();
    } catch (const Error& e) {
      const std::string text = e.what();
      if (text.find("cudaErrorNoKernelImageForDevice") != std::string::npos ||
          text.find("cudaErrorUnsupportedPtxVersion") != std::string::npos ||
          text.find("cudaErrorInvalidDeviceFunction") != std::string::npos)
        return "this build has no code for its architecture sm_" + std::to_string(device.major) +
               std::to_string(device.minor) +
               "; configure with -DCMAKE_CUDA_ARCHITECTURES=" + std::to_string(device.major) +
               std::to_string(device.minor);
      return text;
    }
  }
  if (status == cudaSuccess) return "";
  cudaGetLastError();
  if (status == cudaErrorDevicesUnavailable) return "it is busy: another process holds it exclusively";
  if (status == cudaErrorMemoryAllocation) return "it has no memory left; stop the other programs on it";
  return std::string(cudaGetErrorName(status)) + " (" + cudaGetErrorString(status) + ")";
}

// Two pinned blocks in turn: while one is copied, the next input is written to the other.
class Staging {
 public:
  void* get(int64_t bytes) {
    Block& block = blocks_[next_ ^= 1];
    if (block.copied) check_cuda(cudaEventSynchronize(block.copied), "staging");
    if (bytes > block.bytes) {
      cudaFreeHost(block.data);
      block.data = nullptr, block.bytes = 0;
      check_cuda(cudaMallocHost(&block.data, size_t(bytes)), "pinned memory for inputs");
      block.bytes = bytes;
    }
    if (!block.copied) check_cuda(cudaEventCreateWithFlags(&block.copied, cudaEventDisableTiming), "staging");
    return block.data;
  }
  void mark(Cuda where) { check_cuda(cudaEventRecord(blocks_[next_].copied, where.stream), "staging"); }

 private:
  struct Block {
    void* data = nullptr;
    int64_t bytes = 0;
    cudaEvent_t copied = nullptr;
  };
  Block blocks_[2];
  int next_ = 0;
};
Staging& staging() {
  static Staging* s = new Staging;  // the driver may be gone before static destructors run
  return *s;
}

}  // namespace

std::string versions() {
  int driver = 0, runtime = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  return "driver " + version_text(driver) + ", runtime " + version_text(runtime);
}

std::vector<Device> devices(std::string* why_none) {
  int count = 0, driver = 0, runtime = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  const cudaError_t status = cudaGetDeviceCount(&count);
  std::vector<Device> found;
  if (status != cudaSuccess || count == 0) {
    cudaGetLastError();
    if (why_none) {
      if (driver == 0)
        *why_none = "no NVIDIA driver is installed";
      else if (driver / 1000 < runtime / 1000 || status == cudaErrorInsufficientDriver)
        *why_none = "the NVIDIA driver is too old: it knows CUDA " + version_text(driver) +
                    ", this build needs " + version_text(runtime);
      else if (status == cudaErrorNoDevice || status == cudaSuccess)
        *why_none = "the driver shows no GPU (CUDA_VISIBLE_DEVICES may hide it)";
      else
        *why_none = std::string("the driver answered ") + cudaGetErrorName(status) + " (" +
                    cudaGetErrorString(status) + ")";
    }
    return found;
  }
  for (int i = 0; i < count; ++i) {
    cudaDeviceProp p;
    Device d;
    d.index = i, d.name = "unknown";
    if (cudaGetDeviceProperties(&p, i) == cudaSuccess)
      d.name = p.name, d.major = p.major, d.minor = p.minor, d.memory = int64_t(p.totalGlobalMem);
    found.push_back(d);
  }
  cudaGetLastError();
  return found;
}

std::string refusal(const Device& device) {
  int before = 0;
  const bool chosen = cudaGetDevice(&before) == cudaSuccess;
  const std::string why = probe(device);
  if (chosen) cudaSetDevice(before);  // looking at a device chose it
  cudaGetLastError();
  return why;
}

Cuda open(int index) {
  check_cuda(cudaSetDevice(index), "choosing the GPU");
  cudaStream_t stream = nullptr;
  check_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "opening a stream on the GPU");
  return {stream, Precision::tf32};
}

void when_out_of_memory(void (*release)()) { release_hook = release; }
void release_cached() {
  if (release_hook) release_hook();
}

void* allocate(int64_t bytes) {
  void* block = nullptr;
  const cudaError_t status = cudaMalloc(&block, size_t(bytes));
  if (status == cudaSuccess) return block;
  cudaGetLastError();
  if (status == cudaErrorMemoryAllocation) return nullptr;
  check_cuda(status, "allocating memory of the GPU");
  return nullptr;
}
void release(void* block) noexcept { cudaFree(block); }
int64_t free_memory() {
  size_t free = 0, total = 0;
  check_cuda(cudaMemGetInfo(&free, &total), "asking for the GPU's free memory");
  return int64_t(free);
}

void* scratch(Cuda, int64_t bytes) { return workspace().scratch(bytes); }

unsigned* arrivals(Cuda where) {
  if (!workspace().arrivals()) workspace().make_arrivals(where);
  return workspace().arrivals();
}

void copy(Cuda where, void* to, const void* from, int64_t bytes) {
  check_cuda(cudaMemcpyAsync(to, from, size_t(bytes), cudaMemcpyDeviceToDevice, where.stream),
             "copy on the GPU");
}

void upload(Cuda where, void* to, const void* from, int64_t bytes) {
  if (capturing)
    fail("step: a step that is captured must not read host memory, this one copies ", bytes, " bytes");
  constexpr int64_t kBlock = 32 << 20;
  for (int64_t at = 0; at < bytes; at += kBlock) {
    const int64_t part = bytes - at < kBlock ? bytes - at : kBlock;
    void* pinned = staging().get(part);
    std::memcpy(pinned, static_cast<const char*>(from) + at, size_t(part));
    check_cuda(cudaMemcpyAsync(static_cast<char*>(to) + at, pinned, size_t(part), cudaMemcpyHostToDevice,
                               where.stream),
               "copy to the GPU");
    staging().mark(where);
  }
}

void download(Cuda where, void* to, const void* from, int64_t bytes) {
  if (capturing)
    fail("step: a step that is captured must not be read back, this one reads ", bytes, " bytes");
  check_cuda(cudaMemcpyAsync(to, from, size_t(bytes), cudaMemcpyDeviceToHost, where.stream),
             "copy from the GPU");
  wait(where);
}

void wait(Cuda where) { check_cuda(cudaStreamSynchronize(where.stream), "waiting for the GPU"); }

void set_numbers(Cuda where, const Numbers& numbers) {
  if (numbers.count) kernels::launch(where, {"set_numbers", 1, Numbers::kMost}, set_numbers_kernel, numbers);
}

struct Graph::Lane {
  Lane() {
    check_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "opening a stream on the GPU");
    check_cuda(cudaEventCreateWithFlags(&begins, cudaEventDisableTiming), "opening a stream on the GPU");
    check_cuda(cudaEventCreateWithFlags(&done, cudaEventDisableTiming), "opening a stream on the GPU");
  }
  ~Lane() {
    std::erase(running, this);
    cudaStreamDestroy(stream), cudaEventDestroy(begins), cudaEventDestroy(done);
  }
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  static inline std::vector<Lane*> running;  // launched, and the main stream has not waited yet

  Workspace workspace;
  cudaStream_t stream = nullptr;
  cudaEvent_t begins = nullptr, done = nullptr;
};

Graph::Graph(bool beside) : lane_(beside ? std::make_unique<Lane>() : nullptr) {}
Graph::~Graph() {
  if (executable_) cudaGraphExecDestroy(executable_);
}

void Graph::begin(Cuda where) {
  Workspace& own = lane_ ? lane_->workspace : workspace();
  own.make_arrivals(where);
  // Relaxed: the allocator may still get memory, which is safe on the one stream there is.
  check_cuda(cudaStreamBeginCapture(where.stream, cudaStreamCaptureModeRelaxed), "capturing a step");
  if (lane_) in_use = &own;
  capturing = true;
}

std::string Graph::end(Cuda where) {
  capturing = false, in_use = nullptr;
  cudaGraph_t graph = nullptr;
  cudaError_t status = cudaStreamEndCapture(where.stream, &graph);
  if (status == cudaSuccess) {
    size_t nodes = 0;
    cudaGraphGetNodes(graph, nullptr, &nodes);
    nodes_ = int64_t(nodes);
    status = cudaGraphInstantiate(&executable_, graph, 0);
  }
  if (graph) cudaGraphDestroy(graph);
  if (status == cudaSuccess) return "";
  cudaGetLastError();
  return std::string(cudaGetErrorName(status)) + " (" + cudaGetErrorString(status) + ")";
}

bool Graph::abandon(Cuda where) noexcept {
  capturing = false, in_use = nullptr;
  cudaGraph_t graph = nullptr;
  const cudaError_t status = cudaStreamEndCapture(where.stream, &graph);
  if (graph) cudaGraphDestroy(graph);
  cudaGetLastError();
  return status != cudaSuccess;
}

Cuda Graph::lane(Cuda main) {
  if (!lane_) return main;
  check_cuda(cudaEventRecord(lane_->begins, main.stream), "replaying a step");
  check_cuda(cudaStreamWaitEvent(lane_->stream, lane_->begins, 0), "replaying a step");
  return {lane_->stream, main.precision};
}

void Graph::launch(Cuda lane) {
  check_cuda(cudaGraphLaunch(executable_, lane.stream), "replaying a step");
  if (!lane_) return;
  check_cuda(cudaEventRecord(lane_->done, lane.stream), "replaying a step");
  auto& running = Lane::running;
  if (std::find(running.begin(), running.end(), lane_.get()) == running.end()) running.push_back(lane_.get());
}

void Graph::join(Cuda main) {
  for (const Lane* lane : Lane::running)
    check_cuda(cudaStreamWaitEvent(main.stream, lane->done, 0), "waiting for a step");
  Lane::running.clear();
}

}  // namespace sga::cuda
