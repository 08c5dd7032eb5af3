// The convolutions that carry the work of both models.
#pragma once
#include <string>
#include <vector>

#include "kernels/conv.h"

namespace sga::bench {

inline kernels::ConvShape conv_shape(int64_t n, int64_t h, int64_t w, int64_t c, int64_t k, int64_t r,
                                     int64_t stride, int64_t pad) {
  return {n, h, w, c, k, r, r, (h + 2 * pad - r) / stride + 1, (w + 2 * pad - r) / stride + 1, stride, pad};
}

struct ConvRow {
  const char* name;
  kernels::ConvShape shape;
};

inline const std::vector<ConvRow> kConvRows = {
    {"singan scale 3, 32 channels", conv_shape(1, 57, 74, 32, 32, 3, 1, 0)},
    {"singan scale 4, 64 channels", conv_shape(1, 70, 90, 64, 64, 3, 1, 0)},
    {"singan scale 5, 64 channels", conv_shape(1, 85, 110, 64, 64, 3, 1, 0)},
    {"singan scale 6, 64 channels", conv_shape(1, 104, 136, 64, 64, 3, 1, 0)},
    {"singan scale 7, 64 channels", conv_shape(1, 129, 168, 64, 64, 3, 1, 0)},
    {"singan scale 9, 128 channels", conv_shape(1, 196, 258, 128, 128, 3, 1, 0)},
    {"singan first layer", conv_shape(1, 131, 170, 3, 64, 3, 1, 0)},
    {"singan last layer", conv_shape(1, 123, 162, 64, 3, 3, 1, 0)},
    {"ganimation residual", conv_shape(16, 32, 32, 256, 256, 3, 1, 1)},
    {"ganimation stem", conv_shape(16, 128, 128, 20, 64, 7, 1, 3)},
    {"ganimation down", conv_shape(16, 128, 128, 64, 128, 4, 2, 1)},
};

enum class Map { forward, by_data, by_weights };
inline const char* const kMapNames[] = {"forward", "by data", "by weights"};

/// Bytes of the two operands and the result in float32.
inline double conv_bytes(const kernels::ConvShape& g) {
  return 4.0 * double(g.n * g.h * g.w * g.c + g.k * g.r * g.s * g.c + g.n * g.p * g.q * g.k);
}

}  // namespace sga::bench
