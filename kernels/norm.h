// Instance normalisation with a fused leaky ReLU: forward, first and second derivative.
#pragma once
#include <cstdint>

#include "kernels/where.h"

namespace sga::kernels {

/// Extents: x and everything of its shape is (n, pixels, c). gamma and beta hold c numbers, or n*c when
/// per_image.
struct NormShape {
  int64_t n, pixels, c;
  bool per_image;
};

/// Over the pixels of every (image, channel):
///   mean = <x>,  rstd = 1 / sqrt(<(x-mean)^2> + eps),  q = (x - mean) * rstd
///   y = act(gamma * q + beta),  act(u) = u > 0 ? u : slope * u
/// gamma and beta are both null (1 and 0) or both given. mean, rstd: (n,c).
/// The CPU takes two passes for the statistics (exact where E[x^2]-E[x]^2 is not) and one to write; the GPU
/// one pass and one, see norm.cu.
template <class T>
void instance_norm(Cpu, NormShape, const T* x, const T* gamma, const T* beta, T eps, T slope, T* y, T* mean,
                   T* rstd);
void instance_norm(Cuda, NormShape, const float* x, const float* gamma, const float* beta, float eps,
                   float slope, float* y, float* mean, float* rstd);

/// First derivative. gy: gradient by y. h = gy * act'(y), taken from the sign of y.
///   gx = gamma * rstd * (h - <h> - q <h q>),   ggamma = sum h q,   gbeta = sum h
/// gx may be null; ggamma, gbeta: (n,c), both null or both given.
template <class T>
void instance_norm_grad(Cpu, NormShape, const T* x, const T* y, const T* gy, const T* gamma, const T* mean,
                        const T* rstd, T slope, T* gx, T* ggamma, T* gbeta);
void instance_norm_grad(Cuda, NormShape, const float* x, const float* y, const float* gy, const float* gamma,
                        const float* mean, const float* rstd, float slope, float* gx, float* ggamma,
                        float* gbeta);

/// Second derivative: the gradient of sum(v * gx) by gy, x and gamma, where gx is as above.
///   ggy = act'(y) * gamma * rstd * (v - <v> - q <v q>)
///   with A = <v h> - <v><h>, b = <v q>, c = <h q>:
///   gx2 = -gamma rstd^2 ( q (A - 3 b c) + c (v - <v>) + b (h - <h>) ),   ggamma = pixels * rstd * (A - b c)
/// ggy, gx2: shape of x, either may be null; ggamma: (n,c) or null.
template <class T>
void instance_norm_grad2(Cpu, NormShape, const T* x, const T* y, const T* gy, const T* v, const T* gamma,
                         const T* mean, const T* rstd, T slope, T* ggy, T* gx2, T* ggamma);
void instance_norm_grad2(Cuda, NormShape, const float* x, const float* y, const float* gy, const float* v,
                         const float* gamma, const float* mean, const float* rstd, float slope, float* ggy,
                         float* gx2, float* ggamma);

/// The same three on a GPU by a variant of choice: plain, strips or chunks (norm.cu tells them apart). They
/// differ in speed and rounding. norm_variant: the one the functions above take for this shape.
inline constexpr const char* kNormVariants[] = {"plain", "strips", "chunks"};
int norm_variant(NormShape);
void instance_norm_variant(Cuda, int variant, NormShape, const float* x, const float* gamma,
                           const float* beta, float eps, float slope, float* y, float* mean, float* rstd);
void instance_norm_grad_variant(Cuda, int variant, NormShape, const float* x, const float* y, const float* gy,
                                const float* gamma, const float* mean, const float* rstd, float slope,
                                float* gx, float* ggamma, float* gbeta);
void instance_norm_grad2_variant(Cuda, int variant, NormShape, const float* x, const float* y,
                                 const float* gy, const float* v, const float* gamma, const float* mean,
                                 const float* rstd, float slope, float* ggy, float* gx2, float* ggamma);

}  // namespace sga::kernels
