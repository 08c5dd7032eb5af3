// Nearest patches against comparing all with all in double precision, and what follows from them.
#include "kernels/nearest.h"

#include <array>
#include <limits>

#include "engine/ops.h"
#include "tests/error_text.h"
#include "tests/expect_close.h"
#include "tests/nearest_oracle.h"

namespace sga {
namespace {

using kernels::Patches;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

template <class T>
void expect_found(const Neighbours& want, const Patches& queries, const std::vector<double>& x,
                  const Patches& keys, const std::vector<double>& y, const std::vector<double>& scale) {
  const std::vector<T> qx(x.begin(), x.end()), ky(y.begin(), y.end()), weight(scale.begin(), scale.end());
  std::vector<int32_t> index(size_t(queries.count()));
  std::vector<T> score(index.size());
  kernels::nearest_patches(Cpu{}, queries, qx.data(), keys, ky.data(),
                           weight.empty() ? nullptr : weight.data(), 0, index.data(), score.data());
  expect_neighbours(want, index, doubles(score), std::numeric_limits<T>::epsilon());
}
void check_search(const Patches& queries, const Patches& keys, bool smooth,
                  const std::vector<double>& scale) {
  const std::vector<double> x = test_pixels(queries, 1, smooth), y = test_pixels(keys, 2, smooth);
  const Neighbours want = all_with_all(queries, x, keys, y, scale);
  expect_found<float>(want, queries, x, keys, y, scale);
  expect_found<double>(want, queries, x, keys, y, scale);
}

// Odd extents, one to four channels, sides that fill a vector and sides that do not.
TEST(Nearest, FindsWhatComparingAllFinds) {
  for (const auto& [h, w, c, side] : {std::array<int64_t, 4>{7, 7, 3, 7},
                                      {9, 31, 3, 7},
                                      {23, 40, 1, 7},
                                      {20, 25, 4, 5},
                                      {12, 18, 3, 1},
                                      {30, 16, 2, 15},
                                      {28, 31, 3, 3}}) {
    SCOPED_TRACE(testing::Message() << h << "x" << w << "x" << c << ", side " << side);
    const Patches queries{h, w, c, side}, keys{h + 4, w + 3, c, side};
    for (const bool smooth : {false, true}) {
      check_search(queries, keys, smooth, {});
      check_search(queries, keys, smooth, test_scales(keys.count()));
    }
  }
}

// A picture of stripes: every patch has many equals, and the first of them is asked for.
TEST(Nearest, TakesTheFirstOfEquals) {
  const Patches p{20, 30, 3, 5};
  std::vector<float> x(size_t(p.h * p.w * p.c));
  for (size_t i = 0; i < x.size(); ++i) x[i] = float(i / 3 % 6) / 3 - 1;
  std::vector<int32_t> index(size_t(p.count()));
  std::vector<float> score(index.size());
  kernels::nearest_patches(Cpu{}, p, x.data(), p, x.data(), static_cast<float*>(nullptr), 0, index.data(),
                           score.data());
  for (int64_t q = 0; q < p.count(); ++q) {
    EXPECT_EQ(index[size_t(q)], q % p.columns() % 6);
    EXPECT_EQ(score[size_t(q)], 0);
  }
}

// With few leaves what is found is a patch, as far as its score says, and with more it is nearer.
TEST(Nearest, StopsEarly) {
  const Patches p{30, 40, 3, 7};
  const std::vector<double> x = test_pixels(p, 1, true), y = test_pixels(p, 2, true);
  const Neighbours want = all_with_all(p, x, p, y, {});
  double exact = 0, before = kInfinity;
  for (const double s : want.score) exact += s;
  for (const int64_t leaves : {1, 4, 16, 100'000}) {
    std::vector<int32_t> index(want.index.size());
    std::vector<double> score(want.index.size());
    kernels::nearest_patches(Cpu{}, p, x.data(), p, y.data(), static_cast<double*>(nullptr), leaves,
                             index.data(), score.data());
    double sum = 0;
    for (size_t q = 0; q < index.size(); ++q) {
      EXPECT_NEAR(score[q], want.all[q * size_t(want.keys) + size_t(index[q])], 1e-9);
      sum += score[q];
    }
    EXPECT_LE(sum, before);
    EXPECT_LE(sum, leaves < 16 ? 2 * exact : 1.05 * exact) << leaves;
    before = sum;
  }
  EXPECT_NEAR(before, exact, 1e-9 * exact);
}

TEST(Nearest, VotesByTheGaussian) {
  const Patches to{9, 11, 3, 5}, from{8, 13, 3, 5};
  const std::vector<double> values = test_pixels(from, 3, false);
  std::vector<int32_t> index(size_t(to.count()));
  for (size_t q = 0; q < index.size(); ++q) index[q] = int32_t(q * 7 % size_t(from.count()));
  std::vector<double> y(size_t(to.h * to.w * to.c));
  kernels::vote_patches(Cpu{}, to, from, index.data(), values.data(), y.data());
  expect_close(y, votes(to, from, index, values), std::numeric_limits<double>::epsilon(), 25);
}

std::vector<double> rounds_of(const Patches& p, double alpha, int rounds, Dtype dtype) {
  const Tensor guess = from_host({1, p.h, p.w, p.c}, test_pixels(p, 4, true), dtype),
               values = from_host({1, p.h, p.w, p.c}, test_pixels(p, 5, true), dtype),
               keys = affine(values, 0.7);
  return to_host<double>(exchange_patches(guess, keys, values, {p.side, alpha, rounds}));
}

// Several rounds at once, of which all but the first skip what did not change, are the same as one by one.
TEST(Nearest, RoundsFollowEachOther) {
  const Patches p{21, 30, 3, 7};
  for (const double alpha : {kInfinity, 0.01}) {
    std::vector<double> now = test_pixels(p, 4, true);
    const std::vector<double> values = test_pixels(p, 5, true);
    std::vector<double> keys = values;
    for (double& v : keys) v *= 0.7;
    for (int round = 1; round <= 4; ++round) {
      now = one_round(p, now, p, keys, values, alpha * double(p.numbers()));
      const double eps = std::numeric_limits<double>::epsilon();
      expect_close(rounds_of(p, alpha, round, Dtype::f64), now, eps, 49, 1, "alpha " + std::to_string(alpha));
    }
  }
}

// The op hands it on to the search.
TEST(Nearest, OneLeafIsNotExact) {
  const Patches p{30, 40, 3, 7};
  const Tensor guess = from_host({1, p.h, p.w, p.c}, test_pixels(p, 4, true), Dtype::f32),
               values = from_host({1, p.h, p.w, p.c}, test_pixels(p, 5, true), Dtype::f32);
  const auto exchanged = [&](int64_t leaves) {
    return to_host<float>(exchange_patches(guess, values, values, PatchSearch{.leaves = leaves}));
  };
  EXPECT_NE(exchanged(1), exchanged(0));
  EXPECT_EQ(exchanged(100'000), exchanged(0));
}

TEST(Nearest, RefusesWhatCannotBe) {
  const Tensor x = zeros({1, 9, 9, 3}), small = zeros({1, 9, 4, 3}), grey = zeros({1, 9, 9, 1});
  const auto says = [](const Tensor& guess, const Tensor& keys, const Tensor& values,
                       const PatchSearch& search, const std::string& part) {
    const std::string text = error_text([&] { exchange_patches(guess, keys, values, search); });
    return text.find(part) == std::string::npos ? testing::AssertionFailure() << text
                                                : testing::AssertionSuccess();
  };
  EXPECT_TRUE(says(x, x, x, PatchSearch{.side = 16}, "1 to 15, got 16"));
  EXPECT_TRUE(says(x, x, x, PatchSearch{.alpha = 0}, "alpha must be above 0"));
  EXPECT_TRUE(says(x, x, x, PatchSearch{.rounds = 0}, "got 0"));
  EXPECT_TRUE(says(x, x, x, PatchSearch{.leaves = -1}, "got -1"));
  EXPECT_TRUE(says(small, x, x, PatchSearch{}, "9 x 4"));
  EXPECT_TRUE(says(x, x, small, PatchSearch{}, "alike"));
  EXPECT_TRUE(says(grey, x, x, PatchSearch{}, "same channels"));
}

}  // namespace
}  // namespace sga
