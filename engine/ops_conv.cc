// Convolution as three bilinear maps, closed under differentiation; and the matrix product.
#include "engine/device.h"
#include "engine/ops.h"
#include "kernels/conv.h"
#include "kernels/gemm.h"

namespace sga {
namespace {

// Extents from those of x and the filters; errors in the words of the caller's op.
kernels::ConvShape checked_shape(const char* op, int64_t n, int64_t h, int64_t w, int64_t c, int64_t k,
                                 int64_t r, int64_t s, ConvGeometry geometry) {
  SGA_CHECK(geometry.stride >= 1 && geometry.pad >= 0, op, ": stride must be >= 1 and pad >= 0, got ",
            geometry.stride, " and ", geometry.pad);
  SGA_CHECK(h + 2 * geometry.pad >= r && w + 2 * geometry.pad >= s, op, ": a ", r, "x", s,
            " filter does not fit an image of ", h, "x", w, " padded by ", geometry.pad);
  return kernels::conv_shape(n, h, w, c, k, r, s, geometry.stride, geometry.pad);
}

void check_rank4(const char* op, const Tensor& a, const Tensor& b) {
  SGA_CHECK(a.rank() == 4 && b.rank() == 4, op, ": both tensors must have four axes, got ", a.shape(),
            " and ", b.shape());
  SGA_CHECK(a.dtype() == b.dtype(), op, ": dtypes must be equal, got ", name_of(a.dtype()), " and ",
            name_of(b.dtype()));
}

Tensor channel_sum(const Tensor& g) {
  const int64_t c = g.dim(3);
  return reshape(sum_to(g, {1, 1, 1, c}), {c});
}

}  // namespace

Tensor conv_bias_act(const Tensor& x, const Tensor& w, const Tensor& b, ConvGeometry geometry, double slope) {
  check_rank4("conv", x, w);
  SGA_CHECK(x.dim(3) == w.dim(3), "conv: x ", x.shape(), " and filters ", w.shape(),
            " must have equal last extents");
  SGA_CHECK(!b || (b.shape() == Shape{w.dim(0)} && b.dtype() == w.dtype()), "conv: the bias must have ",
            w.dim(0), " numbers, got ", b ? b.shape() : Shape{});
  // The derivative takes the sign of the sum from the output.
  SGA_CHECK(slope > 0, "conv: the activation's slope must be > 0, got ", slope, "; use conv and leaky_relu");
  const auto g =
      checked_shape("conv", x.dim(0), x.dim(1), x.dim(2), x.dim(3), w.dim(0), w.dim(1), w.dim(2), geometry);
  Tensor y = empty({g.n, g.p, g.q, g.k}, x.dtype());
  run(x, [&](auto where, auto zero) {
    using T = decltype(zero);
    kernels::conv(where, g, x.data<T>(), w.data<T>(), b ? b.data<T>() : nullptr, T(slope), y.data<T>());
  });
  const bool bias = bool(b);
  return record(y, "conv", {x, w, b}, [=](const Tensor& out, const Tensor& gy, Needs needs) {
    const Tensor h = slope == 1 ? gy : gate(gy, out, slope);
    return std::vector<Tensor>{needs[0] ? conv_dx(h, w, geometry, x.dim(1), x.dim(2)) : Tensor{},
                               needs[1] ? conv_dw(x, h, geometry, w.dim(1), w.dim(2)) : Tensor{},
                               bias && needs[2] ? channel_sum(h) : Tensor{}};
  });
}

Tensor conv(const Tensor& x, const Tensor& w, ConvGeometry geometry) {
  return conv_bias_act(x, w, {}, geometry);
}

Tensor conv_dx(const Tensor& gy, const Tensor& w, ConvGeometry geometry, int64_t h, int64_t wd) {
  check_rank4("conv_dx", gy, w);
  const auto g = checked_shape("conv_dx", gy.dim(0), h, wd, w.dim(3), w.dim(0), w.dim(1), w.dim(2), geometry);
  SGA_CHECK(gy.dim(1) == g.p && gy.dim(2) == g.q && gy.dim(3) == g.k, "conv_dx: gy must be (N,", g.p, ",",
            g.q, ",", g.k, "), got ", gy.shape());
  Tensor gx = empty({g.n, g.h, g.w, g.c}, gy.dtype());
  run(gy, [&](auto where, auto zero) {
    using T = decltype(zero);
    kernels::conv_dx(where, g, gy.data<T>(), w.data<T>(), gx.data<T>());
  });
  return record(gx, "conv_dx", {gy, w}, [=](const Tensor&, const Tensor& c, Needs needs) {
    return std::vector<Tensor>{needs[0] ? conv(c, w, geometry) : Tensor{},
                               needs[1] ? conv_dw(c, gy, geometry, w.dim(1), w.dim(2)) : Tensor{}};
  });
}

Tensor conv_dw(const Tensor& x, const Tensor& gy, ConvGeometry geometry, int64_t r, int64_t s) {
  check_rank4("conv_dw", x, gy);
  const auto g = checked_shape("conv_dw", x.dim(0), x.dim(1), x.dim(2), x.dim(3), gy.dim(3), r, s, geometry);
  SGA_CHECK(gy.dim(0) == g.n && gy.dim(1) == g.p && gy.dim(2) == g.q, "conv_dw: gy must be (", g.n, ",", g.p,
            ",", g.q, ",K), got ", gy.shape());
  Tensor gw = empty({g.k, g.r, g.s, g.c}, x.dtype());
  run(x, [&](auto where, auto zero) {
    using T = decltype(zero);
    kernels::conv_dw(where, g, x.data<T>(), gy.data<T>(), gw.data<T>());
  });
  return record(gw, "conv_dw", {x, gy}, [=](const Tensor&, const Tensor& c, Needs needs) {
    return std::vector<Tensor>{needs[0] ? conv_dx(gy, c, geometry, x.dim(1), x.dim(2)) : Tensor{},
                               needs[1] ? conv(x, c, geometry) : Tensor{}};
  });
}

Tensor matmul(const Tensor& a, const Tensor& b, bool ta, bool tb) {
  SGA_CHECK(a.rank() == 2 && b.rank() == 2 && a.dtype() == b.dtype(),
            "matmul: needs two matrices of one dtype, got ", a.shape(), " and ", b.shape());
  const int64_t m = a.dim(ta ? 1 : 0), k = a.dim(ta ? 0 : 1), n = b.dim(tb ? 0 : 1);
  SGA_CHECK(b.dim(tb ? 1 : 0) == k, "matmul: inner extents differ, got ", a.shape(), ta ? " transposed" : "",
            " and ", b.shape(), tb ? " transposed" : "");
  Tensor c = empty({m, n}, a.dtype());
  run(a, [&](auto where, auto zero) {
    using T = decltype(zero);
    kernels::gemm(where, ta, tb, m, n, k, a.data<T>(), b.data<T>(), c.data<T>());
  });
  return record(c, "matmul", {a, b}, [=](const Tensor&, const Tensor& g, Needs needs) {
    // With A = op(a), B = op(b): dA = g B', dB = A' g, transposed back where the operand was read transposed.
    return std::vector<Tensor>{!needs[0] ? Tensor{}
                               : ta      ? matmul(b, g, tb, true)
                                         : matmul(g, b, false, !tb),
                               !needs[1] ? Tensor{}
                               : tb      ? matmul(g, a, true, ta)
                                         : matmul(a, g, !ta, false)};
  });
}

}  // namespace sga
