// A training step as one unit of work.
#pragma once

namespace sga {

/// Runs a training step. A step that reads nothing back, has fixed shapes and keeps what changes from step to
/// step in tensors can be replayed as one graph where the device has such a thing; on a CPU it runs eagerly,
/// same result.
class StepGraph {
 public:
  template <class F>
  void run(F&& step) {
    step();
  }
};

}  // namespace sga
