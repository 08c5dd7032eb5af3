// What kernels share: sums over a warp and a block, 16-byte accesses.
#pragma once
#include "kernels/launch.h"

namespace sga::kernels {

constexpr int kWarp = 32;
constexpr unsigned kAllLanes = 0xffffffffu;

/// N values moved by one instruction where sizeof is 4, 8 or 16. The address must be a multiple of that.
template <class T, int N>
struct alignas(sizeof(T) * N) Pack {
  T v[N];
};
using Float4 = Pack<float, 4>;

/// Sum over the 32 lanes, the same bits in every lane. All lanes must be here.
__device__ inline float warp_sum(float v) {
  for (int offset = kWarp / 2; offset > 0; offset /= 2) v += __shfl_xor_sync(kAllLanes, v, offset);
  return v;
}

/// N sums over a block at once, returned to every thread. `Threads`: threads of the block, a multiple of 32,
/// counted by threadIdx.x alone. The order of additions depends on Threads alone: the same bits each time.
template <int Threads, int N>
__device__ inline Pack<float, N> block_sums(Pack<float, N> v) {
  static_assert(Threads % kWarp == 0 && Threads <= 1024);
  constexpr int kWarps = Threads / kWarp;
  struct Smem {
    float part[N][kWarps];
  };
  auto& s = shared<Smem>();
  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  __syncthreads();  // an earlier call's reads are over
  for (int i = 0; i < N; ++i) {
    v.v[i] = warp_sum(v.v[i]);
    if (lane == 0) s.part[i][warp] = v.v[i];
  }
  __syncthreads();
  for (int i = 0; i < N; ++i) v.v[i] = warp_sum(lane < kWarps ? s.part[i][lane] : 0.0f);
  return v;
}
template <int Threads>
__device__ inline float block_sum(float v) {
  return block_sums<Threads, 1>(Pack<float, 1>{{v}}).v[0];
}

}  // namespace sga::kernels
