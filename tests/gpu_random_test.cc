// The GPU's random numbers are the CPU's, bit by bit.
#include <array>

#include "tests/gpu_numbers.h"

namespace sga {
namespace {

enum Law { kUniform, kNormal };

std::vector<float> of_cpu(Law law, uint64_t seed, uint64_t counter, int64_t n) {
  std::vector<float> y(static_cast<size_t>(n));
  law == kUniform ? kernels::uniform(Cpu{}, seed, counter, y.data(), n)
                  : kernels::normal(Cpu{}, seed, counter, y.data(), n);
  return y;
}
void draw(Law law, uint64_t seed, const uint64_t* base, uint64_t offset, float* y, int64_t n) {
  law == kUniform ? kernels::uniform(test_gpu(), seed, base, offset, y, n)
                  : kernels::normal(test_gpu(), seed, base, offset, y, n);
}

TEST(Random, SameBitsAsOnTheCpu) {
  for (const Law law : {kUniform, kNormal})
    for (const uint64_t seed : {uint64_t{0}, uint64_t{7}, ~uint64_t{0} - 5})
      for (const uint64_t counter : {uint64_t{0}, uint64_t{3}, uint64_t{0xfffffff0}, ~uint64_t{0} - 100})
        for (const int64_t n : {0, 1, 2, 3, 4, 5, 1023, 1024, 1026, 4001})
          for (const int shift : {0, 1}) {
            const ShiftedArray y(n, shift);
            draw(law, seed, nullptr, counter, y.get(), n);
            EXPECT_EQ(y.read(), of_cpu(law, seed, counter, n))
                << "law " << law << ", seed " << seed << ", counter " << counter << ", n " << n;
          }
}

TEST(Random, WindowsOfTheCpusStream) {
  for (const auto& [row, top, left, h, w] :
       std::vector<std::array<int64_t, 5>>{{33, 0, 0, 7, 33},
                                           {33, 3, 5, 4, 20},
                                           {7, 100, 6, 9, 1},
                                           {3000, 1, 1999, 2, 1001},
                                           {int64_t{1} << 33, 5, 11, 2, 8}})
    for (const uint64_t counter : {uint64_t{0}, ~uint64_t{0} - 3}) {
      const GpuArray<float> y(h * w);
      std::vector<float> want(static_cast<size_t>(h * w));
      kernels::normal_window(Cpu{}, 7, counter, row, top, left, h, w, want.data());
      kernels::normal_window(test_gpu(), 7, counter, row, top, left, h, w, y.get());
      EXPECT_EQ(y.read(), want) << "row " << row << ", counter " << counter;
    }
}

TEST(Random, SameBitsInLargeNumbers) {
  // Many enough to meet every quarter turn, and logarithms near both ends.
  const int64_t n = 1 << 20;
  for (const Law law : {kUniform, kNormal}) {
    const GpuArray<float> y(n);
    draw(law, 11, nullptr, 0, y.get(), n);
    EXPECT_TRUE(y.read() == of_cpu(law, 11, 0, n));
  }
}

TEST(Random, CounterOnTheDevice) {
  const GpuArray<uint64_t> base(std::vector<uint64_t>{1000});
  const GpuArray<float> y(int64_t{50});
  for (const Law law : {kUniform, kNormal}) {
    draw(law, 5, base.get(), 24, y.get(), 50);
    EXPECT_EQ(y.read(), of_cpu(law, 5, 1024, 50));
  }
}

TEST(Random, CapturedStepDrawsNewNumbers) {
  const GpuArray<uint64_t> base(std::vector<uint64_t>{0});
  const GpuArray<float> y(int64_t{50});
  cuda::Graph graph;
  graph.begin(test_gpu());
  draw(kNormal, 5, base.get(), 2, y.get(), 50);
  ASSERT_EQ(graph.end(test_gpu()), "");
  for (const uint64_t counter : {10, 20}) {
    cuda::upload(test_gpu(), base.get(), &counter, sizeof counter);
    graph.launch(test_gpu());
    EXPECT_EQ(y.read(), of_cpu(kNormal, 5, counter + 2, 50));
  }
}

}  // namespace
}  // namespace sga
