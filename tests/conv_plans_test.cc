// What cuDNN plans for an H200, on any machine: its heuristics take a GPU as a description. Nothing runs.
#include <gtest/gtest.h>

#include "kernels/check.h"
#include "kernels/conv_cuda.h"

namespace sga::kernels {
namespace {

const char* const kH200 = R"({"deviceName":"NVIDIA H200","deviceVer":900,"driverVer":13000,"cudaDeviceId":0,
"pciDeviceId":0,"isTccDriver":0,"supportCoopLaunch":1,"totalGlobalMem":150754820096,"l2CacheSize":62914560,
"multiProcessorCount":132,"smClockRateKHz":1980000,"memClockRateKHz":3201000,"warpSize":32,
"maxGridSize":[2147483647,65535,65535],"maxBlockSize":[1024,1024,64],"maxThreadsPerBlock":1024,"maxThreadsPerSM":2048,
"maxCtasPerSM":32,"regsPerBlock":65536,"maxRegistersPerSM":65536,"maxSharedMemoryPerBlock":49152,
"maxSharedMemoryPerBlockOptin":232448,"reservedSharedMemoryPerBlock":1024})";

bool has(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

// Both models' layers and awkward ones: no shape falls back to the direct kernels, and rounded operands are
// used exactly where they are asked for and possible.
TEST(ConvPlans, EveryShapeHasOne) {
  const ConvShape shapes[] = {
      conv_shape(1, 26, 34, 3, 32, 3, 3, 1, 0),      conv_shape(1, 190, 250, 128, 128, 3, 3, 1, 0),
      conv_shape(1, 190, 250, 128, 3, 3, 3, 1, 0),   conv_shape(1, 64, 48, 64, 1, 3, 3, 1, 0),
      conv_shape(16, 32, 32, 256, 256, 3, 3, 1, 1),  conv_shape(16, 128, 128, 20, 64, 7, 7, 1, 3),
      conv_shape(16, 128, 128, 64, 128, 4, 4, 2, 1), conv_shape(2, 15, 13, 5, 7, 4, 4, 2, 1),
      conv_shape(4, 2, 2, 64, 17, 2, 2, 1, 0)};
  for (const ConvShape& g : shapes)
    for (const ConvKind kind : {ConvKind::forward, ConvKind::by_data, ConvKind::by_weights})
      for (const Precision precision : {Precision::fp32, Precision::tf32, Precision::bf16}) {
        const std::string plan = describe_plan(kind, g, precision, false, 1, kH200);
        SCOPED_TRACE(std::to_string(g.h) + "x" + std::to_string(g.c) + " to " + std::to_string(g.k) + ": " +
                     plan);
        EXPECT_TRUE(has(plan, "engine "));
        EXPECT_EQ(has(plan, "bf16"), precision == Precision::bf16 && g.c % 8 == 0 && g.k % 8 == 0);
      }
}

TEST(ConvPlans, ABiasAloneIsFused) {
  const ConvShape g = conv_shape(1, 60, 80, 64, 64, 3, 3, 1, 0);
  EXPECT_TRUE(has(describe_plan(ConvKind::forward, g, Precision::tf32, true, 1, kH200), "bias"));
  EXPECT_FALSE(has(describe_plan(ConvKind::forward, g, Precision::tf32, true, 0.2f, kH200), "bias"));
  EXPECT_FALSE(has(describe_plan(ConvKind::forward, g, Precision::tf32, false, 1, kH200), "bias"));
}

TEST(ConvPlans, ADescriptionItCannotReadIsOneSentence) {
  const ConvShape g = conv_shape(1, 8, 8, 8, 8, 3, 3, 1, 1);
  try {
    describe_plan(ConvKind::forward, g, Precision::tf32, false, 1, "{}");
    FAIL();
  } catch (const Error& e) {
    EXPECT_TRUE(has(e.what(), "cuDNN refused to plan")) << e.what();
  }
}

}  // namespace
}  // namespace sga::kernels
