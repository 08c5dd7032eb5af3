// Linked into a test, puts its float32 tensors on the GPU or its emulator.
#include <gtest/gtest.h>

#include "engine/device.h"

namespace sga {
namespace {

class Gpu : public testing::Environment {
  // Strict float32: tolerances are those of the CPU.
  void SetUp() override {
    set_device("cuda");
    set_precision(Precision::fp32);
  }
};
const auto* const gpu_environment = testing::AddGlobalTestEnvironment(new Gpu);

}  // namespace
}  // namespace sga
