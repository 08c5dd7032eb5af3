#include "engine/tensor.h"

#include <cmath>
#include <cstring>

#include "engine/autograd.h"
#include "engine/device.h"
#include "kernels/cuda.h"
#include "kernels/pointwise.h"

namespace sga {

namespace {

// Copies bytes between any two places; one that ends on the host is waited for.
void copy_bytes(void* to, Place to_place, const void* from, Place from_place, int64_t bytes) {
  if constexpr (kCudaBuilt) {
    if (to_place == Place::gpu && from_place == Place::gpu) return cuda::copy(gpu(), to, from, bytes);
    if (to_place == Place::gpu) return cuda::upload(gpu(), to, from, bytes);
    if (from_place == Place::gpu) return cuda::download(gpu(), to, from, bytes);
  }
  std::memmove(to, from, static_cast<size_t>(bytes));
}

}  // namespace

const char* name_of(Dtype t) { return t == Dtype::f32 ? "float32" : "float64"; }

// A chain of nodes can be tens of thousands long (one training step of a deep pyramid): it is taken apart in
// a loop, since the default recursive destruction would overflow the stack.
Tensor::Impl::~Impl() {
  std::vector<std::shared_ptr<Node>> dying;
  if (node && node.use_count() == 1) dying.push_back(std::move(node));
  while (!dying.empty()) {
    std::shared_ptr<Node> n = std::move(dying.back());
    dying.pop_back();
    n->vjp = nullptr;  // frees the tensors it captured, which the inputs below still hold
    for (Tensor& input : n->inputs) {
      const Tensor t = std::move(input);  // one handle at a time: a node may hold a tensor twice
      if (t.impl_ && t.impl_.use_count() == 1 && t.impl_->node && t.impl_->node.use_count() == 1)
        dying.push_back(std::move(t.impl_->node));
    }
  }
}

Tensor empty(const Shape& shape, Dtype dtype) {
  Tensor t;
  t.impl_ = std::make_shared<Tensor::Impl>();
  t.impl_->shape = shape;
  t.impl_->numel = shape.numel();
  t.impl_->dtype = dtype;
  t.impl_->storage = std::make_shared<Buffer>(t.impl_->numel * size_of(dtype),
                                              dtype == Dtype::f32 && on_gpu() ? Place::gpu : Place::host);
  return t;
}

Tensor full(const Shape& shape, double value, Dtype dtype) {
  Tensor t = empty(shape, dtype);
  run(t, [&](auto where, auto zero) {
    using T = decltype(zero);
    kernels::fill(where, T(value), t.data<T>(), t.numel());
  });
  return t;
}

Tensor zeros(const Shape& shape, Dtype dtype) { return full(shape, 0, dtype); }

Tensor& Tensor::set_requires_grad(bool on) {
  SGA_CHECK(!impl_->node, "tensor: only a leaf can be marked, this one was computed by ", impl_->node->name);
  impl_->leaf = on;
  return *this;
}

Tensor Tensor::view(Shape shape) const {
  SGA_CHECK(shape.numel() == numel(), "reshape: ", this->shape(), " does not have the ", shape.numel(),
            " elements of ", shape);
  Tensor t;
  t.impl_ = std::make_shared<Impl>();
  t.impl_->shape = std::move(shape);
  t.impl_->numel = impl_->numel;
  t.impl_->dtype = impl_->dtype;
  t.impl_->storage = impl_->storage;
  return t;
}

Tensor Tensor::detach() const { return view(shape()); }

Tensor Tensor::clone() const {
  Tensor t = empty(shape(), dtype());
  t.assign(*this);
  return t;
}

double Tensor::item() const {
  SGA_CHECK(numel() == 1, "item: needs a tensor of one element, got shape ", shape());
  return to_host<double>(*this)[0];
}

void Tensor::assign(const Tensor& src) {
  SGA_CHECK(src.numel() == numel() && src.dtype() == dtype(), "assign: cannot copy ", name_of(src.dtype()),
            " ", src.shape(), " into ", name_of(dtype()), " ", shape());
  copy_bytes(impl_->storage->data(), place(), src.impl_->storage->data(), src.place(),
             numel() * size_of(dtype()));
}

namespace {

// `values` as U in memory of `place` at `to`, and back.
template <class U, class T>
void put(U* to, Place place, const std::vector<T>& values) {
  if constexpr (std::is_same_v<U, T>) {
    copy_bytes(to, place, values.data(), Place::host, int64_t(values.size() * sizeof(T)));
  } else {
    const std::vector<U> converted(values.begin(), values.end());
    copy_bytes(to, place, converted.data(), Place::host, int64_t(converted.size() * sizeof(U)));
  }
}
template <class U, class T>
void get(const U* from, Place place, std::vector<T>& values) {
  if constexpr (std::is_same_v<U, T>) {
    copy_bytes(values.data(), Place::host, from, place, int64_t(values.size() * sizeof(T)));
  } else {
    std::vector<U> raw(values.size());
    copy_bytes(raw.data(), Place::host, from, place, int64_t(raw.size() * sizeof(U)));
    std::copy(raw.begin(), raw.end(), values.begin());
  }
}

}  // namespace

template <class T>
Tensor from_host(const Shape& shape, const std::vector<T>& values, Dtype dtype) {
  SGA_CHECK(static_cast<int64_t>(values.size()) == shape.numel(), "from_host: shape ", shape, " needs ",
            shape.numel(), " values, got ", values.size());
  Tensor t = empty(shape, dtype);
  if (dtype == Dtype::f32)
    put(t.data<float>(), t.place(), values);
  else
    put(t.data<double>(), t.place(), values);
  return t;
}

template <class T>
std::vector<T> to_host(const Tensor& t) {
  std::vector<T> values(static_cast<size_t>(t.numel()));
  if (t.dtype() == Dtype::f32)
    get(t.data<float>(), t.place(), values);
  else
    get(t.data<double>(), t.place(), values);
  return values;
}

template Tensor from_host(const Shape&, const std::vector<float>&, Dtype);
template Tensor from_host(const Shape&, const std::vector<double>&, Dtype);
template std::vector<float> to_host(const Tensor&);
template std::vector<double> to_host(const Tensor&);

Tensor cast(const Tensor& t, Dtype dtype) {
  if (t.dtype() == dtype) return t.detach();
  return dtype == Dtype::f32 ? from_host(t.shape(), to_host<float>(t), dtype)
                             : from_host(t.shape(), to_host<double>(t), dtype);
}

bool has_nonfinite(const Tensor& t) {
  for (double v : to_host<double>(t))
    if (!std::isfinite(v)) return true;
  return false;
}

Tensor record_node(Tensor out, std::shared_ptr<Node> node) {
  out.impl_->node = std::move(node);
  return out;
}

}  // namespace sga
