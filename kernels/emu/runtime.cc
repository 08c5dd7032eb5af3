// The CUDA runtime calls the project makes, for builds without a GPU; NVIDIA's headers declare them, so a
// wrong signature does not compile. A stream is a queue of closures that somebody's wait runs; a graph is a
// kept queue.
//
// Device memory lies in pages without access: a host read or write of it ends the process with a sentence.
// Only queued work may touch them. New memory, and host memory that a copy will be written to, is NaN until
// then.
#include <sys/mman.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <utility>
#include <vector>

#include "kernels/emu/emu.h"
#include "kernels/emu/scheduler.h"
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) (void)0
#define ASAN_UNPOISON_MEMORY_REGION(p, n) (void)0
#endif

using Work = std::function<void()>;
struct CUstream_st {
  std::deque<Work> queue;
  uint64_t done = 0;  // works that have left the queue
  bool running = false;
  bool capturing = false, relaxed = false;
  cudaError_t broken = cudaSuccess;  // a capture that did something forbidden
};
struct CUgraph_st {
  std::vector<Work> work;
};
struct CUgraphExec_st {
  std::vector<Work> work;
};
struct CUevent_st {
  cudaStream_t stream = nullptr;
  uint64_t after = 0;  // it has happened when so many works of the stream are done
  bool recorded = false;
};

namespace {

constexpr size_t kHeap = size_t(16) << 30;  // address space; pages appear when touched
constexpr size_t kPage = 4096;

struct Heap {
  char* base = nullptr;
  size_t top = 0;
  std::map<char*, size_t> live;
  int open = 0;

  Heap() {
    void* p = mmap(nullptr, kHeap, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) std::abort();
    base = static_cast<char*>(p);
    struct sigaction action {};
    action.sa_sigaction = trap;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSEGV, &action, &former);
    sigaction(SIGBUS, &action, nullptr);
  }
  static void trap(int signal, siginfo_t* info, void* context);
  static inline struct sigaction former {};
};
Heap& heap() {
  static Heap* h = new Heap;
  return *h;
}

void Heap::trap(int signal, siginfo_t* info, void* context) {
  const char* at = static_cast<char*>(info->si_addr);
  const Heap& h = heap();
  if (at >= h.base && at < h.base + kHeap) {
    const char text[] =
        "emu: the host touched device memory, or a kernel ran past an allocation; copy with cudaMemcpyAsync "
        "first\n";
    (void)!write(STDERR_FILENO, text, sizeof text - 1);
    std::_Exit(134);
  }
  if (former.sa_flags & SA_SIGINFO && former.sa_sigaction) return former.sa_sigaction(signal, info, context);
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

// Device memory is open while queued work runs.
struct DeviceScope {
  DeviceScope() {
    if (heap().open++ == 0 && heap().top) mprotect(heap().base, heap().top, PROT_READ | PROT_WRITE);
  }
  ~DeviceScope() {
    if (--heap().open == 0 && heap().top) mprotect(heap().base, heap().top, PROT_NONE);
  }
};

// Without AddressSanitizer, which sees every byte, the rest of an allocation's last page holds a pattern that
// is looked at when work is done: a kernel that wrote past its array is found, if not the line.
constexpr unsigned char kCanary = 0xa5;
void check_canaries() {
#ifndef __SANITIZE_ADDRESS__
  for (const auto& [block, n] : heap().live)
    for (const char* p = block + n; p < block + (n + kPage - 1) / kPage * kPage; ++p)
      if (static_cast<unsigned char>(*p) != kCanary)
        throw emu::Error("emu: a kernel wrote " + std::to_string(p - block - ptrdiff_t(n) + 1) +
                         " bytes past an allocation of " + std::to_string(n) + " bytes");
#endif
}

CUstream_st default_stream;
std::vector<CUstream_st*> streams{&default_stream};
CUstream_st& of(cudaStream_t s) { return s ? *s : default_stream; }
cudaError_t last_error = cudaSuccess;
cudaError_t answer(cudaError_t e) {
  if (e != cudaSuccess) last_error = e;
  return e;
}
cudaError_t enqueue(cudaStream_t s, Work work) {
  of(s).queue.push_back(std::move(work));
  return cudaSuccess;
}
// Runs what is queued, up to the work of that number.
void drain(CUstream_st& s, uint64_t until = UINT64_MAX) {
  if (s.queue.empty() || s.done >= until) return;
  if (s.running) throw emu::Error("emu: two streams wait for each other");
  const DeviceScope scope;
  s.running = true;
  try {
    while (!s.queue.empty() && s.done < until) {
      const Work work = std::move(s.queue.front());
      s.queue.pop_front(), ++s.done;
      work();
    }
  } catch (...) {
    s.running = false, s.queue.clear();
    throw;
  }
  s.running = false;
  check_canaries();
}
// Waiting is forbidden while anything is captured, and so are memory calls unless the capture is relaxed.
bool capturing(bool waits = true) {
  for (CUstream_st* s : streams)
    if (s->capturing && (waits || !s->relaxed)) {
      s->broken = cudaErrorStreamCaptureInvalidated;
      return true;
    }
  return false;
}
bool on_device(const void* p) {
  const char* c = static_cast<const char*>(p);
  return c >= heap().base && c < heap().base + kHeap;
}

}  // namespace

