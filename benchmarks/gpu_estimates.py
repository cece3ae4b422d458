"""An estimate, not a measurement: each preset's time and memory on GPUs, from counted arithmetic and bytes.

A step of training, at the batch of one of the original's GPUs, and sampling run on fake tensors, which have shapes but
no values, so that each of PyTorch's operations tells what it computes, reads and writes. On a GPU it takes the longer
of its arithmetic and its traffic, at a share of the published peaks. A step takes the sum, or the time to launch its
kernels, if that's longer. Left out: data loading, talk between GPUs, torch.compile, CUDA's own memory, and labels.

Held against what is known: one sample of `celebahq256` on a GTX 1080 Ti (float32, 11.3 TFLOP/s, 484 GB/s) comes out at
114 ms; the paper reports 130. The CPU times of results/speed/bench-slower-machine.json and of the first line of
results/speed/host-memory.jsonl (130 GFLOP/s, 17 GB/s) are 1.1 to 1.7 times shorter than at these shares, and 1.1 to
1.7 times longer than at the full peaks. Activations equal that file's to the byte, but for those of `reversible`, 2%
short. The time to launch a kernel, which decides most steps on the fast GPUs, is assumed: these may be off by a factor
of two. The update is GlowAdamax's; Muon's, which the small presets have, is more.

Takes a quarter of an hour.

    python -m benchmarks.gpu_estimates results/gpu-estimates/gpu-estimates.json > table.md
"""

import argparse
import json
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from glowflow import Glow
from glowflow.bench.allocations import activation_bytes
from glowflow.config import GlowConfig
from glowflow.execution import Execution
from glowflow.presets import load, names
from glowflow.presets.size import size
from glowflow.progress import progress
from glowflow.provenance import provenance
from glowflow.training.averaging import Average
from glowflow.training.objective import Objective

ARITHMETIC_SHARE = 0.5
"""Of the peak; assumed. Large products do better, a coupling's outer convolutions, of few channels, worse."""
BANDWIDTH_SHARE = 0.7
"""Of the peak; assumed. Long elementwise kernels do better, short ones worse."""
LAUNCH_SECONDS = 10e-6
"""Per kernel, with Python and autograd. Named elsewhere: 5 to 25; a tiny model's step on our CPU takes 15 to 21."""
UPDATE_PASSES = 17
"""Tensors of the weights' size that are read or written by the gradient's norm (1) and GlowAdamax (16)."""
STEPS = 3
"""From this K on everything counted is linear in K, to 2%: so few have no anchors for the reversible mode."""
SAMPLES = 16
"""Images drawn at once."""
FREE = re.compile("aten::(empty|new_empty|_unsafe_view|_linalg_check_errors)")
"""Operations that launch no kernel, besides views."""
MODES = ("store", "reversible")
Row = dict[str, Any]


@dataclass(frozen=True)
class GPU:
    """What its maker publishes: peaks without sparsity."""

    name: str
    flops: float
    """Per second, in float32."""
    bandwidth: float
    """Bytes per second."""
    bfloat16_flops: float | None = None
    """Per second, summed in float32; where it has them, the networks compute in bfloat16."""


GPUS = (
    GPU("H100 SXM", 67e12, 3.35e12, 989e12),
    GPU("A100 SXM, 80 GB", 19.5e12, 2.04e12, 312e12),
    GPU("RTX 4090", 82.6e12, 1.01e12, 165e12),
    GPU("T4", 8.1e12, 0.32e12),
)


class Operation(NamedTuple):
    """What it asks of a GPU."""

    flops: int
    traffic: int
    """Bytes read and written."""
    kernels: int
    dtype: torch.dtype | None

    def seconds(self, gpu: GPU) -> float:
        """The longer of arithmetic and traffic."""
        peak = (gpu.bfloat16_flops if self.dtype == torch.bfloat16 else None) or gpu.flops
        return max(self.flops / (ARITHMETIC_SHARE * peak), self.traffic / (BANDWIDTH_SHARE * gpu.bandwidth))


