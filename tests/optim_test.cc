// Named parameters and the optimiser: what is stored comes back, and damaged checkpoints are refused.
#include "optim/adam.h"

#include <gtest/gtest.h>

#include "engine/ops.h"
#include "tests/error_text.h"

namespace sga {
namespace {

Parameters two_tensors() {
  Parameters p;
  p.add("weight", full({2, 3}, 1));
  p.add("running", full({3}, 5), false);
  return p;
}

TEST(Parameters, KeepNamesOrderAndWhatIsTrained) {
  const Parameters p = two_tensors();
  EXPECT_EQ(p.trainable().size(), 1u);
  EXPECT_TRUE(p.trainable()[0].requires_grad());
  EXPECT_FALSE(p.entries()[1].value.requires_grad());
  EXPECT_EQ(p.numel(), 6);
}

TEST(Parameters, LoadWhatWasStoredInEitherDtype) {
  Checkpoint checkpoint;
  two_tensors().store(checkpoint, "g.");
  Parameters wide;
  const Tensor weight = wide.add("weight", zeros({2, 3}, Dtype::f64));
  wide.load(checkpoint, "g.");
  EXPECT_EQ(to_host<double>(weight), std::vector<double>(6, 1));
  Parameters other;
  other.add("bias", zeros({3}));
  EXPECT_THROW(other.load(checkpoint, "g."), Error);
}

TEST(Adam, ContinuesFromItsCheckpointWithTheSameBytes) {
  const std::vector<Tensor> gradient{full({2, 3}, 0.25)};
  Parameters straight = two_tensors(), resumed = two_tensors();
  Adam one(straight), two(resumed);
  one.step(gradient, 0.1);
  two.step(gradient, 0.1);
  Checkpoint checkpoint;
  two.store(checkpoint, "adam.");
  Adam three(resumed);
  three.load(checkpoint, "adam.");
  EXPECT_EQ(three.steps(), 1);
  one.step(gradient, 0.1);
  three.step(gradient, 0.1);
  EXPECT_EQ(to_host<float>(straight.trainable()[0]), to_host<float>(resumed.trainable()[0]));
}

TEST(Adam, RefusesAStepCountThatIsNone) {
  const Parameters p = two_tensors();
  Checkpoint checkpoint;
  Adam(p).store(checkpoint, "adam.");
  for (const char* steps : {"", "many", "3x", "-1", "99999999999999999999"}) {
    checkpoint.metadata["adam.steps"] = steps;
    Adam adam(p);
    EXPECT_EQ(error_text([&] { adam.load(checkpoint, "adam."); }),
              std::string("adam: \"adam.steps\" of the checkpoint must be a whole number >= 0, got \"") +
                  steps + "\"");
  }
}

TEST(Adam, CountsNoStepThatItRefused) {
  Adam adam(two_tensors());
  EXPECT_THROW(adam.step({zeros({7})}, 0.1), Error);
  EXPECT_EQ(adam.steps(), 0);
}

TEST(Schedule, DropsAtItsMilestone) {
  EXPECT_EQ(step_decay(1, 0.1, 1600, 1599), 1);
  EXPECT_EQ(step_decay(1, 0.1, 1600, 1600), 0.1);
}

}  // namespace
}  // namespace sga
