#include "optim/adam.h"

#include <charconv>

#include "engine/device.h"
#include "kernels/adam.h"

namespace sga {

Adam::Adam(const Parameters& parameters, AdamOptions options) : options_(options) {
  for (const auto& e : parameters.entries()) {
    if (!e.trainable) continue;
    names_.push_back(e.name);
    values_.push_back(e.value);
    m_.push_back(zeros(e.value.shape(), e.value.dtype()));
    v_.push_back(zeros(e.value.shape(), e.value.dtype()));
  }
}

void Adam::step(const std::vector<Tensor>& gradients, double lr) {
  SGA_CHECK(gradients.size() == values_.size(), "adam: needs ", values_.size(), " gradients, got ",
            gradients.size());
  if (values_.empty()) return;
  run(values_[0], [&](auto where, auto zero) {
    using T = decltype(zero);
    std::vector<kernels::AdamTensor<T>> table;
    for (size_t i = 0; i < values_.size(); ++i) {
      SGA_CHECK(gradients[i].shape() == values_[i].shape(), "adam: gradient of ", names_[i], " has shape ",
                gradients[i].shape(), ", the parameter ", values_[i].shape());
      table.push_back({values_[i].data<T>(), gradients[i].data<T>(), m_[i].data<T>(), v_[i].data<T>(),
                       values_[i].numel()});
    }
    ++steps_;
    kernels::adam(where, table.data(), int(table.size()), lr, options_.beta1, options_.beta2, options_.eps,
                  steps_, options_.eps_before_correction);
  });
}

void Adam::store(Checkpoint& checkpoint, const std::string& prefix) const {
  checkpoint.metadata[prefix + "steps"] = std::to_string(steps_);
  for (size_t i = 0; i < names_.size(); ++i) {
    checkpoint.tensors[prefix + names_[i] + ".m"] = m_[i].clone();
    checkpoint.tensors[prefix + names_[i] + ".v"] = v_[i].clone();
  }
}

void Adam::load(const Checkpoint& checkpoint, const std::string& prefix) {
  const std::string& steps = checkpoint.meta(prefix + "steps");
  const char* end = steps.data() + steps.size();
  const auto [stop, error] = std::from_chars(steps.data(), end, steps_);
  SGA_CHECK(error == std::errc{} && stop == end && steps_ >= 0, "adam: \"", prefix,
            "steps\" of the checkpoint must be a whole number >= 0, got \"", steps, "\"");
  for (size_t i = 0; i < names_.size(); ++i) {
    m_[i].assign(checkpoint.get(prefix + names_[i] + ".m", m_[i].shape()));
    v_[i].assign(checkpoint.get(prefix + names_[i] + ".v", v_[i].shape()));
  }
}

}  // namespace sga