class Operations(TorchDispatchMode):
    """Counts how often there is each."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts: Counter[Operation] = Counter()

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401 (an operation)
        types: object,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 (whatever it gives)
        result = func(*args, **(kwargs or {}))
        if func.namespace == "aten" and not func.is_view and not FREE.match(func.name()):
            self.counts[_operation(func, args, kwargs or {}, result)] += 1
        return result


def _operation(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: object) -> Operation:  # noqa: ANN401
    outputs, count = _tensors(result), flop_registry.get(func.overloadpacket)
    flops = count(*args, **kwargs, out_val=result) if count else 0
    more, again = _further_kernels(func, args, outputs)
    traffic = sum(map(_num_bytes, _tensors((args, kwargs)) + outputs)) + again
    return Operation(flops, traffic, 1 + more, outputs[0].dtype if outputs else None)


def _further_kernels(func: object, args: tuple[Any, ...], outputs: list[Tensor]) -> tuple[int, int]:
    """A convolution's kernels besides its first, and the bytes that those read and write again.

    cuDNN's adds no bias: PyTorch does, to the output. The gradients are found one by one, each from the output's.
    """
    if func is torch.ops.aten.convolution.default and args[2] is not None:
        return 1, 2 * _num_bytes(outputs[0])
    if func is torch.ops.aten.convolution_backward.default:
        return len(outputs) - 1, (len(outputs) - 1) * _num_bytes(args[0])
    return 0, 0


def _tensors(tree: object) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _num_bytes(tensor: Tensor) -> int:
    """To read it once, be it expanded or not."""
    return min(tensor.numel() * tensor.itemsize, tensor.untyped_storage().nbytes())


class Fake(FakeTensorMode):
    """Its tensors have shapes but no values, and copies of them are its own."""

    def __deepcopy__(self, memo: object) -> "Fake":
        return self


class Work(NamedTuple):
    """What training on a batch, or drawing one, takes."""

    operations: Counter[Operation]
    held: int
    """The most bytes at once."""

    def on(self, gpu: GPU, batch: int) -> Row:
        """The estimate."""
        kernels = 1e3 * sum(operation.seconds(gpu) * count for operation, count in self.operations.items())
        launches = 1e3 * LAUNCH_SECONDS * self.total("kernels")
        rate = 1e3 * batch / max(kernels, launches)
        found = {
            "kernels_ms": kernels,
            "launches_ms": launches,
            "images_per_second": rate,
            "gigabytes": self.held / 1e9,
        }
        return {name: float(f"{value:.3g}") for name, value in found.items()}

    def total(self, what: str) -> int:
        """Of flops, traffic or kernels."""
        return sum(getattr(operation, what) * count for operation, count in self.operations.items())


@cache
def training(config: GlowConfig, batch: int, averaging: float | None, execution: Execution) -> Work:
    """A step. Held are weights, the optimiser's two statistics, the average, gradients and what is on the way."""
    weights = 4 * size(config).parameters
    operations, held = deep(partial(_gradients, batch, averaging, execution), config)
    operations[Operation(0, UPDATE_PASSES * weights, 1, None)] += 1
    kept = 3 if averaging is None else 4
    return Work(operations, kept * weights + max(held, 2 * weights))  # the update needs gradients, and as much again


def _gradients(batch: int, averaging: float | None, execution: Execution, config: GlowConfig) -> Work:
    with Fake(), Operations() as operations:
        model, noise = _built(config, execution), torch.zeros(batch, *config.image_shape)
        objective, average = Objective(model), Average(model, averaging or 0.0)
        images = noise.to(torch.uint8)
        operations.counts.clear()
        held = activation_bytes(lambda: objective(images, noise).total, ())
        if averaging is not None:
            average.update()
    return Work(operations.counts, held)


@cache
def sampling(config: GlowConfig, execution: Execution) -> Work:
    """Drawing images. Held are weights, the frozen model and what is on the way."""
    operations, held = deep(partial(_samples, execution), config)
    return Work(operations, held + 4 * size(config).parameters)


def _samples(execution: Execution, config: GlowConfig) -> Work:
    operations = Operations()

    def draw() -> Tensor:
        frozen = model.freeze()
        with operations:
            images = frozen.sample(SAMPLES, 0.7)
        return images.sum() * torch.ones((), requires_grad=True)  # `activation_bytes` wants something to differentiate

    with Fake():
        model = _built(config, execution)
        return Work(operations.counts, activation_bytes(draw, ()))


