"""The commands that measure how well a model describes images."""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from glowflow.commands.inputs import (
    SplitName,
    check_draws,
    check_parent,
    dataset_for,
    listed_temperatures,
    opened,
    print_rows,
)
from glowflow.errors import InputError, counted
from glowflow.shapes import shape_text

if TYPE_CHECKING:
    from glowflow.data import Dataset
    from glowflow.model import Glow
    from glowflow.processes import Processes

TEMPERATURES = (0.7, 0.8, 0.9, 1.0)
"""Of samples, if the user names none."""


def evaluate(
    model: str,
    data: str | None = None,
    split: SplitName = "test",
    draws: int = 1,
    importance: int = 1,
    seed: int = 0,
    weights: Literal["averaged", "raw"] = "averaged",
    samples: int | None = None,
    temperature: float | tuple[float, ...] | None = None,
    json: Path | None = None,
    value_range: tuple[float, float] | None = None,
    device: str | None = None,
) -> None:
    """Measure bits/dim, reconstruction and classification on images that the model wasn't trained on.

    Example: glowflow evaluate runs/digits --json digits.json

    Args:
        importance: Draw the noise K times for each image, and average the likelihoods (not the bits). The bound is then
            lower, and closer to the exact number. This takes K times as long.
        weights: The weights that were averaged over the training, if the model has them, or the raw ones.
        samples: Also draw so many samples at each temperature, and compare them with as many images: KID, precision
            and recall. A small classifier is trained for this on the training images, once, in a few minutes.
        temperature: The temperatures of these samples, instead of 0.7, 0.8, 0.9 and 1.
        json: Also write the result into this file, with the commit, versions, seed and machine.
    """
    from glowflow.commands.judging import Comparison, report
    from glowflow.durable import save_json
    from glowflow.judging.real_images import RealImages
    from glowflow.judging.task import Task
    from glowflow.processes import joined
    from glowflow.provenance import provenance
    from glowflow.reports import Result, as_of, keep

    check_draws(draws, seed, importance)
    if temperature is not None and samples is None:
        raise InputError("--temperature is that of samples: give their number, too (--samples N).")
    temperatures, comparison = listed_temperatures(TEMPERATURES if temperature is None else temperature), None
    if json:
        check_parent(json)
    stored, glow = opened(model, device, raw=weights == "raw")
    dataset = dataset_for(stored, data, glow, split, value_range)
    if samples is not None:
        task = Task(dataset_for(stored, data, glow, "train", value_range), glow.config.num_bits)
        comparison = Comparison(samples, RealImages(task, dataset))
    about = {
        "model": model,
        "weights": "raw" if weights == "raw" else stored.kind,
        "data": dataset.name,
        "split": split,
        "image_shape": dataset.image_shape,
        "num_bits": glow.config.num_bits,
    }
    with joined(str(glow.device)) as processes:
        raw = opened(stored, device, raw=True)[1] if about["weights"] == "averaged" and stored.has_raw else None
        measured = about | _measured(glow, raw, dataset, draws, importance, seed, processes)
    if not processes.is_first:
        return
    if about["weights"] == "raw":
        measured["bits_per_dim_raw"] = measured["bits_per_dim"]
    rows = _report(measured, dataset.groups is not None)
    print_rows(rows)  # before the samples, which take minutes and may be interrupted
    if comparison is not None:
        measured["samples"] = judged = comparison.judged(glow, temperatures, seed)
        print_rows(of_samples := report(judged))
        rows |= of_samples
    if json:
        save_json(json, measured | provenance())
    subject = f"{dataset.name}, {split} split, {about['weights']} weights"
    keep(stored, [Result("evaluate", subject, rows, as_of(stored))])


def _measured(
    glow: "Glow",
    raw: "Glow | None",
    dataset: "Dataset",
    draws: int,
    importance: int,
    seed: int,
    processes: "Processes",
) -> dict[str, Any]:
    """Measure a model; `raw` is the model with its raw weights, if these are another."""
    from glowflow.evaluate import classification_error, likelihood, reconstruction_error

    known = partial(likelihood, dataset=dataset, num_draws=draws, seed=seed, processes=processes, importance=importance)
    measured = {
        **asdict(known(glow)),
        "bits_per_dim_raw": known(raw).bits_per_dim if raw else None,
        "seed": seed,
        "reconstruction_error_levels": reconstruction_error(glow, dataset, processes),
    }
    if glow.class_names:
        by_likelihood = "likelihood, all classes taken as equally frequent"
        measured["classification_error"] = classification_error(glow, dataset, seed, processes)
        measured["classified_by"] = by_likelihood if glow.classifier is None else "classifier"
    return measured


def _report(measured: dict[str, Any], clustered: bool) -> dict[str, str]:
    """Describe what `evaluate` measured about images."""
    m = measured
    error = "unknown" if m["standard_error"] is None else f"{m['standard_error']:.4f}"
    over = f"{m['num_clusters']} scenes" if clustered else "images"
    times = m["num_noise_draws"]
    draws = f", {counted(times, 'noise draw')}"
    if m["importance"] > 1:  # which the kind of bound says, too
        draws = f", {times} estimates of {m['importance']} draws each" if times > 1 else ""
    has_both = m["weights"] == "averaged" and m["bits_per_dim_raw"] is not None
    beside = f" (raw weights: {m['bits_per_dim_raw']:.4f})" if has_both else ""
    about = f" (bound: {m['bound']})" if m["bound"] else ""
    worst, levels = m["reconstruction_error_levels"], 2 ** m["num_bits"]
    shape = shape_text(m["image_shape"])
    rows = {
        "model": f"{m['model']} ({m['weights']} weights)",
        "images": f"{m['num_images']} of {m['data']}, {m['split']} split, {shape}, {m['num_bits']} bits",
        "bits/dim": f"{m['bits_per_dim']:.4f}{about}, standard error {error} over {over}{draws}{beside}",
        "reconstruction": f"{'not ' if worst else ''}exact: largest difference {worst} of {levels} levels",
    }
    if "classification_error" in m:
        rows["classification"] = f"{m['classification_error']:.1%} of images wrong, by the {m['classified_by']}"
    return rows
