"""The trainings of an experiment, run one after another. Each finished training is a line of `trainings.jsonl`."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import inf
from pathlib import Path
from statistics import median
from typing import Any

from glowflow import weights
from glowflow.data import of_run
from glowflow.durable import append, load_json, load_lines, save_json
from glowflow.errors import RunBusyError, TrainingDivergedError, TrainingInterruptedError
from glowflow.evaluate import likelihood, sample
from glowflow.experiments.definition import Definition, Training, directory
from glowflow.experiments.estimates import estimates, execution_of, step_seconds
from glowflow.experiments.judges import judge_for
from glowflow.experiments.results import Line
from glowflow.experiments.unusual import Trial, images_of, told_apart
from glowflow.judging import Judge, Quality
from glowflow.migration import migrated
from glowflow.model import Glow
from glowflow.pictures import grid
from glowflow.presets.size import size
from glowflow.progress import say
from glowflow.provenance import provenance
from glowflow.threads import asked
from glowflow.training import Options, train
from glowflow.training.checkpoints import PROGRESS
from glowflow.training.metrics import METRICS
from glowflow.training.run import LAST

NUM_SAMPLES = 500
"""The samples that are judged, at each temperature."""
GRID = 4
"""The rows, and the columns, of a picture of samples."""
ROUNDS = 7


@dataclass
class Forecast:
    """How much longer trainings take. Estimates are corrected by how long the finished trainings really took.

    Args:
        minutes: Each training's estimate, by its directory.
    """

    minutes: Mapping[str, float]
    began: float = field(default_factory=time.monotonic)
    expected: float = 0.0
    """The sum of the estimates of finished trainings, in minutes."""

    def finished(self, training: Training) -> None:
        """Note that a training is finished."""
        self.expected += self.minutes[training.directory]

    def left(self, trainings: Sequence[Training]) -> float:
        """Minutes that these trainings will take."""
        factor = (time.monotonic() - self.began) / 60 / self.expected if self.expected else 1.0
        return factor * sum(self.minutes[training.directory] for training in trainings)


@dataclass(frozen=True)
class Study:
    """A run of an experiment.

    Args:
        definition: The experiment.
        out: The directory of its results.
        runs: The directory of runs, which experiments share.
        device: The device that computes.
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
    def pairs(self) -> Path:
        """The file of how well trained models tell images of two kinds apart. It has a line for each pair."""
        return self.out / "pairs.jsonl"

    @property
    def trainings(self) -> list[Training]:
        """All trainings, those of background models first."""
        return [*self.definition.background_trainings(), *self.definition.trainings()]

    def results(self, *, outdated: bool = False) -> list[Line]:
        """The results of the finished trainings, each with the names that this experiment gives it.

        Args:
            outdated: True to take a result of former settings where a training has none of its present settings.
        """
        lines, trainings, found = load_lines(self.path), self.definition.trainings(), list[Line]()
        for training in trainings:
            line = _find(lines, training)
            if line is None and outdated:
                line = _namesake(lines, [other for other in trainings if other.settings == training.settings])
            if line is not None:
                names = {"preset": training.preset, "variation": training.variation, "seed": training.seed}
                found.append(line | names | {"outdated": _settings(line) != training.settings})
        return found

    def remaining(self) -> list[Training]:
        """The trainings without a result, each once, and the background models that these lack."""
        lines, todo = load_lines(self.path), list[Training]()
        without = [training for training in self.trainings if _find(lines, training) is None]
        for training in (*self._lost(without, lines), *without):
            if all(training.settings != other.settings for other in todo):
                todo.append(training)
        return todo

    def _lost(self, trainings: Sequence[Training], lines: list[Line]) -> list[Training]:
        """The background models of these trainings that aren't there. A clone has their results alone, for example."""
        needed = filter(None, map(self.definition.background_of, trainings))
        return [t for t in needed if self._saved(t) < t.run.train.images and not _has_diverged(lines, t)]

    def minutes(self, trainings: list[Training]) -> list[float]:
        """About how long each training still takes on this machine. Another experiment may have run a part of it."""
        num_samples = NUM_SAMPLES * len(self.definition.temperatures)
        whole = estimates(trainings, self.device, self.definition.validations, num_samples)
        left = [1 - self._saved(training) / training.run.train.images for training in trainings]
        return [share * each for share, each in zip(left, whole, strict=True)]

    def _saved(self, training: Training) -> int:
        """The number of images that a training's last checkpoint has seen."""
        path = self.runs / training.directory / LAST / PROGRESS
        return int(load_json(path)["position"]) if path.exists() else 0

    def speeds(self) -> dict[str, dict[str, Any]]:
        """The measured speed of each preset's variations."""
        files = {preset: self._speed_file(preset) for preset in self.definition.presets}
        return {preset: load_json(path) for preset, path in files.items() if path.exists()}

    def picture(self, line: Line, temperature: float) -> Path:
        """The path of a finished training's samples at a temperature."""
        name = directory(line["preset"], line["seed"], line["settings"])
        return self.out / "samples" / f"{name}-T{temperature:g}.png"

    def run(self, seconds: float = inf) -> bool:
        """Run the remaining trainings for about so many seconds, and return True if none remains.

        Several processes may run one experiment at once. Each leaves out the trainings that another is running.

        Raises:
            InputError: If images that a training needs aren't there.
            TrainingInterruptedError: After a signal in a training; its state is saved.
        """
        deadline = time.monotonic() + seconds
        self._check_data()
        self.out.mkdir(parents=True, exist_ok=True)
        if self.definition.figure == "time":
            self._measure_speeds()
        total = len({training.directory for training in self.trainings})
        forecast, elsewhere = self._forecast(), set[str]()
        while todo := [training for training in self._ready() if training.directory not in elsewhere]:
            allowed, training = deadline - time.monotonic(), todo[0]
            if allowed <= 0:
                return False
            count = total - len(todo) - len(elsewhere) + 1
            say(f"Training {count} of {total}: {training}; about {forecast.left(todo):.0f} minutes left.")
            try:
                if not self._run(training, allowed):
                    return False
            except RunBusyError:
                say("Another process is running this training, so the next one is run.")
                elsewhere.add(training.directory)
                continue
            forecast.finished(training)
        return not self.remaining()

    def _ready(self) -> list[Training]:
        """The remaining trainings whose background models are trained."""
        todo = self.remaining()
        missing = {training.directory for training in todo}
        needs = {training.directory: self.definition.background_of(training) for training in todo}
        return [t for t in todo if (needed := needs[t.directory]) is None or needed.directory not in missing]

    def _check_data(self) -> None:
        """Refuse to train for hours if images that a later training needs aren't there."""
        remaining = self.remaining()
        for run in {(t.run.train.data, t.run.model.image_shape): t.run for t in remaining}.values():
            of_run(run, "train")
        for preset, run in {t.preset: t.run for t in remaining}.items():
            for name in self.definition.against.get(preset, ()):
                images_of(name, run.model.image_shape)

    def _forecast(self) -> Forecast:
        trainings = self.remaining()
        return Forecast({t.directory: each for t, each in zip(trainings, self.minutes(trainings), strict=True)})

    def _run(self, training: Training, seconds: float) -> bool:
        """Run one training and store its line. Return False if the time was too short."""
        run, diverged, began = self.runs / training.directory, None, time.monotonic()
        options = Options(execution_of(training), seconds=seconds, threads=asked(), learns_usual=False)
        try:
            state = train(training.run, run, self.device, options)
            if self._saved(training) != state.progress.position:
                diverged = "The state at the end isn't finite."
        except TrainingDivergedError as error:
            diverged = str(error)
        except TrainingInterruptedError:
            if time.monotonic() - began < seconds:  # a signal, not the clock
                raise
            return False
        if diverged:
            say(f"The training diverged, which is stored as its result: {diverged}")
        if _find(load_lines(self.path), training) is None:  # a background model may be trained once more
            self._store(training, run, diverged)
        return True

    def _store(self, training: Training, run: Path, diverged: str | None) -> None:
        names = {"experiment": self.definition.name, "preset": training.preset, "variation": training.variation}
        line = names | {"seed": training.seed, "settings": training.settings, "diverged": diverged}
        line |= _record(training, run)
        if diverged is None:
            line |= self._measured(training, run, line)
        append(self.path, json.dumps(line | _provenance(run)) + "\n")

    def _measured(self, training: Training, run: Path, line: Line) -> Line:
        """Bits/dim of all validation images, how good samples are, and how well unusual images are recognised.

        Only the last uses test images.
        """
        model = Glow.from_pretrained(run / LAST, self.device).freeze()
        validation = of_run(training.run, "validation")
        found = likelihood(model, validation.with_classes(model.class_names))
        temperatures = self.definition.temperatures
        judge = judge_for(training.run) if temperatures else None
        quality = {f"{t:g}": asdict(self._quality(line, model, t, judge)) for t in temperatures if judge}
        is_main = training.variation in self.definition.variations
        against = self.definition.against.get(training.preset) if is_main else None
        return {
            "bits_per_dim": found.bits_per_dim,
            "bound": found.bound,
            "standard_error": found.standard_error,
            "num_images": found.num_images,
            "quality": quality or None,
            "judge": judge.about if judge else None,
            "told_apart": None if against is None else self._told_apart(model, training, against),
        }

    def _told_apart(self, model: Glow, training: Training, against: Sequence[str]) -> Line:
        background, general, name = self.definition.background_of(training), None, training.directory
        if background is not None and not _has_diverged(load_lines(self.path), background):
            general = Glow.from_pretrained(self.runs / background.directory / LAST, self.device).freeze()
            name = f"{name} with {background.directory}"
        return told_apart(Trial(model, training.run, general), against, self.pairs, name)

    def _quality(self, line: Line, model: Glow, temperature: float, judge: Judge) -> Quality:
        """Draw samples and return their quality. For the first seed, save a picture of them."""
        samples = sample(model, NUM_SAMPLES, temperature, seed=line["seed"])
        if line["seed"] == 0:
            path = self.picture(line, temperature)
            path.parent.mkdir(parents=True, exist_ok=True)
            grid(samples[: GRID**2], GRID).save(path)
        return judge.quality(samples)

    def _measure_speeds(self) -> None:
        for preset in self.definition.presets:
            path = self._speed_file(preset)
            if not path.exists():
                trainings = [t for t in self.definition.trainings() if (t.preset, t.seed) == (preset, 0)]
                measured = step_seconds(trainings, self.device, ROUNDS)
                names = [training.variation for training in trainings]
                ratios = [median(b / a for a, b in zip(measured[0], each, strict=True)) for each in measured]
                found = {
                    "seconds_per_image": dict(zip(names, map(median, measured), strict=True)),
                    "time_by_the_first": dict(zip(names, ratios, strict=True)),
                }
                save_json(path, {"preset": preset, "rounds": ROUNDS} | found | provenance())

    def _speed_file(self, preset: str) -> Path:
        return self.out / f"speed-{Path(preset).stem}.json"


