#!/usr/bin/env python3
"""One SinGAN iteration in PyTorch, from the weights and inputs that export_step wrote: three critic steps with gradient
penalty, then three generator steps that walk back through the activations of the last fake with the weights as they are
by then (the official arithmetic). Losses are compared with ours, then every variant is timed.

Lean where the mathematics allows: the critic stands still during the generator's steps, so its gradient by the fake is
computed once, and fakes that nobody walks back through record no graph.
"""
import sys

from common import Adam, arguments, nchw, read_safetensors, run

import torch
import torch.nn.functional as F


EPS, SLOPE, MOMENTUM, BORDER = 1e-5, 0.2, 0.1, 5


def load_net(tensors, prefix, keep_bias, variant, device):
    """Names in the order of training, the tensors, and the running statistics of the four blocks."""
    names, statistics = [], []
    for i in range(4):
        names += [f"block{i}.{part}" for part in (["weight", "bias"] if keep_bias else ["weight"]) + ["gamma", "beta"]]
        statistics.append([tensors[f"{prefix}block{i}.{part}"].clone().to(device) for part in ("mean", "var")])
    names += [name for name in ("head.weight", "head.bias") if prefix + name in tensors]
    values = []
    for name in names:
        value = tensors[prefix + name].clone()
        value = variant.place(nchw(value) if value.dim() == 4 else value, device)
        values.append(value.requires_grad_())
    return names, values, statistics


def patch_net(names, values, x, statistics=None):
    """Five 3x3 convolutions without padding; batch normalisation (here of one image) and leaky ReLU after four."""
    p = dict(zip(names, values))
    for i in range(4):
        x = F.conv2d(x, p[f"block{i}.weight"], p.get(f"block{i}.bias"))
        mean, var = statistics[i] if statistics else (None, None)
        x = F.batch_norm(x, mean, var, p[f"block{i}.gamma"], p[f"block{i}.beta"], training=True, momentum=MOMENTUM, eps=EPS)
        x = F.leaky_relu(x, SLOPE)
    return F.conv2d(x, p["head.weight"], p.get("head.bias"))


def make_step(tensors, metadata, variant, device):
    number = lambda key: float(metadata[key])
    keep_bias = metadata["config.keep_bias"] == "1"
    accumulate = metadata["config.generator_steps"] == "2"
    critic_updates, generator_updates = int(metadata["config.critic_updates"]), int(metadata["config.generator_updates"])
    penalty_weight, rec_weight = number("config.penalty_weight"), number("config.reconstruction_weight")
    amp, lr = number("noise_amp"), number("lr")

    g_names, g, statistics = load_net(tensors, "generator.", keep_bias, variant, device)
    d_names, d, _ = load_net(tensors, "critic.", keep_bias, variant, device)
    adam_g, adam_d = Adam(g, lr), Adam(d, lr)
    image = lambda name: variant.place(nchw(tensors[name]), device)
    real, rec_prior, noise, priors = image("real"), image("rec_prior"), image("noise"), image("priors")
    mixes = [torch.tensor(number(f"mix.{i}"), device=device) for i in range(critic_updates)]
    padded = lambda t: F.pad(t, [BORDER] * 4)
    autocast = lambda: variant.autocast(device)

    def generate(values, z, prev):
        with autocast():
            return torch.tanh(patch_net(g_names, values, z, statistics)).float() + prev

    def judge(values, x):
        with autocast():
            return patch_net(d_names, values, x).float()

    # ---- the critic's losses and gradients, by autograd or, for the compiler, by torch.func
    def critic_terms(values, slope_of, fake, mix):
        on_real, on_fake = judge(values, real).mean(), judge(values, fake).mean()
        mixed = mix * real + (1 - mix) * fake
        slope = slope_of(lambda x: judge(values, x).sum(), mixed)
        penalty = penalty_weight * ((slope.norm(2, dim=1) - 1) ** 2).mean()
        return on_fake - on_real + penalty, (on_real.detach(), on_fake.detach(), penalty.detach())

    def by_autograd(fake, mix):
        def slope_of(f, x):
            x = x.detach().requires_grad_()
            return torch.autograd.grad(f(x), x, create_graph=True)[0]
        loss, terms = critic_terms(d, slope_of, fake, mix)
        return torch.autograd.grad(loss, d, allow_unused=True, materialize_grads=True), terms

    def by_func(values, fake, mix):
        slope_of = lambda f, x: torch.func.grad(f)(x)
        return torch.func.grad(lambda v: critic_terms(v, slope_of, fake, mix), has_aux=True)(values)

    if variant.compiled:
        compiled_critic, generate = variant.compile(by_func), variant.compile(generate)
        detached = [p.detach() for p in d]
        critic = lambda fake, mix: compiled_critic(detached, fake, mix)
    else:
        critic = by_autograd

    def step():
        for i in range(critic_updates):
            prior = priors[i:i + 1]
            z = padded(amp * noise + prior)
            with torch.set_grad_enabled(i + 1 == critic_updates):
                fake = generate(g, z, prior)
            gradients, (on_real, on_fake, penalty) = critic(fake.detach(), mixes[i])
            adam_d.step(gradients)

        leaf = fake.detach().requires_grad_()
        adversarial = -judge(d, leaf).mean()
        by_fake = torch.autograd.grad(adversarial, leaf)[0]
        z = padded(rec_prior)  # no noise above the coarsest scale
        for i in range(generator_updates):
            if i == 0 or not accumulate:
                rec = rec_weight * F.mse_loss(generate(g, z, rec_prior), real)
                gradients = torch.autograd.grad([fake, rec], g, [by_fake, torch.ones_like(rec)], retain_graph=True)
            adam_g.step(gradients)
        return {"d_real": on_real, "d_fake": on_fake, "penalty": penalty, "g_adv": adversarial.detach(),
                "g_rec": rec.detach()}
    return step


def differences(losses):
    """The critic's last bias has gradient zero, of which Adam makes whole steps in the direction of rounding: scores drift
    by a common number, and only their differences can be compared."""
    return {"d_fake - d_real": losses["d_fake"] - losses["d_real"], "penalty": losses["penalty"], "g_rec": losses["g_rec"]}


def main():
    options = arguments(__doc__.splitlines()[0]).parse_args()
    tensors, metadata = read_safetensors(options.step)
    return run(options, lambda variant, device: make_step(tensors, metadata, variant, device), metadata,
               meaning=differences if metadata["config.keep_bias"] == "1" else lambda losses: losses)


if __name__ == "__main__":
    sys.exit(main())
