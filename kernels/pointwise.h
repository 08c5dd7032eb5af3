// One output element from one element of each input.
#pragma once
#include <cstdint>

#include "kernels/where.h"

namespace sga::kernels {

// T is float or double; n elements; y may be any input. Bytes: sizeof(T) * n a pointer.

/// y = value
template <class T>
void fill(Cpu, T value, T* y, int64_t n);
void fill(Cuda, float value, float* y, int64_t n);
/// y = alpha * x + beta
template <class T>
void affine(Cpu, const T* x, T alpha, T beta, T* y, int64_t n);
void affine(Cuda, const float* x, float alpha, float beta, float* y, int64_t n);
/// y = alpha * a + beta * b
template <class T>
void blend(Cpu, const T* a, T alpha, const T* b, T beta, T* y, int64_t n);
void blend(Cuda, const float* a, float alpha, const float* b, float beta, float* y, int64_t n);
/// y = a * b
template <class T>
void mul(Cpu, const T* a, const T* b, T* y, int64_t n);
void mul(Cuda, const float* a, const float* b, float* y, int64_t n);
/// y = x^exponent
template <class T>
void power(Cpu, const T* x, T exponent, T* y, int64_t n);
void power(Cuda, const float* x, float exponent, float* y, int64_t n);
/// y = x > 0 ? g : slope * g. With g = x this is leaky ReLU.
template <class T>
void gate(Cpu, const T* g, const T* x, T slope, T* y, int64_t n);
void gate(Cuda, const float* g, const float* x, float slope, float* y, int64_t n);
/// y = sign(x) * g, sign(0) = 0
template <class T>
void sign_gate(Cpu, const T* g, const T* x, T* y, int64_t n);
void sign_gate(Cuda, const float* g, const float* x, float* y, int64_t n);
/// y = low < x < high ? g : 0
template <class T>
void range_gate(Cpu, const T* g, const T* x, T low, T high, T* y, int64_t n);
void range_gate(Cuda, const float* g, const float* x, float low, float high, float* y, int64_t n);
/// y = min(max(x, low), high)
template <class T>
void clamp(Cpu, const T* x, T low, T high, T* y, int64_t n);
void clamp(Cuda, const float* x, float low, float high, float* y, int64_t n);
template <class T>
void tanh(Cpu, const T* x, T* y, int64_t n);
void tanh(Cuda, const float* x, float* y, int64_t n);
/// y = 1 / (1 + exp(-x))
template <class T>
void sigmoid(Cpu, const T* x, T* y, int64_t n);
void sigmoid(Cuda, const float* x, float* y, int64_t n);
template <class T>
void abs(Cpu, const T* x, T* y, int64_t n);
void abs(Cuda, const float* x, float* y, int64_t n);
/// y = x without its fraction
template <class T>
void truncate(Cpu, const T* x, T* y, int64_t n);
void truncate(Cuda, const float* x, float* y, int64_t n);

}  // namespace sga::kernels
