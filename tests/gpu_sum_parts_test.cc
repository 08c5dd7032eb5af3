// Sums of contributions to many tensors at once, against sums written out.
#include "kernels/sum_parts.h"

#include <memory>

#include "tests/expect_close.h"
#include "tests/gpu_numbers.h"

namespace sga {
namespace {

// Tensors of these lengths, the k-th of 2 + k % 3 parts, every third one misaligned.
void check(const std::vector<int64_t>& sizes) {
  std::vector<std::unique_ptr<ShiftedArray>> arrays;
  std::vector<kernels::PartsOf<float>> table;
  std::vector<std::vector<float>> want;
  for (size_t k = 0; k < sizes.size(); ++k) {
    const int shift = k % 3 == 2;
    arrays.push_back(std::make_unique<ShiftedArray>(sizes[k], shift));
    kernels::PartsOf<float> tensor{arrays.back()->get(), {}, int(2 + k % 3), sizes[k]};
    std::vector<std::vector<float>> parts;
    kernels::PartsOf<float> on_host{nullptr, {}, tensor.count, sizes[k]};
    for (int j = 0; j < tensor.count; ++j) {
      parts.push_back(numbers(sizes[k], 10 * k + uint64_t(j)));
      arrays.push_back(std::make_unique<ShiftedArray>(parts.back(), j == 1 ? shift : 0));
      tensor.part[j] = arrays.back()->get();
    }
    table.push_back(tensor);
    std::vector<float> sum(size_t(sizes[k]), 0);
    for (int j = 0; j < tensor.count; ++j) on_host.part[j] = parts[size_t(j)].data();
    on_host.y = sum.data();
    kernels::sum_parts(Cpu{}, &on_host, 1);
    for (size_t i = 0; i < sum.size(); ++i) {
      float by_hand = parts[0][i] + parts[1][i];
      for (int j = 2; j < tensor.count; ++j) by_hand += parts[size_t(j)][i];
      ASSERT_EQ(sum[i], by_hand);
    }
    want.push_back(sum);
  }
  kernels::sum_parts(test_gpu(), table.data(), int(table.size()));
  size_t at = 0;
  for (size_t k = 0; k < sizes.size(); ++k) {
    EXPECT_EQ(arrays[at]->read(), want[k]) << "tensor " << k;  // additions alone, in one order: the same bits
    at += 1 + size_t(table[k].count);
  }
}

TEST(SumParts, Sizes) { check({0, 1, 3, 4, 31, 257, 1023, 1024, 1025, 4099}); }
TEST(SumParts, MoreTensorsThanALaunchTakes) { check(std::vector<int64_t>(259, 5)); }
TEST(SumParts, MoreChunksThanBlocks) { check({700001, 500000}); }

TEST(SumParts, InPlace) {
  const std::vector<float> a = numbers(5000, 1), b = numbers(5000, 2);
  const ShiftedArray x(a, 0), y(b, 0);
  const kernels::PartsOf<float> table{x.get(), {x.get(), y.get()}, 2, 5000};
  kernels::sum_parts(test_gpu(), &table, 1);
  std::vector<float> want = a;
  for (size_t i = 0; i < want.size(); ++i) want[i] += b[i];
  EXPECT_EQ(x.read(), want);
}

}  // namespace
}  // namespace sga
