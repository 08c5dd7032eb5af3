#!/usr/bin/env python3
"""GANimation's training cycle in PyTorch, from the weights and inputs that export_step wrote: five critic iterations,
each an Adam step for the critic's losses and one for the gradient penalty, and in the last a generator step (the
official arithmetic). Losses are compared with ours, then every variant is timed.

Lean where the mathematics allows: real and fake pass the critic as one batch, and the fake of a critic iteration is
reused by the generator's step.
"""
import sys

from common import Adam, arguments, nchw, read_safetensors, run

import torch
import torch.nn.functional as F


NORM_EPS, LEAK, PENALTY_EPS = 1e-5, 0.01, 1e-12


def load(tensors, prefix, variant, device):
    names, values = [], []
    for name, value in tensors.items():
        if name.startswith(prefix):
            value = nchw(value.clone()) if value.dim() == 4 else value.clone()
            names.append(name[len(prefix):])
            values.append(variant.place(value, device).requires_grad_())
    return names, values


def generator(p, blocks, x, y):
    """(colour, attention)"""
    def norm(t, name, relu=True):
        t = F.instance_norm(t, weight=p[name + ".gamma"], bias=p[name + ".beta"], eps=NORM_EPS)
        return F.relu(t) if relu else t
    planes = y[:, :, None, None].expand(-1, -1, x.shape[2], x.shape[3])
    t = norm(F.conv2d(torch.cat([x, planes], 1), p["stem.w"], padding=3), "stem")
    for name in ("down1", "down2"):
        t = norm(F.conv2d(t, p[name + ".w"], stride=2, padding=1), name)
    for i in range(blocks):
        inner = norm(F.conv2d(t, p[f"res{i}a.w"], padding=1), f"res{i}a")
        t = t + norm(F.conv2d(inner, p[f"res{i}b.w"], padding=1), f"res{i}b", relu=False)
    for name in ("up1", "up2"):
        t = norm(F.conv_transpose2d(t, p[name + ".w"], stride=2, padding=1), name)
    heads = F.conv2d(t, torch.cat([p["colour.w"], p["attention.w"]]), padding=3).float()
    return torch.tanh(heads[:, :3]), torch.sigmoid(heads[:, 3:])


def features(p, layers, x):
    for i in range(layers):
        x = F.leaky_relu(F.conv2d(x, p[f"conv{i}.w"], p[f"conv{i}.b"], stride=2, padding=1), LEAK)
    return x


def total_variation(a):
    return (a[:, :, 1:] - a[:, :, :-1]).abs().sum() + (a[:, :, :, 1:] - a[:, :, :, :-1]).abs().sum()


