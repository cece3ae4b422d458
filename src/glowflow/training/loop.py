"""The training loop."""

import time
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import torch
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from glowflow import data, weights
from glowflow.config import RunConfig, TrainConfig
from glowflow.data import Dataset
from glowflow.data.order import Stream
from glowflow.errors import TrainingDivergedError, TrainingInterruptedError
from glowflow.evaluate import grid, likelihood, sample, stacked
from glowflow.model import Glow
from glowflow.progress import progress, say
from glowflow.training.batches import Batches, check_labels
from glowflow.training.failures import MAX_SKIPPED_IN_A_ROW, find_failure
from glowflow.training.interruption import stop_requests
from glowflow.training.metrics import Metrics
from glowflow.training.objective import Objective
from glowflow.training.optimizer import learning_rate
from glowflow.training.run import claim
from glowflow.training.state import TrainingState

SECONDS_BETWEEN_CHECKPOINTS = 600.0
RECORDS_PER_VALIDATION = 10
SAMPLE_TEMPERATURES = (0.5, 0.7, 1.0)


def train(
    config: RunConfig,
    out: str | Path,
    device: str | torch.device = "cpu",
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
        tensorboard: Whether to write the metrics for TensorBoard too.

    Raises:
        InputError: If the configuration, the data or the directory can't be used.
        TrainingInterruptedError: After Ctrl-C or SIGTERM; the state is saved.
        TrainingDivergedError: After too many steps without a finite loss; the last checkpoint is left as it was.
    """
    out, settings = Path(out), config.train

    # Data
    splits = data.prepare(settings.data, config.model.image_shape)
    training, validation = splits["train"], _thinned(splits["validation"], settings.validation_images)
    check_labels(config.model, training)
    batches = Batches(training, config, device)

    # Model, averages and optimiser: fresh, or as the run left them
    claim(out, config)
    state = TrainingState.new(config, device)
    at = state.progress
    if weights.exists(out / "last"):
        state.restore(out / "last")
        at = state.progress
        say(f"Going on with {out} at {at.position:,} of {settings.images:,} images.")
    else:
        state.model.initialize(batches.at(0, settings.init_batch_size, Stream.INITIALIZATION)[0])
        state.evaluated.load_state_dict(state.model.state_dict())
        state.save(out / "last")
    metrics = Metrics(out, at.position, tensorboard=tensorboard)
    objective = Objective(state.model, settings.weight_y)
    parameters = list(state.model.parameters())

    # Steps
    skipped_in_a_row = 0
    window: list[tuple[float, float]] = []
    window_began = saved = time.monotonic()
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
            bits, grad_norm, total = torch.stack([loss.bits_per_dim.detach(), norm, loss.total.detach()]).tolist()

            # Update, unless something isn't finite
            before, at.position = at.position, at.position + settings.batch_size
            if abs(total) + abs(grad_norm) < float("inf"):
                if settings.grad_clip is not None:
                    clip_grads_with_norm_(parameters, settings.grad_clip, norm)
                state.optimizer.step()
                state.update_averages()
                at.updates += 1
                skipped_in_a_row = 0
                window.append((bits, grad_norm))
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
            if finished or _crossed(before, at.position, settings.validate_every):
                values = _validate(state, validation)
                metrics.write("validation", at.position, values)
                say(f"{at.position:,} images: " + _describe(values))
                _draw(state.evaluated, settings.seed, out / "samples" / f"{at.position:09d}.png")
                if values["bits_per_dim"] < at.best:
                    at.best = values["bits_per_dim"]
                    state.save_model(out / "best")
                state.save(out / "last")
                window_began = saved = time.monotonic()
            elif stop.signum is not None or time.monotonic() - saved > SECONDS_BETWEEN_CHECKPOINTS:
                state.save(out / "last")
                saved = time.monotonic()

            # Leave when asked to
            if stop.signum is not None and not finished:
                message = (
                    f"Interrupted at {at.position:,} images and saved in {out}; the same command goes on from there."
                )
                raise TrainingInterruptedError(message, stop.signum)
    return state


def _thinned(dataset: Dataset, count: int) -> Dataset:
    """A part of the data set with at most `count` images, spread over it."""
    step = -(-len(dataset) // count)
    columns = {name: getattr(dataset, name) for name in ("images", "labels", "attributes", "groups", "sources")}
    return replace(dataset, **{name: column[::step] for name, column in columns.items() if column is not None})


def _crossed(before: int, after: int, interval: float) -> bool:
    return before // interval < after // interval


def _summary(
    window: list[tuple[float, float]], seconds: float, lr: float, skipped: int, batch_size: int
) -> dict[str, float]:
    return {
        "bits_per_dim": fmean(bits for bits, _ in window),
        "grad_norm": fmean(norm for _, norm in window),
        "lr": lr,
        "images_per_second": len(window) * batch_size / max(seconds, 1e-9),
        "skipped": skipped,
    }


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
        f"{MAX_SKIPPED_IN_A_ROW} steps in a row had no finite loss or gradient, the last in {where}; {out} still holds "
        f"the last good checkpoint: try again in another --out with a lower --train.lr (it was {settings.lr:g}), a "
        f"longer --train.warmup_images or a --train.grad_clip."
    )
