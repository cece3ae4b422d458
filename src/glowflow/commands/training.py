"""The command that trains, and the list of what can be trained by name."""

from pathlib import Path
from typing import Literal

from rich.table import Table

from glowflow.commands.inputs import Precision, device_named, precision_named, wide_console
from glowflow.config import GlowConfig, RunConfig, TrainConfig
from glowflow.errors import InputError
from glowflow.parts import LAYOUTS
from glowflow.paths import quoted
from glowflow.progress import say


def train(
    preset: str,
    model: GlowConfig,
    train: TrainConfig,
    out: Path | None = None,
    device: str | None = None,
    memory: Literal["store", "checkpoint", "reversible"] = "store",
    precision: Precision = "auto",
    compiled: bool = False,
    micro_batch: int | None = None,
    tensorboard: bool = False,
) -> None:
    """Train a model, or go on with a training that was interrupted.

    Example: glowflow train faces32 --data my_photos --out runs/mine --train.lr 5e-4

    Args:
        preset: A preset's name (see `glowflow presets`), or a YAML file with the same keys.
        model: The architecture; what isn't given is the preset's.
        train: The training; what isn't given is the preset's.
        out: The run's directory; the same command goes on with the run in it. By default runs/PRESET.
        device: cpu, cuda or mps; the best one present by default.
        memory: What a step keeps for its backward pass: "store" everything; "checkpoint" the inputs of each step of
            flow; "reversible" the outputs of each level. The latter two need a third more arithmetic, and memory that
            (nearly, exactly) doesn't grow with depth.
        precision: Of the couplings' networks and of Muon's matrix products; "auto" is bfloat16 where the device is much
            faster in it.
        compiled: Compile by torch.compile, which takes a minute or more; `glowflow bench --compiled` tells if it pays.
        micro_batch: At most so many images at a time go through the model, for the same result in less memory.
        tensorboard: Also write the metrics for TensorBoard.
    """
    import torch

    from glowflow.execution import Execution
    from glowflow.processes import joined
    from glowflow.threads import asked
    from glowflow.training import Options
    from glowflow.training import train as run

    if compiled and memory == "reversible":
        raise InputError("--compiled doesn't go with --memory reversible, whose backward pass can't be compiled.")
    out = out or Path("runs") / Path(preset).stem
    where = device_named(device)
    with joined(where) as processes:
        kind = precision_named(precision, where)
        if processes.add(torch.tensor([float(kind is None)], device=where)).item():  # each has tried for itself
            kind = None
        if precision == "auto" and kind is not None:
            say(
                "The couplings' networks compute in bfloat16, which is much faster here, unless --precision is float32."
            )
        options = Options(Execution(memory, kind, compiled), micro_batch, tensorboard, processes, threads=asked())
        state = run(RunConfig(model, train), out, where, options)
    best = "no finite" if state.progress.best is None else f"{state.progress.best:.3f}"
    say(
        f"Done: {state.progress.position:,} images, {best} bits/dim on validation images at best. "
        f"Next: glowflow evaluate {quoted(out)}; glowflow sample {quoted(out)} --out samples.png"
    )


def presets() -> None:
    """List every configuration that can be trained by name, its size, and its published figure.

    Example: glowflow presets
    """
    from glowflow.presets import load, names
    from glowflow.presets.size import size

    table = Table(title="Presets (parameters in millions; GFLOP of a forward pass per image)")
    for column in ("name", "data", "C x H x W", "L", "K", "width", "layers", "bits", "batch", "beta2", "warm-up"):
        table.add_column(column, no_wrap=True)
    for column in ("GPUs", "M param.", "GFLOP", "published bits/dim"):
        table.add_column(column, justify="right")
    for name in names():
        preset = load(name)
        model, settings, cost = preset.run.model, preset.run.train, size(preset.run.model)
        shape = "x".join(map(str, model.image_shape))
        layers = "RealNVP" if LAYOUTS.name_of(model.layout) == "realnvp" else f"{model.permutation}, {model.coupling}"
        architecture = (shape, str(model.num_levels), str(model.steps), str(model.width), layers)
        training = (str(model.num_bits), str(settings.batch_size), f"{settings.beta2:g}", f"{settings.warmup_images:,}")
        sizes = (f"{cost.parameters / 1e6:.2f}", f"{cost.flops / 1e9:.2f}")
        gpus = str(preset.about.gpus or "-")
        table.add_row(name, settings.data, *architecture, *training, gpus, *sizes, preset.about.published or "-")
    wide_console().print(table)
