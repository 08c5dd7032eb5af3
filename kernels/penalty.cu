// The gradient penalty on a GPU. Two shapes matter, and each has its way:
//
// pixels    SinGAN: 600 to 150,000 groups of 3. A thread owns a group; or 4 groups, if they are of 3
//           numbers in arrays aligned to 16 bytes: three packs of 16 bytes, and their norms one.
//             grid groups/256, or groups/1024, at most 1024   block 256   shared 36 bytes
// samples   GANimation: 16 to 25 groups of 49,152. A group is cut into chunks of 4096 numbers, a block each:
//           a thread asks for 4 packs of 16 bytes before it uses the first.
//             grid groups * chunks   block 256   shared 36 bytes
// One launch each: blocks leave sums in scratch; the one that arrives last adds them up in a fixed order.
// Bytes to move: 4 * groups * (size + 1). The gradient: 4 * groups * (2 size + 1), the same grids without
// the limit of 1024, shared 0.
#include "kernels/penalty.h"

#include <algorithm>

#include "kernels/access.cuh"
#include "kernels/cuda.h"
#include "kernels/last_block.cuh"

namespace sga::kernels {
namespace {

constexpr int64_t kMostBlocks = 1024, kChunk = 4096, kSmall = 32;  // kSmall: largest group of one thread

__device__ float squared(float v) { return v * v; }

/// Sum of values[0..count), the same in every thread of the block.
__device__ float sum_of(const float* values, int64_t count) {
  float sum = 0;
  for (int64_t i = threadIdx.x; i < count; i += kBlock) sum += values[i];
  return block_sum<kBlock>(sum);
}

/// The last step of both ways: *y = the sum of what every block brings, over groups.
__device__ void mean_of_blocks(float mine, int64_t groups, float* partial, unsigned* arrivals, float* y) {
  if (threadIdx.x == 0) partial[blockIdx.x] = mine;
  if (!last_block(arrivals, gridDim.x)) return;
  const float all = sum_of(partial, gridDim.x);
  if (threadIdx.x == 0) *y = all / float(groups);
}

// ---- pixels

__global__ void __launch_bounds__(kBlock)
    pixels_kernel(int64_t groups, int64_t size, const float* g, float eps, float* norm, float* partial,
                  unsigned* arrivals, float* y) {
  float sum = 0;
  for (int64_t i = int64_t(blockIdx.x) * kBlock + threadIdx.x; i < groups; i += int64_t(gridDim.x) * kBlock) {
    float squares = 0;
    for (int64_t j = 0; j < size; ++j) squares += squared(g[i * size + j]);
    norm[i] = sqrtf(squares + eps);
    sum += squared(norm[i] - 1);
  }
  mean_of_blocks(block_sum<kBlock>(sum), groups, partial, arrivals, y);
}

// Number i of a thread's 12 belongs to its group i / 3.
__global__ void __launch_bounds__(kBlock) rgb_kernel(int64_t groups, const float* g, float eps, float* norm,
                                                     float* partial, unsigned* arrivals, float* y) {
  float sum = 0;
  for (int64_t q = int64_t(blockIdx.x) * kBlock + threadIdx.x; q < groups / 4;
       q += int64_t(gridDim.x) * kBlock) {
    Float4 pack[3], norms = {};
    for (int k = 0; k < 3; ++k) pack[k] = reinterpret_cast<const Float4*>(g)[3 * q + k];
    for (int i = 0; i < 12; ++i) norms.v[i / 3] += squared(pack[i / 4].v[i % 4]);
    for (float& v : norms.v) {
      v = sqrtf(v + eps);
      sum += squared(v - 1);
    }
    reinterpret_cast<Float4*>(norm)[q] = norms;
  }
  mean_of_blocks(block_sum<kBlock>(sum), groups, partial, arrivals, y);
}

// ---- samples

/// f(i, numbers from i on) over begin..end: packs of V, each read before the first is used.
template <int V, class F>
__device__ void each_pack(const float* g, int64_t begin, int64_t end, F f) {
  constexpr int kAhead = 4;
  for (int64_t i = begin + threadIdx.x * V; i < end; i += kAhead * kBlock * V) {
    Pack<float, V> pack[kAhead] = {};
    for (int a = 0; a < kAhead; ++a)
      if (i + a * kBlock * V < end)
        pack[a] = *reinterpret_cast<const Pack<float, V>*>(g + i + a * kBlock * V);
    for (int a = 0; a < kAhead; ++a)
      if (i + a * kBlock * V < end) f(i + a * kBlock * V, pack[a]);
  }
}

template <int V>
struct AddSquares {
  float* sum;
  __device__ void operator()(int64_t, const Pack<float, V>& pack) const {
    for (float v : pack.v) *sum += squared(v);
  }
};

/// chunks: blocks of a group. partial: groups * chunks.
template <int V>
__global__ void __launch_bounds__(kBlock)
    samples_kernel(int64_t groups, int64_t size, int64_t chunks, const float* g, float eps, float* norm,
                   float* partial, unsigned* arrivals, float* y) {
  const int64_t group = blockIdx.x / chunks, begin = blockIdx.x % chunks * kChunk;
  float sum = 0;
  each_pack<V>(g + group * size, begin, min(begin + kChunk, size), AddSquares<V>{&sum});
  sum = block_sum<kBlock>(sum);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
  if (!last_block(arrivals, gridDim.x)) return;

  const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  float distances = 0;
  for (int64_t i = warp; i < groups; i += kBlock / kWarp) {  // a warp a group
    float squares = 0;
    for (int64_t k = lane; k < chunks; k += kWarp) squares += partial[i * chunks + k];
    const float length = sqrtf(warp_sum(squares) + eps);
    if (lane == 0) norm[i] = length, distances += squared(length - 1);
  }
  const float all = block_sum<kBlock>(distances);
  if (threadIdx.x == 0) *y = all / float(groups);
}

// ---- gradient

__device__ float factor_of(float norm, float seed, int64_t groups) {
  return norm == 0 ? 0.0f : seed * 2 / float(groups) * (norm - 1) / norm;
}

__global__ void __launch_bounds__(kBlock)
    pixels_grad_kernel(int64_t groups, int64_t size, const float* g, const float* norm, const float* seed,
                       float* gg) {
  const int64_t i = int64_t(blockIdx.x) * kBlock + threadIdx.x;
  if (i >= groups) return;
  const float factor = factor_of(norm[i], *seed, groups);
  for (int64_t j = i * size; j < (i + 1) * size; ++j) gg[j] = factor * g[j];
}

__global__ void __launch_bounds__(kBlock)
    rgb_grad_kernel(int64_t groups, const float* g, const float* norm, const float* seed, float* gg) {
  const int64_t q = int64_t(blockIdx.x) * kBlock + threadIdx.x;
  if (q >= groups / 4) return;
  const Float4 norms = reinterpret_cast<const Float4*>(norm)[q];
  Float4 pack[3];
  for (int k = 0; k < 3; ++k) pack[k] = reinterpret_cast<const Float4*>(g)[3 * q + k];
  Float4 factor;
  for (int k = 0; k < 4; ++k) factor.v[k] = factor_of(norms.v[k], *seed, groups);
  for (int i = 0; i < 12; ++i) pack[i / 4].v[i % 4] *= factor.v[i / 3];
  for (int k = 0; k < 3; ++k) reinterpret_cast<Float4*>(gg)[3 * q + k] = pack[k];
}

template <int V>
struct Scale {
  float factor;
  float* out;
  __device__ void operator()(int64_t i, Pack<float, V> pack) const {
    for (float& v : pack.v) v *= factor;
    *reinterpret_cast<Pack<float, V>*>(out + i) = pack;
  }
};

template <int V>
__global__ void __launch_bounds__(kBlock)
    samples_grad_kernel(int64_t groups, int64_t size, int64_t chunks, const float* g, const float* norm,
                        const float* seed, float* gg) {
  const int64_t group = blockIdx.x / chunks, begin = blockIdx.x % chunks * kChunk;
  const float factor = factor_of(norm[group], *seed, groups);
  each_pack<V>(g + group * size, begin, min(begin + kChunk, size), Scale<V>{factor, gg + group * size});
}

}  // namespace

void gradient_penalty(Cuda where, int64_t groups, int64_t size, const float* g, float eps, float* norm,
                      float* y) {
  const char* name = "gradient_penalty";
  if (size <= kSmall) {
    const bool rgb = size == 3 && groups % 4 == 0 && aligned16(g) && aligned16(norm);
    const unsigned blocks =
        unsigned(std::clamp(div_up(groups, rgb ? 4 * kBlock : kBlock), int64_t{1}, kMostBlocks));
    float* partial = static_cast<float*>(cuda::scratch(where, kMostBlocks * int64_t(sizeof(float))));
    if (rgb)
      launch(where, {name, blocks, kBlock}, rgb_kernel, groups, g, eps, norm, partial, cuda::arrivals(where),
             y);
    else
      launch(where, {name, blocks, kBlock}, pixels_kernel, groups, size, g, eps, norm, partial,
             cuda::arrivals(where), y);
    return;
  }
  const int64_t chunks = div_up(size, kChunk);
  float* partial = static_cast<float*>(cuda::scratch(where, groups * chunks * int64_t(sizeof(float))));
  const auto kernel = size % 4 == 0 && aligned16(g) ? samples_kernel<4> : samples_kernel<1>;
  launch(where, {name, unsigned(groups * chunks), kBlock}, kernel, groups, size, chunks, g, eps, norm,
         partial, cuda::arrivals(where), y);
}

void gradient_penalty_grad(Cuda where, int64_t groups, int64_t size, const float* g, const float* norm,
                           const float* seed, float* gg) {
  const char* name = "gradient_penalty_grad";
  if (groups * size == 0) return;
  if (size == 3 && groups % 4 == 0 && aligned16(g) && aligned16(norm) && aligned16(gg)) {
    launch(where, {name, unsigned(div_up(groups / 4, kBlock)), kBlock}, rgb_grad_kernel, groups, g, norm,
           seed, gg);
  } else if (size <= kSmall) {
    launch(where, {name, unsigned(div_up(groups, kBlock)), kBlock}, pixels_grad_kernel, groups, size, g, norm,
           seed, gg);
  } else {
    const int64_t chunks = div_up(size, kChunk);
    const auto kernel =
        size % 4 == 0 && aligned16(g) && aligned16(gg) ? samples_grad_kernel<4> : samples_grad_kernel<1>;
    launch(where, {name, unsigned(groups * chunks), kBlock}, kernel, groups, size, chunks, g, norm, seed, gg);
  }
}

}  // namespace sga::kernels
