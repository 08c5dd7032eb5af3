// Separable linear maps of the image axes: resampling and mirror padding.
#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <tuple>

#include "engine/device.h"
#include "engine/ops.h"
#include "engine/step_graph.h"
#include "kernels/cuda.h"
#include "kernels/resize.h"

namespace sga {
namespace {

// Taps in memory of the GPU.
struct GpuTaps {
  Buffer first, index, weight;
};

// Uploaded once for each map, since a captured step may not upload; the same maps come again at every step.
std::shared_ptr<const GpuTaps> on_gpu(const Taps& taps) {
  constexpr size_t kMost = 4096;  // a training has some 50: those of a step must be there when it is captured
  using Key = std::tuple<int64_t, std::vector<int32_t>, std::vector<int32_t>, std::vector<double>>;
  static auto* cache = new std::map<Key, std::shared_ptr<const GpuTaps>>;
  std::shared_ptr<const GpuTaps>& found = (*cache)[{taps.n_in, taps.first, taps.index, taps.weight}];
  if (!found) {
    const auto upload = [](const auto& values) {
      const int64_t bytes = int64_t(values.size() * sizeof(values[0]));
      const MemoryPool::Outside outside;  // they outlive the step: in its pool they would keep all of that
      Buffer block(bytes, Place::gpu);
      if constexpr (kCudaBuilt) cuda::upload(gpu(), block.data(), values.data(), bytes);
      return block;
    };
    const std::vector<float> weight(taps.weight.begin(), taps.weight.end());
    found = std::make_shared<const GpuTaps>(GpuTaps{upload(taps.first), upload(taps.index), upload(weight)});
  }
  const std::shared_ptr<const GpuTaps> result = found;
  if (cache->size() > kMost) cache->clear();
  capture::keep(result);
  return result;
}

// out axis `axis` (1 or 2) of x mapped by taps.
Tensor map_axis(const Tensor& x, int axis, const Taps& taps) {
  SGA_CHECK(x.dim(axis) == taps.n_in, "resize: axis ", axis, " of ", x.shape(), " must have extent ",
            taps.n_in);
  Shape shape = x.shape();
  shape[axis] = taps.n_out;
  Tensor y = empty(shape, x.dtype());
  const int64_t outer = axis == 1 ? x.dim(0) : x.dim(0) * x.dim(1);
  const int64_t inner = axis == 1 ? x.dim(2) * x.dim(3) : x.dim(3);
  run(x, [&](auto where, auto zero) {
    using T = decltype(zero);
    if constexpr (std::is_same_v<decltype(where), Cuda>) {
      const std::shared_ptr<const GpuTaps> t = on_gpu(taps);
      kernels::map_axis(where, outer, taps.n_in, taps.n_out, inner,
                        static_cast<const int32_t*>(t->first.data()),
                        static_cast<const int32_t*>(t->index.data()), static_cast<const T*>(t->weight.data()),
                        x.data<T>(), y.data<T>());
    } else {
      const std::vector<T> weight(taps.weight.begin(), taps.weight.end());
      kernels::map_axis(where, outer, taps.n_in, taps.n_out, inner, taps.first.data(), taps.index.data(),
                        weight.data(), x.data<T>(), y.data<T>());
    }
  });
  return record(y, "resize", {x}, [axis, taps](const Tensor&, const Tensor& g, Needs) {
    return std::vector<Tensor>{map_axis(g, axis, taps.transposed())};
  });
}

// Compressed rows from one map of index -> weight a row.
Taps compress(int64_t n_in, const std::vector<std::map<int64_t, double>>& rows) {
  Taps t;
  t.n_in = n_in;
  t.n_out = int64_t(rows.size());
  t.growth = double(t.n_out) / double(n_in);
  t.first.push_back(0);
  for (const auto& row : rows) {
    for (auto [index, weight] : row)
      if (weight != 0) t.index.push_back(int32_t(index)), t.weight.push_back(weight);
    t.first.push_back(int32_t(t.index.size()));
  }
  return t;
}

// Keys' cubic convolution kernel with a = -0.5.
double cubic(double x) {
  x = std::abs(x);
  if (x <= 1) return (1.5 * x - 2.5) * x * x + 1;
  if (x <= 2) return ((-0.5 * x + 2.5) * x - 4) * x + 2;
  return 0;
}

}  // namespace

Taps Taps::transposed() const {
  std::vector<std::map<int64_t, double>> rows(static_cast<size_t>(n_in));
  for (int64_t o = 0; o < n_out; ++o)
    for (int32_t k = first[size_t(o)]; k < first[size_t(o) + 1]; ++k)
      rows[size_t(index[size_t(k)])][o] += weight[size_t(k)];
  return compress(n_out, rows);
}

Taps::Range Taps::inputs_of(Range out) const {
  SGA_CHECK(out.begin >= 0 && out.begin < out.end && out.end <= n_out, "taps: outputs ", out.begin, " to ",
            out.end, " of ", n_out);
  const auto begin = index.begin() + first[size_t(out.begin)], end = index.begin() + first[size_t(out.end)];
  const auto [low, high] = std::minmax_element(begin, end);
  return {*low, int64_t{*high} + 1};
}

Taps Taps::part(Range in, Range out) const {
  const Range needed = inputs_of(out);
  SGA_CHECK(in.begin >= 0 && in.begin <= needed.begin && in.end >= needed.end && in.end <= n_in,
            "taps: inputs ", in.begin, " to ", in.end, " for ", needed.begin, " to ", needed.end);
  Taps t;
  t.n_in = in.size(), t.n_out = out.size(), t.growth = growth;
  const int32_t from = first[size_t(out.begin)], to = first[size_t(out.end)];
  for (int64_t o = out.begin; o <= out.end; ++o) t.first.push_back(first[size_t(o)] - from);
  for (int32_t k = from; k < to; ++k) t.index.push_back(int32_t(index[size_t(k)] - in.begin));
  t.weight.assign(weight.begin() + from, weight.begin() + to);
  return t;
}

Taps nearest_taps(int64_t n_in, int64_t factor) {
  SGA_CHECK(n_in > 0 && factor > 0, "nearest_taps: size and factor must be positive, got ", n_in, " and ",
            factor);
  std::vector<std::map<int64_t, double>> rows;
  for (int64_t o = 0; o < n_in * factor; ++o) rows.push_back({{o / factor, 1.0}});
  return compress(n_in, rows);
}

Taps bicubic_taps(int64_t n_in, int64_t n_out, double scale, bool antialias, bool one_sided_left) {
  SGA_CHECK(n_in > 0 && n_out > 0 && scale > 0, "bicubic_taps: sizes and scale must be positive, got ", n_in,
            " -> ", n_out, " at ", scale);
  const bool stretch = antialias && scale < 1;
  const double width = stretch ? 4 / scale : 4;
  SGA_CHECK((width + 3) * double(n_out) < 0x1p31, "bicubic_taps: ", n_in, " -> ", n_out, " at ", scale,
            " needs too many terms");
  const int64_t taps = int64_t(std::ceil(width)) + 2;
  std::vector<std::map<int64_t, double>> rows;
  for (int64_t o = 1; o <= n_out; ++o) {
    // Pixel centres are counted from 1: output o lies at input u.
    const double u = double(o) / scale + 0.5 * (1 - 1 / scale);
    const int64_t left = int64_t(std::floor(u - width / 2));
    double total = 0;
    std::vector<std::pair<int64_t, double>> row;
    for (int64_t t = 0; t < taps; ++t) {
      const int64_t i = left + t - 1;
      const double d = u - double(i) - 1;
      const double weight = i < 0 && one_sided_left ? 0 : stretch ? scale * cubic(scale * d) : cubic(d);
      total += weight;
      row.push_back({i, weight});
    }
    std::map<int64_t, double> merged;
    for (auto [i, weight] : row) {
      int64_t m = i % (2 * n_in);
      if (m < 0) m += 2 * n_in;
      merged[m < n_in ? m : 2 * n_in - 1 - m] += weight / total;
    }
    rows.push_back(std::move(merged));
  }
  return compress(n_in, rows);
}

Tensor resize(const Tensor& x, const Taps& rows, const Taps& columns) {
  SGA_CHECK(x.rank() == 4, "resize: x must be (N,H,W,C), got ", x.shape());
  // The smaller intermediate first; by the growth of the whole, so that parts round as the whole does.
  return rows.growth <= columns.growth ? map_axis(map_axis(x, 1, rows), 2, columns)
                                       : map_axis(map_axis(x, 2, columns), 1, rows);
}

Tensor pad_reflect(const Tensor& x, int64_t n) {
  SGA_CHECK(x.rank() == 4, "pad_reflect: x must be (N,H,W,C), got ", x.shape());
  SGA_CHECK(n >= 0 && n < x.dim(1) && n < x.dim(2), "pad_reflect: ", n, " pixels need a larger image than ",
            x.shape());
  const auto mirror = [n](int64_t extent) {
    std::vector<std::map<int64_t, double>> rows;
    for (int64_t o = -n; o < extent + n; ++o)
      rows.push_back({{o < 0 ? -o : o < extent ? o : 2 * (extent - 1) - o, 1.0}});
    return compress(extent, rows);
  };
  return map_axis(map_axis(x, 1, mirror(x.dim(1))), 2, mirror(x.dim(2)));
}

}  // namespace sga
