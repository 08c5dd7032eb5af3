// Adam on the GPU against Adam on the CPU in double.
#include "kernels/adam.h"

#include <limits>
#include <memory>

#include "tests/expect_close.h"
#include "tests/gpu_numbers.h"

namespace sga {
namespace {

constexpr double kEps = std::numeric_limits<float>::epsilon();
constexpr double kLr = 5e-4f, kBeta1 = 0.5, kBeta2 = 0.999, kSmall = 1e-8;

// One tensor with its moments, in double on the host and in float on the device.
struct Parameter {
  Parameter(int64_t n, uint64_t seed, int shift)
      : p(numbers(n, seed)),
        g(numbers(n, seed + 1)),
        host_p(doubles(p)),
        host_g(doubles(g)),
        host_m(p.size()),
        host_v(p.size()),
        gpu_p(p, shift),
        gpu_g(g, 0),
        gpu_m(std::vector<float>(p.size()), shift),
        gpu_v(std::vector<float>(p.size()), 2 * shift) {}
  kernels::AdamTensor<double> on_host() {
    return {host_p.data(), host_g.data(), host_m.data(), host_v.data(), int64_t(host_p.size())};
  }
  kernels::AdamTensor<float> on_gpu() const {
    return {gpu_p.get(), gpu_g.get(), gpu_m.get(), gpu_v.get(), int64_t(host_p.size())};
  }

  std::vector<float> p, g;
  std::vector<double> host_p, host_g, host_m, host_v;
  ShiftedArray gpu_p, gpu_g, gpu_m, gpu_v;
};

struct Net {
  explicit Net(const std::vector<int64_t>& sizes) {
    for (size_t i = 0; i < sizes.size(); ++i)
      parameters.push_back(std::make_unique<Parameter>(sizes[i], 10 * i + 1, int(i % 3 == 2)));
  }
  void step_on_host(int64_t t, bool before) {
    std::vector<kernels::AdamTensor<double>> table;
    for (auto& p : parameters) table.push_back(p->on_host());
    kernels::adam(Cpu{}, table.data(), int(table.size()), kLr, kBeta1, kBeta2, kSmall, t, before);
  }
  void step_on_gpu(bool before) {
    std::vector<kernels::AdamTensor<float>> table;
    for (auto& p : parameters) table.push_back(p->on_gpu());
    kernels::adam(test_gpu(), table.data(), int(table.size()), lr.get(), kBeta1, kBeta2, kSmall, steps.get(),
                  before);
  }
  void expect_same(const std::string& what) const {
    for (const auto& p : parameters) {
      expect_close(doubles(p->gpu_m.read()), p->host_m, kEps, 4, 1, what + ", m");
      expect_close(doubles(p->gpu_v.read()), p->host_v, kEps, 4, 1, what + ", v");
      expect_close(doubles(p->gpu_p.read()), p->host_p, kEps, 4, 1, what + ", p");
    }
  }

  std::vector<std::unique_ptr<Parameter>> parameters;
  GpuArray<float> lr{std::vector<float>{float(kLr)}};
  GpuArray<uint64_t> steps{std::vector<uint64_t>{0}};
};

const std::vector<int64_t> kSizes{1, 3, 4, 1023, 1024, 1025, 0, 5000, 32, 864, 9216, 2};

TEST(Adam, StepsOfManyTensors) {
  for (const bool before : {false, true}) {
    Net net(kSizes);
    for (int64_t t = 1; t <= 5; ++t) {
      net.step_on_host(t, before);
      net.step_on_gpu(before);
      EXPECT_EQ(net.steps.read()[0], uint64_t(t));
    }
    net.expect_same(before ? "eps before correction" : "eps after correction");
  }
}

TEST(Adam, ManyStepsLater) {
  for (const uint64_t t : {uint64_t{1000}, uint64_t{123457}, uint64_t{1} << 40})
    for (const bool before : {false, true}) {
      Net net({100});
      const uint64_t finished = t - 1;
      cuda::upload(test_gpu(), net.steps.get(), &finished, sizeof finished);
      net.step_on_host(int64_t(t), before);
      net.step_on_gpu(before);
      net.expect_same("step " + std::to_string(t));
      EXPECT_EQ(net.steps.read()[0], t);
    }
}

TEST(Adam, MoreTensorsThanALaunchTakes) {
  const int tensors = 256 + 3, n = 5;  // neighbours in one array
  Net net({tensors * n});
  const kernels::AdamTensor<float> all = net.parameters[0]->on_gpu();
  std::vector<kernels::AdamTensor<float>> table;
  for (int i = 0; i < tensors * n; i += n) table.push_back({all.p + i, all.g + i, all.m + i, all.v + i, n});
  for (int64_t t = 1; t <= 2; ++t) {
    net.step_on_host(t, false);
    kernels::adam(test_gpu(), table.data(), tensors, net.lr.get(), kBeta1, kBeta2, kSmall, net.steps.get(),
                  false);
  }
  net.expect_same("259 tensors");
  EXPECT_EQ(net.steps.read()[0], 2u);
}

TEST(Adam, MoreChunksThanBlocks) {
  Net net({700001, 5, 500000});  // 1173 chunks for 1056 blocks
  net.step_on_host(1, false), net.step_on_gpu(false);
  net.expect_same("a large net");
}

TEST(Adam, NoTensorsIsAStepToo) {
  Net net({});
  net.step_on_gpu(false);
  EXPECT_EQ(net.steps.read()[0], 1u);
}

TEST(Adam, CapturedStepCountsOn) {
  Net captured(kSizes), eager(kSizes);
  cuda::Graph graph;
  graph.begin(test_gpu());
  captured.step_on_gpu(false);
  ASSERT_EQ(graph.end(test_gpu()), "");
  EXPECT_EQ(graph.nodes(), 1);
  for (int t = 0; t < 3; ++t) graph.launch(test_gpu()), eager.step_on_gpu(false);
  EXPECT_EQ(captured.steps.read()[0], 3u);
  for (size_t i = 0; i < kSizes.size(); ++i)
    EXPECT_EQ(captured.parameters[i]->gpu_p.read(), eager.parameters[i]->gpu_p.read()) << "tensor " << i;
}

TEST(Adam, RateChangesOnTheDevice) {
  Net net({64});
  const float rate = 0;
  cuda::upload(test_gpu(), net.lr.get(), &rate, sizeof rate);
  net.step_on_gpu(false);
  EXPECT_EQ(net.parameters[0]->gpu_p.read(), net.parameters[0]->p);
}

}  // namespace
}  // namespace sga
