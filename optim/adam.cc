#include "optim/adam.h"

#include <charconv>

#include "engine/device.h"
#include "engine/step_graph.h"
#include "kernels/adam.h"
#include "kernels/cuda.h"

namespace sga {

Adam::Adam(const Parameters& parameters, AdamOptions options) : options_(options) {
  for (const auto& e : parameters.entries()) {
    if (!e.trainable) continue;
    names_.push_back(e.name);
    values_.push_back(e.value);
    m_.push_back(zeros(e.value.shape(), e.value.dtype()));
    v_.push_back(zeros(e.value.shape(), e.value.dtype()));
  }
  if (!values_.empty() && values_[0].place() == Place::gpu) gpu_steps_ = Buffer(sizeof(uint64_t), Place::gpu);
  set_steps(0);
}

void Adam::set_steps(int64_t steps) {
  steps_ = steps;
  if constexpr (kCudaBuilt)
    if (gpu_steps_.data()) {
      const auto count = uint64_t(steps);
      cuda::upload(gpu(), gpu_steps_.data(), &count, sizeof count);
    }
}

void Adam::step(const std::vector<Tensor>& gradients, const std::function<double()>& lr) {
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
    if constexpr (std::is_same_v<decltype(where), Cuda>) {
      const Tensor rate = step_number(lr);
      kernels::adam(where, table.data(), int(table.size()), rate.data<float>(), options_.beta1,
                    options_.beta2, options_.eps, static_cast<uint64_t*>(gpu_steps_.data()),
                    options_.eps_before_correction);
    } else {
      kernels::adam(where, table.data(), int(table.size()), lr(), options_.beta1, options_.beta2,
                    options_.eps, steps_ + 1, options_.eps_before_correction);
    }
  });
  each_step([this] { ++steps_; });
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
  int64_t count = 0;
  const auto [stop, error] = std::from_chars(steps.data(), end, count);
  SGA_CHECK(error == std::errc{} && stop == end && count >= 0, "adam: \"", prefix,
            "steps\" of the checkpoint must be a whole number >= 0, got \"", steps, "\"");
  set_steps(count);
  for (size_t i = 0; i < names_.size(); ++i) {
    m_[i].assign(checkpoint.get(prefix + names_[i] + ".m", m_[i].shape()));
    v_[i].assign(checkpoint.get(prefix + names_[i] + ".v", v_[i].shape()));
  }
}

}  // namespace sga
