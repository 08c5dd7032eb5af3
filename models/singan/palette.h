// Pictures in few colours, for painting with quantisation (spec A.10). Nothing here records a graph.
#pragma once
#include "engine/tensor.h"

namespace sga::singan {

constexpr int64_t kMaxColours = 64;

/// The nearest of the colours (K,C) for every pixel of x (N,H,W,C), by Euclidean distance.
Tensor to_palette(const Tensor& x, const Tensor& palette);

/// What the official code takes for colours: a channels-first picture cut into threes, so three neighbours in
/// a row of one channel. x (1,H,W,C) with 3 | H*W*C -> (H*W*C/3, 3).
Tensor runs_of(const Tensor& x);

/// Every run of x becomes an entry of the palette (K,3), as the official code chooses it: k-means of the runs
/// is started from the palette, and the entry of a cluster's start is written, not its mean. Ten steps of
/// Lloyd's algorithm, where scikit-learn goes on until its means rest.
Tensor to_palette_of_runs(const Tensor& x, const Tensor& palette);

}  // namespace sga::singan
