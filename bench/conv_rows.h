// The convolutions that carry the work of both models.
#pragma once
#include <string>
#include <vector>

#include "kernels/conv.h"

namespace sga::bench {

struct ConvRow {
  const char* name;
  kernels::ConvShape shape;
};

inline const std::vector<ConvRow> kConvRows = {
    {"singan scale 3, 32 channels", kernels::conv_shape(1, 57, 74, 32, 32, 3, 3, 1, 0)},
    {"singan scale 4, 64 channels", kernels::conv_shape(1, 70, 90, 64, 64, 3, 3, 1, 0)},
    {"singan scale 5, 64 channels", kernels::conv_shape(1, 85, 110, 64, 64, 3, 3, 1, 0)},
    {"singan scale 6, 64 channels", kernels::conv_shape(1, 104, 136, 64, 64, 3, 3, 1, 0)},
    {"singan scale 7, 64 channels", kernels::conv_shape(1, 129, 168, 64, 64, 3, 3, 1, 0)},
    {"singan scale 9, 128 channels", kernels::conv_shape(1, 196, 258, 128, 128, 3, 3, 1, 0)},
    {"singan first layer", kernels::conv_shape(1, 131, 170, 3, 64, 3, 3, 1, 0)},
    {"singan last layer", kernels::conv_shape(1, 123, 162, 64, 3, 3, 3, 1, 0)},
    {"ganimation residual", kernels::conv_shape(16, 32, 32, 256, 256, 3, 3, 1, 1)},
    {"ganimation stem", kernels::conv_shape(16, 128, 128, 20, 64, 7, 7, 1, 3)},
    {"ganimation down", kernels::conv_shape(16, 128, 128, 64, 128, 4, 4, 2, 1)},
};

enum class Map { forward, by_data, by_weights };
inline const char* const kMapNames[] = {"forward", "by data", "by weights"};

/// Bytes of the two operands and the result in float32.
inline double conv_bytes(const kernels::ConvShape& g) {
  return 4.0 * double(g.n * g.h * g.w * g.c + g.k * g.r * g.s * g.c + g.n * g.p * g.q * g.k);
}

}  // namespace sga::bench
