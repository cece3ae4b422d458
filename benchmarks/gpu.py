"""What glowflow does on a graphics card: is it right, how fast is it, how much memory does it take?

The most useful questions are answered first, until a budget of minutes is spent. Every answer is written at once. What
fails is noted, and the next question is asked. From the repository's root:

    python -m benchmarks.gpu results/gpu/CARD.json
    python -m benchmarks.gpu --dry-run out.json  # everything at tiny sizes, on the CPU
"""

import argparse
import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, product
from pathlib import Path
from statistics import median
from typing import Any, Literal

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from glowflow import Glow, GlowConfig
from glowflow.bench.operations import count
from glowflow.bench.peer import normflows_glow, peer_training
from glowflow.bench.timing import timed
from glowflow.bench.work import batch, built
from glowflow.bench.work import training as bench_training
from glowflow.codec import compress, decompress
from glowflow.config import RunConfig, TrainConfig
from glowflow.durable import save_json
from glowflow.execution import Execution
from glowflow.parts import MEMORIES
from glowflow.presets import load
from glowflow.provenance import provenance
from glowflow.training import Batch, Options, TrainingState
from glowflow.training.captured import Captured
from tests.reference import CASES, recording

PRESETS = {"cifar10": 64, "imagenet64": 16, "celebahq256": 1, "faces32": 16}
"""With the batches of one of the original's GPUs."""
TINY = {"digits": 2}
LIMITS = {"float32": 1e-3, "tf32": 0.05, "bfloat16": 0.1}
"""Largest difference of a latent from the original's, or relative error of a gradient, by the type of products."""
ROUNDS = 10
ORIGINAL_MS = 130.0
"""What the original takes to draw an image of 256x256 pixels on a GTX 1080 Ti, as its README says."""


@dataclass
class Session:
    """The card, what is found on it, and the time that is left."""

    out: Path
    device: str
    is_dry: bool
    until: float
    rows: list[dict[str, Any]] = field(default_factory=list)

    @property
    def presets(self) -> dict[str, int]:
        """Configurations whose steps are timed, with the images of a batch."""
        return TINY if self.is_dry else PRESETS

    def note(self, question: str, what: str, **found: object) -> None:
        """Keep and print an answer."""
        self.rows.append({"question": question, "what": what, **found})
        card = "dry run" if self.is_dry else torch.cuda.get_device_name()
        save_json(self.out, {"card": card, "rows": self.rows, **provenance()})
        print(
            f"{question:14} {what:44} " + "  ".join(f"{name} {_short(value)}" for name, value in found.items()),
            flush=True,
        )

    def ask(self, question: str, what: str, answer: Callable[[], dict[str, object]]) -> None:
        """Note an answer, what went wrong, or that no time is left."""
        if time.monotonic() > self.until:
            self.note(question, what, left_out="no time")
            return
        gc.collect()  # the memory of the last question
        if self.device == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        try:
            found = answer()
        except Exception as error:
            found = {"failed": f"{type(error).__name__}: {error}".splitlines()[0][:200]}
        self.note(question, what, **found)


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@contextmanager
def multiplying(kind: str) -> Iterator[Execution]:
    """How the networks are computed while matrices are multiplied in a type: float32, tf32 or bfloat16."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if kind == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = kind == "tf32"
    try:
        yield Execution(precision=torch.bfloat16 if kind == "bfloat16" else None)
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


@torch.no_grad()
def conformance(session: Session, case: str, kind: str) -> dict[str, object]:
    """The largest difference of the latents from those that the original recorded."""
    original = recording(case)
    with multiplying(kind) as execution:
        model = original.model("final").to(session.device).execute(execution)
        x, y = (None if part is None else part.to(session.device) for part in original.x(0))
        latents = model(x, y)[0]
    theirs = (original.images(f"final/eps{level}") for level in range(len(latents)))
    worst = max(float((mine.cpu() - other).abs().max()) for mine, other in zip(latents, theirs, strict=True))
    return {"difference": worst, "limit": LIMITS[kind], "is_right": worst < LIMITS[kind]}


def gradients(session: Session, memory: str, kind: str) -> dict[str, object]:
    """The relative error of a model's gradient against float64 on the CPU."""
    torch.manual_seed(0)
    model, x = Glow(GlowConfig((3, 16, 16), 2, 10, 32)), torch.rand(8, 3, 16, 16) - 0.5
    for parameter in model.parameters():
        parameter.data += 0.02 * torch.randn_like(parameter)
    exact = _gradient(deepcopy(model).double(), x.double())
    with multiplying(kind) as execution:
        found = _gradient(model.to(session.device).execute(replace(execution, memory=memory)), x.to(session.device))
    error = float((found.cpu() - exact).norm() / exact.norm())
    return {"error": error, "limit": LIMITS[kind], "is_right": error < LIMITS[kind]}


