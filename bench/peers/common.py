"""What the scripts beside this one share: our files, Adam, ways of running a step in PyTorch, timing, the result."""
import argparse
import contextlib
import json
import struct
import time
import traceback

try:
    import torch
except ImportError as error:
    raise SystemExit(f"peers: PyTorch is not here ({error}); run this with a Python that has it")

TAKES = {"F32": torch.float32, "F64": torch.float64, "F16": torch.float16}


def read_safetensors(path):
    """(tensors by name, metadata): 8 bytes of length, a JSON header, the numbers."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        block = torch.frombuffer(bytearray(data[begin:end]), dtype=TAKES[entry["dtype"]])
        tensors[name] = block.reshape(entry["shape"]).float()
    return tensors, metadata


def nchw(t):
    """(N,H,W,C) or filters (K,R,S,C) to PyTorch's order of axes."""
    return t.permute(0, 3, 1, 2).contiguous()


class Adam:
    """torch's fused Adam on the tensors' data: autograd does not see the change, so that a step may walk back through
    activations that were made with older weights, as the official SinGAN code did under PyTorch <= 1.4."""

    def __init__(self, parameters, lr, beta1=0.5, beta2=0.999):
        self.data = [p.data for p in parameters]
        self.m = [torch.zeros_like(p) for p in self.data]
        self.v = [torch.zeros_like(p) for p in self.data]
        self.steps = [torch.zeros((), device=p.device) for p in self.data]
        self.options = dict(lr=lr, beta1=beta1, beta2=beta2, weight_decay=0.0, eps=1e-8, amsgrad=False, maximize=False)

    def step(self, gradients):
        gradients = [g.contiguous() if p.is_contiguous() else g.contiguous(memory_format=torch.channels_last)
                     for p, g in zip(self.data, gradients)]
        torch._foreach_add_(self.steps, 1)
        torch._fused_adam_(self.data, gradients, self.m, self.v, [], self.steps, **self.options)


class Variant:
    """A way to run the same step."""

    def __init__(self, name, tf32=False, bf16=False, channels_last=False, compiled=False, graph=False):
        self.name, self.tf32, self.bf16, self.channels_last = name, tf32, bf16, channels_last
        self.compiled, self.graph = compiled, graph

    def autocast(self, device):
        return torch.autocast(device, torch.bfloat16) if self.bf16 else contextlib.nullcontext()

    def place(self, t, device):
        t = t.to(device)
        return t.contiguous(memory_format=torch.channels_last) if self.channels_last and t.dim() == 4 else t

    def compile(self, function):
        return torch.compile(function) if self.compiled else function

    def choose_arithmetic(self):
        torch.backends.cuda.matmul.allow_tf32 = self.tf32
        torch.backends.cudnn.allow_tf32 = self.tf32
        torch.backends.cudnn.benchmark = True


def variants(device):
    found = [Variant("eager"), Variant("channels_last", channels_last=True), Variant("bf16", bf16=True, channels_last=True)]
    if device == "cuda":
        found += [Variant("tf32", tf32=True), Variant("tf32 channels_last", tf32=True, channels_last=True),
                  Variant("tf32 graph", tf32=True, graph=True),
                  Variant("tf32 channels_last graph", tf32=True, channels_last=True, graph=True),
                  Variant("bf16 graph", bf16=True, channels_last=True, graph=True),
                  Variant("tf32 compile", tf32=True, compiled=True),
                  Variant("tf32 compile graph", tf32=True, compiled=True, graph=True),
                  Variant("tf32 channels_last compile graph", tf32=True, channels_last=True, compiled=True, graph=True),
                  Variant("bf16 compile graph", bf16=True, channels_last=True, compiled=True, graph=True)]
    else:
        found += [Variant("compile", compiled=True)]
    return found


