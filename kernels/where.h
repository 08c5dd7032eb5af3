// Where a kernel runs: tags to overload on. A kernel without an overload for a tag does not compile.
#pragma once

struct CUstream_st;

namespace sga {

/// Arithmetic of convolutions and matrix products. Everything else is always float32.
///   fp32  strict float32
///   tf32  operands rounded to 10 bits of mantissa, products summed in float32 (tensor cores)
///   bf16  operands rounded to bfloat16, products summed in float32 (tensor cores, AMX, AVX512-BF16)
enum class Precision { fp32, tf32, bf16 };

/// The host processor. `float` and `double`; double ignores `precision`.
struct Cpu {
  Precision precision = Precision::fp32;
};

/// An NVIDIA GPU (or its emulator): `float` alone. Work goes to `stream` in order and is not waited for.
struct Cuda {
  CUstream_st* stream = nullptr;
  Precision precision = Precision::tf32;
};

/// True in builds that contain the CUDA kernels. Overloads for Cuda are declared everywhere and may be called
/// only under `if constexpr (kCudaBuilt)`.
#ifdef SGA_CUDA
inline constexpr bool kCudaBuilt = true;
#else
inline constexpr bool kCudaBuilt = false;
#endif

}  // namespace sga
