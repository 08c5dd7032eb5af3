#include "models/evaluation/patches.h"

#include <algorithm>
#include <cmath>

#include "engine/ops.h"

namespace sga::evaluation {
namespace {

constexpr int64_t kColours = 3, kValues = kColours * kPatch * kPatch;

// Row k of the filters picks value k of a patch, so that a convolution lays the patches out as rows.
Tensor picking_filters() {
  std::vector<float> filters(size_t(kValues * kValues));
  for (int64_t k = 0; k < kValues; ++k) {
    const int64_t colour = k / (kPatch * kPatch), pixel = k % (kPatch * kPatch);
    filters[size_t(k * kValues + pixel * kColours + colour)] = 1;
  }
  return from_host({kValues, kPatch, kPatch, kColours}, filters);
}

Tensor directions() {
  std::vector<double> rows(size_t(kDirections * kValues));
  for (int64_t j = 0; j < kDirections; ++j) {
    double* row = rows.data() + j * kValues;
    double squares = 0;
    for (int64_t k = 0; k < kValues; ++k) {
      const double n = double(k);
      row[k] = std::sin(0.731 * n + 1.37 * double(j) + std::fmod(0.11 * n * n, 7.0));
      squares += row[k] * row[k];
    }
    for (int64_t k = 0; k < kValues; ++k) row[k] /= std::sqrt(squares);
  }
  return from_host({kDirections, kValues}, rows, Dtype::f32);
}

// `sorted` ascending -> kQuantiles values.
void quantiles_of(const float* sorted, int64_t n, float* out) {
  for (int64_t i = 0; i < kQuantiles; ++i) {
    const double at = double(i) * double(n - 1) / double(kQuantiles - 1);
    const auto below = static_cast<int64_t>(at);
    const double above = sorted[std::min(below + 1, n - 1)];
    out[i] = static_cast<float>(sorted[below] + (above - sorted[below]) * (at - double(below)));
  }
}

PatchStatistics statistics_of(const Tensor& picture) {
  const Tensor grid = conv(picture, picking_filters());
  const int64_t n = grid.dim(1) * grid.dim(2);
  const Tensor rows = reshape(grid, {n, kValues});
  std::vector<float> projected = to_host<float>(matmul(directions(), rows, false, true));
  PatchStatistics s{std::vector<float>(size_t(kDirections * kQuantiles)), gaussian_of(rows)};
#pragma omp parallel for
  for (int64_t j = 0; j < kDirections; ++j) {
    float* values = projected.data() + j * n;
    std::sort(values, values + n);
    quantiles_of(values, n, s.quantiles.data() + j * kQuantiles);
  }
  return s;
}

// Means of 2x2 pixels along one axis.
Taps pairs(int64_t n) {
  Taps taps{n, n / 2, {}, {}, {}};
  for (int64_t o = 0; o < taps.n_out; ++o) {
    taps.first.push_back(int32_t(2 * o));
    for (const int64_t i : {2 * o, 2 * o + 1}) taps.index.push_back(int32_t(i)), taps.weight.push_back(0.5);
  }
  taps.first.push_back(int32_t(2 * taps.n_out));
  return taps;
}

}  // namespace

std::vector<PatchStatistics> patch_statistics(const Tensor& picture) {
  SGA_CHECK(picture.rank() == 4 && picture.dim(0) == 1 && picture.dim(3) == kColours,
            "patch_statistics: the picture must be (1,H,W,3), got ", picture.shape());
  SGA_CHECK(std::min(picture.dim(1), picture.dim(2)) >= kSmallestPicture, "the picture has ", picture.dim(2),
            "x", picture.dim(1), " pixels, patches at quarter resolution need at least ", kSmallestPicture,
            " on each side");
  NoGrad off;
  std::vector<PatchStatistics> all;
  for (Tensor x = picture; all.size() < kResolutions; x = resize(x, pairs(x.dim(1)), pairs(x.dim(2))))
    all.push_back(statistics_of(x));
  return all;
}

double sliced_wasserstein(const PatchStatistics& a, const PatchStatistics& b) {
  double sum = 0;
  for (size_t i = 0; i < a.quantiles.size(); ++i) sum += std::abs(double(a.quantiles[i]) - b.quantiles[i]);
  return sum / double(a.quantiles.size());
}

double patch_frechet(const PatchStatistics& a, const PatchStatistics& b) {
  return frechet_distance(a.gaussian, b.gaussian) / double(kValues);
}

}  // namespace sga::evaluation
