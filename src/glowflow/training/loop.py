"""The training loop."""

import signal
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from math import inf, isfinite
from pathlib import Path
from statistics import fmean

import torch

from glowflow import threads
from glowflow.allocator import keep_freed_memory
from glowflow.config import RunConfig, TrainConfig
from glowflow.data import Dataset, Split, for_all_kinds
from glowflow.errors import InputError, TrainingDivergedError, TrainingInterruptedError
from glowflow.evaluate import bound, marked_bits, scores
from glowflow.noise import Stream
from glowflow.processes import Processes
from glowflow.progress import progress, say
from glowflow.scoring.codecs import standard
from glowflow.scoring.statistics import Statistics, statistics
from glowflow.training import augmentation, computing, same_images, usual
from glowflow.training.batches import Batch, Batches, ahead, check_trainable
from glowflow.training.checkpoints import set_aside_damaged
from glowflow.training.failures import MAX_SKIPPED_IN_A_ROW, find_failure
from glowflow.training.interruption import stop_requests
from glowflow.training.options import Options
from glowflow.training.record import Record, report
from glowflow.training.results import StepResult
from glowflow.training.run import check, claimed, with_absolute_paths
from glowflow.training.slowdown import Slowdown
from glowflow.training.state import TrainingState

RECORDS_PER_VALIDATION = 10


def train(
    config: RunConfig,
    out: str | Path,
    device: str | torch.device = "cpu",
    options: Options | None = None,
) -> TrainingState:
    """Run the training in the directory `out`, or go on with it from its last checkpoint.

    The directory gets `config.yaml`, `metrics.jsonl` and `samples/*.png`. It also gets models that
    `Glow.from_pretrained` loads: `best` (with the lowest bits/dim on validation images), `last` (with all that the
    training needs to go on) and `previous` (the `last` before). Only the first of several processes writes there, and
    all of them read.

    >>> from tempfile import TemporaryDirectory
    >>> from glowflow import GlowConfig
    >>> settings = TrainConfig(data="digits", images=32, batch_size=16, init_batch_size=16, validation_images=16)
    >>> with TemporaryDirectory() as folder:
    ...     state = train(RunConfig(GlowConfig((1, 28, 28), steps=1, width=8), settings), folder)
    ...     (Path(folder) / "best" / "model.safetensors").is_file()
    True

    Args:
        config: The model and its training.
        out: The run's directory.
        device: The device to compute on.
        options: How the training is run.

    Raises:
        InputError: If the configuration, the data or the directory can't be used.
        TrainingInterruptedError: After a signal (see `glowflow.signals`) or `options.seconds`. The state is saved.
        TrainingDivergedError: After too many steps without a finite loss. The last checkpoint stays as it was.
    """
    out, config, options = Path(out), with_absolute_paths(config), options or Options()
    processes = options.processes
    check(out, config)
    if config.train.batch_size < processes.count:
        raise InputError(f"A batch of {config.train.batch_size} images can't be shared by {processes.count} processes.")
    augmentation.check(config.train, config.model.image_shape)
    splits = same_images.prepared(out, config)
    check_trainable(config.model, splits["train"])
    check_trainable(config.model, splits["validation"])
    with _told_if_stopped(out, options), claimed(out, config) if processes.is_first else nullcontext():
        if processes.is_first:
            same_images.record(out, splits["train"].digest)
        if options.learns_usual:
            usual.say_if_few(out, splits["validation"])
        keep_freed_memory()
        state = TrainingState.new(config, device, splits["train"].class_names, options)
        state.data, state.images = splits["train"].name, splits["train"].digest
        state.value_ranges = for_all_kinds(config.train.value_range) or splits["train"].value_ranges
        with threads.restored():
            _train(out, state, *_begun(config, out, splits, state, options), options)
            if options.learns_usual:
                usual.learn(out, splits["validation"].with_classes(state.model.class_names), str(device), processes)
    return state


@contextmanager
def _told_if_stopped(out: Path, options: Options) -> Iterator[None]:
    """Have the report on a training that stops early say so, once nothing trains in `out` any more."""
    try:
        yield
    except Exception as error:
        if options.processes.is_first and not isinstance(error, InputError):  # which stops what hasn't begun
            with stop_requests(inf):  # when a process is lost, torchrun asks the others to end, before they say why
                report(out, options.report)
        raise


def _begun(
    config: RunConfig, out: Path, splits: dict[Split, Dataset], state: TrainingState, options: Options
) -> tuple[Batches, Dataset]:
    """Bring the state to where the run was, or begin; give the training's batches and validation images."""
    settings, processes = config.train, options.processes
    resumed = _resumed(out, state, processes)
    training, validation = (splits[name].with_classes(state.model.class_names) for name in ("train", "validation"))
    batches = Batches(training, config, state.model.device)
    computing.settle(state, batches, options, resumed=resumed)
    if not resumed:
        count = settings.init_batch_size if settings.start is None else 0
        state.initialize(batches.at(0, count, Stream.INITIALIZATION) if count else None)
    if not processes.agree(state.tensors()):
        raise InputError(f"The processes don't start from the same state: all of them must have access to {out}.")
    if processes.is_first and not resumed:
        state.save(out)
    return batches, validation.thinned(settings.validation_images)


