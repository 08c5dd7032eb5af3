#include "layers/parameters.h"

namespace sga {

Tensor Parameters::add(std::string name, Tensor value, bool trainable) {
  if (trainable) value.set_requires_grad();
  entries_.push_back({std::move(name), value, trainable});
  return value;
}

std::vector<Tensor> Parameters::trainable() const {
  std::vector<Tensor> result;
  for (const Entry& e : entries_)
    if (e.trainable) result.push_back(e.value);
  return result;
}

int64_t Parameters::numel() const {
  int64_t n = 0;
  for (const Entry& e : entries_) n += e.trainable ? e.value.numel() : 0;
  return n;
}

void Parameters::store(Checkpoint& checkpoint, const std::string& prefix) const {
  for (const Entry& e : entries_) checkpoint.tensors[prefix + e.name] = e.value.clone();
}

void Parameters::load(const Checkpoint& checkpoint, const std::string& prefix) {
  for (Entry& e : entries_) {
    const Tensor& stored = checkpoint.get(prefix + e.name, e.value.shape());
    e.value.assign(stored.dtype() == e.value.dtype() ? stored : cast(stored, e.value.dtype()));
  }
}

void Parameters::copy_from(const Parameters& other) {
  SGA_CHECK(entries_.size() == other.entries_.size(), "parameters: cannot copy ", other.entries_.size(),
            " tensors into ", entries_.size());
  for (size_t i = 0; i < entries_.size(); ++i) entries_[i].value.assign(other.entries_[i].value);
}

}  // namespace sga