def _gradient(model: Glow, x: Tensor) -> Tensor:
    model.log_prob(x).mean().backward()
    return torch.cat([w.grad.flatten() for w in model.parameters() if w.grad is not None])


def reconstruction(session: Session, preset: str) -> dict[str, object]:
    """Whether decoding what was encoded gives the images back."""
    config = load(preset).run.model
    model = built(config, torch.rand(8, *config.image_shape, device=session.device) - 0.5)
    images = torch.randint(256, (4, *config.image_shape), dtype=torch.uint8)
    images &= 256 - (1 << 8 - config.num_bits)
    y = torch.zeros(4, dtype=torch.int64, device=session.device) if config.num_classes else None
    return {"is_right": bool(torch.equal(model.decode(model.encode(images, y), y).cpu(), images))}


def archived(session: Session, preset: str) -> dict[str, object]:
    """Whether a model on the card makes the same bytes of images as the same model on the CPU."""
    config = load(preset).run.model
    model = Glow(config)
    images = torch.randint(256, (4, *config.image_shape), dtype=torch.uint8)
    images &= 256 - (1 << 8 - config.num_bits)
    data = compress(model, images)
    on_card = model.to(session.device)
    same = compress(on_card, images) == data and torch.equal(decompress(on_card, data), images)
    return {"bytes": len(data), "is_right": same}


def capture(session: Session, memory: str, optimizer: Literal["glow-adamax", "muon"]) -> dict[str, object]:
    """The largest difference between captured and eager training after ten steps with other batches and rates.

    The loss of the sixth step isn't finite, so that step may change nothing.
    """
    settings = TrainConfig(batch_size=8, optimizer=optimizer, lr=0.01, warmup_images=40, decay_from=40, averaging=0.9)
    run = RunConfig(GlowConfig((3, 16, 16), 2, 4, 16), settings)
    states = []
    for captured in (True, False):
        state = TrainingState.new(run, session.device, options=Options(Execution(memory), captured=captured))
        generator = torch.Generator().manual_seed(0)
        for step in range(11):
            images = torch.randint(256, (8, 3, 16, 16), generator=generator, dtype=torch.uint8)
            noise = (
                torch.rand(8, 3, 16, 16, generator=generator) if step != 6 else torch.full((8, 3, 16, 16), torch.nan)
            )
            taken = Batch(images, noise).to(session.device)
            (state.initialize if step == 0 else state.step)(taken)
        state.settle()
        states.append(state)
    mine, other = (state.tensors() for state in states)
    worst = max(float((mine[name].double() - other[name].double()).abs().max()) for name in other)
    was_captured = states[0].captured is not None and not states[0].captured.failed
    is_right = worst < 1e-4 and states[0].progress == states[1].progress and (was_captured or session.is_dry)
    return {
        "difference": worst,
        "was_captured": was_captured,
        "skipped": states[0].progress.skipped,
        "is_right": is_right,
    }