def _resumed(out: Path, state: TrainingState, processes: Processes) -> bool:
    """True if the run has a checkpoint that it now goes on from. A new run gets the weights of `start`, if it's set."""
    if processes.is_first:
        set_aside_damaged(out)
    processes.wait()
    if state.restore(out):
        say(f"Going on with {out} at {state.progress.position:,} of {state.settings.images:,} images.")
        return True
    if state.settings.start is not None:
        state.start_from(state.settings.start)
    return False


def _train(out: Path, state: TrainingState, batches: Batches, validation: Dataset, options: Options) -> None:
    settings, processes, at = state.settings, options.processes, state.progress
    record = Record(out, state, tensorboard=options.tensorboard) if processes.is_first else None
    slowdown = Slowdown(threads.in_use()) if state.model.device.type == "cpu" else None
    taken: deque[tuple[int, Batch, StepResult]] = deque()
    window: list[StepResult] = []
    window_began = time.monotonic()
    coming = ahead(batches, processes, range(at.position, settings.images, settings.batch_size))
    with stop_requests(options.seconds) as stop, progress("Training", settings.images, done=at.position) as advance:
        while at.position < settings.images:
            before, step_began = at.position, time.monotonic()

            # One step
            batch = next(coming)
            taken.append((before, batch, state.step(batch)))
            stops = processes.any(stop.is_due)
            finished = at.position >= settings.images
            validates = finished or _crossed(before, at.position, settings.validate_every)
            saves = record is not None and (validates or stops or record.is_overdue())

            # Results of earlier steps; before anything is written, of all of them
            while len(taken) > (0 if validates or saves else state.lag):
                state.settle(len(taken) - 1)
                began, batch, result = taken.popleft()
                if result.was_finite:
                    window.append(result)
                    continue
                where = find_failure(state.model, batch.split(options.micro_batch)[0], result)
                say(f"Step skipped at {began:,} images: {where} isn't finite ({at.skipped} skipped so far).")
                if state.skipped_in_a_row >= MAX_SKIPPED_IN_A_ROW:
                    raise TrainingDivergedError(_advice(out, where, settings))
            latest = marked_bits(window[-1].bits_per_dim, state.model.config) if window else ""
            advance(min(settings.batch_size, settings.images - before), latest)

            # Record
            if slowdown and (warning := slowdown.after(settings.batch_size, time.monotonic() - step_began)):
                say(warning)
            if window and (finished or _crossed(before, at.position, settings.validate_every / RECORDS_PER_VALIDATION)):
                rate = len(window) * settings.batch_size / max(time.monotonic() - window_began, 1e-9)
                if record:
                    others = {"lr": window[-1].lr, "images_per_second": rate, "skipped": at.skipped}
                    record.write("train", _means(window) | others)
                window, window_began = [], time.monotonic()

            # Validate, draw samples, save
            healthy = state.skipped_in_a_row == 0
            if validates:
                values, found = _validate(state, validation, processes)
                say(f"{at.position:,} images: " + _describe(values, bound(state.model.config)))
                healthy = all(map(isfinite, values.values()))
                if record:
                    record.write("validation", values)
                    record.draw(settings.seed)
                    report(out, options.report)
                if record and healthy and (at.best is None or values["bits_per_dim"] < at.best):
                    record.save_best(found, validation)
                window_began = time.monotonic()
            if record and healthy and saves:
                record.save()

            # End when asked to, all processes together
            if stops and not finished:
                processes.wait()
                kept = f"; {out} holds the training up to {record.saved_at:,} images" if record else ""
                message = f"Interrupted{kept}. The same command goes on."
                raise TrainingInterruptedError(message, stop.signum or signal.SIGTERM)
    if record:
        record.finish()


def _crossed(before: int, after: int, interval: float) -> bool:
    return before // interval < after // interval


def _means(window: Sequence[StepResult]) -> dict[str, float]:
    return {name: fmean(getattr(result, name) for result in window) for name in ("bits_per_dim", "bits_y", "grad_norm")}


def _validate(state: TrainingState, dataset: Dataset, processes: Processes) -> tuple[dict[str, float], Statistics]:
    """Mean bits/dim, by name, and what is to be known of each image."""
    found = statistics(state.evaluated, dataset, standard(), processes=processes)
    values = {"bits_per_dim": float(found.bits_per_dim.mean())}
    if state.averaged is not None:
        values["bits_per_dim_raw"] = float(scores(state.model, dataset, processes=processes).mean())
    return values, found


def _describe(values: dict[str, float], about: str) -> str:
    averaged = f"{values['bits_per_dim']:.3f} bits/dim{f' (bound: {about})' if about else ''} on validation images"
    return averaged + (f" ({values['bits_per_dim_raw']:.3f} with raw weights)" if "bits_per_dim_raw" in values else "")


def _advice(out: Path, where: str, settings: TrainConfig) -> str:
    return (
        f"{MAX_SKIPPED_IN_A_ROW} steps in a row had no finite loss or gradient, the last in {where}; {out / 'last'} is "
        f"the last good checkpoint: try again in another --out with a lower --train.lr (it was {settings.lr:g}), a "
        f"longer --train.warmup-images or a --train.grad-clip."
    )
