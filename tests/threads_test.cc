// What several threads may do at once: decode and encode pictures, write files, compute on tensors of their
// own. The thread sanitizer runs this test (OpenMP is limited to one thread there: it cannot see into GCC's
// OpenMP library).
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "engine/image.h"
#include "engine/io.h"
#include "engine/ops.h"
#include "engine/random.h"
#include "tests/temp_folder.h"

namespace sga {
namespace {

constexpr int kThreads = 4, kRounds = 8;

/// Runs work(thread) in kThreads threads at once.
template <class F>
void at_once(F&& work) {
  std::vector<std::jthread> threads;
  for (int t = 0; t < kThreads; ++t) threads.emplace_back([&work, t] { work(t); });
}

/// A picture that is different for every seed.
Image picture(int seed) {
  Image image{24, 32, 3, std::vector<float>(24 * 32 * 3)};
  for (size_t i = 0; i < image.pixels.size(); ++i)
    image.pixels[i] = static_cast<float>((i * static_cast<size_t>(seed + 3)) % 256) / 255.0f;
  return image;
}

TEST(Threads, PicturesAndFiles) {
  const TempFolder folder;
  at_once([&](int t) {
    for (int round = 0; round < kRounds; ++round) {
      const fs::path file = folder / (std::to_string(t) + ".png");
      save_png(file, picture(t));
      write_file(folder / "shared.txt", std::to_string(t));
      const Image back = load_image(file);
      EXPECT_EQ(back.pixels, picture(t).pixels);
      EXPECT_EQ(resize_image(back, 48, 64).height, 48);
    }
  });
  EXPECT_EQ(read_text(folder / "shared.txt").size(), 1u);  // one of the writers, whole
}

/// The gradient of a small convolution loss by its filter.
std::vector<float> gradient(int seed) {
  Rng rng(static_cast<uint64_t>(seed));
  const Tensor x = rng.normal({2, 9, 9, 4});
  Tensor w = rng.normal({4, 3, 3, 4});
  w.set_requires_grad();
  const Tensor y = instance_norm(conv(x, w), {}, {}, 1e-5, 0.2).y;
  return to_host<float>(grad(mean(mul(y, tanh(y))), {w})[0]);
}

TEST(Threads, GradientsOnTensorsOfTheirOwn) {
  std::vector<std::vector<float>> expected;
  for (int t = 0; t < kThreads; ++t) expected.push_back(gradient(t));
  at_once([&](int t) {
    for (int round = 0; round < kRounds; ++round) EXPECT_EQ(gradient(t), expected[static_cast<size_t>(t)]);
  });
}

}  // namespace
}  // namespace sga