def failed_capture(session: Session) -> dict[str, object]:
    """Whether a function that can't be captured runs as it is, and memory can be taken afterwards."""
    if session.is_dry:
        return {"left_out": "needs CUDA"}
    images = Batch(torch.ones(2, 1, 2, 2, dtype=torch.uint8), torch.zeros(2, 1, 2, 2)).to(session.device)
    captured = Captured()
    sums = [float(captured(lambda each: each.noise.sum() + each.images.sum().item(), images)) for _ in range(6)]
    room = torch.ones(1 << 26, device=session.device).sum()
    return {"is_right": captured.failed and set(sums) == {8.0} and float(room) == float(1 << 26)}


def training(session: Session, preset: str, size: int, way: str, memory: str = "store") -> dict[str, object]:
    """The time of a training step (median), its memory, and how the loss went. It may be compiled, captured or both."""
    run, bfloat16 = load(preset).run, None if session.is_dry else torch.bfloat16
    run = replace(run, train=replace(run.train, batch_size=size))
    options = Options(Execution(memory, bfloat16, compiled="compiled" in way), captured="captured" in way)
    state = TrainingState.new(run, session.device, options=options)
    images = batch(run.model, torch.rand(size, *run.model.image_shape, device=session.device) - 0.5)
    state.initialize(images)
    began = time.perf_counter()
    losses = [state.step(images).loss for _ in range(5)]  # compiling and capturing fall into these
    first = time.perf_counter() - began
    seconds = median(timed(lambda: state.step(images)) for _ in range(2 if session.is_dry else ROUNDS))
    found: dict[str, object] = {"ms": 1e3 * seconds, "images_per_s": size / seconds, "first_five_s": first}
    if session.device == "cuda":
        found["GB"] = torch.cuda.max_memory_allocated() / 1e9
    if state.captured is not None:
        found["was_captured"] = not state.captured.failed
    return found | {"losses": [round(loss, 5) for loss in losses]}


def launches(session: Session, preset: str, size: int) -> dict[str, object]:
    """How many kernels a training step launches that isn't captured. Without CUDA: how many operations it runs."""
    run, bfloat16 = load(preset).run, None if session.is_dry else torch.bfloat16
    if session.is_dry:
        return dict(count(run, Execution(precision=bfloat16)))
    x = torch.rand(size, *run.model.image_shape, device=session.device) - 0.5
    step = bench_training(run.model, Execution(precision=bfloat16), x, run.train, captured=False)
    step()
    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        timed(step)
    kernels = [event for event in seen.events() if event.device_type.name == "CUDA"]
    return {"kernels": len(kernels), "busy_ms": sum(event.device_time for event in kernels) / 1e3}


def sampling(session: Session, preset: str, size: int, *, compiled: bool = False) -> dict[str, object]:
    """The time to draw images (median)."""
    config = load(preset).run.model
    x = torch.rand(2, *config.image_shape, device=session.device) - 0.5
    execution = Execution(precision=None if session.is_dry else torch.bfloat16, compiled=compiled)
    frozen = built(config, x).execute(execution).freeze()
    frozen.sample(size, 0.7)
    ms = 1e3 * median(timed(lambda: frozen.sample(size, 0.7)) for _ in range(2 if session.is_dry else ROUNDS))
    original = {"original_ms_on_a_1080_ti": ORIGINAL_MS} if (preset, size) == ("celebahq256", 1) else {}
    return {"ms": ms, **original}


def normflows(session: Session, preset: str, size: int) -> dict[str, object]:
    """The time of a training step of normflows' Glow of the same size (median)."""
    x = torch.rand(size, *load(preset).run.model.image_shape, device=session.device) - 0.5
    peer = normflows_glow(load(preset).run.model, x)
    if peer is None:
        return {"left_out": "normflows isn't installed, or has no such model"}
    step = peer_training(peer, x)
    step()
    seconds = median(timed(step) for _ in range(2 if session.is_dry else ROUNDS))
    return {"ms": 1e3 * seconds, "images_per_s": size / seconds}