namespace emu {
cudaError_t enqueue_grid(cudaStream_t s, dim3 grid, dim3 block, size_t smem, std::function<void()> body) {
  const size_t threads = size_t(block.x) * block.y * block.z;
  if (threads == 0 || threads > 1024 || block.z > 64 || grid.x == 0 || grid.y == 0 || grid.z == 0 ||
      grid.x > 2147483647u || grid.y > 65535 || grid.z > 65535)
    return answer(cudaErrorInvalidConfiguration);
  if (smem > 227 * 1024) return answer(cudaErrorInvalidValue);
  return ::enqueue(s, [=, body = std::move(body)] { run_grid(grid, block, smem, body); });
}
}  // namespace emu

extern "C" {

cudaError_t cudaGetDeviceCount(int* n) {
  *n = 1;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int i) { return answer(i == 0 ? cudaSuccess : cudaErrorInvalidDevice); }
cudaError_t cudaGetDevice(int* i) {
  *i = 0;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int) {
  *p = {};
  std::snprintf(p->name, sizeof p->name, "emulator");
  p->major = 9, p->minor = 0;
  p->totalGlobalMem = kHeap;
  p->multiProcessorCount = 2;
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* v) {
  *v = CUDART_VERSION;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* v) {
  *v = CUDART_VERSION;
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  *free = kHeap - heap().top, *total = kHeap;
  return cudaSuccess;
}
cudaError_t cudaMalloc(void** p, size_t n) {
  if (capturing(false)) return answer(cudaErrorStreamCaptureUnsupported);
  Heap& h = heap();
  const size_t bytes = (n + 2 * kPage - 1) / kPage * kPage + kPage;  // whole pages and a gap
  if (bytes > kHeap - h.top) return answer(cudaErrorMemoryAllocation);
  char* block = h.base + h.top;
  h.top += bytes;
  h.live[block] = n;
  const DeviceScope scope;
  mprotect(h.base, h.top, PROT_READ | PROT_WRITE);
  ASAN_UNPOISON_MEMORY_REGION(block, bytes);
  std::memset(block + n, kCanary, (n + kPage - 1) / kPage * kPage - n);
  ASAN_POISON_MEMORY_REGION(block + n, bytes - n);
  std::memset(block, 0xff, n);
  *p = block;
  return cudaSuccess;
}
cudaError_t cudaFree(void* p) {
  if (!p) return cudaSuccess;
  if (capturing()) return answer(cudaErrorStreamCaptureUnsupported);
  for (CUstream_st* s : streams) drain(*s);
  Heap& h = heap();
  const auto found = h.live.find(static_cast<char*>(p));
  if (found == h.live.end()) return answer(cudaErrorInvalidValue);
  ASAN_POISON_MEMORY_REGION(p, found->second);
  madvise(p, (found->second + kPage - 1) / kPage * kPage, MADV_DONTNEED);  // its address is never used again
  h.live.erase(found);
  return cudaSuccess;
}
cudaError_t cudaMallocHost(void** p, size_t n) {
  *p = std::aligned_alloc(64, (n + 63) / 64 * 64);
  return answer(*p ? cudaSuccess : cudaErrorMemoryAllocation);
}
cudaError_t cudaFreeHost(void* p) {
  std::free(p);
  return cudaSuccess;
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* s, unsigned) {
  *s = new CUstream_st;
  streams.push_back(*s);
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t s) {
  drain(*s);
  std::erase(streams, s);
  delete s;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t s) {
  if (capturing()) return answer(cudaErrorStreamCaptureUnsupported);
  drain(of(s));
  return cudaSuccess;
}
cudaError_t cudaDeviceSynchronize() {
  if (capturing()) return answer(cudaErrorStreamCaptureUnsupported);
  for (CUstream_st* s : streams) drain(*s);
  return cudaSuccess;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t n, cudaMemcpyKind, cudaStream_t s) {
  if (n == 0) return cudaSuccess;  // the pointers may be null
  // A copy to the host is there after the wait, not before; one from the host may read now or later.
  if (!on_device(to)) std::memset(to, 0xff, n);
  return enqueue(s, [=] { std::memmove(to, from, n); });
}
cudaError_t cudaMemsetAsync(void* p, int v, size_t n, cudaStream_t s) {
  return enqueue(s, [=] { std::memset(p, v, n); });
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* e, unsigned) {
  *e = new CUevent_st;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s) {
  e->stream = s, e->recorded = true, e->after = of(s).done + of(s).queue.size();
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t e) {
  return e->recorded ? cudaStreamSynchronize(e->stream) : cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t e) {
  delete e;
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned) {
  if (!e->recorded) return cudaSuccess;
  return enqueue(s, [stream = e->stream, after = e->after] { drain(of(stream), after); });
}
cudaError_t cudaStreamBeginCapture(cudaStream_t s, cudaStreamCaptureMode mode) {
  drain(of(s));
  of(s).relaxed = mode == cudaStreamCaptureModeRelaxed;
  of(s).capturing = true, of(s).broken = cudaSuccess;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t* g) {
  CUstream_st& stream = of(s);
  stream.capturing = false;
  const auto queue = std::exchange(stream.queue, {});
  *g = nullptr;
  if (stream.broken != cudaSuccess) return answer(stream.broken);
  *g = new CUgraph_st{{queue.begin(), queue.end()}};
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* e, cudaGraph_t g, unsigned long long) {
  *e = new CUgraphExec_st{g->work};
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t e, cudaStream_t s) {
  for (const Work& w : e->work) enqueue(s, w);
  return cudaSuccess;
}
cudaError_t cudaGraphGetNodes(cudaGraph_t g, cudaGraphNode_t*, size_t* n) {
  *n = g->work.size();
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t g) {
  delete g;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t e) {
  delete e;
  return cudaSuccess;
}
cudaError_t cudaGetLastError() { return std::exchange(last_error, cudaSuccess); }
const char* cudaGetErrorName(cudaError_t e) {
  switch (e) {
    case cudaSuccess:
      return "cudaSuccess";
    case cudaErrorInvalidValue:
      return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidConfiguration:
      return "cudaErrorInvalidConfiguration";
    case cudaErrorInvalidDevice:
      return "cudaErrorInvalidDevice";
    case cudaErrorStreamCaptureUnsupported:
      return "cudaErrorStreamCaptureUnsupported";
    case cudaErrorStreamCaptureInvalidated:
      return "cudaErrorStreamCaptureInvalidated";
    default:
      return "another CUDA error";
  }
}
const char* cudaGetErrorString(cudaError_t e) { return e == cudaSuccess ? "no error" : "emulated"; }
}
