#!/usr/bin/env python3
"""The kernel families in PyTorch, eager and compiled, at the shapes of gpu_kernels_bench and, but for chains
of forward and derivatives, under its names.

Each is timed as there: from a graph of 20 runs where the data stays in the L2, else alone with the L2 emptied before.
"""
import sys
import time

from common import arguments, write_result

import torch
import torch.nn.functional as F

ACTIVATIONS = [("singan scale 3", 1, 49, 66, 32), ("singan scale 7", 1, 121, 160, 64), ("singan scale 8", 1, 151, 200, 128),
               ("singan scale 9", 1, 188, 250, 128), ("ganimation residual", 16, 32, 32, 256),
               ("64 MiB", 1, 512, 512, 64), ("ganimation stem B=25", 25, 128, 128, 64)]
IMAGES = [("188x250 picture", 1, 188, 250, 3), ("25 faces", 25, 128, 128, 3), ("64 MiB of pictures", 342, 128, 128, 3)]
ADAM = [("singan scale 9 net", 18, 18 * 32768), ("8.4 million parameters", 64, 8388608), ("64 MiB", 64, 16777216)]
STAYS_IN_L2, IN_ONE = 32 << 20, 20


def timed_us(function, device, touched):
    function()
    if device == "cpu":
        times = []
        for _ in range(5):
            start = time.perf_counter()
            function()
            times.append((time.perf_counter() - start) * 1e6)
        return sorted(times)[2]
    torch.cuda.synchronize()
    # As a graph in both cases: what the host needs to issue an operation is not the kernel's time. Ours is a graph where
    # the data stays in the L2, else one launch that is queued while the L2 is emptied, so it shows no host time either.
    in_l2 = touched <= STAYS_IN_L2
    share = IN_ONE if in_l2 else 1
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        function()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(share):
            function()
    run, before = graph.replay, lambda: None
    if not in_l2:
        before = torch.zeros(64 << 20, device=device).sum  # takes the place of what is in the L2
    pairs = []
    for _ in range(33):
        before()
        pair = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        pair[0].record()
        run()
        pair[1].record()
        pairs.append(pair)
    torch.cuda.synchronize()
    times = sorted(a.elapsed_time(b) for a, b in pairs[3:])
    return times[len(times) // 2] * 1e3 / share


def activation_cases(n, h, w, c, device):
    make = lambda: torch.randn(n, c, h, w, device=device).contiguous(memory_format=torch.channels_last)
    x, gy, v, other = make(), make(), make(), make()
    gamma, beta = torch.randn(c, device=device), torch.randn(c, device=device)

    def forward(x, gamma, beta):
        return F.leaky_relu(F.instance_norm(x, weight=gamma, bias=beta, eps=1e-5), 0.2)

    def first(x, gamma, beta, gy):
        _, pull = torch.func.vjp(forward, x, gamma, beta)
        return pull(gy)

    def second(x, gamma, beta, gy, v):
        _, pull = torch.func.vjp(lambda gy, x, gamma: first(x, gamma, beta, gy)[0], gy, x, gamma)
        return pull(v)

    yield "pointwise/blend", 3, lambda: (lambda a, b: a + b), (x, other)
    yield "pointwise/gate", 3, lambda: (lambda g, x: torch.where(x > 0, g, 0.2 * g)), (gy, x)
    yield "norm/forward", 2, lambda: forward, (x, gamma, beta)
    yield "norm/forward and first", 5, lambda: first, (x, gamma, beta, gy)
    yield "norm/forward, first and second", 9, lambda: second, (x, gamma, beta, gy, v)


def image_cases(n, h, w, c, device):
    make = lambda channels=c: torch.randn(n, channels, h, w, device=device).contiguous(memory_format=torch.channels_last)
    x, colour, gy, a = make(), make(), make(), make(1)

    def composite(a, x, colour):
        return a * x + (1 - a) * colour

    def composite_gradient(a, x, colour, gy):
        return (gy * (x - colour)).sum(1, keepdim=True), a * gy, (1 - a) * gy

    def penalty(g):
        return (g.norm(2, dim=1) - 1).square().mean()

    def per_sample(g):
        return (((g.flatten(1) ** 2).sum(1) + 1e-12).sqrt() - 1).square().mean()

    def variation(x):
        return (x[:, :, 1:] - x[:, :, :-1]).abs().sum() + (x[:, :, :, 1:] - x[:, :, :, :-1]).abs().sum()

    yield "pointwise/tanh", 2, lambda: torch.tanh, (x,)
    yield "reduce/mse", 2, lambda: F.mse_loss, (x, colour)
    yield "composite/forward", 3 + 1 / 3, lambda: composite, (a, x, colour)
    yield "composite/gradient", 5 + 2 / 3, lambda: composite_gradient, (a, x, colour, gy)
    yield "penalty/pixels", 1 + 1 / 3, lambda: penalty, (gy,)
    yield "penalty/pixels gradient", 2 + 1 / 3, lambda: torch.func.grad(penalty), (gy,)
    yield "penalty/samples", 1, lambda: per_sample, (gy,)
    yield "tv/absolute", 1, lambda: variation, (x,)
    yield "tv/gradient", 2, lambda: torch.func.grad(variation), (x,)
    yield "random/normal", 1, lambda: torch.randn_like, (x,)


def adam_function(tensors, numel, device):
    make = lambda: [torch.randn(numel // tensors, device=device) for _ in range(tensors)]
    p, g, m, v = make(), make(), make(), [t.abs() for t in make()]
    steps = [torch.ones((), device=device) for _ in range(tensors)]

    def step():
        torch._fused_adam_(p, g, m, v, [], steps, lr=1e-4, beta1=0.5, beta2=0.999, weight_decay=0.0, eps=1e-8,
                           amsgrad=False, maximize=False)
    return step


def main():
    parser = arguments(__doc__.splitlines()[0], step_file=False)
    parser.add_argument("--small", action="store_true", help="the smallest shape of each kind, to try the script")
    options = parser.parse_args()
    begin, device, rows = time.monotonic(), options.device, []

    def add(name, mode, touched, function, arguments=()):
        if time.monotonic() - begin > options.seconds:
            return
        row = {"name": name, "mode": mode}
        try:
            with torch.no_grad():
                row["us"] = timed_us(lambda: function(*arguments), device, touched)
            row["GB/s"] = touched / row["us"] * 1e-3
            print(f"{name}, {mode}: {row['us']:.1f} us", flush=True)
        except Exception as error:  # the others still count
            row["error"] = f"{type(error).__name__}: {str(error)[:300]}"
            print(f"{name}, {mode}: {row['error']}", flush=True)
        rows.append(row)
        write_result(options.json, {"torch": torch.__version__, "rows": rows})

    for name, tensors, numel in ADAM[:1] if options.small else ADAM:
        add("adam/step/" + name, "eager", 28 * numel, adam_function(tensors, numel, device))
    for cases, extents in ((activation_cases, ACTIVATIONS), (image_cases, IMAGES)):
        for name, *extent in extents[:1] if options.small else extents:
            numel = extent[0] * extent[1] * extent[2] * extent[3]
            for family, arrays, function, arguments_ in cases(*extent, device):
                torch._dynamo.reset()
                for mode, f in (("eager", function()), ("compile", torch.compile(function()))):
                    add(f"{family}/{name}", mode, arrays * 4 * numel, f, arguments_)
    return 0


if __name__ == "__main__":
    sys.exit(main())
