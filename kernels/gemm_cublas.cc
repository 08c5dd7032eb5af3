// Matrix product by cuBLAS.
#include <cublas_v2.h>

#include "kernels/check.h"
#include "kernels/cuda.h"
#include "kernels/gemm.h"

namespace sga::kernels {
namespace {

void check(cublasStatus_t status, const char* what) {
  if (status != CUBLAS_STATUS_SUCCESS)
    fail("matmul: cuBLAS answered ", cublasGetStatusName(status), " (", cublasGetStatusString(status),
         ") at ", what);
}

// Opened at the first product: a handle costs memory of the GPU.
cublasHandle_t handle() {
  static const cublasHandle_t h = [] {
    cublasHandle_t opened = nullptr;
    if (cublasCreate(&opened) != CUBLAS_STATUS_SUCCESS) {  // for want of memory, maybe
      cuda::release_cached();
      check(cublasCreate(&opened), "opening it");
    }
    return opened;
  }();
  return h;
}

cublasComputeType_t compute_type(Precision precision) {
  switch (precision) {
    case Precision::fp32:
      return CUBLAS_COMPUTE_32F_PEDANTIC;
    case Precision::tf32:
      return CUBLAS_COMPUTE_32F_FAST_TF32;
    default:
      return CUBLAS_COMPUTE_32F_FAST_16BF;  // rounds the operands itself
  }
}

// What NVIDIA recommends for Hopper. One of ours: results are the same bits each time, and a captured product
// allocates nothing.
constexpr int64_t kWorkspace = 32 << 20;

}  // namespace

void gemm(Cuda where, bool ta, bool tb, int64_t m, int64_t n, int64_t k, const float* a, const float* b,
          float* c) {
  if (m == 0 || n == 0) return;
  cublasHandle_t h = handle();
  check(cublasSetStream(h, where.stream), "choosing the stream");  // forgets the workspace
  check(cublasSetWorkspace(h, cuda::scratch(where, kWorkspace), size_t(kWorkspace)), "setting its workspace");
  const float one = 1, zero = 0;
  // cuBLAS counts by columns: to it our row-major matrices are transposed, and c' = op(b)' op(a)'.
  check(cublasGemmEx_64(h, tb ? CUBLAS_OP_T : CUBLAS_OP_N, ta ? CUBLAS_OP_T : CUBLAS_OP_N, n, m, k, &one, b,
                        CUDA_R_32F, tb ? k : n, a, CUDA_R_32F, ta ? m : k, &zero, c, CUDA_R_32F, n,
                        compute_type(where.precision), CUBLAS_GEMM_DEFAULT),
        "a product");
}

}  // namespace sga::kernels
