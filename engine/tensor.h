// Tensor: a contiguous array on the device or, for float64, on the host, with the node that made it if a
// gradient may be asked of it.
#pragma once
#include <memory>
#include <vector>

#include "engine/memory.h"
#include "engine/shape.h"

namespace sga {

/// float32 is what models run in; float64 lives on the host and is computed there, as the measure of truth.
enum class Dtype { f32, f64 };
inline int64_t size_of(Dtype t) { return t == Dtype::f32 ? 4 : 8; }
const char* name_of(Dtype t);
template <class T>
constexpr Dtype dtype_of();
template <>
constexpr Dtype dtype_of<float>() {
  return Dtype::f32;
}
template <>
constexpr Dtype dtype_of<double>() {
  return Dtype::f64;
}

struct Node;

/// A shared handle: copies refer to the same elements. An empty Tensor (default constructed) means "none".
class Tensor {
 public:
  Tensor() = default;

  explicit operator bool() const { return impl_ != nullptr; }
  const Shape& shape() const { return impl_->shape; }
  /// Extent of axis i; negative i counts from the end.
  int64_t dim(int i) const { return impl_->shape[i]; }
  int rank() const { return impl_->shape.rank(); }
  int64_t numel() const { return impl_->numel; }
  Dtype dtype() const { return impl_->dtype; }
  Place place() const { return impl_->storage->place(); }

  /// Pointer to the first element, in memory of place(). T must match dtype().
  template <class T>
  T* data() const {
    SGA_CHECK(dtype_of<T>() == dtype(), "tensor: asked for ", name_of(dtype_of<T>()), ", holds ",
              name_of(dtype()));
    return static_cast<T*>(impl_->storage->data());
  }

  /// True if it is a leaf marked with set_requires_grad or was computed from one.
  bool requires_grad() const { return impl_->leaf || impl_->node; }
  Tensor& set_requires_grad(bool on = true);
  /// Same elements, no history.
  Tensor detach() const;
  /// Same elements under another shape of equal numel; no history (ops.h has the differentiable `reshape`).
  Tensor view(Shape shape) const;
  /// A copy of the elements on fresh memory; no history.
  Tensor clone() const;
  /// The only element, read back to the host. Error if numel() != 1.
  double item() const;
  /// Copies `src`'s elements into this tensor in place (same numel and dtype). For optim and loading only.
  void assign(const Tensor& src);

  const std::shared_ptr<Node>& node() const { return impl_->node; }
  /// Identity of the handle: equal for copies of one tensor.
  const void* id() const { return impl_.get(); }

 private:
  struct Impl {
    Shape shape;
    int64_t numel = 0;
    Dtype dtype = Dtype::f32;
    std::shared_ptr<Buffer> storage;
    bool leaf = false;
    std::shared_ptr<Node> node;
    ~Impl();
  };
  std::shared_ptr<Impl> impl_;
  friend Tensor empty(const Shape&, Dtype);
  friend Tensor record_node(Tensor out, std::shared_ptr<Node> node);
};

/// Uninitialised.
Tensor empty(const Shape& shape, Dtype dtype = Dtype::f32);
Tensor zeros(const Shape& shape, Dtype dtype = Dtype::f32);
Tensor full(const Shape& shape, double value, Dtype dtype = Dtype::f32);

/// Copies host values (row-major) to the device, converted to `dtype`. Error if the count is not
/// shape.numel().
template <class T>
Tensor from_host(const Shape& shape, const std::vector<T>& values, Dtype dtype = dtype_of<T>());
/// Copies the elements back, converted to T; waits for the device.
template <class T>
std::vector<T> to_host(const Tensor& t);
/// The same numbers in another dtype; no history.
Tensor cast(const Tensor& t, Dtype dtype);

/// True if any element is NaN or infinite; waits for the device.
bool has_nonfinite(const Tensor& t);

}  // namespace sga
