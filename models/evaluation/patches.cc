#include "models/evaluation/patches.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numeric>
#include <span>

#include "engine/ops.h"

namespace sga::evaluation {
namespace {

constexpr int64_t kColours = 3, kValues = kColours * kPatch * kPatch;
// Laid out one by one, patches take 147 times the memory of the picture: this many at a time.
constexpr int64_t kPatchesAtOnce = 1 << 16, kProjectionsAtOnce = 1 << 26;

// Filters (n,kPatch,kPatch,3) with value(j, k) at value k of a patch, in the order of the header.
template <class Value>
Tensor filters(int64_t n, Value&& value) {
  std::vector<double> all(size_t(n * kValues));
  for (int64_t j = 0; j < n; ++j)
    for (int64_t k = 0; k < kValues; ++k) {
      const int64_t colour = k / (kPatch * kPatch), pixel = k % (kPatch * kPatch);
      all[size_t(j * kValues + pixel * kColours + colour)] = value(j, k);
    }
  return from_host({n, kPatch, kPatch, kColours}, all, Dtype::f32);
}

Tensor directions() {
  const auto value = [](int64_t j, int64_t k) {
    const double n = double(k);
    return std::sin(0.731 * n + 1.37 * double(j) + std::fmod(0.11 * n * n, 7.0));
  };
  std::vector<double> length(size_t(kDirections), 0);
  for (int64_t j = 0; j < kDirections; ++j) {
    for (int64_t k = 0; k < kValues; ++k) length[size_t(j)] += value(j, k) * value(j, k);
    length[size_t(j)] = std::sqrt(length[size_t(j)]);
  }
  return filters(kDirections, [&](int64_t j, int64_t k) { return value(j, k) / length[size_t(j)]; });
}

// Ascending, in three passes of 11 bits. With std::sort, sorting is more than half of all the time.
void radix_sort(std::span<float> values) {
  std::vector<uint32_t> keys(values.size()), other(values.size());
  for (size_t i = 0; i < keys.size(); ++i) {  // unsigned keys in the order of the floats
    const auto bits = std::bit_cast<uint32_t>(values[i]);
    keys[i] = bits >> 31 ? ~bits : bits | 0x80000000u;
  }
  for (const int shift : {0, 11, 22}) {
    std::array<size_t, 2049> place{};
    for (const uint32_t key : keys) ++place[(key >> shift & 2047) + 1];
    std::partial_sum(place.begin(), place.end(), place.begin());
    for (const uint32_t key : keys) other[place[key >> shift & 2047]++] = key;
    std::swap(keys, other);
  }
  for (size_t i = 0; i < keys.size(); ++i)
    values[i] = std::bit_cast<float>(keys[i] >> 31 ? keys[i] & 0x7FFFFFFFu : ~keys[i]);
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

Gaussian gaussian_of_patches(const Tensor& picture) {
  const Tensor pick = filters(kValues, [](int64_t j, int64_t k) { return j == k ? 1.0 : 0.0; });
  const int64_t h = picture.dim(1) - kPatch + 1, w = picture.dim(2) - kPatch + 1;
  const int64_t strip = std::max<int64_t>(1, kPatchesAtOnce / w);
  GaussianSum sum(kValues);
  for (int64_t top = 0; top < h; top += strip) {
    const int64_t n = std::min(strip, h - top);
    sum.add(reshape(conv(crop(picture, top, 0, n + kPatch - 1, picture.dim(2)), pick), {n * w, kValues}));
  }
  return sum.result();
}

std::vector<float> quantiles_of_projections(const Tensor& picture) {
  const Tensor all = directions();
  const int64_t n = (picture.dim(1) - kPatch + 1) * (picture.dim(2) - kPatch + 1);
  const int64_t group = std::clamp<int64_t>(kProjectionsAtOnce / n, 1, kDirections);
  std::vector<float> quantiles(size_t(kDirections * kQuantiles));
  for (int64_t begin = 0; begin < kDirections; begin += group) {
    const int64_t count = std::min(group, kDirections - begin);
    const std::vector<float> projected = to_host<float>(conv(picture, slice(all, 0, begin, count)));
#pragma omp parallel for
    for (int64_t j = 0; j < count; ++j) {
      std::vector<float> values(static_cast<size_t>(n));
      for (int64_t i = 0; i < n; ++i) values[size_t(i)] = projected[size_t(i * count + j)];
      radix_sort(values);
      quantiles_of(values.data(), n, quantiles.data() + (begin + j) * kQuantiles);
    }
  }
  return quantiles;
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
    all.push_back({quantiles_of_projections(x), gaussian_of_patches(x)});
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
