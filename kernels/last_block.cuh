// Reductions in one launch: blocks leave partial sums, the one that arrives last adds them up in a fixed
// order.
#pragma once
#include "kernels/launch.h"

namespace sga::kernels {

/// True, in all its threads, in that one of `blocks` blocks which comes here last; it sees what the others
/// wrote to global memory before they came. Nobody waits. `arrivals`, one of cuda::arrivals(), is 0 at first
/// and 0 again at the end.
__device__ inline bool last_block(unsigned* arrivals, unsigned blocks) {
  struct Smem {
    bool last;
  };
  auto& s = shared<Smem>();
  __threadfence();  // each thread: what I wrote comes before my block's arrival
  __syncthreads();
  if (threadIdx.x == 0) {
    s.last = atomicAdd(arrivals, 1u) == blocks - 1;
    if (s.last) *arrivals = 0;
  }
  __syncthreads();
  __threadfence();
  return s.last;
}

}  // namespace sga::kernels
