// Which code computes a convolution on a GPU, and two small kernels for what libraries leave to others.
//
//   bias_act       a thread a quad of channels (or one number); reads y, or bfloat16 numbers, and writes y
//   round_to_bf16  a thread four numbers of a or of b; reads 4 bytes a number, writes 2
//   grid           work / 256, block 256, no shared memory
#include "kernels/access.cuh"
#include "kernels/conv_cuda.h"
#include "kernels/conv_direct.h"
#include "kernels/mma.cuh"

namespace sga::kernels {
namespace {

__device__ inline float as_float(float v) { return v; }
__device__ inline float as_float(__nv_bfloat16 v) { return __bfloat162float(v); }

template <class In, int Width>  // 4 where extents and addresses allow it
__global__ void __launch_bounds__(kBlock)
    bias_act_kernel(int64_t n, int64_t k, const In* in, const float* b, float slope, float* y) {
  const int64_t i = (int64_t(blockIdx.x) * kBlock + threadIdx.x) * Width;
  if (i >= n) return;
  const auto v = *reinterpret_cast<const Pack<In, Width>*>(in + i);
  Pack<float, Width> u;
  const int64_t channel = b ? i % k : 0;
  for (int j = 0; j < Width; ++j) {
    u.v[j] = as_float(v.v[j]);
    if (b) u.v[j] += b[channel + j];
    u.v[j] = u.v[j] > 0 ? u.v[j] : slope * u.v[j];
  }
  *reinterpret_cast<Pack<float, Width>*>(y + i) = u;
}

template <class In>
void run_bias_act(Cuda where, int64_t pixels, int64_t k, const In* in, const float* b, float slope,
                  float* y) {
  const int64_t n = pixels * k;
  if (n == 0) return;
  const bool quads = n % 4 == 0 && (k % 4 == 0 || !b) && aligned16(y) && aligned16(in);
  launch(where, {"bias_act", unsigned(div_up(quads ? n / 4 : n, kBlock)), kBlock},
         quads ? bias_act_kernel<In, 4> : bias_act_kernel<In, 1>, n, k, in, b, slope, y);
}

__global__ void __launch_bounds__(kBlock) round_kernel(const float* a, int64_t na, __nv_bfloat16* a_out,
                                                       const float* b, int64_t nb, __nv_bfloat16* b_out) {
  const int64_t a_quads = (na + 3) / 4;
  int64_t i = int64_t(blockIdx.x) * kBlock + threadIdx.x, n = na;
  if (i >= a_quads) i -= a_quads, a = b, n = nb, a_out = b_out;
  if (4 * i >= n) return;
  const Float4 q = load_quad(a + 4 * i, n - 4 * i);
  if (4 * i + 4 <= n)
    reinterpret_cast<Pack<uint32_t, 2>*>(a_out)[i] = {
        {round_bf16(q.v[0], q.v[1]), round_bf16(q.v[2], q.v[3])}};
  else
    for (int j = 0; 4 * i + j < n; ++j) a_out[4 * i + j] = __float2bfloat16_rn(q.v[j]);
}

// Tensor cores and vector accesses want arrays that start at a multiple of 16 bytes; views need not.
template <class... P>
bool all_aligned(const P*... p) {
  return (aligned16(p) && ...);
}

ConvEngine engine_for(ConvEngine wish, ConvKind kind, Cuda where, const ConvShape& g, bool aligned) {
  if (wish == ConvEngine::best) {
    if (!aligned) return ConvEngine::direct;
    return prefer_own(kind, g, where.precision) ? ConvEngine::mma : ConvEngine::library;
  }
  if (wish == ConvEngine::mma && !(aligned && mma_supports(kind, g, where.precision)))
    fail(
        "convolution: tensor cores take 3x3 filters, stride 1, channels in multiples of 32, tf32 or bf16, "
        "got (",
        g.k, ",", g.r, ",", g.s, ",", g.c, ") stride ", g.stride, "; let the engine choose");
  return wish;
}

}  // namespace

bool prefer_own(ConvKind, const ConvShape&, Precision) {
  return false;  // nothing measured yet: bench/gpu_conv_bench decides, shape by shape
}

void conv_with(ConvEngine engine, Cuda where, const ConvShape& g, const float* x, const float* w,
               const float* b, float slope, float* y) {
  if (g.n * g.p * g.q * g.k == 0) return;
  switch (engine_for(engine, ConvKind::forward, where, g, all_aligned(x, w, b, y))) {
    case ConvEngine::mma:
      return conv_mma(where, g, x, w, b, slope, y);
    case ConvEngine::direct:
      return conv_direct(where, g, x, w, b, slope, y);
    default:
      return conv_library(where, g, x, w, b, slope, y);
  }
}
void conv_dx_with(ConvEngine engine, Cuda where, const ConvShape& g, const float* gy, const float* w,
                  float* gx) {
  if (g.n * g.h * g.w * g.c == 0) return;
  switch (engine_for(engine, ConvKind::by_data, where, g, all_aligned(gy, w, gx))) {
    case ConvEngine::mma:
      return conv_dx_mma(where, g, gy, w, gx);
    case ConvEngine::direct:
      return conv_dx_direct(where, g, gy, w, gx);
    default:
      return conv_dx_library(where, g, gy, w, gx);
  }
}
void conv_dw_with(ConvEngine engine, Cuda where, const ConvShape& g, const float* x, const float* gy,
                  float* gw) {
  if (g.k * g.r * g.s * g.c == 0) return;
  switch (engine_for(engine, ConvKind::by_weights, where, g, all_aligned(x, gy, gw))) {
    case ConvEngine::mma:
      return conv_dw_mma(where, g, x, gy, gw);
    case ConvEngine::direct:
      return conv_dw_direct(where, g, x, gy, gw);
    default:
      return conv_dw_library(where, g, x, gy, gw);
  }
}

void conv(Cuda where, const ConvShape& g, const float* x, const float* w, const float* b, float slope,
          float* y) {
  conv_with(ConvEngine::best, where, g, x, w, b, slope, y);
}
void conv_dx(Cuda where, const ConvShape& g, const float* gy, const float* w, float* gx) {
  conv_dx_with(ConvEngine::best, where, g, gy, w, gx);
}
void conv_dw(Cuda where, const ConvShape& g, const float* x, const float* gy, float* gw) {
  conv_dw_with(ConvEngine::best, where, g, x, gy, gw);
}

void bias_act(Cuda where, int64_t pixels, int64_t k, const float* b, float slope, float* y) {
  if (b || slope != 1) run_bias_act(where, pixels, k, y, b, slope, y);
}
void widen_bias_act(Cuda where, int64_t pixels, int64_t k, const void* half, const float* b, float slope,
                    float* y) {
  run_bias_act(where, pixels, k, static_cast<const __nv_bfloat16*>(half), b, slope, y);
}

void round_to_bf16(Cuda where, const float* a, int64_t na, void* a_out, const float* b, int64_t nb,
                   void* b_out) {
  const int64_t quads = div_up(na, 4) + div_up(nb, 4);
  launch(where, {"round_to_bf16", unsigned(div_up(quads, kBlock)), kBlock}, round_kernel, a, na,
         static_cast<__nv_bfloat16*>(a_out), b, nb, static_cast<__nv_bfloat16*>(b_out));
}

}  // namespace sga::kernels