def make_step(tensors, metadata, variant, device):
    weight = {name: float(metadata["weight." + name]) for name in ("penalty", "aus", "cycle", "mask", "smooth")}
    blocks, critic_steps = int(metadata["generator.blocks"]), int(float(metadata["critic_steps"]))
    g_names, g = load(tensors, "generator.", variant, device)
    d_names, d = load(tensors, "discriminator.", variant, device)
    layers = sum(name.endswith(".b") for name in d_names)
    adam_g, adam_d = Adam(g, float(metadata["lr"])), Adam(d, float(metadata["lr"]))
    x, mix = variant.place(nchw(tensors["images"]), device), tensors["mix"].to(device)
    source, target = tensors["source_aus"].to(device), tensors["target_aus"].to(device)
    mix = mix.reshape(-1, 1, 1, 1)
    n = x.shape[0]
    count = [0]

    def edit(values, image, y):
        with variant.autocast(device):
            colour, attention = generator(dict(zip(g_names, values)), blocks, image, y)
        return attention * image + (1 - attention) * colour, attention

    def realism(values, f):
        return F.conv2d(f, dict(zip(d_names, values))["realism.w"], padding=1).float()

    def action_units(values, f):
        return F.conv2d(f, dict(zip(d_names, values))["aus.w"]).float().flatten(1)

    def judge(values, image):
        with variant.autocast(device):
            f = features(dict(zip(d_names, values)), layers, image)
            return realism(values, f), action_units(values, f)

    def critic_terms(values, fake):
        with variant.autocast(device):
            f = features(dict(zip(d_names, values)), layers, torch.cat([x, fake]))
            scores, aus = realism(values, f), action_units(values, f[:n])
        d_real, d_fake = -scores[:n].mean(), scores[n:].mean()
        d_aus = weight["aus"] * F.mse_loss(aus, source)
        return d_real + d_fake + d_aus, {"d_real": d_real.detach(), "d_fake": d_fake.detach(), "d_aus": d_aus.detach()}

    def penalty_terms(values, slope_of, fake):
        def score(image):
            with variant.autocast(device):
                return realism(values, features(dict(zip(d_names, values)), layers, image)).sum()
        slope = slope_of(score, mix * x + (1 - mix) * fake).flatten(1)
        loss = weight["penalty"] * (((slope ** 2).sum(1) + PENALTY_EPS).sqrt() - 1).square().mean()
        return loss, {"d_penalty": loss.detach()}

    def generator_terms(values, fake, attention):
        scores, aus = judge(values, fake)
        back, attention2 = edit(g, fake, source)
        terms = {"g_fake": -scores.mean(), "g_aus": weight["aus"] * F.mse_loss(aus, target),
                 "g_cycle": weight["cycle"] * (back - x).abs().mean(),
                 "g_mask": weight["mask"] * attention.mean(), "g_mask_cycle": weight["mask"] * attention2.mean(),
                 "g_smooth": weight["smooth"] * total_variation(attention),
                 "g_smooth_cycle": weight["smooth"] * total_variation(attention2)}
        return sum(terms.values()), {name: term.detach() for name, term in terms.items()}

    def by_autograd(function, *inputs):
        loss, terms = function(d, *inputs)
        return torch.autograd.grad(loss, d, allow_unused=True, materialize_grads=True), terms

    def slope_by_autograd(f, image):
        image = image.detach().requires_grad_()
        return torch.autograd.grad(f(image), image, create_graph=True)[0]

    critic = lambda fake: by_autograd(critic_terms, fake)
    penalty = lambda fake: by_autograd(lambda values, image: penalty_terms(values, slope_by_autograd, image), fake)
    if variant.compiled:
        def slope_by_func(f, image):
            return torch.func.grad(f)(image)
        detached = [p.detach() for p in d]
        critic_func = variant.compile(lambda v, fake: torch.func.grad(lambda w: critic_terms(w, fake), has_aux=True)(v))
        penalty_func = variant.compile(
            lambda v, fake: torch.func.grad(lambda w: penalty_terms(w, slope_by_func, fake), has_aux=True)(v))
        critic, penalty = lambda fake: critic_func(detached, fake), lambda fake: penalty_func(detached, fake)
        edit, judge = variant.compile(edit), variant.compile(judge)

    def step():
        count[0] += 1
        learns = count[0] % critic_steps == 0
        with torch.set_grad_enabled(learns):
            fake, attention = edit(g, x, target)
        shown = fake.detach()
        gradients, terms = critic(shown)
        adam_d.step(gradients)
        gradients, more = penalty(shown)
        adam_d.step(gradients)
        terms = {**terms, **more}
        if learns:
            loss, more = generator_terms(d, fake, attention)
            adam_g.step(torch.autograd.grad(loss, g))
            terms.update(more)
        return terms
    return step


def main():
    options = arguments(__doc__.splitlines()[0]).parse_args()
    tensors, metadata = read_safetensors(options.step)
    return run(options, lambda variant, device: make_step(tensors, metadata, variant, device), metadata,
               unit_steps=int(float(metadata["critic_steps"])))


if __name__ == "__main__":
    sys.exit(main())
