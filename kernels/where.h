// Where a kernel runs: tags to overload on. A kernel without an overload for a tag does not compile.
#pragma once

namespace sga {

/// Arithmetic of convolutions and matrix products. Everything else is always float32.
///   fp32  strict float32
///   bf16  operands rounded to bfloat16, products summed in float32 (tensor cores, AMX, AVX512-BF16)
enum class Precision { fp32, bf16 };

/// The host processor. `float` and `double`; double ignores `precision`.
struct Cpu {
  Precision precision = Precision::fp32;
};

}  // namespace sga
