// What a training will cost, known before it starts.
#pragma once
#include <vector>

#include "models/singan/config.h"

namespace sga::singan {

/// Multiplications and additions in the convolutions of one iteration of a level, with the priors it draws
/// (spec C.1). channels: of the picture.
double iteration_flops(const Config& config, const Pyramid& pyramid, int64_t channels, int level);

/// Bytes that tensors hold at the most demanding moment, within a critic step of the most demanding level:
/// about 46.5 maps of the level's hidden channels and 30 of the picture's, with weights, gradients and Adam's
/// state. Counted on the CPU, the same on a GPU; within 10 % for pictures of 48 pixels and more.
int64_t peak_bytes(const Config& config, const Pyramid& pyramid, int64_t channels);

/// Seconds of one iteration at each level: floor + FLOP / rate. The floor is measured on a tiny map, the rate
/// by iterations on maps of at most 1e6 elements (5e6 on a GPU) for each number of hidden channels that
/// occurs: a few seconds on a CPU. Draws from no random stream that a training uses.
std::vector<double> iteration_seconds(const Config& config, const Pyramid& pyramid, int64_t channels);

}  // namespace sga::singan
