// What patch nearest neighbours have to be: all distances written out, in double.
#pragma once
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "kernels/nearest.h"
#include "tests/numbers.h"

namespace sga {

/// Numbers that float holds exactly. Smooth: waves of a few pixels, so that neighbours are near.
inline std::vector<double> test_pixels(const kernels::Patches& p, uint64_t seed, bool smooth) {
  const std::vector<float> noise = numbers(p.h * p.w * p.c, seed);
  std::vector<double> x(noise.begin(), noise.end());
  if (smooth)
    for (int64_t i = 0; i < int64_t(x.size()); ++i) {
      const int64_t pixel = i / p.c;
      const double at =
          double(pixel % p.w) * 0.31 + double(pixel / p.w) * 0.17 + double(i % p.c) + double(seed);
      x[size_t(i)] = float(0.8 * std::sin(at) + 0.05 * x[size_t(i)]);
    }
  return x;
}
inline std::vector<double> test_scales(int64_t keys) {
  const std::vector<float> v = numbers_around(1, 0.9f, keys, 9);
  return {v.begin(), v.end()};
}

inline double patch_distance(const kernels::Patches& a, const std::vector<double>& x, int64_t q,
                             const kernels::Patches& b, const std::vector<double>& y, int64_t k) {
  double sum = 0;
  for (int64_t r = 0; r < a.side; ++r)
    for (int64_t s = 0; s < a.side * a.c; ++s) {
      const double d = x[size_t(((q / a.columns() + r) * a.w + q % a.columns()) * a.c + s)] -
                       y[size_t(((k / b.columns() + r) * b.w + k % b.columns()) * b.c + s)];
      sum += d * d;
    }
  return sum;
}

struct Neighbours {
  int64_t keys;
  std::vector<double> all;  ///< scores (queries, keys)
  std::vector<int32_t> index;
  std::vector<double> score;
};
/// `scale` may be empty: ones.
inline Neighbours all_with_all(const kernels::Patches& queries, const std::vector<double>& x,
                               const kernels::Patches& keys, const std::vector<double>& y,
                               const std::vector<double>& scale) {
  Neighbours n{keys.count(), {}, {}, {}};
  for (int64_t q = 0; q < queries.count(); ++q) {
    int32_t index = 0;
    for (int64_t k = 0; k < keys.count(); ++k) {
      n.all.push_back(patch_distance(queries, x, q, keys, y, k) * (scale.empty() ? 1 : scale[size_t(k)]));
      const double* row = n.all.data() + q * keys.count();
      if (row[k] < row[index]) index = int32_t(k);
    }
    n.index.push_back(index);
    n.score.push_back(n.all[size_t(q * keys.count() + index)]);
  }
  return n;
}

/// Scores are right, and nobody is nearer than the one that was found, up to `eps` of the largest score there
/// is; where two keys are within that of each other, either may have been found.
inline void expect_neighbours(const Neighbours& want, const std::vector<int32_t>& index,
                              const std::vector<double>& score, double eps) {
  double largest = 0;
  for (double s : want.all) largest = std::max(largest, s);
  const double bound = 32 * eps * largest;
  ASSERT_EQ(index.size(), want.index.size());
  int others = 0;
  for (size_t q = 0; q < index.size(); ++q) {
    ASSERT_GE(index[q], 0) << q;
    ASSERT_LT(index[q], want.keys) << q;
    EXPECT_NEAR(score[q], want.score[q], bound) << q;
    EXPECT_NEAR(want.all[q * size_t(want.keys) + size_t(index[q])], want.score[q], bound) << q;
    others += index[q] != want.index[q];
  }
  EXPECT_LE(others, int(index.size()) / 50);  // nearly equal ones are rare here
}

/// The picture that patches `index` of `values` vote for.
inline std::vector<double> votes(const kernels::Patches& to, const kernels::Patches& from,
                                 const std::vector<int32_t>& index, const std::vector<double>& values) {
  std::vector<double> sum(size_t(to.h * to.w * to.c), 0.0), total(sum.size(), 0.0);
  const auto gauss = [&](int64_t i) {
    const double middle = double(to.side - 1) / 2, at = middle > 0 ? (double(i) - middle) / middle : 0;
    return std::exp(-at * at / (2 * 1.7 * 1.7));
  };
  for (int64_t q = 0; q < to.count(); ++q)
    for (int64_t r = 0; r < to.side; ++r)
      for (int64_t s = 0; s < to.side; ++s)
        for (int64_t c = 0; c < to.c; ++c) {
          const int64_t k = index[size_t(q)];
          const size_t at = size_t(((q / to.columns() + r) * to.w + q % to.columns() + s) * to.c + c);
          sum[at] += gauss(r) * gauss(s) *
                     values[size_t(((k / from.columns() + r) * from.w + k % from.columns() + s) * to.c + c)];
          total[at] += gauss(r) * gauss(s);
        }
  for (size_t i = 0; i < sum.size(); ++i) sum[i] /= total[i];
  return sum;
}

/// A round of kernels::patch_rounds; alpha as there.
inline std::vector<double> one_round(const kernels::Patches& p, const std::vector<double>& guess,
                                     const kernels::Patches& from, const std::vector<double>& keys,
                                     const std::vector<double>& values, double alpha) {
  std::vector<double> scale;
  if (std::isfinite(alpha))
    for (double d : all_with_all(from, keys, p, guess, {}).score) scale.push_back(1 / (alpha + d));
  return votes(p, from, all_with_all(p, guess, from, keys, scale).index, values);
}

}  // namespace sga
