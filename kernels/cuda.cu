// The GPU as the engine sees it. Everything here is host code, but for two small kernels.
#include "kernels/cuda.h"

#include <cstdlib>
#include <cstring>

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

void* scratch(Cuda, int64_t bytes) {
  constexpr int64_t kLeast = 4 << 20;
  static void* block = nullptr;
  static int64_t size = 0;
  if (bytes > size) {
    const int64_t wanted = bytes > kLeast ? bytes : kLeast;
    block = allocate(wanted);
    size = block ? wanted : 0;
    if (!block)
      fail("out of memory: a kernel needs ", wanted, " bytes of scratch on the GPU, ", free_memory(),
           " are free; use a smaller image (--max-size, --size) or a smaller --batch");
  }
  return block;
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

Graph::~Graph() {
  if (executable_) cudaGraphExecDestroy(executable_);
}

void Graph::begin(Cuda where) {
  // Relaxed: the allocator may still get memory, which is safe on the one stream there is.
  check_cuda(cudaStreamBeginCapture(where.stream, cudaStreamCaptureModeRelaxed), "capturing a step");
  capturing = true;
}

std::string Graph::end(Cuda where) {
  capturing = false;
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
  capturing = false;
  cudaGraph_t graph = nullptr;
  const cudaError_t status = cudaStreamEndCapture(where.stream, &graph);
  if (graph) cudaGraphDestroy(graph);
  cudaGetLastError();
  return status != cudaSuccess;
}

void Graph::launch(Cuda where) { check_cuda(cudaGraphLaunch(executable_, where.stream), "replaying a step"); }

}  // namespace sga::cuda
