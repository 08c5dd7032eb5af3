// Shape: the extents of a tensor, outermost first. Images are (N,H,W,C), filters (K,R,S,C).
#pragma once
#include <cstdint>
#include <initializer_list>
#include <ostream>
#include <vector>

#include "kernels/check.h"

namespace sga {

class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<int64_t> extents) : extents_(extents) {}
  explicit Shape(std::vector<int64_t> extents) : extents_(std::move(extents)) {}

  int rank() const { return static_cast<int>(extents_.size()); }
  /// Extent of axis i; negative i counts from the end.
  int64_t operator[](int i) const { return extents_[static_cast<size_t>(i < 0 ? i + rank() : i)]; }
  int64_t& operator[](int i) { return extents_[static_cast<size_t>(i < 0 ? i + rank() : i)]; }
  /// Number of elements; 1 for a scalar. Error if an extent is negative or the elements are more than 2^56.
  int64_t numel() const {
    int64_t n = 1;
    for (int64_t e : extents_) {
      SGA_CHECK(e >= 0 && e <= (int64_t{1} << 56) / (n > 0 ? n : 1), "shape: an extent of ", *this,
                " is negative or too large");
      n *= e;
    }
    return n;
  }
  const std::vector<int64_t>& extents() const { return extents_; }
  bool operator==(const Shape&) const = default;

 private:
  std::vector<int64_t> extents_;
};

inline std::ostream& operator<<(std::ostream& os, const Shape& s) {
  os << '(';
  for (int i = 0; i < s.rank(); ++i) os << (i ? "," : "") << s[i];
  return os << ')';
}

}  // namespace sga
