#include "models/singan/climb.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/image.h"
#include "engine/ops.h"

namespace sga::singan {
namespace {

using Range = Taps::Range;

// What a generator must see for `want` of n pixels. Made longer to a multiple of 16, so that the many windows
// of a picture have few extents: every extent costs the convolutions a plan.
Range seen(Range want, int64_t n) {
  constexpr int64_t kMultiple = 16;
  const Range r{std::max<int64_t>(0, want.begin - kBorder), std::min(n, want.end + kBorder)};
  const int64_t length = std::min(n, (r.size() + kMultiple - 1) / kMultiple * kMultiple);
  const int64_t begin = std::clamp<int64_t>(r.begin - (length - r.size()) / 2, 0, n - length);
  return {begin, begin + length};
}

Window window_of(Range rows, Range columns) {
  return {rows.begin, columns.begin, rows.size(), columns.size()};
}
Range rows_of(const Window& w) { return {w.top, w.top + w.h}; }
Range columns_of(const Window& w) { return {w.left, w.left + w.w}; }

// `part` of a picture, of which x is the window `have`.
Tensor cut(const Tensor& x, const Window& have, const Window& part) {
  if (part.h == have.h && part.w == have.w) return x;
  return crop(x, part.top - have.top, part.left - have.left, part.h, part.w);
}

}  // namespace

void check_picture_size(Size size) {
  SGA_CHECK(
      size.h >= 1 && size.w >= 1 && size.h <= kMaxSide && size.w <= kMaxSide && size.h * size.w <= kMaxPixels,
      "singan: cannot make a picture of ", size.w, "x", size.h, " pixels, the limits are 1 to ", kMaxSide,
      " a side and ", kMaxPixels / 1'000'000, " Mpx; lower the factor");
}

Climb::Axis Climb::make_axis(const Taps& taps, int64_t n) {
  const Range all{0, std::min(taps.n_out, n)};
  return {taps.part({0, taps.n_in}, all), all.end < n ? bilinear_taps(all.end, n) : Taps{}};
}

Climb::Climb(const Model& model, const Tensor& base, const std::vector<Rung>& rungs, Noise noise,
             Change change, FrozenNorm norm, bool back_project)
    : model_(model),
      base_(base),
      noise_(std::move(noise)),
      change_(std::move(change)),
      norm_(norm),
      back_project_(back_project) {
  SGA_CHECK(!rungs.empty() && base.rank() == 4 && base.dim(0) == 1,
            "singan: a climb needs a rung and a base (1,h,w,C)");
  check_picture_size(rungs.back().size);
  const bool official = model_.config.resize == ResizeStyle::official;
  Size from{base.dim(1), base.dim(2)};
  double reached = 1;
  for (const Rung& rung : rungs) {
    // Official: between levels even a scale of 1 truncates to 8 bits.
    Step step{rung, from != rung.size || (official && !rungs_.empty()), {}, {}, {}, {}};
    if (step.resized) {
      const auto up = [&](int64_t n) { return int64_t(std::ceil(double(n) * rung.scale)); };
      const Size to = official ? Size{up(from.h), up(from.w)} : rung.size;
      const double scale_h = official ? rung.scale : double(to.h) / double(from.h);
      const double scale_w = official ? rung.scale : double(to.w) / double(from.w);
      const ResizeTaps taps = resize_taps(from, to, scale_h, scale_w, model_.config.resize);
      step.rows = make_axis(taps.rows, rung.size.h);
      step.columns = make_axis(taps.columns, rung.size.w);
    }
    if (back_project_) {
      const Size small{base.dim(1), base.dim(2)};
      reached *= rung.scale;
      const double h = official ? reached : double(rung.size.h) / double(small.h),
                   w = official ? reached : double(rung.size.w) / double(small.w);
      step.up = resize_taps(small, rung.size, h, w, ResizeStyle::smooth);
      step.down = resize_taps(rung.size, small, 1 / h, 1 / w, ResizeStyle::smooth);
    }
    rungs_.push_back(std::move(step));
    from = rung.size;
  }
}

Tensor Climb::window(const Window& window) const {
  const Size all = size();
  SGA_CHECK(window.top >= 0 && window.left >= 0 && window.h > 0 && window.w > 0 &&
                window.top + window.h <= all.h && window.left + window.w <= all.w,
            "singan: a window of ", window.w, "x", window.h, " pixels at row ", window.top, ", column ",
            window.left, " does not lie in the picture of ", all.w, "x", all.h);
  SGA_CHECK(
      has_windows() || (window.h == all.h && window.w == all.w),
      "singan: what is normalised with the statistics of the whole picture cannot be made in tiles; take "
      "running statistics");
  NoGrad off;
  return at(rungs_.size() - 1, window);
}

Tensor Climb::at(size_t i, const Window& want) const {
  if (!back_project_) return painted(i, want);
  const ResizeTaps &up = rungs_[i].up, &down = rungs_[i].down;
  const Range rows = rows_of(want), columns = columns_of(want);
  const Range low_rows = up.rows.inputs_of(rows), low_columns = up.columns.inputs_of(columns);
  const Range rows_below = down.rows.inputs_of(low_rows), columns_below = down.columns.inputs_of(low_columns);
  const auto hull = [](Range a, Range b) {
    return Range{std::min(a.begin, b.begin), std::max(a.end, b.end)};
  };
  const Window seen = window_of(hull(rows, rows_below), hull(columns, columns_below));
  const Window low = window_of(low_rows, low_columns);
  const Tensor y = painted(i, seen);
  const Tensor shrunk =
      resize(cut(y, seen, window_of(rows_below, columns_below)), down.rows.part(rows_below, low_rows),
             down.columns.part(columns_below, low_columns));
  const Tensor missing = sub(cut(base_, whole_of({base_.dim(1), base_.dim(2)}), low), shrunk);
  return add(cut(y, seen, want),
             resize(missing, up.rows.part(low_rows, rows), up.columns.part(low_columns, columns)));
}

Tensor Climb::painted(size_t i, const Window& want) const {
  const Rung& rung = rungs_[i].rung;
  const Window in = window_of(seen(rows_of(want), rung.size.h), seen(columns_of(want), rung.size.w));
  // The zero padding within is right where the window ends with the picture, and cut off elsewhere.
  const Tensor y = cut(
      run_level(model_, rung.level, noise_ ? noise_(int(i), in) : Tensor(), prior(i, in), norm_), in, want);
  return change_ ? change_(int(i), want, y) : y;
}

Tensor Climb::prior(size_t i, const Window& want) const {
  const Step& step = rungs_[i];
  const auto below = [&](const Window& w) {
    return i ? at(i - 1, w) : cut(base_, whole_of({base_.dim(1), base_.dim(2)}), w);
  };
  if (!step.resized) return below(want);
  const auto back = [](const Taps& taps, Range out) { return taps.n_out ? taps.inputs_of(out) : out; };
  const auto forth = [](const Taps& taps, Range in, Range out) {
    return taps.n_out ? taps.part(in, out) : bilinear_taps(in.size(), in.size());
  };
  const Range rows = rows_of(want), columns = columns_of(want);
  const Range middle_rows = back(step.rows.bilinear, rows),
              middle_columns = back(step.columns.bilinear, columns);
  const Range in_rows = step.rows.bicubic.inputs_of(middle_rows),
              in_columns = step.columns.bicubic.inputs_of(middle_columns);
  const Tensor x =
      imresize_by(below(window_of(in_rows, in_columns)), step.rows.bicubic.part(in_rows, middle_rows),
                  step.columns.bicubic.part(in_columns, middle_columns), model_.config.resize);
  if (!step.rows.bilinear.n_out && !step.columns.bilinear.n_out) return x;
  return resize(x, forth(step.rows.bilinear, middle_rows, rows),
                forth(step.columns.bilinear, middle_columns, columns));
}

}  // namespace sga::singan
