#include "models/singan/losses.h"

#include <cmath>

#include "engine/ops.h"

namespace sga::singan {

Losses read_back(const LossesOf<Tensor>& losses, int level, int64_t iteration) {
  const auto read = [&](const char* name, const Tensor& loss) {
    const double value = loss.item();
    SGA_CHECK(std::isfinite(value), "singan: training broke down at level ", level, ", iteration ", iteration,
              ": ", name, " is ", value, "; train again with another --seed or with --precision fp32");
    return value;
  };
  return {read("the critic's score of the real image", losses.d_real),
          read("the critic's score of the fake", losses.d_fake), read("the gradient penalty", losses.penalty),
          read("the adversarial loss", losses.g_adv), read("the reconstruction loss", losses.g_rec)};
}

CriticLosses critic_step(const Score& critic, const Parameters& weights, Adam& adam, const Tensor& real,
                         const Tensor& fake, const Tensor& mix, double penalty_weight,
                         const std::function<double()>& lr) {
  const Tensor scores = critic(concat({real, fake}, 0));
  const Tensor on_real = mean(slice(scores, 0, 0, 1)), on_fake = mean(slice(scores, 0, 1, 1));
  const Shape pixels{1, real.dim(1), real.dim(2), 1};
  Tensor mixed = attention_composite(expand(mix.view({1, 1, 1, 1}), pixels), real, fake).detach();
  mixed.set_requires_grad();
  const Tensor slope = grad(critic(mixed), {mixed}, {}, true)[0];
  const Tensor penalty = affine(gradient_penalty(slope, NormOver::channels), penalty_weight);
  const Tensor loss = add(sub(on_fake, on_real), penalty);
  adam.step(grad(loss, weights.trainable()), lr);
  return {on_real.detach(), on_fake.detach(), penalty.detach()};
}

Adversarial adversarial(const Score& critic, const Tensor& fake) {
  Tensor leaf = fake.detach();
  leaf.set_requires_grad();
  const Tensor loss = affine(mean(critic(leaf)), -1);
  return {loss.detach(), grad(loss, {leaf})[0]};
}

}  // namespace sga::singan
