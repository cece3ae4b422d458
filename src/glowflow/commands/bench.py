"""The command that measures speed and memory on this machine."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from glowflow.commands.inputs import (
    Precision,
    check_different,
    check_parent,
    check_picture,
    device_named,
    precision_named,
)
from glowflow.commands.tables import print_table
from glowflow.errors import InputError


def bench(
    preset: str = "cifar10",
    batch: int = 32,
    rounds: int = 5,
    depths: tuple[int, ...] = (8, 16, 32, 64),
    device: str | None = None,
    precision: Precision = "auto",
    compiled: bool = False,
    json: Path | None = None,
    plot: Path | None = None,
) -> None:
    """Measure training, sampling and memory here, and the bare convolutions (and normflows, if installed).

    Example: glowflow bench --preset faces32 --json bench.json --plot memory.png

    Args:
        preset: The configuration to measure: a preset's name, or a YAML file with the same keys.
        batch: Images per step.
        rounds: How often each is timed, in turn with the others; the result is the median.
        depths: The numbers of steps K for which activation memory is measured.
        compiled: Also measure training and sampling that `torch.compile` compiled, which takes minutes.
        json: Also write the figures into this file.
        plot: Also draw the memory against the depth into this file, which needs matplotlib.
    """
    import torch

    from glowflow.bench.measure import measure
    from glowflow.bench.work import training
    from glowflow.durable import save_json
    from glowflow.execution import Execution
    from glowflow.experiments.canvas import canvas
    from glowflow.presets import load_run
    from glowflow.provenance import provenance

    if batch < 1 or rounds < 1 or not depths or min(depths) < 1:
        raise InputError("--batch, --rounds and --depths take numbers of at least 1.")
    if json:
        check_parent(json)
    if plot:
        check_picture(plot)
        canvas(6, 4)  # refuses before anything is measured
    check_different({"--json": json, "--plot": plot})
    where = device_named(device)
    chosen, run = precision_named(precision, where), load_run(preset)
    x = torch.rand(batch, *run.model.image_shape, generator=torch.Generator().manual_seed(0)).to(where) - 0.5
    execution, x = Execution(precision=chosen, compiled=compiled), x.contiguous(memory_format=torch.channels_last)
    _settle_threads(training(run.model, Execution(precision=chosen), x, run.train), where)
    figures = measure(run, execution, x, rounds, depths)
    kind = str(chosen or torch.float32).removeprefix("torch.")
    _print_speeds(figures, f"{preset}, batch {batch}, {where}, {kind} networks")
    _print_operations(figures["operations"])
    _print_memory(figures["activations"])
    settings = {"preset": preset, "batch": batch, "rounds": rounds, "precision": kind, "device": where}
    if json:
        save_json(json, settings | {"threads": torch.get_num_threads()} | figures | provenance())
    if plot:
        _draw(figures["activations"], f"{preset}, batch {batch}", plot)


def _settle_threads(step: Callable[[], object], device: str) -> None:
    """Use the number of threads that the user asked for, or the best one for a training step."""
    from glowflow.threads import settle

    settle(lambda _: step(), 1, device)


def _print_speeds(figures: dict[str, Any], title: str) -> None:
    columns, rows = ("what", "how", "images/s", "time / bare convolutions", "first round, s"), []
    for what in ("training", "sampling"):
        for row in figures[what]:
            speed, first = f"{row['images_per_second']:.2f}", f"{row['first_seconds']:.1f}"
            ratio = f"{row['ratio']:.2f}" if figures["convolutions_are_floor"] else "-"
            rows.append((what, row["name"], speed, ratio, first))
    print_table(title, columns, rows, right=columns[2:], spare=("first round, s",))


def _print_operations(found: list[dict[str, Any]]) -> None:
    keys = ("forward", "backward", "update", "averages", "step", "per_step_of_flow")
    names = [key.replace("_", " ") for key in keys]
    rows = [(row["name"], *(f"{row[key]:,.0f}" for key in keys)) for row in found]
    title = "Operations that run a kernel, in one training step"
    print_table(title, ("how", *names), rows, right=names, spare=("averages", "update"))


def _print_memory(found: list[dict[str, Any]]) -> None:
    depths = sorted({row["steps"] for row in found})
    names, rows = [f"K = {steps}" for steps in depths], []
    for how in dict.fromkeys(row["memory"] for row in found):
        held = {row["steps"]: row["bytes"] for row in found if row["memory"] == how}
        rows.append((how, *(f"{held[steps] / 1e6:.1f}" for steps in depths)))
    print_table("Activation memory of a training step, MB", ("how", *names), rows, right=names)


def _draw(rows: list[dict[str, Any]], title: str, path: Path) -> None:
    from glowflow.experiments.canvas import canvas

    figure = canvas(6, 4)
    axes = figure.subplots()
    for how in dict.fromkeys(row["memory"] for row in rows):
        mine = [row for row in rows if row["memory"] == how]
        axes.plot([row["steps"] for row in mine], [row["bytes"] / 1e6 for row in mine], marker="o", label=how)
    axes.set(xlabel="steps of flow per level, K", ylabel="activation memory, MB", yscale="log", title=title)
    axes.legend()
    figure.savefig(path, dpi=150)
