// Random numbers by counter: Philox 4x32-10 (Salmon et al. 2011), the same bits on every device and for any
// number of threads. Number i of a tensor depends on (seed, counter + i/4, i%4) alone.
#pragma once
#include <cmath>
#include <cstdint>

#include "kernels/where.h"

// Compiled for the device too where a .cu file includes it.
#ifdef __CUDACC__
#define SGA_HOST_DEVICE __host__ __device__
#else
#define SGA_HOST_DEVICE
#endif

namespace sga::kernels {

struct Philox {
  uint32_t v[4];
};

/// Ten rounds on a 128-bit counter with a 64-bit key.
SGA_HOST_DEVICE inline Philox philox4x32(uint64_t key, uint64_t counter_low, uint64_t counter_high = 0) {
  Philox x{{uint32_t(counter_low), uint32_t(counter_low >> 32), uint32_t(counter_high),
            uint32_t(counter_high >> 32)}};
  uint32_t k0 = uint32_t(key), k1 = uint32_t(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t(0xD2511F53u) * x.v[0], b = uint64_t(0xCD9E8D57u) * x.v[2];
    x = {{uint32_t(b >> 32) ^ x.v[1] ^ k0, uint32_t(b), uint32_t(a >> 32) ^ x.v[3] ^ k1, uint32_t(a)}};
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return x;
}

/// [0,1) with 24 bits: exact in float.
SGA_HOST_DEVICE inline float unit_float(uint32_t bits) { return float(bits >> 8) * 0x1p-24f; }

/// log of x in (0,1], within 1.2e-7 * max(1, |log x|). Written with fma alone, so that every device rounds
/// alike.
SGA_HOST_DEVICE inline float portable_log(float x) {
  int e;
  float m = std::frexp(x, &e);  // x = m * 2^e, m in [0.5,1)
  if (m < 0.70710678f) m *= 2, --e;
  const float t = (m - 1) / (m + 1), t2 = t * t;  // log m = 2 atanh(t), |t| < 0.1716
  float p = std::fmaf(t2, 0.11111111f, 0.14285715f);
  p = std::fmaf(t2, p, 0.2f);
  p = std::fmaf(t2, p, 0.33333334f);
  p = std::fmaf(t2, p, 1.0f);
  return std::fmaf(float(e), 0.69314718f, 2 * t * p);
}

/// sin and cos of 2*pi*u, u in [0,1), within 1e-7.
SGA_HOST_DEVICE inline void portable_sincos_turn(float u, float* sine, float* cosine) {
  const int quarter = int(std::fmaf(u, 4.0f, 0.5f)) & 3;  // nearest quarter turn
  const float r =
      (u >= 0.875f ? u - 1.0f : std::fmaf(float(quarter), -0.25f, u)) * 6.2831855f;  // |r| <= pi/4
  const float r2 = r * r;
  float s = std::fmaf(r2, -1.9515296e-4f, 8.3321608e-3f);
  s = std::fmaf(r2, s, -1.6666654e-1f);
  s = std::fmaf(r2 * r, s, r);
  float c = std::fmaf(r2, 2.4433157e-5f, -1.3887316e-3f);
  c = std::fmaf(r2, c, 4.1666646e-2f);
  c = std::fmaf(r2, c, -0.5f);
  c = std::fmaf(r2, c, 1.0f);
  *sine = quarter == 0 ? s : quarter == 1 ? c : quarter == 2 ? -s : -c;
  *cosine = quarter == 0 ? c : quarter == 1 ? -s : quarter == 2 ? -c : s;
}

/// The four standard normals of one Philox block, by Box and Muller. Compilers may contract a * b + c to one
/// rounding: here and above every product that is added outside fmaf is exact, so the bits stay.
SGA_HOST_DEVICE inline void normals_of(const Philox& x, float out[4]) {
  for (int pair = 0; pair < 2; ++pair) {
    const float u = unit_float(x.v[2 * pair]) + 0x1p-25f;  // never 0
    const float radius = std::sqrt(-2 * portable_log(u));
    float s, c;
    portable_sincos_turn(unit_float(x.v[2 * pair + 1]), &s, &c);
    out[2 * pair] = radius * c;
    out[2 * pair + 1] = radius * s;
  }
}

/// y[i] uniform in [0,1), or standard normal, for block counters from `counter` on ((n+3)/4 blocks are used).
template <class T>
void uniform(Cpu, uint64_t seed, uint64_t counter, T* y, int64_t n);
template <class T>
void normal(Cpu, uint64_t seed, uint64_t counter, T* y, int64_t n);

/// Rows of a window of a longer array of normals whose block counters begin at `counter`, and whose rows have
/// `row` numbers: y[i,j] = number (top + i) * row + left + j of it, i < h, j < w. Any part of a picture's
/// noise can be drawn by itself.
template <class T>
void normal_window(Cpu, uint64_t seed, uint64_t counter, int64_t row, int64_t top, int64_t left, int64_t h,
                   int64_t w, T* y);
void normal_window(Cuda, uint64_t seed, uint64_t counter, int64_t row, int64_t top, int64_t left, int64_t h,
                   int64_t w, float* y);

/// The same bits. The counter is *base + offset; base lies on the device and may be null for 0: a captured
/// step draws new numbers at each replay.
void uniform(Cuda, uint64_t seed, const uint64_t* base, uint64_t offset, float* y, int64_t n);
void normal(Cuda, uint64_t seed, const uint64_t* base, uint64_t offset, float* y, int64_t n);

}  // namespace sga::kernels
