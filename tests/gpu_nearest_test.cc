// Nearest patches on the GPU against comparing all with all in double precision.
#include <array>

#include "tests/expect_close.h"
#include "tests/gpu_numbers.h"
#include "tests/nearest_oracle.h"

namespace sga {
namespace {

using kernels::Found, kernels::Patches;
constexpr double kEps = std::numeric_limits<float>::epsilon();

std::vector<float> floats(const std::vector<double>& v) { return {v.begin(), v.end()}; }

TEST(Nearest, ExtractsPatches) {
  for (const Patches& p :
       {Patches{7, 7, 3, 7}, {9, 12, 3, 7}, {6, 5, 1, 3}, {16, 17, 4, 15}, {5, 70, 2, 1}}) {
    const std::vector<double> x = test_pixels(p, 1, false);
    const GpuArray<float> picture(floats(x)), rows(p.count() * p.numbers()), norms(p.count());
    kernels::extract_patches(test_gpu(), p, picture.get(), rows.get(), norms.get());
    std::vector<float> want;
    std::vector<double> squares;
    for (int64_t i = 0; i < p.count(); ++i) {
      squares.push_back(0);
      for (int64_t r = 0; r < p.side; ++r)
        for (int64_t s = 0; s < p.side * p.c; ++s) {
          const double v = x[size_t(((i / p.columns() + r) * p.w + i % p.columns()) * p.c + s)];
          want.push_back(float(v)), squares.back() += v * v;
        }
    }
    EXPECT_EQ(rows.read(), want);
    expect_close(doubles(norms.read()), squares, kEps, double(p.numbers()));
  }
}

void check_search(const Patches& queries, const Patches& keys, const std::vector<double>& scale,
                  kernels::ProductTile tile) {
  const std::vector<double> x = test_pixels(queries, 1, true), y = test_pixels(keys, 2, true);
  const int64_t n = queries.count(), m = keys.count(), d = keys.numbers();
  const GpuArray<float> gx(floats(x)), gy(floats(y)), weight(floats(scale)), q(n * d), q_norms(n), k(m * d),
      k_norms(m), product(tile.rows * tile.columns);
  const GpuArray<Found> found(n);
  kernels::extract_patches(test_gpu(), queries, gx.get(), q.get(), q_norms.get());
  kernels::extract_patches(test_gpu(), keys, gy.get(), k.get(), k_norms.get());
  kernels::nearest_rows(test_gpu(), n, m, d, q.get(), q_norms.get(), k.get(), k_norms.get(),
                        scale.empty() ? nullptr : weight.get(), tile, product.get(), found.get());
  std::vector<int32_t> index;
  std::vector<double> score;
  for (const Found f : found.read()) {
    index.push_back(int32_t(f & 0xffffffffu));
    score.push_back(std::bit_cast<float>(uint32_t(f >> 32)));
  }
  // The norms are larger than the distances, and their rounding is that of the result.
  expect_neighbours(all_with_all(queries, x, keys, y, scale), index, score, 8 * kEps);
}

// One tile, several that divide the matrix and several that do not, of one column too.
TEST(Nearest, FindsWhatComparingAllFinds) {
  const Patches queries{10, 15, 3, 5}, keys{11, 14, 3, 5};
  for (const auto& tile :
       {kernels::ProductTile{1024, 8192}, {66, 70}, {33, 35}, {64, 64}, {50, 23}, {7, 69}, {200, 1}}) {
    SCOPED_TRACE(testing::Message() << tile.rows << " x " << tile.columns);
    check_search(queries, keys, {},
                 {std::min(tile.rows, queries.count()), std::min(tile.columns, keys.count())});
    check_search(queries, keys, test_scales(keys.count()),
                 {std::min(tile.rows, queries.count()), std::min(tile.columns, keys.count())});
  }
  check_search({7, 7, 3, 7}, {8, 9, 3, 7}, {}, {4, 4});
  check_search({4, 5, 1, 3}, {50, 50, 1, 3}, {}, {6, 2304});  // rows longer than a block
}

TEST(Nearest, TakesTheFirstOfEquals) {
  const Patches p{9, 32, 3, 5};
  std::vector<float> x(size_t(p.h * p.w * p.c));
  for (size_t i = 0; i < x.size(); ++i) x[i] = float(i / 3 % 4) / 2 - 1;  // sums without rounding
  const int64_t n = p.count();
  const GpuArray<float> picture(x), rows(n * p.numbers()), norms(n), product(n * 17);
  const GpuArray<Found> found(n);
  kernels::extract_patches(test_gpu(), p, picture.get(), rows.get(), norms.get());
  kernels::nearest_rows(test_gpu(), n, n, p.numbers(), rows.get(), norms.get(), rows.get(), norms.get(),
                        nullptr, {n, 17}, product.get(), found.get());
  const std::vector<Found> got = found.read();
  for (int64_t q = 0; q < n; ++q) EXPECT_EQ(got[size_t(q)], Found(q % p.columns() % 4));
}

TEST(Nearest, VotesByTheGaussian) {
  for (const auto& [to, from] : {std::pair{Patches{9, 11, 3, 5}, Patches{8, 13, 3, 5}},
                                 {{7, 7, 1, 7}, {7, 7, 1, 7}},
                                 {{20, 19, 2, 3}, {5, 4, 2, 3}}}) {
    const std::vector<double> values = test_pixels(from, 3, false);
    std::vector<int32_t> index;
    std::vector<Found> found;
    for (int64_t q = 0; q < to.count(); ++q) {
      index.push_back(int32_t(q * 7 % from.count()));
      found.push_back(Found(0x3f800000u) << 32 | Found(index.back()));
    }
    const GpuArray<Found> gpu_found(found);
    const GpuArray<float> gpu_values(floats(values)), y(to.h * to.w * to.c);
    kernels::vote_patches(test_gpu(), to, from, gpu_found.get(), gpu_values.get(), y.get());
    expect_close(doubles(y.read()), votes(to, from, index, values), kEps, 25);
  }
}

TEST(Nearest, RoundsFollowEachOther) {
  const Patches p{13, 16, 3, 7};
  for (const double alpha : {double(INFINITY), 1.5}) {
    std::vector<double> want = test_pixels(p, 4, true);
    const std::vector<double> values = test_pixels(p, 5, true);
    std::vector<double> keys = values;
    for (double& v : keys) v = float(v * 0.75);
    const kernels::PatchRounds r{p, p, alpha, 3};
    const GpuArray<float> guess(floats(want)), gpu_keys(floats(keys)), gpu_values(floats(values)),
        y(p.h * p.w * p.c), workspace(kernels::patch_rounds_workspace(test_gpu(), r));
    kernels::patch_rounds(test_gpu(), r, guess.get(), gpu_keys.get(), gpu_values.get(), y.get(),
                          workspace.get());
    for (int round = 0; round < r.rounds; ++round) want = one_round(p, want, p, keys, values, alpha);
    expect_close(doubles(y.read()), want, kEps, 49, 4, "alpha " + std::to_string(alpha));  // rounds add up
  }
}

}  // namespace
}  // namespace sga
