// Shape changes, repetition and sums, borders and joins: linear maps, each the other's derivative.
#include "engine/device.h"
#include "engine/ops.h"
#include "kernels/layout.h"
#include "kernels/reduce.h"

namespace sga {
namespace {

// Merges axes into four extents of which each is either kept or repeated as a whole.
kernels::Broadcast broadcast_of(const char* op, const Shape& from, const Shape& to) {
  SGA_CHECK(from.rank() == to.rank(), op, ": ranks must be equal, got ", from, " and ", to);
  std::vector<std::pair<int64_t, int64_t>> axes;
  bool last_repeats = false;
  for (int i = 0; i < from.rank(); ++i) {
    SGA_CHECK(from[i] == to[i] || from[i] == 1, op, ": an axis must be 1 or equal, got ", from, " and ", to);
    if (to[i] == 1) continue;
    const bool repeats = from[i] == 1;
    if (!axes.empty() && repeats == last_repeats) {
      axes.back().first *= from[i];
      axes.back().second *= to[i];
    } else {
      axes.push_back({from[i], to[i]});
    }
    last_repeats = repeats;
  }
  SGA_CHECK(axes.size() <= 4, op, ": at most four alternating axes, got ", from, " and ", to);
  kernels::Broadcast b{{1, 1, 1, 1}, {1, 1, 1, 1}};
  for (size_t i = 0; i < axes.size(); ++i) {
    b.from[4 - axes.size() + i] = axes[i].first;
    b.to[4 - axes.size() + i] = axes[i].second;
  }
  return b;
}

struct Split {
  int64_t outer = 1, inner = 1;
};
Split split_at(const Shape& s, int axis) {
  Split r;
  for (int i = 0; i < axis; ++i) r.outer *= s[i];
  for (int i = axis + 1; i < s.rank(); ++i) r.inner *= s[i];
  return r;
}

int checked_axis(const char* op, const Tensor& x, int axis) {
  const int a = axis < 0 ? axis + x.rank() : axis;
  SGA_CHECK(a >= 0 && a < x.rank(), op, ": axis ", axis, " does not exist in shape ", x.shape());
  return a;
}

// `count` entries of `axis` of x at `begin`, in a tensor of zeros with `extent` entries: the transpose of
// slice.
Tensor embed(const Tensor& x, int axis, int64_t begin, int64_t extent) {
  Shape shape = x.shape();
  shape[axis] = extent;
  Tensor y = zeros(shape, x.dtype());
  const Split s = split_at(x.shape(), axis);
  run(x, [&](auto where, auto zero) {
    using T = decltype(zero);
    kernels::copy_rows(where, s.outer, x.dim(axis) * s.inner, x.data<T>(), x.dim(axis) * s.inner, 0,
                       y.data<T>(), extent * s.inner, begin * s.inner);
  });
  const int64_t count = x.dim(axis);
  return record(y, "embed", {x}, [=](const Tensor&, const Tensor& g, Needs) {
    return std::vector<Tensor>{slice(g, axis, begin, count)};
  });
}

}  // namespace

Tensor reshape(const Tensor& x, const Shape& shape) {
  Tensor y = x.view(shape);
  const Shape before = x.shape();
  return record(y, "reshape", {x}, [before](const Tensor&, const Tensor& g, Needs) {
    return std::vector<Tensor>{reshape(g, before)};
  });
}

Tensor expand(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  const kernels::Broadcast b = broadcast_of("expand", x.shape(), shape);
  Tensor y = empty(shape, x.dtype());
  run(x, [&](auto where, auto zero) {
    using T = decltype(zero);
    kernels::expand(where, b, x.data<T>(), y.data<T>());
  });
  const Shape before = x.shape();
  return record(y, "expand", {x}, [before](const Tensor&, const Tensor& g, Needs) {
    return std::vector<Tensor>{sum_to(g, before)};
  });
}

Tensor sum_to(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  const kernels::Broadcast b = broadcast_of("sum_to", shape, x.shape());
  Tensor y = empty(shape, x.dtype());
  run(x, [&](auto where, auto zero) {
    using T = decltype(zero);
    kernels::sum_to(where, b, x.data<T>(), y.data<T>());
  });
  const Shape before = x.shape();
  return record(y, "sum_to", {x}, [before](const Tensor&, const Tensor& g, Needs) {
    return std::vector<Tensor>{expand(g, before)};
  });
}

Tensor sum(const Tensor& x) {
  Tensor y = empty({1}, x.dtype());
  run(x, [&](auto where, auto zero) {
    using T = decltype(zero);
    kernels::sum(where, x.data<T>(), x.numel(), y.data<T>());
  });
  const Shape before = x.shape();
  return record(y, "sum", {x}, [before](const Tensor&, const Tensor& g, Needs) {
    const Shape ones(std::vector<int64_t>(size_t(before.rank()), 1));
    return std::vector<Tensor>{expand(reshape(g, ones), before)};
  });
}

Tensor mean(const Tensor& x) { return affine(sum(x), 1.0 / double(x.numel())); }
Tensor zeros_like(const Tensor& x) { return zeros(x.shape(), x.dtype()); }
Tensor ones_like(const Tensor& x) { return full(x.shape(), 1, x.dtype()); }

Tensor pad(const Tensor& x, Border border) {
  SGA_CHECK(x.rank() == 4, "pad: x must be (N,H,W,C), got ", x.shape());
  const int64_t h = x.dim(1) + border.top + border.bottom, w = x.dim(2) + border.left + border.right;
  SGA_CHECK(h > 0 && w > 0, "pad: nothing is left of ", x.shape(), " after cropping to ", h, "x", w);
  Tensor y = empty({x.dim(0), h, w, x.dim(3)}, x.dtype());
  run(x, [&](auto where, auto zero) {
    using T = decltype(zero);
    kernels::shift_window(where, x.dim(0), x.dim(1), x.dim(2), x.dim(3), border.top, border.left, h, w,
                          x.data<T>(), y.data<T>());
  });
  return record(y, "pad", {x}, [border](const Tensor&, const Tensor& g, Needs) {
    return std::vector<Tensor>{pad(g, {-border.top, -border.bottom, -border.left, -border.right})};
  });
}

Tensor crop(const Tensor& x, int64_t top, int64_t left, int64_t h, int64_t w) {
  SGA_CHECK(x.rank() == 4, "crop: x must be (N,H,W,C), got ", x.shape());
  SGA_CHECK(top >= 0 && left >= 0 && h > 0 && w > 0 && top + h <= x.dim(1) && left + w <= x.dim(2),
            "crop: ", h, "x", w, " at row ", top, ", column ", left, " does not lie in ", x.shape());
  return pad(x, {-top, top + h - x.dim(1), -left, left + w - x.dim(2)});
}

Tensor slice(const Tensor& x, int axis_or_end, int64_t begin, int64_t count) {
  const int axis = checked_axis("slice", x, axis_or_end);
  SGA_CHECK(begin >= 0 && count > 0 && begin + count <= x.dim(axis), "slice: [", begin, ",", begin + count,
            ") does not lie in axis ", axis, " of ", x.shape());
  Shape shape = x.shape();
  shape[axis] = count;
  Tensor y = empty(shape, x.dtype());
  const Split s = split_at(x.shape(), axis);
  run(x, [&](auto where, auto zero) {
    using T = decltype(zero);
    kernels::copy_rows(where, s.outer, count * s.inner, x.data<T>(), x.dim(axis) * s.inner, begin * s.inner,
                       y.data<T>(), count * s.inner, 0);
  });
  const int64_t extent = x.dim(axis);
  return record(y, "slice", {x}, [=](const Tensor&, const Tensor& g, Needs) {
    return std::vector<Tensor>{embed(g, axis, begin, extent)};
  });
}

Tensor concat(const std::vector<Tensor>& parts, int axis_or_end) {
  SGA_CHECK(!parts.empty(), "concat: needs at least one tensor");
  const int axis = checked_axis("concat", parts[0], axis_or_end);
  Shape shape = parts[0].shape();
  shape[axis] = 0;
  for (const Tensor& p : parts) {
    SGA_CHECK(p.rank() == shape.rank() && p.dtype() == parts[0].dtype(),
              "concat: rank or dtype differs, got ", p.shape(), " beside ", parts[0].shape());
    for (int i = 0; i < shape.rank(); ++i)
      SGA_CHECK(i == axis || p.dim(i) == shape[i], "concat: extents besides axis ", axis,
                " must be equal, got ", p.shape(), " beside ", parts[0].shape());
    shape[axis] += p.dim(axis);
  }
  Tensor y = empty(shape, parts[0].dtype());
  const Split s = split_at(shape, axis);
  int64_t begin = 0;
  std::vector<int64_t> counts;
  for (const Tensor& p : parts) {
    const int64_t count = p.dim(axis);
    run(p, [&](auto where, auto zero) {
      using T = decltype(zero);
      kernels::copy_rows(where, s.outer, count * s.inner, p.data<T>(), count * s.inner, 0, y.data<T>(),
                         shape[axis] * s.inner, begin * s.inner);
    });
    begin += count;
    counts.push_back(count);
  }
  return record(y, "concat", parts, [axis, counts](const Tensor&, const Tensor& g, Needs needs) {
    std::vector<Tensor> result;
    int64_t at = 0;
    for (size_t i = 0; i < counts.size(); ++i) {
      result.push_back(needs[i] ? slice(g, axis, at, counts[i]) : Tensor{});
      at += counts[i];
    }
    return result;
  });
}

}  // namespace sga
