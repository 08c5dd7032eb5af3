// Pointwise CUDA kernels against the CPU's.
#include "tests/gpu_array.h"

namespace sga {
namespace {

TEST(Harness, CopiesThereAndBack) {
  const GpuArray<float> a(std::vector<float>{1, 2, 3});
  EXPECT_EQ(a.read(), (std::vector<float>{1, 2, 3}));
  const float nan = GpuArray<float>(int64_t{2}).read()[1];
  EXPECT_NE(nan, nan);
}

}  // namespace
}  // namespace sga
