"""The training loop."""

import time
from dataclasses import replace
from math import isfinite
from pathlib import Path
from statistics import fmean

import numpy as np
import torch
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from glowflow import data
from glowflow.config import RunConfig, TrainConfig
from glowflow.data import Dataset, Split
from glowflow.data.order import Stream
from glowflow.errors import InputError, TrainingDivergedError, TrainingInterruptedError
from glowflow.evaluate import grid, likelihood, sample, stacked
from glowflow.execution import Execution
from glowflow.model import Glow
from glowflow.progress import progress, say
from glowflow.training.batches import Batches, check_trainable
from glowflow.training.failures import MAX_SKIPPED_IN_A_ROW, find_failure
from glowflow.training.interruption import stop_requests
from glowflow.training.metrics import Metrics
from glowflow.training.objective import Objective
from glowflow.training.optimizer import learning_rate
from glowflow.training.run import check, claimed, with_absolute_data
from glowflow.training.state import TrainingState
from glowflow.weights import exists, load_config, recover

SECONDS_BETWEEN_CHECKPOINTS = 600.0
RECORDS_PER_VALIDATION = 10
SAMPLE_TEMPERATURES = (0.5, 0.7, 1.0)


def train(
    config: RunConfig,
    out: str | Path,
    device: str | torch.device = "cpu",
    execution: Execution | None = None,
    *,
    tensorboard: bool = False,
) -> TrainingState:
    """Run the training in the directory `out`, or go on with it where it was left.

    Writes there: `config.yaml`; `metrics.jsonl`; `best` (the model with the lowest bits/dim on validation images) and
    `last` (all that's needed to go on), both loadable by `Glow.from_pretrained`; `samples/*.png`.

    Args:
        config: The model and its training.
        out: The run's directory.
        device: Where to compute.
        execution: How training steps are computed; validation is in the parameters' type.
        tensorboard: Whether to write the metrics for TensorBoard too.

    Raises:
        InputError: If the configuration, the data or the directory can't be used.
        TrainingInterruptedError: After Ctrl-C or SIGTERM; the state is saved.
        TrainingDivergedError: After too many steps without a finite loss; the last checkpoint is left as it was.
    """
    out, config = Path(out), with_absolute_data(config)
    check(out, config)
    splits = data.prepare(config.train.data, config.model.image_shape)
    check_trainable(config.model, splits["train"])
    check_trainable(config.model, splits["validation"])
    with claimed(out, config):
        state = TrainingState.new(config, device, splits["train"].class_names)
        state.model.execute(execution or Execution())
        return _train(config, out, splits, state, tensorboard=tensorboard)


