// CUDA kernels on the host, for tests on machines without a GPU. A .cu file compiled by g++ sees this instead
// of nvcc's own definitions; NVIDIA's headers supply dim3, float4, half, bf16 and the runtime's declarations.
//
// Threads of a block are fibers that one host thread runs in turn; blocks run one after another. A barrier is
// where fibers change. So everything is deterministic, a plain read-modify-write is atomic, and the order of
// threads can be chosen (SGA_EMU_ORDER=forward|reverse|<seed>): a result that depends on it has forgotten a
// barrier.
#pragma once
#define __shared__ static  // never used directly: shared<S>() and dynamic_smem<T>() are
#define __constant__
#define __launch_bounds__(...)
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <source_location>
#include <stdexcept>
#include <string>
#include <type_traits>

// The built-in variables, set whenever a fiber goes on.
inline uint3 threadIdx, blockIdx;
inline dim3 blockDim, gridDim;
inline constexpr int warpSize = 32;

namespace emu {
using Where = std::source_location;

/// A mistake of a kernel: what, file and line, block and thread.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Adds a grid to the stream's queue, or refuses as the driver would: block of 0 or above 1024 threads, grid
/// too large, more than 227 KiB of shared memory. `body` is run once a thread when the stream is waited for.
cudaError_t enqueue_grid(cudaStream_t, dim3 grid, dim3 block, size_t smem, std::function<void()> body);
/// "forward", "reverse" or a seed, from here on; "" goes back to SGA_EMU_ORDER.
void set_order(const std::string& order);

// For the definitions below.
void block_barrier(Where);
void warp_barrier(unsigned mask, Where);  // all of `mask` that have not left
int lane();                               // 0..31, of the running thread
bool met(int lane);                       // took part in the rendezvous just over
void* outbox();                           // 16 bytes this thread posts into before a rendezvous ...
const void* inbox(int lane);              // ... and what `lane` posted at the one just over
void* dynamic_smem();
void poison_once_a_block(void* p, size_t bytes);
[[noreturn]] void fail(const std::string& what, Where);

// Everyone in `mask` posts a value, then reads that of lane pick(own lane).
template <class T, class Pick>
T exchange(unsigned mask, T value, Pick pick, Where w) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 16);
  if (!(mask >> lane() & 1)) fail("the mask of a shuffle does not name the calling lane", w);
  std::memcpy(outbox(), &value, sizeof(T));
  warp_barrier(mask, w);
  const int from = pick(lane());
  if (from == lane()) return value;
  if (!met(from)) fail("a shuffle reads lane " + std::to_string(from) + ", which does not take part", w);
  std::memcpy(&value, inbox(from), sizeof(T));
  return value;
}
}  // namespace emu

// ---- barriers, shuffles, ballots
inline void __syncthreads(emu::Where w = emu::Where::current()) { emu::block_barrier(w); }
inline void __syncwarp(unsigned mask = ~0u, emu::Where w = emu::Where::current()) {
  emu::warp_barrier(mask, w);
}
inline void __threadfence() {}
inline void __threadfence_block() {}
template <class T>
T __shfl_sync(unsigned m, T v, int from, int width = 32, emu::Where w = emu::Where::current()) {
  return emu::exchange(
      m, v, [=](int l) { return (l & ~(width - 1)) | (from & (width - 1)); }, w);
}
template <class T>
T __shfl_xor_sync(unsigned m, T v, int x, int width = 32, emu::Where w = emu::Where::current()) {
  return emu::exchange(
      m, v, [=](int l) { return ((l ^ x) & ~(width - 1)) > (l & ~(width - 1)) ? l : l ^ x; }, w);
}
template <class T>
T __shfl_down_sync(unsigned m, T v, unsigned d, int width = 32, emu::Where w = emu::Where::current()) {
  return emu::exchange(
      m, v, [=](int l) { return (l & (width - 1)) + int(d) < width ? l + int(d) : l; }, w);
}
template <class T>
T __shfl_up_sync(unsigned m, T v, unsigned d, int width = 32, emu::Where w = emu::Where::current()) {
  return emu::exchange(
      m, v, [=](int l) { return (l & (width - 1)) >= int(d) ? l - int(d) : l; }, w);
}
unsigned __ballot_sync(unsigned mask, int predicate, emu::Where w = emu::Where::current());
inline int __any_sync(unsigned m, int p, emu::Where w = emu::Where::current()) {
  return __ballot_sync(m, p, w) != 0;
}
inline int __all_sync(unsigned m, int p, emu::Where w = emu::Where::current()) {
  return __ballot_sync(m, !p, w) == 0;
}

// ---- atomics
template <class T>
T atomicAdd(T* p, std::type_identity_t<T> v) {
  const T old = *p;
  *p = T(old + v);
  return old;
}
template <class T>
T atomicMax(T* p, std::type_identity_t<T> v) {
  const T old = *p;
  *p = old < v ? v : old;
  return old;
}

// ---- arithmetic the host lacks
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline float __expf(float x) { return std::exp(x); }
inline float __fdividef(float a, float b) { return a / b; }
inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
inline float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
inline unsigned __umulhi(unsigned a, unsigned b) { return unsigned((uint64_t(a) * b) >> 32); }
template <class T>
T __ldg(const T* p) {
  return *p;
}
template <class T>
T __ldcs(const T* p) {
  return *p;
}
template <class T>
void __stcs(T* p, std::type_identity_t<T> v) {
  *p = v;
}
template <class A, class B>
constexpr auto min(A a, B b) -> std::common_type_t<A, B> {
  return b < a ? b : a;
}
template <class A, class B>
constexpr auto max(A a, B b) -> std::common_type_t<A, B> {
  return a < b ? b : a;
}
