#include "models/singan/imresize.h"

#include <algorithm>
#include <cmath>

#include "engine/ops.h"

namespace sga::singan {
namespace {

// [-1,1] -> whole numbers 0..255, by way of float32, since that decides which bytes lose a level. In double
// from there on, as the official code does; on a GPU, where there is no double, in float.
Tensor truncate_to_bytes(const Tensor& x) {
  const Tensor bytes = truncate(affine(clamp(affine(affine(cast(x, Dtype::f32), 1, 1), 0.5), 0, 1), 255));
  return bytes.place() == Place::gpu ? bytes : cast(bytes, Dtype::f64);
}

Tensor resample(const Tensor& x, Size size, double scale_h, double scale_w, ResizeStyle style) {
  SGA_CHECK(x.rank() == 4, "imresize: x must be (N,H,W,C), got ", x.shape());
  const ResizeTaps taps = resize_taps({x.dim(1), x.dim(2)}, size, scale_h, scale_w, style);
  return imresize_by(x, taps.rows, taps.columns, style);
}

}  // namespace

ResizeTaps resize_taps(Size from, Size to, double scale_h, double scale_w, ResizeStyle style) {
  const bool official = style == ResizeStyle::official;
  return {bicubic_taps(from.h, to.h, scale_h, scale_h < 1, official),
          bicubic_taps(from.w, to.w, scale_w, (official ? scale_h : scale_w) < 1, official)};
}

Tensor imresize_by(const Tensor& x, const Taps& rows, const Taps& columns, ResizeStyle style) {
  NoGrad off;
  if (style == ResizeStyle::smooth) return clamp(resize(x, rows, columns), -1, 1);
  const Tensor bytes = resize(truncate_to_bytes(x), rows, columns);
  return clamp(affine(cast(affine(bytes, 1 / 255.0), x.dtype()), 2, -1), -1, 1);
}

Taps bilinear_taps(int64_t n_in, int64_t n_out) {
  Taps taps{n_in, n_out, {0}, {}, {}, double(n_out) / double(n_in)};
  for (int64_t o = 0; o < n_out; ++o) {
    const double at = n_out > 1 ? double(o) * double(n_in - 1) / double(n_out - 1) : 0;
    const int64_t low = std::min(int64_t(at), n_in - 1), high = std::min(low + 1, n_in - 1);
    taps.index.insert(taps.index.end(), {int32_t(low), int32_t(high)});
    taps.weight.insert(taps.weight.end(), {1 - (at - double(low)), at - double(low)});
    taps.first.push_back(int32_t(taps.index.size()));
  }
  return taps;
}

Tensor imresize(const Tensor& x, double scale, ResizeStyle style) {
  const Size size{int64_t(std::ceil(double(x.dim(1)) * scale)), int64_t(std::ceil(double(x.dim(2)) * scale))};
  return resample(x, size, scale, scale, style);
}

Tensor imresize_to(const Tensor& x, Size size, ResizeStyle style) {
  if (style == ResizeStyle::smooth && Size{x.dim(1), x.dim(2)} == size) return x;
  return resample(x, size, double(size.h) / double(x.dim(1)), double(size.w) / double(x.dim(2)), style);
}

Tensor bilinear_to(const Tensor& x, Size size) {
  NoGrad off;
  return resize(x, bilinear_taps(x.dim(1), size.h), bilinear_taps(x.dim(2), size.w));
}

}  // namespace sga::singan