Question = tuple[str, str, Callable[[], dict[str, object]]]


def of_correctness(session: Session) -> Iterator[Question]:
    """Is it right?"""
    kinds = ("float32", "bfloat16") if session.is_dry else tuple(LIMITS)
    for case, kind in product(CASES[:1] if session.is_dry else CASES, kinds):
        yield "conformance", f"{case}, {kind}", partial(conformance, session, case, kind)
    for memory, kind in product(MEMORIES.names, kinds):
        yield "gradients", f"{memory}, {kind}", partial(gradients, session, memory, kind)
    for memory in MEMORIES.names:
        yield "capture", f"{memory}, glow-adamax", partial(capture, session, memory, "glow-adamax")
        yield "capture", f"{memory}, muon", partial(capture, session, memory, "muon")
    yield "capture", "of what can't be captured", partial(failed_capture, session)
    for preset in session.presets:
        yield "reconstruction", preset, partial(reconstruction, session, preset)
    small = min(session.presets, key=lambda preset: load(preset).run.model.num_dims)
    yield "archive", small, partial(archived, session, small)


def of_speed(session: Session) -> Iterator[Question]:
    """How fast is it, in how much memory?"""
    ways = [("eager", "store"), ("captured", "store"), ("captured", "reversible"), ("captured", "checkpoint")]
    for index, ((way, memory), (preset, size)) in enumerate(product(ways, session.presets.items())):
        if index == 2 * len(session.presets):  # between the most useful times and the others
            yield from of_others(session)
        what = f"{preset}, {size} images, {way}, {memory}"
        yield "training", what, partial(training, session, preset, size, way, memory)
    for preset, size in session.presets.items():
        yield "launches", preset, partial(launches, session, preset, size)
    if session.is_dry:  # compiling takes a minute or more
        return
    for preset, size in sorted(session.presets.items(), key=lambda each: load(each[0]).run.model.num_dims):
        for way in ("compiled", "compiled and captured"):
            yield "training", f"{preset}, {size} images, {way}", partial(training, session, preset, size, way)
        yield "sampling", f"{preset}, 1 image, compiled", partial(sampling, session, preset, 1, compiled=True)


def of_others(session: Session) -> Iterator[Question]:
    """How fast are images drawn, and is another code base's training?"""
    large = max(session.presets, key=lambda preset: load(preset).run.model.num_dims)
    for size in (1, 16):
        yield "sampling", f"{large}, {size} images", partial(sampling, session, large, size)
    preset, size = next(iter(session.presets.items()))
    yield "normflows", f"{preset}, {size} images", partial(normflows, session, preset, size)


def table(rows: list[dict[str, Any]]) -> Table:
    """What was right, and all times."""
    checked = [row["is_right"] for row in rows if "is_right" in row]
    failed, left_out = (sum(key in row for row in rows) for key in ("failed", "left_out"))
    title = f"{sum(checked)} of {len(checked)} checks right, {failed} questions failed, {left_out} left out"
    found = Table("question", "what", "ms", "images/s", "GB", title=title)
    for row in rows:
        if "ms" in row:
            numbers = (f"{row[name]:.4g}" if name in row else "" for name in ("ms", "images_per_s", "GB"))
            found.add_row(row["question"], row["what"], *numbers)
    return found


def main() -> None:
    """Ask, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=8.0, help="the budget")
    parser.add_argument("--dry-run", action="store_true", help="tiny sizes on the CPU, to see that everything runs")
    options = parser.parse_args()
    if not options.dry_run and not torch.cuda.is_available():
        parser.error("there is no CUDA device here; --dry-run goes through everything on the CPU")
    until = time.monotonic() + 60 * options.minutes
    session = Session(options.out, "cpu" if options.dry_run else "cuda", options.dry_run, until)
    for question in chain(of_correctness(session), of_speed(session)):
        session.ask(*question)
    Console().print(table(session.rows))


if __name__ == "__main__":
    main()
