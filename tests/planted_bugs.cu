// planted_bugs NAME: a kernel with one mistake, for compute-sanitizer to find. The emulator's tests plant such
// ones too: so where there is a GPU, bench/gpu-check sees whether both find them, and that the sanitizer ran
// at all.
#include <cstdio>
#include <cstring>

#include "kernels/launch.h"

namespace sga::kernels {
namespace {

constexpr int kThreads = 64;  // two warps: within one, a missing barrier need not show

struct Tile {
  float v[kThreads];
};

// Reverses a block through shared memory; without the barrier one warp reads what the other has not written
// yet.
template <bool Barrier>
__global__ void reverse_kernel(float* y, const float* x) {
  auto& s = shared<Tile>();
  s.v[threadIdx.x] = x[threadIdx.x];
  if (Barrier) __syncthreads();
  y[threadIdx.x] = s.v[kThreads - 1 - threadIdx.x];
}

__global__ void write_kernel(float* y, int64_t offset_bytes) {
  *reinterpret_cast<float*>(reinterpret_cast<char*>(y + threadIdx.x) + offset_bytes) = 1;
}

void run(const char* bug) {
  const Cuda where{};
  float *x = nullptr, *y = nullptr;
  constexpr size_t kBytes = kThreads * sizeof(float);
  check_cuda(cudaMalloc(&x, kBytes), "memory");
  check_cuda(cudaMalloc(&y, kBytes), "memory");
  check_cuda(cudaMemset(x, 0, kBytes), "memory");
  const auto is = [&](const char* name) { return std::strcmp(bug, name) == 0; };
  if (is("none"))
    launch(where, {"reverse", 1, kThreads}, reverse_kernel<true>, y, static_cast<const float*>(x));
  else if (is("missing_barrier"))
    launch(where, {"reverse", 1, kThreads}, reverse_kernel<false>, y, static_cast<const float*>(x));
  else if (is("out_of_bounds"))
    launch(where, {"write", 1, kThreads}, write_kernel, y, int64_t(kBytes) * 4096);
  else if (is("misaligned"))
    launch(where, {"write", 1, kThreads / 2}, write_kernel, y, int64_t(2));
  else
    fail("planted_bugs: there is no '", bug, "'; give none, missing_barrier, out_of_bounds or misaligned");
  check_cuda(cudaDeviceSynchronize(), bug);
}

}  // namespace
}  // namespace sga::kernels

int main(int argc, char** argv) {
  try {
    sga::kernels::run(argc > 1 ? argv[1] : "");
    return 0;
  } catch (const sga::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
