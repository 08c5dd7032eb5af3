// Adam with PyTorch's semantics, and learning-rate schedules.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "layers/parameters.h"

namespace sga {

struct AdamOptions {
  double beta1 = 0.5, beta2 = 0.999;
  double eps = 1e-8;
  /// PyTorch <= 1.2 added eps before the bias correction of v; later versions add it after.
  bool eps_before_correction = false;
};

/// One optimiser over the trainable tensors of a network.
///   m = beta1 m + (1-beta1) g;  v = beta2 v + (1-beta2) g^2
///   p -= lr * (m / (1-beta1^t)) / (sqrt(v / (1-beta2^t)) + eps)
/// Source: Kingma & Ba 2015, arXiv:1412.6980; eps as in torch.optim.Adam.
class Adam {
 public:
  Adam(const Parameters& parameters, AdamOptions options = {});
  /// One update in place; gradients in the order of Parameters::trainable(). `lr` is asked at each step, also
  /// when a captured step (StepGraph) is replayed.
  void step(const std::vector<Tensor>& gradients, const std::function<double()>& lr);
  /// With a rate that never changes.
  void step(const std::vector<Tensor>& gradients, double lr) {
    step(gradients, [lr] { return lr; });
  }
  int64_t steps() const { return steps_; }

  void store(Checkpoint& checkpoint, const std::string& prefix) const;
  void load(const Checkpoint& checkpoint, const std::string& prefix);

 private:
  void set_steps(int64_t steps);

  AdamOptions options_;
  std::vector<std::string> names_;
  std::vector<Tensor> values_, m_, v_;
  int64_t steps_ = 0;
  Buffer gpu_steps_;  // the same count as uint64_t, on the GPU
};

/// lr until `milestone`, then lr * gamma (0-based step).
inline double step_decay(double lr, double gamma, int64_t milestone, int64_t step) {
  return step < milestone ? lr : lr * gamma;
}

}  // namespace sga
