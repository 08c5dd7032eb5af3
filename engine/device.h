// The device all tensors live on, and how an op reaches its kernels.
#pragma once
#include <string>
#include <type_traits>

#include "engine/tensor.h"
#include "kernels/where.h"

namespace sga {

/// "auto" and "cpu" are the choices of this build. Error on any other name.
void set_device(const std::string& name);
/// One line for logs: processor, threads, precision.
std::string device_description();

/// Arithmetic of convolutions and matrix products from here on. bf16 needs a processor with AVX512-BF16 or
/// AMX: Error naming what is missing where there is none.
void set_precision(Precision precision);
Precision precision();
Precision parse_precision(const std::string& name);

/// Calls f(where, T{}) with the place and element type of `t`: the one point where an op chooses its kernel.
///   run(x, [&](auto where, auto zero) { using T = decltype(zero); kernels::tanh(where, x.data<T>(), ...);
///   });
template <class F>
void run(const Tensor& t, F&& f) {
  const Cpu cpu{precision()};
  if (t.dtype() == Dtype::f64)
    f(cpu, double{});
  else
    f(cpu, float{});
}

}  // namespace sga
