#include "kernels/reduce.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace sga::kernels {
namespace {

constexpr int64_t kChunk = 4096;

// Sum of f(i): sixteen running sums a chunk (one per vector lane), then the chunks in order.
template <class T, class F>
T chunked_sum(int64_t n, F f) {
  const int64_t chunks = (n + kChunk - 1) / kChunk;
  std::vector<T> partial(static_cast<size_t>(chunks));
#pragma omp parallel for if (chunks > 8)
  for (int64_t k = 0; k < chunks; ++k) {
    const int64_t begin = k * kChunk, end = std::min(n, begin + kChunk);
    T lane[16] = {};
    int64_t i = begin;
    for (; i + 16 <= end; i += 16)
      for (int64_t j = 0; j < 16; ++j) lane[j] += f(i + j);
    for (; i < end; ++i) lane[0] += f(i);
    T total = 0;
    for (T v : lane) total += v;
    partial[static_cast<size_t>(k)] = total;
  }
  T total = 0;
  for (T v : partial) total += v;
  return total;
}

}  // namespace

template <class T>
void sum(Cpu, const T* x, int64_t n, T* y) {
  *y = chunked_sum<T>(n, [=](int64_t i) { return x[i]; });
}
template <class T>
void mean_squared_difference(Cpu, const T* a, const T* b, int64_t n, T* y) {
  *y = chunked_sum<T>(n, [=](int64_t i) { return (a[i] - b[i]) * (a[i] - b[i]); }) / T(n);
}
template <class T>
void mean_absolute_difference(Cpu, const T* a, const T* b, int64_t n, T* y) {
  *y = chunked_sum<T>(n, [=](int64_t i) { return std::abs(a[i] - b[i]); }) / T(n);
}

template <class T>
void expand(Cpu, const Broadcast& b, const T* x, T* y) {
  const int64_t rows = b.to[0] * b.to[1] * b.to[2], row = b.to[3];
#pragma omp parallel for if (rows * row > (1 << 15))
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t k = r % b.to[2], j = r / b.to[2] % b.to[1], i = r / b.to[2] / b.to[1];
    const int64_t at =
        ((b.from[0] > 1 ? i : 0) * b.from[1] + (b.from[1] > 1 ? j : 0)) * b.from[2] + (b.from[2] > 1 ? k : 0);
    if (b.from[3] == row)
      std::copy_n(x + at * row, row, y + r * row);
    else
      std::fill_n(y + r * row, row, x[at]);
  }
}

template <class T>
void sum_to(Cpu where, const Broadcast& b, const T* x, T* y) {
  const int64_t outputs = b.from[0] * b.from[1] * b.from[2] * b.from[3];
  const int64_t inputs = b.to[0] * b.to[1] * b.to[2] * b.to[3];
  if (outputs == 1) return sum(where, x, inputs, y);
  if (inputs == 0) {
    std::fill_n(y, outputs, T(0));
    return;
  }
  const int64_t row = b.to[3];
  if (b.from[3] == row) {
    // Vectors of `row` numbers are added up. Each output vector gets its inputs in chunks, then the chunks in
    // order.
    const int64_t vectors = outputs / row, terms = inputs / outputs;
    const int64_t chunk = 64, chunks = (terms + chunk - 1) / chunk;
    // The t-th input row of output vector v: digits of v on the kept axes, of t on the repeated ones.
    const auto input_row = [&](int64_t v, int64_t t) {
      int64_t index[3];
      for (int a = 2; a >= 0; --a) {
        const bool kept = b.from[a] == b.to[a];
        int64_t& rest = kept ? v : t;
        index[a] = rest % b.to[a];
        rest /= b.to[a];
      }
      return (index[0] * b.to[1] + index[1]) * b.to[2] + index[2];
    };
    std::vector<T> partial(static_cast<size_t>(vectors * chunks * row));
#pragma omp parallel for if (inputs > (1 << 15))
    for (int64_t task = 0; task < vectors * chunks; ++task) {
      T* out = partial.data() + task * row;
      const int64_t v = task / chunks, begin = task % chunks * chunk, end = std::min(terms, begin + chunk);
      for (int64_t t = begin; t < end; ++t) {
        const T* in = x + input_row(v, t) * row;
#pragma omp simd
        for (int64_t c = 0; c < row; ++c) out[c] += in[c];
      }
    }
    for (int64_t v = 0; v < vectors; ++v) {
      std::fill_n(y + v * row, row, T(0));
      for (int64_t k = 0; k < chunks; ++k)
        for (int64_t c = 0; c < row; ++c)
          y[v * row + c] += partial[static_cast<size_t>((v * chunks + k) * row + c)];
    }
    return;
  }
  // The last axis is summed: one number a row, then the rows.
  const int64_t rows = inputs / row;
  std::vector<T> partial(static_cast<size_t>(rows));
#pragma omp parallel for if (inputs > (1 << 15))
  for (int64_t r = 0; r < rows; ++r) {
    T total = 0;
    for (int64_t c = 0; c < row; ++c) total += x[r * row + c];
    partial[static_cast<size_t>(r)] = total;
  }
  const Broadcast rest{{b.from[0], 1, b.from[1], b.from[2]}, {b.to[0], 1, b.to[1], b.to[2]}};
  sum_to(where, rest, partial.data(), y);
}

#define INSTANTIATE(T)                                                          \
  template void sum(Cpu, const T*, int64_t, T*);                                \
  template void mean_squared_difference(Cpu, const T*, const T*, int64_t, T*);  \
  template void mean_absolute_difference(Cpu, const T*, const T*, int64_t, T*); \
  template void expand(Cpu, const Broadcast&, const T*, T*);                    \
  template void sum_to(Cpu, const Broadcast&, const T*, T*);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace sga::kernels
