// What a ConSinGAN will take, known before it is made.
#pragma once
#include "models/consingan/config.h"

namespace sga::consingan {

/// Bytes that tensors hold at the most demanding moment, while the finest level is trained: 22.5 maps of the
/// features at its size, 12.2 at the size of each stage that learns, and weights with Adam's state. Counted
/// on the CPU for stages of three convolutions; within 10 % for pictures of 64 pixels and more.
int64_t peak_bytes(const Config& config, const singan::Pyramid& pyramid);
/// Bytes that a sample of that size takes: 7 maps of the features. Within 5 %.
int64_t sample_bytes(const Config& config, singan::Size size);

}  // namespace sga::consingan
