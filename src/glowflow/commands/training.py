"""The command that trains, and the one that lists the presets."""

from pathlib import Path

from glowflow import plugins
from glowflow.commands.inputs import Precision, device_named, precision_named
from glowflow.commands.tables import print_table
from glowflow.config import GlowConfig, RunConfig, TrainConfig
from glowflow.errors import InputError
from glowflow.parts import CONDITIONERS, COUPLINGS, DEQUANTIZERS, LAYOUTS, MEMORIES, PERMUTATIONS, Part
from glowflow.paths import quoted
from glowflow.progress import say
from glowflow.shapes import shape_text


def train(
    preset: str,
    model: GlowConfig,
    train: TrainConfig,
    out: Path | None = None,
    device: str | None = None,
    memory: Part = MEMORIES.names[0],
    precision: Precision = "auto",
    compiled: bool = False,
    eager: bool = False,
    micro_batch: int | None = None,
    tensorboard: bool = False,
) -> None:
    """Train a model, or continue a training that was interrupted.

    Example: glowflow train faces32 --data my_photos --out runs/mine --train.lr 5e-4

    Args:
        preset: A preset's name (see `glowflow presets`), or a YAML file with the same keys.
        model: The architecture. What you don't give is as in the preset, or else has its default.
        train: The training. What you don't give is as in the preset, or else has its default.
        out: The run's directory, by default runs/PRESET. The same command continues the run in it.
        memory: What a training step keeps for its backward pass. "store" keeps everything. "checkpoint" keeps the input
            of each step of flow, so its memory grows slowly with depth. "reversible" keeps little more than the output
            of each level, so its memory hardly grows. Both need a third more arithmetic than "store".
            A mapping gives options, such as {kind: reversible, anchor_interval: 4}.
        precision: The precision of the couplings' networks and of Muon's matrix products; "auto" is bfloat16 if the
            device is much faster in it.
        eager: On a GPU, launch the kernels of each step one by one. Usually a step is a CUDA graph, which is launched
            at once and needs more memory.
        micro_batch: The largest number of images that go through the model together. Fewer take less memory, and the
            result is the same.
        tensorboard: Also write the metrics for TensorBoard.
    """
    import torch

    from glowflow.evaluate import marked_bits
    from glowflow.execution import Execution
    from glowflow.processes import joined
    from glowflow.reports import Report
    from glowflow.threads import asked
    from glowflow.training import Options
    from glowflow.training import train as run

    if not Execution(memory).mode.can_compile and compiled:
        mode = MEMORIES.name_of(memory)
        raise InputError(f"--compiled doesn't go with --memory {mode}, whose backward pass can't be compiled.")
    out = out or Path("runs") / Path(preset).stem
    where = device_named(device)
    with joined(where) as processes:
        kind = precision_named(precision, where)
        if processes.add(torch.tensor([float(kind is None)], device=where)).item():
            kind = None  # another process has a device that isn't faster in bfloat16
        if precision == "auto" and kind is not None:
            say("The couplings' networks compute in bfloat16, which is much faster here; see --precision.")
        execution = Execution(memory, kind, compiled)
        wish, write = asked(), Report().write
        options = Options(
            execution, micro_batch, tensorboard, processes, captured=not eager, threads=wish, report=write
        )
        state = run(RunConfig(model, train), out, where, options)
    best = "no finite bits/dim" if state.progress.best is None else marked_bits(state.progress.best, model)
    say(
        f"Done: {state.progress.position:,} images, {best} on validation images at best. "
        f"Next: glowflow evaluate {quoted(out)}{plugins.said()}; "
        f"glowflow sample {quoted(out)}{plugins.said()} --out samples.png"
    )


def presets() -> None:
    """List the presets, which can be trained by name, with their sizes and published bits/dim.

    Example: glowflow presets
    """
    from glowflow.presets import names

    architecture = ("C x H x W", "L", "K", "width", "layers", "bits", "batch")
    numbers = ("GPUs", "M param.", "GFLOP", "published bits/dim")
    print_table(
        "Presets (parameters in millions; GFLOP of a forward pass per image)",
        ("name", "data", *architecture, *numbers),
        map(_preset_row, names()),
        right=numbers,
        spare=("layers", "width", "GPUs", "L", "K", "data", "batch", "GFLOP", "bits"),
    )


def _preset_row(name: str) -> list[str]:
    from glowflow.presets import load

    preset = load(name)
    model, settings, about = preset.run.model, preset.run.train, preset.about
    shape = shape_text(model.image_shape)
    architecture = [shape, str(model.num_levels), _listed(model.steps), _listed(model.width), _layers(model)]
    training = [str(model.num_bits), str(settings.batch_size)]
    sizes = [f"{about.parameters / 1e6:.2f}", f"{about.flops / 1e9:.2f}"]
    gpus = str(about.gpus or "-")
    return [name, settings.data, *architecture, *training, gpus, *sizes, about.published or "-"]


def _listed(value: int | tuple[int, ...]) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _layers(model: GlowConfig) -> str:
    """The names of the parts. Glow's 1x1 convolutions and networks, and uniform noise, aren't named."""
    if LAYOUTS.name_of(model.layout) == "realnvp":
        return "RealNVP"
    kinds = (PERMUTATIONS, COUPLINGS, CONDITIONERS, DEQUANTIZERS)
    names = [kind.name_of(part) for kind in kinds for part in model.parts(kind)]
    return ", ".join(name for name in dict.fromkeys(names) if name not in {"conv1x1", "conv", "uniform"})
