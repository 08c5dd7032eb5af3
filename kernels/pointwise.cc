#include "kernels/pointwise.h"

#include <cmath>

namespace sga::kernels {
namespace {

// Below this many elements starting threads costs more than it saves.
constexpr int64_t kSerial = 1 << 15;

template <class T, class F>
void each(T* y, int64_t n, F f) {
#pragma omp parallel for simd if (n > kSerial)
  for (int64_t i = 0; i < n; ++i) y[i] = f(i);
}

}  // namespace

template <class T>
void fill(Cpu, T value, T* y, int64_t n) {
  each(y, n, [=](int64_t) { return value; });
}
template <class T>
void affine(Cpu, const T* x, T alpha, T beta, T* y, int64_t n) {
  each(y, n, [=](int64_t i) { return alpha * x[i] + beta; });
}
template <class T>
void blend(Cpu, const T* a, T alpha, const T* b, T beta, T* y, int64_t n) {
  each(y, n, [=](int64_t i) { return alpha * a[i] + beta * b[i]; });
}
template <class T>
void mul(Cpu, const T* a, const T* b, T* y, int64_t n) {
  each(y, n, [=](int64_t i) { return a[i] * b[i]; });
}
template <class T>
void power(Cpu, const T* x, T exponent, T* y, int64_t n) {
  if (exponent == T(2)) return each(y, n, [=](int64_t i) { return x[i] * x[i]; });
  if (exponent == T(0.5)) return each(y, n, [=](int64_t i) { return std::sqrt(x[i]); });
  each(y, n, [=](int64_t i) { return std::pow(x[i], exponent); });
}
template <class T>
void gate(Cpu, const T* g, const T* x, T slope, T* y, int64_t n) {
  each(y, n, [=](int64_t i) { return g[i] * (x[i] > 0 ? T(1) : slope); });
}
template <class T>
void sign_gate(Cpu, const T* g, const T* x, T* y, int64_t n) {
  each(y, n, [=](int64_t i) { return g[i] * T((x[i] > 0) - (x[i] < 0)); });
}
template <class T>
void range_gate(Cpu, const T* g, const T* x, T low, T high, T* y, int64_t n) {
  each(y, n, [=](int64_t i) { return x[i] > low && x[i] < high ? g[i] : T(0); });
}
template <class T>
void clamp(Cpu, const T* x, T low, T high, T* y, int64_t n) {
  each(y, n, [=](int64_t i) { return x[i] < low ? low : x[i] > high ? high : x[i]; });
}
template <class T>
void tanh(Cpu, const T* x, T* y, int64_t n) {
  each(y, n, [=](int64_t i) { return std::tanh(x[i]); });
}
template <class T>
void sigmoid(Cpu, const T* x, T* y, int64_t n) {
  each(y, n, [=](int64_t i) { return T(1) / (T(1) + std::exp(-x[i])); });
}
template <class T>
void truncate(Cpu, const T* x, T* y, int64_t n) {
  each(y, n, [=](int64_t i) { return std::trunc(x[i]); });
}
template <class T>
void abs(Cpu, const T* x, T* y, int64_t n) {
  each(y, n, [=](int64_t i) { return std::abs(x[i]); });
}

#define INSTANTIATE(T)                                                  \
  template void fill(Cpu, T, T*, int64_t);                              \
  template void affine(Cpu, const T*, T, T, T*, int64_t);               \
  template void blend(Cpu, const T*, T, const T*, T, T*, int64_t);      \
  template void mul(Cpu, const T*, const T*, T*, int64_t);              \
  template void power(Cpu, const T*, T, T*, int64_t);                   \
  template void gate(Cpu, const T*, const T*, T, T*, int64_t);          \
  template void sign_gate(Cpu, const T*, const T*, T*, int64_t);        \
  template void range_gate(Cpu, const T*, const T*, T, T, T*, int64_t); \
  template void clamp(Cpu, const T*, T, T, T*, int64_t);                \
  template void tanh(Cpu, const T*, T*, int64_t);                       \
  template void sigmoid(Cpu, const T*, T*, int64_t);                    \
  template void abs(Cpu, const T*, T*, int64_t);                        \
  template void truncate(Cpu, const T*, T*, int64_t);
INSTANTIATE(float)
INSTANTIATE(double)
#undef INSTANTIATE

}  // namespace sga::kernels
