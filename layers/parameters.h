// The named tensors of a network: what the optimiser updates and a checkpoint stores.
#pragma once
#include <string>
#include <vector>

#include "engine/checkpoint.h"
#include "engine/tensor.h"

namespace sga {

class Parameters {
 public:
  struct Entry {
    std::string name;
    Tensor value;
    bool trainable;  ///< false for buffers such as running statistics
  };

  /// Registers a tensor and returns the handle the network keeps. Trainable ones are marked as leaves.
  Tensor add(std::string name, Tensor value, bool trainable = true);
  const std::vector<Entry>& entries() const { return entries_; }
  /// The trainable tensors, in order of registration.
  std::vector<Tensor> trainable() const;
  /// Numbers in the trainable tensors.
  int64_t numel() const;

  void store(Checkpoint& checkpoint, const std::string& prefix) const;
  /// Error naming the tensor that is missing or has another shape.
  void load(const Checkpoint& checkpoint, const std::string& prefix);
  /// Copies values from a network of the same layout.
  void copy_from(const Parameters& other);

 private:
  std::vector<Entry> entries_;
};

}  // namespace sga
