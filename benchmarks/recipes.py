"""Which recipe needs the fewest bits/dim? A training of a preset with other settings, of a given length.

    OMP_NUM_THREADS=1 python -m benchmarks.recipes results/recipes/races.jsonl fashionmnist --images 48000 \
        model.coupling=mixture train.batch_size=32 model.layout='{kind: glow, logit: true, margin: 1.0e-5}'

The length is counted in images, or in seconds of the whole training by the clock. The result is the bits/dim of 1,000
validation images by the averaged weights. Test images aren't used. The precision is the one that `glowflow train`
chooses on this machine. A line holds all settings of its training, so the same command measures again after a change
of the preset. Run two with a thread each for a fair race.
"""

import argparse
import time
from dataclasses import replace
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import yaml

from benchmarks.lines import Line, complete
from glowflow import data
from glowflow.config import RunConfig
from glowflow.durable import load_json
from glowflow.errors import TrainingInterruptedError
from glowflow.evaluate import likelihood
from glowflow.execution import Execution
from glowflow.execution.precision import fast_precision
from glowflow.experiments.definition import Training
from glowflow.model import Glow
from glowflow.presets import load_run
from glowflow.stored import StoredModel
from glowflow.training import Options, train
from glowflow.training.checkpoints import PROGRESS
from glowflow.training.run import LAST

NUM_IMAGES = 1000
ENDLESS = 10**8
"""Images; more than any training here draws."""


def raced(preset: str, changes: dict[str, Any], images: int | None, seed: int) -> RunConfig:
    """The preset with other settings and a length. Without a number of images it's endless."""
    run = changed(load_run(preset), changes | {"train.images": images or ENDLESS, "train.validate_every": ENDLESS})
    return replace(run, train=replace(run.train, seed=seed))


def measure(run: RunConfig, precision: torch.dtype | None, seconds: float = inf) -> Line:
    """Train in a precision, for at most so many seconds, and take the bits/dim.

    Raises:
        TrainingInterruptedError: After a signal. Nothing is measured then.
    """
    began = time.monotonic()
    with TemporaryDirectory() as folder:
        try:
            train(run, folder, options=Options(Execution(precision=precision), seconds=seconds))
        except TrainingInterruptedError:
            if time.monotonic() - began < seconds:  # a signal, not the clock
                raise
        last = Path(folder, LAST)
        model, progress = Glow.from_pretrained(StoredModel.open(last)), load_json(last / PROGRESS)
    found = likelihood(model, data.of_run(run, "validation").thinned(NUM_IMAGES))
    return {
        "trained_images": progress["position"],
        "bits_per_dim": found.bits_per_dim,
        "bound": found.bound,
        "standard_error": found.standard_error,
        "threads": torch.get_num_threads(),
    }


def changed(run: RunConfig, changes: dict[str, Any]) -> RunConfig:
    """The run with other settings, each named by its part and its own name."""
    parts: dict[str, dict[str, Any]] = {"model": {}, "train": {}}
    for key, value in changes.items():
        part, _, name = key.partition(".")
        parts[part][name] = value
    return RunConfig(replace(run.model, **parts["model"]), replace(run.train, **parts["train"]))


def main() -> None:
    """Measure what the output file lacks, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("preset")
    parser.add_argument("changes", nargs="*", metavar="PART.NAME=VALUE", help="values are YAML")
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--images", type=int)
    length.add_argument("--seconds", type=float)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_intermixed_args()
    pairs = (change.partition("=") for change in options.changes)
    changes = {key: yaml.safe_load(value) for key, _, value in pairs}
    run, precision = raced(options.preset, changes, options.images, options.seed), fast_precision("cpu")
    named = "float32" if precision is None else "bfloat16"
    wanted = {name: getattr(options, name) for name in ("preset", "images", "seconds", "seed")} | {
        "changes": changes,
        "settings": Training(options.preset, "", options.seed, run, named).settings,
    }
    for line in complete(options.out, lambda **_: measure(run, precision, options.seconds or inf), [wanted]):
        print(f"{line['bits_per_dim']:.4f} after {line['trained_images']:,} images: {options.preset}, {changes}")


if __name__ == "__main__":
    main()
