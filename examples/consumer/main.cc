// Fits a 3x3 filter by gradient descent until it blurs like the filter that made the target.
#include <cstdio>

#include "engine/ops.h"
#include "engine/random.h"

int main() {
  sga::Rng rng(1);
  const sga::Tensor x = rng.normal({1, 16, 16, 1});
  const sga::Tensor target = sga::conv(x, sga::full({1, 3, 3, 1}, 1.0 / 9));
  sga::Tensor w = sga::zeros({1, 3, 3, 1}).set_requires_grad();
  for (int step = 0; step < 100; ++step) {
    const sga::Tensor slope = sga::grad(sga::mse(sga::conv(x, w), target), {w})[0];
    w = sga::blend(w, 1, slope, -0.3).detach().set_requires_grad();
  }
  const double loss = sga::mse(sga::conv(x, w), target).item();
  std::printf("loss %g\n", loss);
  return loss < 1e-6 ? 0 : 1;
}