def captured(step):
    """The step as a CUDA graph, after the warm-up that capturing needs."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def median_ms(step, device, seconds=1.0, warm_up=5, most=200):
    """Median time of a step: events on a GPU, nothing waited for in between; a clock on a CPU."""
    for _ in range(warm_up):
        step()
    if device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    step()
    if device == "cuda":
        torch.cuda.synchronize()
    runs = int(min(most, max(5, seconds / max(time.perf_counter() - start, 1e-6))))
    if device == "cuda":
        events = [torch.cuda.Event(enable_timing=True) for _ in range(runs + 1)]
        events[0].record()
        for event in events[1:]:
            step()
            event.record()
        torch.cuda.synchronize()
        times = [a.elapsed_time(b) for a, b in zip(events, events[1:])]
    else:
        times = []
        for _ in range(runs):
            start = time.perf_counter()
            step()
            times.append((time.perf_counter() - start) * 1e3)
    return sorted(times)[len(times) // 2]


def arguments(description, step_file=True):
    parser = argparse.ArgumentParser(description=description)
    if step_file:
        parser.add_argument("--step", required=True, help="what export_step wrote")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", choices=["cpu", "cuda"])
    parser.add_argument("--json", help="file for the result")
    parser.add_argument("--seconds", type=float, default=500, help="start nothing new after this long")
    parser.add_argument("--variants", help="names, comma-separated; all if left out")
    return parser


def write_result(path, result):
    if path:
        with open(path, "w") as file:
            json.dump(result, file, indent=1)


# Losses of a first step agree to rounding. From the second on Adam has moved every weight by its rate in the direction
# of the gradient's sign, which rounding decides where the gradient is nearly 0.
CLOSE = {1: 1e-3}
CLOSE_LATER = 1e-2


def compare(ours, theirs):
    """Losses by step and name, ours beside PyTorch's; the scale of a difference is the largest loss of the step."""
    rows, lines, worst = [], [], {}
    for step in sorted(ours):
        scale = max(abs(v) for v in ours[step].values())
        for name, value in sorted(ours[step].items()):
            other = theirs[step][name]
            difference = abs(value - other) / max(abs(value), 1e-2 * scale)
            worst[step] = max(worst.get(step, 0.0), difference)
            rows.append({"step": step, "loss": name, "ours": value, "torch": other, "relative": difference})
    agree = all(worst[step] <= CLOSE.get(step, CLOSE_LATER) for step in worst)
    for step in worst:
        lines.append(f"losses of step {step}: at most {worst[step]:.1e} apart, allowed {CLOSE.get(step, CLOSE_LATER):g}")
    return {"agree": agree, "rows": rows, "lines": lines}


def our_losses(metadata):
    losses = {}
    for key, value in metadata.items():
        if key.startswith("loss."):
            _, step, name = key.split(".")
            losses.setdefault(int(step), {})[name] = float(value)
    return losses


def run(options, make_step, metadata, unit_steps=1, meaning=lambda losses: losses):
    """Checks the losses of the eager variant against ours, then times every variant.
    make_step(variant, device) returns a function that takes one step and returns its losses; meaning(losses) is what of
    them can be compared."""
    begin = time.monotonic()
    device = options.device
    result = {"torch": torch.__version__, "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
              "step": metadata["model"], "variants": []}
    chosen = variants(device)
    if options.variants:
        names = options.variants.split(",")
        chosen = [v for v in chosen if v.name in names]

    first = Variant("eager")
    first.choose_arithmetic()
    step = make_step(first, device)
    ours = our_losses(metadata)
    theirs = {i: {k: float(v) for k, v in step().items()} for i in range(1, int(metadata["iterations"]) + 1)}
    result["agreement"] = compare({i: meaning(l) for i, l in ours.items()}, {i: meaning(l) for i, l in theirs.items()})
    for line in result["agreement"]["lines"]:
        print(line, flush=True)
    del step
    write_result(options.json, result)

    for variant in chosen:
        if time.monotonic() - begin > options.seconds:
            result["variants"].append({"name": variant.name, "error": "the time was up"})
            continue
        row = {"name": variant.name}
        start = time.monotonic()
        try:
            variant.choose_arithmetic()
            if device == "cuda":
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()
            step = make_step(variant, device)
            row["losses"] = {name: float(value) for name, value in step().items()}  # of the first step

            def once():
                for _ in range(unit_steps):
                    step()
            row["ms"] = median_ms(captured(once) if variant.graph else once, device)
            if device == "cuda":
                row["peak_MB"] = torch.cuda.max_memory_allocated() * 1e-6
        except Exception as error:  # one variant that PyTorch cannot run must not end the others
            row["error"] = f"{type(error).__name__}: {str(error)[:300]}"
            row["trace"] = traceback.format_exc()[-1500:]
        step = None
        row["set_up_s"] = round(time.monotonic() - start, 1)
        print(f"{variant.name}: " + (f"{row['ms']:.3f} ms" if "ms" in row else row["error"]), flush=True)
        result["variants"].append(row)
        write_result(options.json, result)
    write_result(options.json, result)
    return 0 if result["agreement"]["agree"] else 1