def _train(
    config: RunConfig,
    out: Path,
    splits: dict[Split, Dataset],
    state: TrainingState,
    *,
    tensorboard: bool,
) -> TrainingState:
    settings = config.train
    batches = Batches(splits["train"], config, state.model.device)
    validation = _thinned(splits["validation"], settings.validation_images)

    # Model, averages and optimiser: fresh, or as the run left them
    recover(out / "last")
    if exists(out / "last"):
        _check_classes(out / "last", state.model.class_names)
        state.restore(out / "last")
        say(f"Going on with {out} at {state.progress.position:,} of {settings.images:,} images.")
    else:
        state.model.initialize(batches.at(0, settings.init_batch_size, Stream.INITIALIZATION)[0])
        state.evaluated.load_state_dict(state.model.state_dict())
        state.save(out / "last")
    at = state.progress
    metrics = Metrics(out, at.position, tensorboard=tensorboard)
    objective = Objective(state.model, settings.weight_y)
    parameters = list(state.model.parameters())

    # Steps
    skipped_in_a_row = 0
    window: list[dict[str, float]] = []
    window_began = saved = time.monotonic()
    saved_at = at.position
    with stop_requests() as stop, progress("Training", settings.images, done=at.position) as advance:
        while at.position < settings.images:
            # Learning rate and batch
            lr = learning_rate(settings, at.position)
            for group in state.optimizer.param_groups:
                group["lr"] = lr
            x, y = batches.at(at.position, settings.batch_size)

            # Loss and gradient, fetched from the device in one transfer
            state.optimizer.zero_grad(set_to_none=True)
            loss = objective(x, y)
            loss.total.backward()
            gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
            norm = get_total_norm(gradients)
            total, bits, bits_y, grad_norm = torch.stack([*(part.detach() for part in loss), norm]).tolist()

            # Update, unless something isn't finite
            before, at.position = at.position, at.position + settings.batch_size
            if abs(total) + abs(grad_norm) < float("inf"):
                if settings.grad_clip is not None:
                    clip_grads_with_norm_(parameters, settings.grad_clip, norm)
                state.optimizer.step()
                state.update_averages()
                at.updates += 1
                skipped_in_a_row = 0
                window.append({"bits_per_dim": bits, "bits_y": bits_y, "grad_norm": grad_norm})
            else:
                at.skipped += 1
                skipped_in_a_row += 1
                where = find_failure(state.model, x, y)
                say(f"Step skipped at {before:,} images: {where} isn't finite ({at.skipped} skipped so far).")
                if skipped_in_a_row == MAX_SKIPPED_IN_A_ROW:
                    raise TrainingDivergedError(_advice(out, where, settings))
            advance(min(settings.batch_size, settings.images - before), f"{bits:.3f} bits/dim")

            # Record
            finished = at.position >= settings.images
            if window and (finished or _crossed(before, at.position, settings.validate_every / RECORDS_PER_VALIDATION)):
                seconds = time.monotonic() - window_began
                metrics.write("train", at.position, _summary(window, seconds, lr, at.skipped, settings.batch_size))
                window, window_began = [], time.monotonic()

            # Validate, draw samples, save
            validated = finished or _crossed(before, at.position, settings.validate_every)
            if validated:
                values = _validate(state, validation)
                metrics.write("validation", at.position, values)
                say(f"{at.position:,} images: " + _describe(values))
                _draw(state.evaluated, settings.seed, out / "samples" / f"{at.position:09d}.png")
                healthy = skipped_in_a_row == 0 and all(map(isfinite, values.values()))
                if healthy and (at.best is None or values["bits_per_dim"] < at.best):
                    at.best = values["bits_per_dim"]
                    state.save_model(out / "best")
                window_began = time.monotonic()
            else:
                healthy = skipped_in_a_row == 0
            overdue = time.monotonic() - saved > SECONDS_BETWEEN_CHECKPOINTS
            if healthy and (validated or overdue or stop.signum is not None):
                state.save(out / "last")
                saved, saved_at = time.monotonic(), at.position

            # Leave when asked to
            if stop.signum is not None and not finished:
                saved_part = f"{out} holds the training up to {saved_at:,} images"
                raise TrainingInterruptedError(f"Interrupted; {saved_part}. The same command goes on.", stop.signum)
    return state


def _check_classes(directory: Path, names: list[str]) -> None:
    trained = load_config(directory)["class_names"]
    if trained != names:
        raise InputError(
            f"The classes of the data are {', '.join(names)} now; {directory} was trained on {', '.join(trained)}."
        )


def _thinned(dataset: Dataset, count: int) -> Dataset:
    """At most `count` images of the data set, at random but always the same."""
    chosen = np.sort(np.random.default_rng(0).permutation(len(dataset))[:count])
    columns = {name: getattr(dataset, name) for name in ("images", "labels", "attributes", "groups", "sources")}
    return replace(dataset, **{name: column[chosen] for name, column in columns.items() if column is not None})


def _crossed(before: int, after: int, interval: float) -> bool:
    return before // interval < after // interval


def _summary(
    window: list[dict[str, float]], seconds: float, lr: float, skipped: int, batch_size: int
) -> dict[str, float]:
    means = {name: fmean(record[name] for record in window) for name in window[0]}
    return {**means, "lr": lr, "images_per_second": len(window) * batch_size / max(seconds, 1e-9), "skipped": skipped}


def _validate(state: TrainingState, dataset: Dataset) -> dict[str, float]:
    values = {"bits_per_dim": likelihood(state.evaluated, dataset).bits_per_dim}
    if state.averaged is not None:
        values["bits_per_dim_raw"] = likelihood(state.model, dataset).bits_per_dim
    return values


def _describe(values: dict[str, float]) -> str:
    averaged = f"{values['bits_per_dim']:.3f} bits/dim on validation images"
    return averaged + (f" ({values['bits_per_dim_raw']:.3f} with raw weights)" if "bits_per_dim_raw" in values else "")


def _draw(model: Glow, seed: int, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    stacked({f"T = {t}": grid(sample(model, 20, t, seed=seed), 10) for t in SAMPLE_TEMPERATURES}).save(path)


def _advice(out: Path, where: str, settings: TrainConfig) -> str:
    return (
        f"{MAX_SKIPPED_IN_A_ROW} steps in a row had no finite loss or gradient, the last in {where}; {out / 'last'} is "
        f"the last good checkpoint: try again in another --out with a lower --train.lr (it was {settings.lr:g}), a "
        f"longer --train.warmup_images or a --train.grad_clip."
    )
