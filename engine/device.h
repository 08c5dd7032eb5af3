// The device float32 tensors live on, and how an op reaches its kernels.
#pragma once
#include <string>
#include <vector>

#include "engine/tensor.h"
#include "kernels/where.h"

namespace sga {

/// The device asked for cannot run here. The tools answer with exit code 3.
struct DeviceError : Error {
  using Error::Error;
};

/// "cpu", "cuda" (the first GPU that can run), "cuda:2", or "auto": a GPU if one can run, else the CPU.
/// Returns one line that says which was taken and why. To be called before tensors are made: those made
/// before stay where they are. DeviceError with the reason if the device cannot run this build.
std::string set_device(const std::string& name);
/// One line a device: name, memory, and whether it can run this build.
std::vector<std::string> list_devices();
/// One line for logs: processor, threads, precision.
std::string device_description();

/// Arithmetic of convolutions and matrix products from here on. On a CPU bf16 needs AVX512-BF16 or AMX, and
/// tf32 does not exist: DeviceError naming what is missing.
void set_precision(Precision precision);
Precision precision();
/// "auto" is fp32 on a CPU and tf32 on a GPU.
Precision parse_precision(const std::string& name);
const char* name_of(Precision precision);

/// True if float32 tensors live on a GPU.
bool on_gpu();
/// Its tag, with the current precision. What is put there waits for steps that run beside it (StepGraph).
Cuda gpu();
/// The same; what is put there does not wait.
Cuda gpu_without_waiting();

/// Calls f(where, T{}) with the place and element type of `t`: the one point where an op chooses its kernel.
///   run(x, [&](auto where, auto zero) { using T = decltype(zero); kernels::tanh(where, x.data<T>(), ...);
///   });
template <class F>
void run(const Tensor& t, F&& f) {
  const Cpu cpu{precision()};
  if (t.dtype() == Dtype::f64) return f(cpu, double{});
  if constexpr (kCudaBuilt)
    if (t.place() == Place::gpu) return f(gpu(), float{});
  f(cpu, float{});
}

}  // namespace sga
