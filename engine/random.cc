#include "engine/random.h"

#include "engine/device.h"
#include "kernels/random.h"

namespace sga {

Tensor Rng::normal(const Shape& shape, Dtype dtype) {
  Tensor t = empty(shape, dtype);
  run(t, [&](auto where, auto zero) {
    kernels::normal(where, seed_, counter_, t.data<decltype(zero)>(), t.numel());
  });
  counter_ += uint64_t(t.numel() + 3) / 4;
  return t;
}

Tensor Rng::uniform(const Shape& shape, Dtype dtype) {
  Tensor t = empty(shape, dtype);
  run(t, [&](auto where, auto zero) {
    kernels::uniform(where, seed_, counter_, t.data<decltype(zero)>(), t.numel());
  });
  counter_ += uint64_t(t.numel() + 3) / 4;
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
