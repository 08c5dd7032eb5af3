// Resizing of pictures between levels: antialiased bicubic, not differentiated.
#pragma once
#include "engine/ops.h"
#include "models/singan/pyramid.h"

namespace sga::singan {

/// smooth    float all the way, both borders mirrored, antialiasing decided for each axis
/// official  as tamarott/SinGAN: the input is truncated to 8 bits (dark values lose a level), taps beyond
///           the top and left border are dropped and the row renormalised, and the row factor decides on
///           antialiasing for both axes
enum class ResizeStyle { smooth, official };

/// x (N,H,W,C) in about [-1,1] -> (N, ceil(H*scale), ceil(W*scale), C), clamped to [-1,1]. Source: spec A.3.
Tensor imresize(const Tensor& x, double scale, ResizeStyle style);
/// x (N,H,W,C) -> (N, size.h, size.w, C), each axis by its own factor, clamped to [-1,1]. `smooth` returns x
/// itself where the size is already right.
Tensor imresize_to(const Tensor& x, Size size, ResizeStyle style);

/// The maps of imresize for both axes: from -> to at the scales given, which need not be to / from.
struct ResizeTaps {
  Taps rows, columns;
};
ResizeTaps resize_taps(Size from, Size to, double scale_h, double scale_w, ResizeStyle style);
/// imresize by these maps, or by parts of them for a part of x.
Tensor imresize_by(const Tensor& x, const Taps& rows, const Taps& columns, ResizeStyle style);

/// Bilinear with corners aligned, as torch's interpolate: used where rounding made a prior a pixel too small.
Tensor bilinear_to(const Tensor& x, Size size);
/// Its map of one axis.
Taps bilinear_taps(int64_t n_in, int64_t n_out);

}  // namespace sga::singan
