// What a ConSinGAN will take, known before it is made.
#pragma once
#include <vector>

#include "models/consingan/config.h"

namespace sga::consingan {

/// Bytes that tensors hold at the most demanding moment, while the finest level is trained: 22.5 maps of the
/// features at its size, 12.2 at the size of each stage that learns, and weights with Adam's state. Counted
/// on the CPU for stages of three convolutions; within 10 % for pictures of 64 pixels and more.
int64_t peak_bytes(const Config& config, const singan::Pyramid& pyramid);
/// Bytes that a sample of that size takes: 7 maps of the features. Within 5 %.
int64_t sample_bytes(const Config& config, singan::Size size);
/// Multiplications and additions in the convolutions of one iteration of the last of the levels of these
/// sizes, coarsest first. channels: of the picture.
double iteration_flops(const Config& config, const std::vector<singan::Size>& sizes, int64_t channels);
/// Seconds of one iteration at each level, as singan::iteration_seconds: measured on tiny maps at every level
/// and on maps of at most 1e6 elements (5e6 on a GPU) at the last, a few seconds on a CPU. Draws from no
/// random stream that a training uses.
std::vector<double> iteration_seconds(const Config& config, const singan::Pyramid& pyramid, int64_t channels);

}  // namespace sga::consingan
