// Nearest patches: which patch of one picture is closest to each patch of another, and the picture that the
// found ones vote for. Exact unless asked to be quicker; where two are equally close, the lower index is
// taken.
#pragma once
#include <cmath>
#include <cstdint>

#include "kernels/where.h"

namespace sga::kernels {

constexpr int kMostPatchSide = 15;

/// All windows of side x side pixels that lie inside a picture (h,w,c), by rows: patch i has its corner in
/// row i / columns(), column i % columns(). A patch is a vector of numbers() numbers, channels last.
struct Patches {
  int64_t h = 0, w = 0, c = 0, side = 7;
  constexpr int64_t rows() const { return h - side + 1; }
  constexpr int64_t columns() const { return w - side + 1; }
  constexpr int64_t count() const { return rows() * columns(); }
  constexpr int64_t numbers() const { return side * side * c; }
};

/// One step of patch nearest neighbours, `rounds` times; y is `guess` at first:
///   1. index[q] = argmin_k d(q,k) / (alpha + min_p d(p,k)),  d the sum of squared differences of patch q of
///      y and patch k of `keys`, p over the patches of y; without the division where alpha is infinite
///   2. y[pixel] = mean over the patches q that cover it of patch index[q] of `values`, weighted by a
///   Gaussian
///      around the patch's middle (1.7 halves of a side wide)
struct PatchRounds {
  Patches queries;  ///< of guess and y
  Patches keys;     ///< of keys and values; c and side as in queries
  double alpha = 0;
  int rounds = 1;
  int64_t leaves = 0;  ///< see nearest_patches; a GPU compares all with all and needs no bound
};
/// Not in place. On the CPU a search tree finds the neighbours (nearest.cc) and keeps its own memory. On a
/// GPU a matrix product does (nearest.cu), in float32 whatever the tag's precision, with `workspace` of
/// patch_rounds_workspace(r) numbers.
template <class T>
void patch_rounds(Cpu, const PatchRounds& r, const T* guess, const T* keys, const T* values, T* y,
                  T* workspace);
void patch_rounds(Cuda, const PatchRounds& r, const float* guess, const float* keys, const float* values,
                  float* y, float* workspace);
inline int64_t patch_rounds_workspace(Cpu, const PatchRounds&) { return 0; }
int64_t patch_rounds_workspace(Cuda, const PatchRounds& r);

// ---- the parts, for tests and benches

/// The Gaussian of a vote along one axis; a pixel's weight is the product of two.
template <class T>
void vote_weights(int64_t side, T* weight) {
  for (int64_t i = 0; i < side; ++i) {
    const double at = (side > 1 ? 2.0 * double(i) / double(side - 1) - 1 : 0) / 1.7;
    weight[i] = T(std::exp(-0.5 * at * at));
  }
}

/// index[q] = argmin_k scale[k] * d(q,k) and score[q] = that minimum; scale may be null: all ones. x holds
/// the queries' picture, y the keys'. Exact where `leaves` is 0. Otherwise a search ends after that many
/// leaves of 16 keys (8 in double), the likeliest first: time is then proportional to the queries, whatever
/// the keys.
template <class T>
void nearest_patches(Cpu, const Patches& queries, const T* x, const Patches& keys, const T* y, const T* scale,
                     int64_t leaves, int32_t* index, T* score);
/// Step 2 above: y (to.h, to.w, c) from the patches of `values` that index, one for each patch of `to`,
/// names.
template <class T>
void vote_patches(Cpu, const Patches& to, const Patches& from, const int32_t* index, const T* values, T* y);

/// rows (count, numbers): the patches as rows of a matrix; norms (count): their sums of squares.
void extract_patches(Cuda, const Patches& p, const float* x, float* rows, float* norms);
/// What has been found for a query: the bits of its score (which is never negative, so they order as numbers
/// do), then the index. The smallest is the best, and the lowest index where scores are equal.
using Found = uint64_t;
/// Products are made in tiles of so many queries and keys: 32 MiB, which an H200 keeps in its L2 until they
/// are read again.
struct ProductTile {
  int64_t rows = 1024, columns = 8192;
};
/// As nearest_patches, for n rows q and m rows k of d numbers, with norms from extract_patches:
///   |q - k|^2 = |q|^2 - 2 q.k + |k|^2, not below 0. `product` holds one tile.
void nearest_rows(Cuda, int64_t n, int64_t m, int64_t d, const float* q, const float* q_norms, const float* k,
                  const float* k_norms, const float* scale, ProductTile tile, float* product, Found* found);
void vote_patches(Cuda, const Patches& to, const Patches& from, const Found* found, const float* values,
                  float* y);

}  // namespace sga::kernels
