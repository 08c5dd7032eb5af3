// The emulator must find what is wrong with a kernel. Each test plants one mistake.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "kernels/launch.h"
#include "kernels/mma.cuh"
#include "kernels/warp.cuh"
#include "tests/gpu_array.h"

namespace sga::kernels {
namespace {

#ifdef __SANITIZE_ADDRESS__
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

std::vector<float> counting(int n) {
  std::vector<float> v(static_cast<size_t>(n));
  std::iota(v.begin(), v.end(), 1.0f);
  return v;
}

// Runs `kernel` on one block and returns the complaint, "" if there is none.
template <class... P, class... A>
std::string complaint(dim3 block, void (*kernel)(P...), A... arguments) {
  try {
    launch(test_gpu(), {"planted", 1, block}, kernel, arguments...);
    cuda::wait(test_gpu());
  } catch (const emu::Error& e) {
    return e.what();
  }
  return "";
}

struct Tile {
  float v[64];
};

// Reverses a block through shared memory; without the barrier it reads what others have not written yet.
template <bool Barrier>
__global__ void reverse_kernel(float* y, const float* x) {
  auto& s = shared<Tile>();
  s.v[threadIdx.x] = x[threadIdx.x];
  if (Barrier) __syncthreads();
  y[threadIdx.x] = s.v[blockDim.x - 1 - threadIdx.x];
}

std::vector<float> reversed(bool barrier, const char* order) {
  emu::set_order(order);
  const GpuArray<float> x(counting(64)), y(int64_t{64});
  launch(test_gpu(), {"reverse", 1, 64}, barrier ? reverse_kernel<true> : reverse_kernel<false>, y.get(),
         static_cast<const float*>(x.get()));
  const std::vector<float> result = y.read();
  emu::set_order("");
  return result;
}

TEST(Emulator, MissingBarrierShows) {
  std::vector<float> want = counting(64);
  std::reverse(want.begin(), want.end());
  for (const char* order : {"forward", "reverse", "1", "2"}) {
    EXPECT_EQ(reversed(true, order), want) << order;
    EXPECT_NE(reversed(false, order), want) << order;
  }
}

__global__ void divergent_kernel(float* x) {
  if (threadIdx.x < 16)
    __syncthreads();
  else {
    x[0] = 1;
    __syncthreads();
  }
}
TEST(Emulator, DivergentBarrier) {
  const GpuArray<float> x(counting(64));
  EXPECT_NE(complaint(64, divergent_kernel, x.get()).find("divergent __syncthreads"), std::string::npos);
}

__global__ void stuck_kernel(float* x) {
  if (threadIdx.x == 0)
    __syncwarp(3u);
  else
    __syncthreads();
  x[0] = 0;
}
TEST(Emulator, Deadlock) {
  const GpuArray<float> x(counting(64));
  EXPECT_NE(complaint(64, stuck_kernel, x.get()).find("deadlock"), std::string::npos);
}

__global__ void lost_lane_kernel(float* x) {
  const int i = threadIdx.x;
  if (i != 3) x[i] = __shfl_xor_sync(kAllLanes, x[i], 1);
}
TEST(Emulator, ShuffleFromALaneThatLeft) {
  const GpuArray<float> x(counting(32));
  EXPECT_NE(complaint(32, lost_lane_kernel, x.get()).find("reads lane 3, which does not take part"),
            std::string::npos);
}

// Lanes 28 to 31 hold rows of the result that the others never look at.
__global__ void mma_kernel(float* x, int lanes) {
  float c[4] = {};
  const uint32_t a[4] = {}, b[2] = {};
  if (int(threadIdx.x) < lanes) mma(Tf32{}, c, a, b);
  x[threadIdx.x] = c[0];
}
TEST(Emulator, MatrixProductWithoutAllLanes) {
  const GpuArray<float> x(counting(32));
  EXPECT_EQ(complaint(32, mma_kernel, x.get(), 32), "");
  for (const int lanes : {28, 31, 1})
    EXPECT_NE(complaint(32, mma_kernel, x.get(), lanes).find("mma without all 32 lanes"), std::string::npos)
        << lanes;
}

// Copies 16 bytes a thread by way of shared memory; without the wait they are not there yet.
template <bool Wait>
__global__ void copy_kernel(float* y, const float* x) {
  auto& s = shared<Tile>();
  copy_async(s.v + 4 * threadIdx.x, x + 4 * threadIdx.x);
  copy_commit();
  if (Wait) copy_wait<0>();
  for (int i = 0; i < 4; ++i) y[4 * threadIdx.x + i] = s.v[4 * threadIdx.x + i];
}
TEST(Emulator, AsynchronousCopyNobodyWaitsFor) {
  const GpuArray<float> x(counting(64)), y(int64_t{64});
  const float* from = x.get();
  EXPECT_EQ(complaint(16, copy_kernel<true>, y.get(), from), "");
  EXPECT_EQ(y.read(), counting(64));
  complaint(16, copy_kernel<false>, y.get(), from);
  for (const float v : y.read()) EXPECT_TRUE(std::isnan(v)) << v;
}
TEST(Emulator, AsynchronousCopyToAMisalignedPlace) {
  const GpuArray<float> x(counting(68)), y(int64_t{64});
  EXPECT_NE(complaint(16, copy_kernel<true>, y.get(), static_cast<const float*>(x.get() + 1))
                .find("multiples of 16"),
            std::string::npos);
}

__global__ void wrong_mask_kernel(float* x) { x[threadIdx.x] = __shfl_sync(0xffffu, x[threadIdx.x], 0); }
TEST(Emulator, MaskWithoutTheCaller) {
  const GpuArray<float> x(counting(32));
  EXPECT_NE(complaint(32, wrong_mask_kernel, x.get()).find("does not name the calling lane"),
            std::string::npos);
}

__global__ void two_shuffles_kernel(float* x) {
  if (threadIdx.x % 2)
    x[0] = __shfl_sync(kAllLanes, x[0], 0);
  else
    x[1] = __shfl_sync(kAllLanes, x[1], 1);
}
TEST(Emulator, ShufflesThatAreNotTheSame) {
  const GpuArray<float> x(counting(32));
  EXPECT_NE(complaint(32, two_shuffles_kernel, x.get()).find("meet at different warp operations"),
            std::string::npos);
}

__global__ void unwritten_shared_kernel(float* y, bool write) {
  auto& s = shared<Tile>();
  if (write) s.v[threadIdx.x] = 7;
  __syncthreads();
  y[threadIdx.x] = s.v[threadIdx.x];
}
TEST(Emulator, SharedMemoryDoesNotKeepWhatTheLastBlockLeft) {
  const GpuArray<float> y(int64_t{64});
  EXPECT_EQ(complaint(64, unwritten_shared_kernel, y.get(), true), "");
  EXPECT_EQ(y.read()[5], 7);
  EXPECT_EQ(complaint(64, unwritten_shared_kernel, y.get(), false), "");
  EXPECT_TRUE(std::isnan(y.read()[5]));
}

__global__ void past_shared_kernel(float* y) {
  auto& s = shared<Tile>();
  s.v[threadIdx.x + 1] = 1;
  __syncthreads();
  y[threadIdx.x] = s.v[threadIdx.x];
}
TEST(EmulatorDeath, PastSharedMemory) {
  if (!kSanitized) GTEST_SKIP() << "found by the sanitizers";
  const GpuArray<float> y(int64_t{64});
  EXPECT_DEATH(complaint(64, past_shared_kernel, y.get()),
               "out of bounds|buffer-overflow|insufficient space");
}

__global__ void past_global_kernel(float* y, int n) { y[threadIdx.x + unsigned(n)] = 1; }
TEST(EmulatorDeath, PastGlobalMemory) {
  const GpuArray<float> y(int64_t{64});
  if (kSanitized)
    EXPECT_DEATH(complaint(1, past_global_kernel, y.get(), 64), "use-after-poison");
  else
    EXPECT_EXIT(
        {
          std::fputs(complaint(1, past_global_kernel, y.get(), 64).c_str(), stderr);
          std::_Exit(0);
        },
        testing::ExitedWithCode(0), "past an allocation of 256 bytes");
}

__global__ void misaligned_kernel(float* y) { *reinterpret_cast<float4*>(y + 1) = float4{1, 2, 3, 4}; }
TEST(EmulatorDeath, MisalignedGlobalAccess) {
  if (!kSanitized) GTEST_SKIP() << "found by the sanitizers";
  const GpuArray<float> y(int64_t{64});
  EXPECT_DEATH(complaint(1, misaligned_kernel, y.get()), "misaligned address");
}

TEST(EmulatorDeath, HostTouchesDeviceMemory) {
  const GpuArray<float> y(counting(8));
  cuda::wait(test_gpu());
  EXPECT_DEATH(std::printf("%g", double(*static_cast<volatile float*>(y.get()))),
               "the host touched device memory");
}

__global__ void twice_kernel(float* x) { x[threadIdx.x] *= 2; }
TEST(Emulator, ResultsAreNotThereBeforeTheStreamHasRun) {
  const GpuArray<float> x(counting(4));
  std::vector<float> host(4, 5.0f);
  launch(test_gpu(), {"twice", 1, 4}, twice_kernel, x.get());
  cudaMemcpyAsync(host.data(), x.get(), 16, cudaMemcpyDeviceToHost, test_gpu().stream);
  EXPECT_TRUE(std::isnan(host[3]));
  cuda::wait(test_gpu());
  EXPECT_EQ(host[3], 8);
}

TEST(Emulator, ImpossibleLaunchesAreRefusedWithTheKernelsName) {
  const GpuArray<float> x(counting(4));
  const auto refusal = [&](const Launch& l) -> std::string {
    try {
      launch(test_gpu(), l, twice_kernel, x.get());
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_NE(refusal({"twice", 1, 2048}).find("kernel twice: grid (1,1,1), block (2048,1,1)"),
            std::string::npos);
  EXPECT_NE(refusal({"twice", 0, 32}).find("cudaErrorInvalidConfiguration"), std::string::npos);
  EXPECT_NE(refusal({"twice", 1, 32, 300 * 1024}), "");
  EXPECT_EQ(refusal({"twice", 1, 4}), "");
}

// What hardware allows must not be complained about.
__global__ void early_exit_kernel(float* y, const float* x) {
  if (threadIdx.x >= 32) return;
  __syncthreads();
  const float sum = warp_sum(x[threadIdx.x]);
  __syncthreads();
  y[threadIdx.x] = sum;
}
__global__ void block_sum_kernel(float* y, const float* x) {
  y[threadIdx.x] = block_sum<256>(x[threadIdx.x]);
}
__global__ void segments_kernel(float* y) {
  float v = float(threadIdx.x);
  if (threadIdx.x < 16) v += __shfl_xor_sync(0xffffu, v, 8);
  v += __shfl_down_sync(kAllLanes, v, 1, 8);
  y[threadIdx.x] = v + float(__ballot_sync(kAllLanes, threadIdx.x % 3 == 0) & 0xff);
}
TEST(Emulator, LegalKernelsRun) {
  const GpuArray<float> x(counting(256)), y(int64_t{256});
  EXPECT_EQ(complaint(64, early_exit_kernel, y.get(), static_cast<const float*>(x.get())), "");
  EXPECT_EQ(y.read()[31], 32 * 33 / 2);
  EXPECT_EQ(complaint(256, block_sum_kernel, y.get(), static_cast<const float*>(x.get())), "");
  EXPECT_EQ(y.read(), std::vector<float>(256, 256 * 257 / 2));
  EXPECT_EQ(complaint(32, segments_kernel, y.get()), "");
  // lane 0: 0 + 8 from lane 8, then lane 1's 1 + 9; ballot of lanes 0, 3, 6.
  EXPECT_EQ(y.read()[0], 8 + 10 + 0b1001001);
}

TEST(Emulator, GraphsReplay) {
  const GpuArray<float> x(counting(4));
  cuda::Graph graph;
  graph.begin(test_gpu());
  launch(test_gpu(), {"twice", 1, 4}, twice_kernel, x.get());
  launch(test_gpu(), {"twice", 1, 4}, twice_kernel, x.get());
  ASSERT_EQ(graph.end(test_gpu()), "");
  EXPECT_EQ(graph.nodes(), 2);
  for (int i = 0; i < 3; ++i) graph.launch(test_gpu());
  EXPECT_EQ(x.read()[0], 64);

  cuda::Graph forbidden;  // a wait inside a capture spoils it
  forbidden.begin(test_gpu());
  EXPECT_EQ(cudaStreamSynchronize(test_gpu().stream), cudaErrorStreamCaptureUnsupported);
  EXPECT_NE(forbidden.end(test_gpu()), "");
  EXPECT_THROW(
      {
        forbidden.begin(test_gpu());
        x.read();
      },
      Error);
  forbidden.abandon(test_gpu());
  EXPECT_EQ(x.read()[0], 64);
}

// Which errors end all work on the GPU, and which only the call at hand.
TEST(Checks, ALostDeviceIsToldFromAFailedCall) {
  EXPECT_NO_THROW(check_cuda(cudaSuccess, "copy"));
  EXPECT_THROW(check_cuda(cudaErrorLaunchFailure, "copy"), LostDevice);
  EXPECT_THROW(check_cuda(cudaErrorIllegalAddress, "copy"), LostDevice);
  try {
    check_cuda(cudaErrorMemoryAllocation, "copy");
    FAIL();
  } catch (const LostDevice&) {
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("copy: CUDA answered cudaErrorMemoryAllocation"),
              std::string::npos);
  }
}

}  // namespace
}  // namespace sga::kernels
