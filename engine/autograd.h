// Reverse-mode differentiation. A derivative is stated in ops, so it can be differentiated again.
#pragma once
#include <functional>
#include <vector>

#include "engine/tensor.h"

namespace sga {

/// Which inputs of a node somebody needs a gradient of; a vjp skips the work for the others.
class Needs {
 public:
  static constexpr size_t kMost = 64;  ///< inputs of one node
  explicit Needs(uint64_t bits) : bits_(bits) {}
  bool operator[](size_t input) const { return bits_ >> input & 1; }

 private:
  uint64_t bits_;
};

/// Vector-Jacobian product: from the output and the gradient of the loss by it, the gradient by each input,
/// in order. An empty Tensor means "no gradient". May call ops only. Captures inputs and plain numbers, never
/// the output: a node owns its inputs, so capturing the output would be a cycle.
using Vjp = std::function<std::vector<Tensor>(const Tensor& out, const Tensor& g, Needs needs)>;

struct Node {
  const char* name;
  std::vector<Tensor> inputs;
  Vjp vjp;
};

/// Attaches a node to `out` if gradients are on and any input needs one; returns `out`. Inputs may be empty
/// Tensors.
Tensor record(Tensor out, const char* name, std::vector<Tensor> inputs, Vjp vjp);

/// Gradient of sum(out * seed) by each of `wrt`; `seed` defaults to ones. Zeros where `out` does not depend
/// on it. With create_graph the results can be differentiated again.
std::vector<Tensor> grad(const Tensor& out, const std::vector<Tensor>& wrt, const Tensor& seed = {},
                         bool create_graph = false);

/// True while ops record nodes.
bool grad_enabled();

/// Switches recording on or off for a scope.
class GradMode {
 public:
  explicit GradMode(bool on);
  ~GradMode();
  GradMode(const GradMode&) = delete;
  GradMode& operator=(const GradMode&) = delete;

 private:
  bool before_;
};

struct NoGrad : GradMode {
  NoGrad() : GradMode(false) {}
};

}  // namespace sga
