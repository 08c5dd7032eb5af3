#include "models/singan/palette.h"

#include <vector>

#include "engine/ops.h"

namespace sga::singan {
namespace {

constexpr int kLloydSteps = 10;

void check_palette(const Tensor& palette, int64_t width) {
  SGA_CHECK(palette && palette.rank() == 2 && palette.dim(1) == width, "singan: a palette must be (K,", width,
            ")");
}

// points (R,D), centres (K,D) -> (R,K,1): 1 at the nearest centre, the first of equally near ones; else 0.
Tensor nearest(const Tensor& points, const Tensor& centres) {
  const int64_t rows = points.dim(0), width = points.dim(1), count = centres.dim(0);
  const Tensor difference = sub(expand(reshape(points, {rows, 1, width}), {rows, count, width}),
                                expand(reshape(centres, {1, count, width}), {rows, count, width}));
  const Tensor distances = sum_to(mul(difference, difference), {rows, count, 1});
  Tensor least = slice(distances, 1, 0, 1);
  std::vector<Tensor> chosen = {ones_like(least)};
  for (int64_t k = 1; k < count; ++k) {
    const Tensor closer_by = sub(least, slice(distances, 1, k, 1));
    const Tensor takes_over = gate(ones_like(least), closer_by, 0);
    for (Tensor& before : chosen) before = sub(before, mul(before, takes_over));
    chosen.push_back(takes_over);
    least = sub(least, leaky_relu(closer_by, 0));
  }
  return concat(chosen, 1);
}

// The entries of `palette` (K,D) that `chosen` (R,K,1) names -> (R,D).
Tensor entries(const Tensor& chosen, const Tensor& palette) {
  const int64_t rows = chosen.dim(0), count = palette.dim(0), width = palette.dim(1);
  const Tensor parts = mul(expand(chosen, {rows, count, width}),
                           expand(reshape(palette, {1, count, width}), {rows, count, width}));
  return reshape(sum_to(parts, {rows, 1, width}), {rows, width});
}

// Means of the points of each centre; a centre without points stays.
Tensor moved(const Tensor& centres, const Tensor& points, const Tensor& chosen) {
  const int64_t rows = points.dim(0), width = points.dim(1), count = centres.dim(0);
  const Tensor sums = sum_to(mul(expand(chosen, {rows, count, width}),
                                 expand(reshape(points, {rows, 1, width}), {rows, count, width})),
                             {1, count, width});
  const Tensor members = sum_to(chosen, {1, count, 1});
  const Tensor means = mul(sums, expand(power(clamp(members, 1, double(rows)), -1), {1, count, width}));
  const Tensor any = reshape(expand(clamp(members, 0, 1), {1, count, width}), {count, width});
  return add(centres, mul(any, sub(reshape(means, {count, width}), centres)));
}

}  // namespace

Tensor to_palette(const Tensor& x, const Tensor& palette) {
  NoGrad off;
  SGA_CHECK(x.rank() == 4, "singan: a picture must be (N,H,W,C), got ", x.shape());
  check_palette(palette, x.dim(3));
  const Tensor points = reshape(x, {x.dim(0) * x.dim(1) * x.dim(2), x.dim(3)});
  return reshape(entries(nearest(points, palette), palette), x.shape());
}

Tensor runs_of(const Tensor& x) {
  NoGrad off;
  SGA_CHECK(x.rank() == 4 && x.dim(0) == 1 && x.numel() % 3 == 0,
            "singan: runs of three values need a picture (1,H,W,C) with H*W*C a multiple of 3, got ",
            x.shape());
  std::vector<Tensor> planes;
  for (int64_t c = 0; c < x.dim(3); ++c)
    planes.push_back(reshape(slice(x, 3, c, 1), {x.dim(1) * x.dim(2), 1}));
  return reshape(concat(planes, 0), {x.numel() / 3, 3});
}

Tensor to_palette_of_runs(const Tensor& x, const Tensor& palette) {
  NoGrad off;
  const Tensor runs = runs_of(x);
  check_palette(palette, 3);
  Tensor centres = palette, chosen = nearest(runs, centres);
  for (int step = 0; step < kLloydSteps; ++step) {
    centres = moved(centres, runs, chosen);
    chosen = nearest(runs, centres);
  }
  const int64_t pixels = x.dim(1) * x.dim(2);
  const Tensor values = reshape(entries(chosen, palette), {x.dim(3), pixels});
  std::vector<Tensor> channels;
  for (int64_t c = 0; c < x.dim(3); ++c)
    channels.push_back(reshape(slice(values, 0, c, 1), {1, x.dim(1), x.dim(2), 1}));
  return concat(channels, 3);
}

}  // namespace sga::singan
