#include "models/judge/agreement.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "kernels/check.h"

namespace sga::judge {
namespace {

void check(std::span<const double> a, std::span<const double> b) {
  SGA_CHECK(a.size() == b.size() && a.size() >= 2,
            "agreement: two lists of the same length, 2 or more, are needed, got ", a.size(), " and ",
            b.size(), " numbers");
}

double mean_of(std::span<const double> a) {
  return std::accumulate(a.begin(), a.end(), 0.0) / double(a.size());
}

std::vector<double> ranks(std::span<const double> a) {
  std::vector<size_t> order(a.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t i, size_t j) { return a[i] < a[j]; });
  std::vector<double> rank(a.size());
  for (size_t i = 0; i < order.size();) {
    size_t end = i;
    while (end < order.size() && a[order[end]] == a[order[i]]) ++end;
    for (size_t k = i; k < end; ++k) rank[order[k]] = double(i + end - 1) / 2;
    i = end;
  }
  return rank;
}

}  // namespace

double pearson(std::span<const double> a, std::span<const double> b) {
  check(a, b);
  const double ma = mean_of(a), mb = mean_of(b);
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += (a[i] - ma) * (b[i] - mb);
    aa += (a[i] - ma) * (a[i] - ma);
    bb += (b[i] - mb) * (b[i] - mb);
  }
  return aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : 0;
}

double spearman(std::span<const double> a, std::span<const double> b) {
  check(a, b);
  return pearson(ranks(a), ranks(b));
}

double icc31(std::span<const double> a, std::span<const double> b) {
  check(a, b);
  const double n = double(a.size()), shift = mean_of(a) - mean_of(b), all = (mean_of(a) + mean_of(b)) / 2;
  double between = 0, residual = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double thing = (a[i] + b[i]) / 2 - all, rest = (a[i] - b[i] - shift) / 2;
    between += 2 * thing * thing;
    residual += 2 * rest * rest;
  }
  between /= n - 1, residual /= n - 1;
  return between + residual > 0 ? (between - residual) / (between + residual) : 0;
}

double mean_absolute_error(std::span<const double> a, std::span<const double> b) {
  check(a, b);
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += std::abs(a[i] - b[i]);
  return sum / double(a.size());
}

}  // namespace sga::judge
