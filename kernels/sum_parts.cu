// Sums of two to four arrays each, of up to 256 tensors in one launch.
//
//   sum_parts_kernel   grid: chunks of 1024 numbers over all tensors, at most 1056 blocks; block 256;
//                      shared 0. Moves 4 (count + 1) bytes a number.
//
// A thread takes one quad of each part of a chunk. SinGAN's critic has 13 parameters with two or three
// contributions each a step: one launch instead of some 15.
#include "kernels/sum_parts.h"

#include "kernels/many.cuh"

namespace sga::kernels {
namespace {

__global__ void __launch_bounds__(kBlock) sum_parts_kernel(Many<PartsOf<float>> table) {
  for (int64_t chunk = blockIdx.x; chunk < table.chunks(); chunk += gridDim.x) {
    const int k = table.entry_of(chunk);
    const PartsOf<float>& a = table.entry[k];
    const int64_t at = (chunk - table.begin[k]) * table.kChunk + 4 * threadIdx.x, left = a.n - at;
    if (left <= 0) continue;
    Float4 sum = load_quad(a.part[0] + at, left);
#pragma unroll
    for (int j = 1; j < kMostParts; ++j) {
      if (j == a.count) break;
      const Float4 q = load_quad(a.part[j] + at, left);
      for (int i = 0; i < 4; ++i) sum.v[i] += q.v[i];
    }
    store_quad(a.y + at, sum, left);
  }
}

}  // namespace

void sum_parts(Cuda where, const PartsOf<float>* tensors, int count) {
  for_many(tensors, count, [&](const Many<PartsOf<float>>& table, unsigned blocks, bool) {
    launch(where, {"sum_parts", blocks, kBlock}, sum_parts_kernel, table);
  });
}

}  // namespace sga::kernels
