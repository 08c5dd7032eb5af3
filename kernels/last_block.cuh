// Two stages in one launch: the block that finishes last takes the results of all others further.
#pragma once
#include "kernels/launch.h"

namespace sga::kernels {

/// True, for all threads, in the last of `blocks` blocks to come here with this ticket; then it sees what the
/// others wrote to memory before they came. The ticket is 0 before and after. Which block is last changes
/// from run to run: what it does must not depend on it. Kernels that share a ticket must not overlap, and on
/// the one stream they do not.
__device__ inline bool last_block(unsigned* ticket, unsigned blocks) {
  struct Smem {
    bool last;
  };
  auto& s = shared<Smem>();
  __syncthreads();  // the whole block has written ...
  if (threadIdx.x == 0) {
    __threadfence();  // ... which is seen before the ticket
    s.last = atomicAdd(ticket, 1u) == blocks - 1;
    if (s.last) *ticket = 0;
  }
  __syncthreads();
  if (s.last) __threadfence();
  return s.last;
}

}  // namespace sga::kernels
