// Between the runtime's streams and the fibers.
#pragma once
#include "kernels/emu/emu.h"

namespace emu {

/// Runs every thread of every block. Error on a deadlock, a divergent barrier, or what the kernel itself
/// throws.
void run_grid(dim3 grid, dim3 block, size_t smem, const std::function<void()>& body);

}  // namespace emu
