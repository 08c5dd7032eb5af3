// The losses of WGAN-GP on one picture, with the critic's step: what SinGAN and ConSinGAN share.
#pragma once
#include <functional>

#include "optim/adam.h"

namespace sga::singan {

/// Losses of an iteration's last critic step and last generator step. T is Tensor (on the device) or double.
template <class T>
struct LossesOf {
  T d_real{};   ///< mean D(real)
  T d_fake{};   ///< mean D(fake)
  T penalty{};  ///< gradient penalty, weighted
  T g_adv{};    ///< -mean D(fake)
  T g_rec{};    ///< reconstruction, weighted
};
using Losses = LossesOf<double>;

/// Waits for the device. Error naming level, iteration and term when a loss is not finite.
Losses read_back(const LossesOf<Tensor>& losses, int level, int64_t iteration);

/// A picture (N,H,W,C) -> its score map (N,h,w,1).
using Score = std::function<Tensor(const Tensor&)>;

struct CriticLosses {
  Tensor real, fake, penalty;
};
/// One Adam step on -mean D(real) + mean D(fake) + penalty_weight * gradient penalty. The penalty is the mean
/// over pixels of (norm over the channels of the gradient of the summed score map, minus 1)^2, where real and
/// fake are mixed; mix (1) is the weight of the real one. `fake` carries no graph.
CriticLosses critic_step(const Score& critic, const Parameters& weights, Adam& adam, const Tensor& real,
                         const Tensor& fake, const Tensor& mix, double penalty_weight,
                         const std::function<double()>& lr);

/// -mean D(fake) and its gradient by the fake; D's own gradients are never needed here.
struct Adversarial {
  Tensor loss, by_fake;
};
Adversarial adversarial(const Score& critic, const Tensor& fake);

constexpr int64_t kMeasureEvery = 10;  ///< losses are read back this often: a read waits for the device

}  // namespace sga::singan
