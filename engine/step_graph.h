// A training step as one unit of work.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>

#include "engine/tensor.h"

namespace sga {

class Rng;

/// Runs a training step, the same one again and again. On a GPU it runs eagerly twice (which fills caches and
/// picks convolution plans), is then captured and from there on replayed as one CUDA graph: thousands of
/// launches become one. On a CPU it runs eagerly each time. Same result either way, bit for bit.
///
/// A step can be captured if it reads nothing back, has fixed shapes, and refers only to tensors that live as
/// long as this object and are changed in place. What changes from step to step comes through an Rng,
/// step_number() or each_step(). The function is not called for a replay: tensors it assigned to variables
/// outside keep their storage and get the new values. Where the driver cannot capture, one warning is printed
/// and the step stays eager.
class StepGraph {
 public:
  /// `beside`: replays run at the same time as those of other such steps, for several small trainings on one
  /// GPU. Everything else on the GPU waits for them.
  explicit StepGraph(bool beside = false);
  ~StepGraph();
  StepGraph(const StepGraph&) = delete;
  StepGraph& operator=(const StepGraph&) = delete;

  void run(const std::function<void()>& step);
  /// Forgets what was captured: to be called when a tensor the step refers to was replaced.
  void reset();
  /// Kernels, copies and fills in the captured step; 0 before.
  int64_t nodes() const;

  /// False: steps run eagerly on a GPU too. For benches and debugging.
  static void set_enabled(bool enabled);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// A tensor of shape (1) with the value of f, asked anew whenever the step runs.
Tensor step_number(const std::function<double()>& f, Dtype dtype = Dtype::f32);
/// Calls f now, and again whenever the step runs: for what is counted on the host.
void each_step(const std::function<void()>& f);

/// For ops and Rng.
namespace capture {
/// True while a step is being captured.
bool active();
/// While a step is being captured: a number on the device that is f() at each replay.
const uint64_t* count(std::function<uint64_t()> f);
/// Keeps `what` alive as long as the step being captured, if there is one.
void keep(std::shared_ptr<const void> what);
}  // namespace capture

}  // namespace sga
