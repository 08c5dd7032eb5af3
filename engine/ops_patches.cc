// Patches exchanged for their nearest neighbours.
#include <limits>

#include "engine/device.h"
#include "engine/ops.h"
#include "kernels/nearest.h"

namespace sga {

Tensor exchange_patches(const Tensor& guess, const Tensor& keys, const Tensor& values,
                        const PatchSearch& search) {
  SGA_CHECK(search.side >= 1 && search.side <= kernels::kMostPatchSide,
            "exchange_patches: the side of a patch must be 1 to ", kernels::kMostPatchSide, ", got ",
            search.side);
  SGA_CHECK(search.alpha > 0, "exchange_patches: alpha must be above 0, got ", search.alpha);
  SGA_CHECK(search.rounds >= 1, "exchange_patches: needs a round at least, got ", search.rounds);
  SGA_CHECK(search.leaves >= 0, "exchange_patches: leaves must be 0 or more, got ", search.leaves);
  SGA_CHECK(keys.shape() == values.shape() && keys.dtype() == values.dtype(),
            "exchange_patches: keys and values must be alike, got ", keys.shape(), " and ", values.shape());
  SGA_CHECK(guess.rank() == 4 && keys.rank() == 4 && guess.dim(0) == 1 && keys.dim(0) == 1 &&
                guess.dim(3) == keys.dim(3) && guess.dtype() == keys.dtype(),
            "exchange_patches: guess and keys must be one picture each of the same channels and dtype, got ",
            guess.shape(), " and ", keys.shape());
  for (const Tensor& t : {guess, keys})
    SGA_CHECK(t.dim(1) >= search.side && t.dim(2) >= search.side &&
                  t.numel() <= std::numeric_limits<int32_t>::max(),
              "exchange_patches: a picture of ", t.dim(1), " x ", t.dim(2),
              " pixels has no patch or too many; the side of a patch is ", search.side);
  const auto patches = [&](const Tensor& t) {
    return kernels::Patches{t.dim(1), t.dim(2), t.dim(3), search.side};
  };
  // Kernels sum squares where we speak of means.
  const kernels::PatchRounds r{patches(guess), patches(keys), search.alpha * double(patches(keys).numbers()),
                               search.rounds, search.leaves};
  const Tensor y = empty(guess.shape(), guess.dtype());
  run(guess, [&](auto where, auto zero) {
    using T = decltype(zero);
    const Tensor workspace = empty({kernels::patch_rounds_workspace(where, r)}, guess.dtype());
    kernels::patch_rounds(where, r, guess.data<T>(), keys.data<T>(), values.data<T>(), y.data<T>(),
                          workspace.data<T>());
  });
  return y;
}

}  // namespace sga
