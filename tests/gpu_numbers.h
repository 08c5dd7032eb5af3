// Arrays on the device that start where a quad of floats does not.
#pragma once
#include <vector>

#include "tests/gpu_array.h"
#include "tests/numbers.h"

namespace sga {

/// An array on the device whose first number lies `shift` floats behind an aligned address.
class ShiftedArray {
 public:
  ShiftedArray(std::vector<float> values, int shift) : shift_(shift), array_(moved(values, shift)) {}
  /// Not yet written.
  ShiftedArray(int64_t n, int shift) : shift_(shift), array_(n + shift) {}
  float* get() const { return array_.get() + shift_; }
  std::vector<float> read() const {
    std::vector<float> v = array_.read();
    v.erase(v.begin(), v.begin() + shift_);
    return v;
  }

 private:
  static std::vector<float> moved(std::vector<float> v, int shift) {
    v.insert(v.begin(), static_cast<size_t>(shift), 0.0f);
    return v;
  }
  int shift_;
  GpuArray<float> array_;
};

}  // namespace sga