def deep(count: Callable[[GlowConfig], Work], config: GlowConfig) -> Work:
    """What `count` would count of a model. It follows from what it counts of models with few steps.

    One model has few steps in each level. For each number of steps beyond these, another model has one step more in the
    levels with this number.
    """
    steps = [config.at(level).steps for level in range(config.num_levels)]
    few = tuple(min(each, STEPS) for each in steps)
    base = count(replace(config, steps=few))
    operations, held = Counter(base.operations), base.held
    for number in {each for each in steps if each > STEPS}:
        more = count(replace(config, steps=tuple(n + (each == number) for n, each in zip(few, steps, strict=True))))
        for operation in base.operations | more.operations:
            operations[operation] += (number - STEPS) * (more.operations[operation] - base.operations[operation])
        held += (number - STEPS) * (more.held - base.held)
    return Work(operations, held)


def _built(config: GlowConfig, execution: Execution) -> Glow:
    model = Glow(config).execute(execution)
    for parameter in model.parameters():  # `.to` can't exchange fake parameters
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return model


def estimates(preset: str) -> Iterator[Row]:
    """One for each GPU and kind of work."""
    about, run = load(preset).about, load(preset).run
    model = replace(run.model, num_classes=0, classifier=False)  # labels weigh nothing, but their values are checked
    batch, averaging = run.train.batch_size // max(about.gpus, 1), run.train.averaging
    for gpu in GPUS:
        precision = torch.bfloat16 if gpu.bfloat16_flops else None
        works = {memory: training(model, batch, averaging, Execution(memory, precision)) for memory in MODES}
        for name, work in works.items():
            yield {"preset": preset, "work": name, "gpu": gpu.name, "batch": batch, **work.on(gpu, batch)}
        drawn = sampling(model, Execution(precision=precision)).on(gpu, SAMPLES)
        yield {"preset": preset, "work": "sample", "gpu": gpu.name, "batch": SAMPLES, **drawn}


def table(rows: list[Row], works: tuple[str, ...]) -> str:
    """Of some kinds of work, in Markdown; presets that come out the same share a line."""
    lines: dict[str, list[str]] = {}
    for preset in names():
        cells = _cells([row for row in rows if row["preset"] == preset and row["work"] in works])
        lines.setdefault(" | ".join(cells), []).append(preset)
    header = ["preset", "images", "launches, ms", *(f"{gpu.name}, ms" for gpu in GPUS), "GB", f"GB, {GPUS[-1].name}"]
    body = [f"| {', '.join(presets)} | {cells} |" for cells, presets in lines.items()]
    return "\n".join([f"| {' | '.join(header)} |", "|---" * len(header) + "|", *body])


def _cells(rows: list[Row]) -> list[str]:
    def cell(what: str, gpu: GPU) -> str:
        return " / ".join(f"{float(f'{row[what]:.2g}'):g}" for row in rows if row["gpu"] == gpu.name)

    first, *_, last = GPUS
    times = [cell("launches_ms", first), *(cell("kernels_ms", gpu) for gpu in GPUS)]
    return [str(rows[0]["batch"]), *times, cell("gigabytes", first), cell("gigabytes", last)]


def main() -> None:
    """Estimate all, write, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    warnings.filterwarnings("ignore", "Accessing the data pointer of FakeTensor")  # deepcopy asks whether it has one
    rows: list[Row] = []
    with progress("Counting", len(names()), "presets") as advance:
        for preset in names():
            rows += estimates(preset)
            advance(1, preset)
    assumed = {
        "arithmetic_share": ARITHMETIC_SHARE,
        "bandwidth_share": BANDWIDTH_SHARE,
        "launch_seconds": LAUNCH_SECONDS,
    }
    content = {"measured": False, "assumed": assumed, "gpus": [asdict(gpu) for gpu in GPUS], "estimates": rows}
    options.out.write_text(json.dumps(content | provenance(), indent=1) + "\n")
    print(table(rows, MODES), table(rows, ("sample",)), sep="\n\n")


if __name__ == "__main__":
    main()
