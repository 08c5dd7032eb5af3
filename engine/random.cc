#include "engine/random.h"

#include <type_traits>
#include <utility>

#include "engine/device.h"
#include "engine/step_graph.h"
#include "kernels/random.h"

namespace sga {

namespace {

// Fills t with numbers of one kind; `cpu` and `gpu` are the two overloads of its kernel.
template <class F>
void draw(const Tensor& t, uint64_t seed, uint64_t& counter, F kernel) {
  const uint64_t blocks = uint64_t(t.numel() + 3) / 4;
  run(t, [&](auto where, auto zero) {
    using T = decltype(zero);
    if constexpr (std::is_same_v<decltype(where), Cuda>) {
      if (capture::active()) {
        const uint64_t* base =
            capture::count([&counter, blocks] { return std::exchange(counter, counter + blocks); });
        return kernel(where, seed, base, uint64_t{0}, t.data<T>(), t.numel());
      }
      kernel(where, seed, static_cast<const uint64_t*>(nullptr), counter, t.data<T>(), t.numel());
    } else {
      kernel(where, seed, counter, t.data<T>(), t.numel());
    }
    counter += blocks;
  });
}

}  // namespace

Tensor Rng::normal(const Shape& shape, Dtype dtype) {
  const Tensor t = empty(shape, dtype);
  draw(t, seed_, counter_, [](auto... a) { kernels::normal(a...); });
  return t;
}

Tensor Rng::uniform(const Shape& shape, Dtype dtype) {
  const Tensor t = empty(shape, dtype);
  draw(t, seed_, counter_, [](auto... a) { kernels::uniform(a...); });
  return t;
}

double Rng::uniform() {
  const kernels::Philox x = kernels::philox4x32(seed_, counter_++);
  return double((uint64_t(x.v[0]) << 21) ^ (x.v[1] >> 11)) * 0x1p-53;
}

uint64_t Rng::below(uint64_t n) {
  SGA_CHECK(n > 0, "random: cannot draw a number below 0");
  return uint64_t(uniform() * double(n));
}

Rng Rng::fork(uint64_t label) const {
  const kernels::Philox x = kernels::philox4x32(seed_, label, 1);
  return Rng(uint64_t(x.v[0]) << 32 | x.v[1]);
}

}  // namespace sga
