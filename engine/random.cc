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

Tensor Rng::normal_window(const Shape& whole, int64_t top, int64_t left, int64_t h, int64_t w,
                          Dtype dtype) const {
  SGA_CHECK(whole.rank() == 4 && whole[0] == 1, "normal_window: the whole must be (1,H,W,C), got ", whole);
  SGA_CHECK(top >= 0 && left >= 0 && h > 0 && w > 0 && top + h <= whole[1] && left + w <= whole[2],
            "normal_window: ", h, "x", w, " at row ", top, ", column ", left, " does not lie in ", whole);
  SGA_CHECK(!capture::active(), "normal_window: a captured step would draw the same numbers at every replay");
  const int64_t channels = whole[3];
  const Tensor t = empty({1, h, w, channels}, dtype);
  run(t, [&](auto where, auto zero) {
    using T = decltype(zero);
    kernels::normal_window(where, seed_, counter_, whole[2] * channels, top, left * channels, h, w * channels,
                           t.data<T>());
  });
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
