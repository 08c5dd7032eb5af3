// The only way to start a kernel. The same .cu file is compiled by nvcc for a GPU, and by g++ for the
// emulator (kernels/emu), so that every kernel runs in the tests of a machine without a GPU. Include in .cu
// files alone.
#pragma once
#ifdef __CUDACC__
#include <cuda_runtime.h>
#else
#include "kernels/emu/emu.h"
#endif

#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>

#include "kernels/check.h"
#include "kernels/where.h"

namespace sga::kernels {

/// Blocks of `size` that cover n.
constexpr int64_t div_up(int64_t n, int64_t size) { return (n + size - 1) / size; }

/// Errors after which every further call in this process fails too.
inline bool is_lasting(cudaError_t status) {
  switch (status) {
    case cudaErrorIllegalAddress:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorIllegalInstruction:
    case cudaErrorHardwareStackError:
    case cudaErrorLaunchFailure:
    case cudaErrorLaunchTimeout:
    case cudaErrorAssert:
    case cudaErrorECCUncorrectable:
    case cudaErrorNvlinkUncorrectable:
    case cudaErrorUnknown:
      return true;
    default:
      return false;
  }
}

/// Throws an Error naming the call if it did not return cudaSuccess; LostDevice if no later call can.
inline void check_cuda(cudaError_t status, const char* what) {
  if (is_lasting(status))
    throw LostDevice(
        std::string(what) + ": the GPU stopped answering with " + cudaGetErrorName(status) + " (" +
        cudaGetErrorString(status) +
        "); start again, with --resume where there is one, and if it comes back look into dmesg");
  if (status != cudaSuccess)
    fail(what, ": CUDA answered ", cudaGetErrorName(status), " (", cudaGetErrorString(status), ")");
}

/// What a kernel is started with.
struct Launch {
  const char* name;  ///< for errors
  dim3 grid, block;
  size_t dynamic_smem = 0;  ///< bytes
};

/// Starts `kernel` on the stream of `where`. Error naming kernel, grid and reason if it cannot start.
///   launch(where, {"blend", blocks, 256}, blend_kernel, a, b, y, n);
template <class... P, class... A>
void launch(Cuda where, const Launch& l, void (*kernel)(P...), A&&... arguments) {
#ifdef __CUDACC__
  if (l.dynamic_smem > 48 * 1024) {  // beyond it a kernel has to ask
    const void* const function = reinterpret_cast<const void*>(kernel);
    cudaFuncAttributes asked;
    check_cuda(cudaFuncGetAttributes(&asked, function), l.name);
    // Never for less than before: a captured launch of the same kernel may need that.
    if (asked.maxDynamicSharedSizeBytes < int(l.dynamic_smem))
      check_cuda(
          cudaFuncSetAttribute(function, cudaFuncAttributeMaxDynamicSharedMemorySize, int(l.dynamic_smem)),
          l.name);
  }
  cudaLaunchConfig_t config{};
  config.gridDim = l.grid, config.blockDim = l.block;
  config.dynamicSmemBytes = l.dynamic_smem, config.stream = where.stream;
  const cudaError_t status = cudaLaunchKernelEx(&config, kernel, static_cast<P>(arguments)...);
#else
  const cudaError_t status = emu::enqueue_grid(
      where.stream, l.grid, l.block, l.dynamic_smem,
      [kernel, t = std::tuple<P...>(static_cast<P>(arguments)...)] { std::apply(kernel, t); });
#endif
  if (status != cudaSuccess) {
    cudaGetLastError();  // cleared, so that the next call is not blamed
    if (is_lasting(status)) check_cuda(status, l.name);
    fail("kernel ", l.name, ": grid (", l.grid.x, ",", l.grid.y, ",", l.grid.z, "), block (", l.block.x, ",",
         l.block.y, ",", l.block.z, "), ", l.dynamic_smem,
         " bytes of shared memory: ", cudaGetErrorName(status), " (", cudaGetErrorString(status), ")");
  }
}

/// Static shared memory, one struct a kernel: auto& s = shared<Smem>(). The emulator fills it with NaN before
/// every block, so a read before a write shows.
template <class S>
__device__ inline S& shared() {
#ifdef __CUDACC__
  __shared__ S s;
  return s;
#else
  static S s;
  emu::poison_once_a_block(&s, sizeof s);
  return s;
#endif
}

/// Dynamic shared memory, typed, aligned to 16 bytes. NaN at the start, as above.
template <class T>
__device__ inline T* dynamic_smem() {
#ifdef __CUDACC__
  extern __shared__ __align__(16) unsigned char sga_dynamic_smem[];
  return reinterpret_cast<T*>(sga_dynamic_smem);
#else
  return static_cast<T*>(emu::dynamic_smem());
#endif
}

}  // namespace sga::kernels
