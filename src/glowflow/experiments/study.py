"""The trainings of an experiment, run one after another; each that is finished is a line of `trainings.jsonl`."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from glowflow.data import load
from glowflow.durable import append, load_json, save_json
from glowflow.errors import TrainingDivergedError, TrainingInterruptedError
from glowflow.evaluate import likelihood, sample
from glowflow.experiments.definition import Definition, Training
from glowflow.experiments.estimates import estimates, execution_of, step_seconds
from glowflow.experiments.features import Judge, judge_for
from glowflow.model import Glow
from glowflow.pictures import grid
from glowflow.presets.size import size
from glowflow.progress import say
from glowflow.provenance import provenance
from glowflow.training import Options, train

Line = dict[str, Any]
"""What is known of a finished training."""

SAMPLES_FOR_KID = 500
GRID = 4
"""Samples are shown in so many rows and columns."""
ROUNDS = 7


@dataclass(frozen=True)
class Study:
    """An experiment being carried out.

    Args:
        definition: The experiment.
        out: The directory of its results.
        runs: The directory of runs, which experiments share.
        device: Where to compute.
    """

    definition: Definition
    out: Path
    runs: Path
    device: str = "cpu"

    @property
    def path(self) -> Path:
        """The file of results."""
        return self.out / "trainings.jsonl"

    @property
    def samples_per_training(self) -> int:
        """How many samples are drawn from each trained model."""
        return SAMPLES_FOR_KID * len(self.definition.temperatures)

    def results(self) -> list[Line]:
        """The finished ones of its trainings, each with the names that this experiment gives it."""
        lines = list(self._lines())
        return [
            found | {"preset": training.preset, "variation": training.variation, "seed": training.seed}
            for training in self.definition.trainings()
            if (found := _find(lines, training)) is not None
        ]

    def remaining(self) -> list[Training]:
        """The trainings that are to be run, none of them twice."""
        lines, todo = list(self._lines()), list[Training]()
        for training in self.definition.trainings():
            if _find(lines, training) is None and all(training.settings != other.settings for other in todo):
                todo.append(training)
        return todo

    def speeds(self) -> dict[str, dict[str, Any]]:
        """What was measured of each preset's variations in turn."""
        files = {preset: self._speed_file(preset) for preset in self.definition.presets}
        return {preset: load_json(path) for preset, path in files.items() if path.exists()}

    def picture(self, line: Line, temperature: float) -> Path:
        """Where the samples of a finished training are, at a temperature."""
        name = f"{line['preset']}-{line['variation']}-T{temperature:g}".replace(" ", "-")
        return self.out / "samples" / f"{Path(name).name}.png"

    def run(self, seconds: float | None = None) -> bool:
        """Run what remains, for about so long; returns whether all is finished then.

        Raises:
            TrainingInterruptedError: After Ctrl-C or SIGTERM in a training; its state is saved.
        """
        began = time.monotonic()
        deadline = None if seconds is None else began + seconds
        self.out.mkdir(parents=True, exist_ok=True)
        if self.definition.figure == "time":
            self._measure_speeds()
        todo = self.remaining()
        total = len({json.dumps(training.settings) for training in self.definition.trainings()})
        minutes = estimates(todo, self.device, self.definition.validations, self.samples_per_training)
        for number, training in enumerate(todo):
            allowed = None if deadline is None else deadline - time.monotonic()
            if allowed is not None and allowed <= 0:
                return False
            spent, expected = (time.monotonic() - began) / 60, sum(minutes[:number])
            left = sum(minutes[number:]) * (spent / expected if number else 1)
            say(f"Training {total - len(todo) + number + 1} of {total}: {training}; about {left:.0f} minutes left.")
            if not self._run(training, allowed):
                return False
        return True

    def _run(self, training: Training, seconds: float | None) -> bool:
        """Run one training and store its line; False if its time was too short."""
        directory, diverged, began = self.runs / training.directory, None, time.monotonic()
        try:
            train(training.run, directory, self.device, Options(execution_of(training), seconds=seconds))
        except TrainingDivergedError as error:
            diverged = str(error)
            say(f"It diverged, which is its result: {diverged}")
        except TrainingInterruptedError:
            if seconds is None or time.monotonic() - began < seconds:  # a signal, not the clock
                raise
            return False
        self._store(training, directory, diverged)
        return True

    def _store(self, training: Training, directory: Path, diverged: str | None) -> None:
        names = {"experiment": self.definition.name, "preset": training.preset, "variation": training.variation}
        line = names | {"seed": training.seed, "settings": training.settings, "diverged": diverged}
        line |= _record(training, directory)
        if diverged is None:
            line |= self._measured(training, directory, names)
        append(self.path, json.dumps(line | provenance()) + "\n")

    def _measured(self, training: Training, directory: Path, names: Line) -> Line:
        """What the trained model shows on all validation images; test images stay untouched."""
        model = Glow.from_pretrained(directory / "last", self.device).freeze()
        validation = load(training.run.train.data, training.run.model.image_shape, "validation")
        found = likelihood(model, validation)
        temperatures = self.definition.temperatures
        judge = judge_for(training.run, self.out) if temperatures else None
        kids = {f"{t:g}": self._samples(training, model, t, judge, names) for t in temperatures}
        return {
            "bits_per_dim": found.bits_per_dim,
            "standard_error": found.standard_error,
            "num_images": found.num_images,
            "kid": kids if judge else None,
            "judge": judge.about if judge else None,
        }

    def _samples(
        self, training: Training, model: Glow, temperature: float, judge: Judge | None, names: Line
    ) -> float | None:
        """Draw samples, keep a picture of the first seed's, and return their KID."""
        samples = sample(model, SAMPLES_FOR_KID if judge else GRID**2, temperature, seed=training.seed)
        if training.seed == 0:
            path = self.picture(names, temperature)
            path.parent.mkdir(parents=True, exist_ok=True)
            grid(samples[: GRID**2], GRID).save(path)
        return judge.kid(samples) if judge else None

    def _measure_speeds(self) -> None:
        for preset in self.definition.presets:
            path = self._speed_file(preset)
            if not path.exists():
                trainings = [t for t in self.definition.trainings() if (t.preset, t.seed) == (preset, 0)]
                first, *others = step_seconds(trainings, self.device, ROUNDS)
                ratios = [median(b / a for a, b in zip(first, other, strict=True)) for other in (first, *others)]
                named = dict(zip((t.variation for t in trainings), ratios, strict=True))
                save_json(path, {"preset": preset, "rounds": ROUNDS, "time_by_the_first": named} | provenance())

    def _speed_file(self, preset: str) -> Path:
        return self.out / f"speed-{Path(preset).stem}.json"

    def _lines(self) -> Iterator[Line]:
        text = self.path.read_text() if self.path.exists() else ""
        for line in text.splitlines():
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                continue  # cut short by a crash; its training is finished and is measured again


def _find(lines: list[Line], training: Training) -> Line | None:
    return next((line for line in lines if line["settings"] == training.settings), None)


def _record(training: Training, directory: Path) -> Line:
    """The validation curve and the speed, from the run's own record."""
    lines = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
    steps = [line for line in lines if line["kind"] == "train"]
    counts = [b["images"] - a for a, b in zip([0, *(line["images"] for line in steps)], steps, strict=False)]
    data = load(training.run.train.data, training.run.model.image_shape, "train")
    return {
        "curve": [[line["images"], line["bits_per_dim"]] for line in lines if line["kind"] == "validation"],
        "seconds": sum(n / line["images_per_second"] for n, line in zip(counts, steps, strict=True)),
        "images_per_second": median(line["images_per_second"] for line in steps) if steps else None,
        "skipped": steps[-1]["skipped"] if steps else None,
        "training_images": len(data),
        "parameters": size(training.run.model).parameters,
    }