def _find(lines: list[Line], training: Training) -> Line | None:
    return next((line for line in lines if _settings(line) == training.settings), None)


def _has_diverged(lines: list[Line], training: Training) -> bool:
    line = _find(lines, training)
    return line is not None and line["diverged"] is not None


def _settings(line: Line) -> dict[str, Any]:
    """The settings of a stored line, converted if they are of format 1."""
    settings: dict[str, Any] = line["settings"]
    return settings | {"model": migrated(settings["model"])}


def _namesake(lines: list[Line], trainings: list[Training]) -> Line | None:
    """The last line that was stored under the name of one of these trainings."""
    names = [{"preset": t.preset, "variation": t.variation, "seed": t.seed}.items() for t in trainings]
    return next((line for line in reversed(lines) if any(each <= line.items() for each in names)), None)


def _provenance(run: Path) -> Line:
    """The commit, machine and date of a run's final state. Another experiment may have run it earlier."""
    path = run / LAST / weights.PROVENANCE
    return load_json(path) if path.exists() else provenance()


def _record(training: Training, run: Path) -> Line:
    """The validation curve and the speed, from the run's record."""
    lines = load_lines(run / METRICS)
    steps = [line for line in lines if line["kind"] == "train"]
    counts = [b["images"] - a for a, b in zip([0, *(line["images"] for line in steps)], steps, strict=False)]
    data = of_run(training.run, "train")
    return {
        "curve": [[line["images"], line["bits_per_dim"]] for line in lines if line["kind"] == "validation"],
        "seconds": sum(n / line["images_per_second"] for n, line in zip(counts, steps, strict=True)),
        "images_per_second": median(line["images_per_second"] for line in steps) if steps else None,
        "skipped": steps[-1]["skipped"] if steps else None,
        "training_images": len(data),
        "parameters": size(training.run.model).parameters,
    }
