// Pointwise maps. One kernel, a function object a map.
//
//   each_kernel   grid ceil(n / 4096), block 256, no shared memory
//                 moves 4 n bytes for every input and 4 n for y
//
// A thread takes four quads of floats, 4 KB apart: the loads of a warp are 512 neighbouring bytes each, and
// four (or eight, with two inputs) are under way before the first is used. That, times 2048 threads, keeps
// more bytes in flight than the memory's latency asks for. Blocks at the end of the array, and arrays that do
// not start at a multiple of 16 bytes, go one float at a time.
#include "kernels/pointwise.h"

#include <cmath>

#include "kernels/access.cuh"

namespace sga::kernels {
namespace {

constexpr int kQuads = 4;                       // a thread
constexpr int64_t kTile = 4 * kBlock * kQuads;  // floats of a block

// y[i] = f(a[i], b[i]); of the inputs, the first `Inputs` are read. y may be one of them: every thread reads
// what it will overwrite before it writes.
template <int Inputs, class F>
__global__ void __launch_bounds__(kBlock)
    each_kernel(F f, const float* a, const float* b, float* y, int64_t n, bool aligned) {
  const int64_t tile = int64_t(blockIdx.x) * kTile, begin = tile + 4 * threadIdx.x;
  if (aligned && tile + kTile <= n) {
    Float4 p[kQuads] = {}, q[kQuads] = {};
    for (int u = 0; u < kQuads; ++u) {
      const int64_t at = begin + u * 4 * kBlock;
      if constexpr (Inputs > 0) p[u] = *reinterpret_cast<const Float4*>(a + at);
      if constexpr (Inputs > 1) q[u] = *reinterpret_cast<const Float4*>(b + at);
    }
    for (int u = 0; u < kQuads; ++u) {
      for (int j = 0; j < 4; ++j) p[u].v[j] = f(p[u].v[j], q[u].v[j]);
      *reinterpret_cast<Float4*>(y + begin + u * 4 * kBlock) = p[u];
    }
    return;
  }
  for (int64_t i = tile + threadIdx.x; i < n && i < tile + kTile; i += kBlock)
    y[i] = f(Inputs > 0 ? a[i] : 0.0f, Inputs > 1 ? b[i] : 0.0f);
}

template <int Inputs, class F>
void each(Cuda where, const char* name, F f, const float* a, const float* b, float* y, int64_t n) {
  if (n <= 0) return;
  const bool aligned = aligned16(a) && aligned16(b) && aligned16(y);
  launch(where, {name, unsigned(div_up(n, kTile)), kBlock}, each_kernel<Inputs, F>, f, a, b, y, n, aligned);
}

struct Fill {
  float value;
  __device__ float operator()(float, float) const { return value; }
};
struct Affine {
  float alpha, beta;
  __device__ float operator()(float x, float) const { return alpha * x + beta; }
};
struct Blend {
  float alpha, beta;
  __device__ float operator()(float a, float b) const { return alpha * a + beta * b; }
};
struct Mul {
  __device__ float operator()(float a, float b) const { return a * b; }
};
struct Square {
  __device__ float operator()(float x, float) const { return x * x; }
};
struct Root {
  __device__ float operator()(float x, float) const { return std::sqrt(x); }
};
struct Power {
  float exponent;
  __device__ float operator()(float x, float) const { return std::pow(x, exponent); }
};
struct Gate {
  float slope;
  __device__ float operator()(float g, float x) const { return g * (x > 0 ? 1.0f : slope); }
};
struct SignGate {
  __device__ float operator()(float g, float x) const { return g * float((x > 0) - (x < 0)); }
};
struct RangeGate {
  float low, high;
  __device__ float operator()(float g, float x) const { return x > low && x < high ? g : 0.0f; }
};
struct Clamp {
  float low, high;
  __device__ float operator()(float x, float) const { return x < low ? low : x > high ? high : x; }
};
struct Tanh {
  __device__ float operator()(float x, float) const { return std::tanh(x); }
};
struct Sigmoid {
  __device__ float operator()(float x, float) const { return 1.0f / (1.0f + std::exp(-x)); }
};
struct Abs {
  __device__ float operator()(float x, float) const { return std::fabs(x); }
};
struct Truncate {
  __device__ float operator()(float x, float) const { return std::trunc(x); }
};

}  // namespace

void fill(Cuda where, float value, float* y, int64_t n) {
  each<0>(where, "fill", Fill{value}, nullptr, nullptr, y, n);
}
void affine(Cuda where, const float* x, float alpha, float beta, float* y, int64_t n) {
  each<1>(where, "affine", Affine{alpha, beta}, x, nullptr, y, n);
}
void blend(Cuda where, const float* a, float alpha, const float* b, float beta, float* y, int64_t n) {
  each<2>(where, "blend", Blend{alpha, beta}, a, b, y, n);
}
void mul(Cuda where, const float* a, const float* b, float* y, int64_t n) {
  each<2>(where, "mul", Mul{}, a, b, y, n);
}
void power(Cuda where, const float* x, float exponent, float* y, int64_t n) {
  if (exponent == 2)
    each<1>(where, "power", Square{}, x, nullptr, y, n);
  else if (exponent == 0.5f)
    each<1>(where, "power", Root{}, x, nullptr, y, n);
  else
    each<1>(where, "power", Power{exponent}, x, nullptr, y, n);
}
void gate(Cuda where, const float* g, const float* x, float slope, float* y, int64_t n) {
  each<2>(where, "gate", Gate{slope}, g, x, y, n);
}
void sign_gate(Cuda where, const float* g, const float* x, float* y, int64_t n) {
  each<2>(where, "sign_gate", SignGate{}, g, x, y, n);
}
void range_gate(Cuda where, const float* g, const float* x, float low, float high, float* y, int64_t n) {
  each<2>(where, "range_gate", RangeGate{low, high}, g, x, y, n);
}
void clamp(Cuda where, const float* x, float low, float high, float* y, int64_t n) {
  each<1>(where, "clamp", Clamp{low, high}, x, nullptr, y, n);
}
void tanh(Cuda where, const float* x, float* y, int64_t n) {
  each<1>(where, "tanh", Tanh{}, x, nullptr, y, n);
}
void sigmoid(Cuda where, const float* x, float* y, int64_t n) {
  each<1>(where, "sigmoid", Sigmoid{}, x, nullptr, y, n);
}
void truncate(Cuda where, const float* x, float* y, int64_t n) {
  each<1>(where, "truncate", Truncate{}, x, nullptr, y, n);
}
void abs(Cuda where, const float* x, float* y, int64_t n) { each<1>(where, "abs", Abs{}, x, nullptr, y, n); }

}  // namespace sga::kernels
