// Arrays on the GPU, or on its emulator, for tests that call kernels directly.
#pragma once
#include <gtest/gtest.h>

#include <vector>

#include "kernels/cuda.h"

namespace sga {

/// The GPU all tests of a program share.
inline Cuda test_gpu() {
  static const Cuda gpu = cuda::open(0);
  return gpu;
}

/// `T`s on the device, freed at the end. New ones hold NaN bytes, so that what a kernel does not write shows.
template <class T>
class GpuArray {
 public:
  explicit GpuArray(const std::vector<T>& values) : count_(int64_t(values.size())) {
    data_ = static_cast<T*>(cuda::allocate(bytes() ? bytes() : 1));
    cuda::upload(test_gpu(), data_, values.data(), bytes());
  }
  explicit GpuArray(int64_t count) : GpuArray(filled(count)) {}
  ~GpuArray() { cuda::release(data_); }
  GpuArray(const GpuArray&) = delete;
  GpuArray& operator=(const GpuArray&) = delete;

  T* get() const { return data_; }
  std::vector<T> read() const {
    std::vector<T> values(static_cast<size_t>(count_));
    cuda::download(test_gpu(), values.data(), data_, bytes());
    return values;
  }

 private:
  static std::vector<T> filled(int64_t count) {
    std::vector<T> v(static_cast<size_t>(count));
    std::fill_n(reinterpret_cast<unsigned char*>(v.data()), v.size() * sizeof(T), 0xff);
    return v;
  }
  int64_t bytes() const { return count_ * int64_t(sizeof(T)); }
  int64_t count_;
  T* data_ = nullptr;
};

}  // namespace sga
