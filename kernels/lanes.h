// Several neighbouring channels at once: one vector register, or one number where channels run out.
#pragma once
#include <cstdint>
#include <cstring>

namespace sga::kernels {

/// 64 bytes of T: 16 floats or 8 doubles. Arithmetic and comparisons work lane by lane, `mask ? a : b`
/// selects.
template <class T>
struct LanesOf {
  typedef T type __attribute__((vector_size(64)));
};

/// Where a kernel body stands: offset `i` of its first channel in arrays of x's shape, and `at` in arrays of
/// one number a channel. V is a vector of T or T itself, so that one body serves whole strips and what is
/// left over.
template <class V, class T>
struct Spot {
  int64_t i, at;
  V pixel(const T* p) const { return load(p + i); }
  V channel(const T* p) const { return load(p + at); }
  void store(T* p, V value) const { std::memcpy(p + i, &value, sizeof(V)); }

 private:
  static V load(const T* p) {
    V value;
    std::memcpy(&value, p, sizeof(V));
    return value;
  }
};

}  // namespace sga::kernels
