"""What an experiment is: presets, variations of their settings, and seeds. `definitions/` holds them as YAML."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from glowflow import presets
from glowflow.checks import check_number, check_type, check_whole
from glowflow.config import GlowConfig, RunConfig, TrainConfig
from glowflow.errors import InputError
from glowflow.migration import migrated
from glowflow.parts import MEMORIES, Part
from glowflow.presets import documents

Settings = Mapping[str, Mapping[str, Any]]
"""Settings by part. `model` and `train` override the preset's; `execution` takes a `precision` and a `memory` mode."""

Figure = Literal["epochs", "time", "final", "temperatures", "auroc"]
PRECISIONS = ("float32", "bfloat16")
OWN = {"images": "presets", "seed": "seeds", "validate_every": "validations"}
"""Settings of a training that an experiment sets for all trainings, each with the experiment's name for it."""
CONFIGURATIONS: Mapping[str, type] = {"model": GlowConfig, "train": TrainConfig}
PARTS = {
    "model": [field.name for field in fields(GlowConfig)],
    "train": [field.name for field in fields(TrainConfig) if field.name not in OWN],
    "execution": ["precision", "memory"],
}
BY_PRESET = ("against", "backgrounds", "published")
"""What an experiment says about some of its presets."""
MOST_SEEDS = 1000
DEFINITIONS = files("glowflow.experiments") / "definitions"


@dataclass(frozen=True)
class Training:
    """One training of an experiment."""

    preset: str
    variation: str
    seed: int
    run: RunConfig
    precision: str = PRECISIONS[0]
    memory: Part = MEMORIES.names[0]

    @property
    def settings(self) -> dict[str, dict[str, Any]]:
        """The settings that aren't defaults. Two trainings with the same settings are one training."""
        model, train = _changed(self.run.model, GlowConfig((1, 2, 2))), _changed(self.run.train, TrainConfig())
        model["image_shape"] = self.run.model.image_shape
        execution: dict[str, Any] = {"precision": self.precision}
        if (memory := MEMORIES.normal(self.memory)) != MEMORIES.names[0]:
            execution["memory"] = memory
        settings = {"model": model, "train": train, "execution": execution}
        plain: dict[str, dict[str, Any]] = json.loads(json.dumps(settings))  # as it's stored
        return plain

    @property
    def directory(self) -> str:
        """The name of its run's directory. Experiments that have the same training share it."""
        return directory(self.preset, self.seed, self.settings)

    def __str__(self) -> str:
        return f"{Path(self.preset).stem}, {self.variation}, seed {self.seed}"


def directory(preset: str, seed: int, settings: Mapping[str, Any]) -> str:
    """The name of the directory for a training with these settings."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]
    return f"{Path(preset).stem}-seed{seed}-{digest}"


@dataclass(frozen=True)
class Definition:
    """An experiment.

    Args:
        name: The file's name without .yaml.
        about: One sentence that says what is compared.
        claim: The claim that is tested.
        source: Where the claim was made.
        presets: Names of presets, each with the number of images that a training sees.
        variations: The settings that each variation changes, by its name. The figure draws a variation "A B" in the
            colour of A and the line style of B.
        figure: "epochs" and "time" draw validation bits/dim against these, "final" draws them at the end,
            "temperatures" draws the quality of samples, and "auroc" how well unusual images are told from usual ones.
        minutes: About how long the experiment takes on one core.
        seeds: Each preset and variation is trained with seeds 0, ..., seeds - 1.
        validations: How often each training is validated.
        shared: Settings that all trainings have.
        orders: Lists of variations, each in the order that is claimed, with the lowest bits/dim first.
        alike: Lists of variations that are claimed to be equal.
        temperatures: Each trained model draws samples at these.
        against: For each preset, data sets whose images are unusual for it. Each trained model tells them, and changed
            test images, from usual ones.
        backgrounds: For some of these presets, the background model that also scores their images: the name of its
            `preset`, and the settings that it changes. It's trained on as many images, with seed 0. It mustn't be
            trained on what is unusual for the preset.
        published: For some presets, what others report for a kind of unusual images, with the source.

    Raises:
        InputError: If a setting can't be used.
    """

    name: str
    about: str
    claim: str
    source: str
    presets: Mapping[str, int]
    variations: Mapping[str, Settings]
    figure: Figure
    minutes: float = 0
    seeds: int = 1
    validations: int = 8
    shared: Settings = field(default_factory=dict)
    orders: tuple[tuple[str, ...], ...] = ()
    alike: tuple[tuple[str, ...], ...] = ()
    temperatures: tuple[float, ...] = ()
    against: Mapping[str, Sequence[str]] = field(default_factory=dict)
    backgrounds: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    published: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_types(self)
        for name, settings in {"shared": self.shared, **self.variations}.items():
            _check_settings(settings, f"{self.name}, under {name},")
        for name in (variation for compared in (*self.orders, *self.alike) for variation in compared):
            if name not in self.variations:
                raise InputError(f"{self.name} compares {name!r}, which isn't one of its variations.")
        for preset, content in self.backgrounds.items():
            _check_background(content, f"{self.name}, under the background of {preset},")
        self.trainings()
        self.background_trainings()

    def trainings(self) -> list[Training]:
        """All trainings, seed 0 first, so that an experiment that is stopped early still compares all variations."""
        runs = {preset: presets.load_run(preset) for preset in self.presets}
        return [
            self._training(run, preset, variation, seed)
            for seed in range(self.seeds)
            for preset, run in runs.items()
            for variation in self.variations
        ]

    def background_of(self, training: Training) -> Training | None:
        """The training of the background model that scores the images of a training, too; None if there is none."""
        is_one = training.variation not in self.variations
        return None if is_one or training.preset not in self.backgrounds else self._background(training.preset)

    def _background(self, preset: str) -> Training:
        settings = dict(self.backgrounds[preset])
        name = settings.pop("preset")
        run = _changed_by(settings, self._cut(presets.load_run(name), self.presets[preset], seed=0))
        return Training(name, "background", 0, run, **settings.get("execution", {}))

    def background_trainings(self) -> list[Training]:
        """The trainings of all background models."""
        return [self._background(preset) for preset in self.presets if preset in self.backgrounds]

    def _training(self, run: RunConfig, preset: str, variation: str, seed: int) -> Training:
        run = self._cut(run, self.presets[preset], seed)
        execution: dict[str, Any] = {}
        for settings in (self.shared, self.variations[variation]):
            run = _changed_by(settings, run)
            execution |= settings.get("execution", {})
        return Training(preset, variation, seed, run, **execution)

    def _cut(self, run: RunConfig, images: int, seed: int) -> RunConfig:
        """The same training on another number of images."""
        every = max(1, images // self.validations)
        return replace(run, train=replace(run.train, images=images, validate_every=every, seed=seed))


def _changed_by(settings: Settings, run: RunConfig) -> RunConfig:
    """A training with other settings."""
    model, train = (replace(getattr(run, part), **settings.get(part, {})) for part in CONFIGURATIONS)
    return RunConfig(model, train)


def neighbours(lists: Sequence[Sequence[str]]) -> list[tuple[str, str]]:
    """The pairs of variations that a claim compares."""
    return [pair for names in lists for pair in pairwise(names)]


def names() -> list[str]:
    """The experiments that come with glowflow."""
    return documents.names_in(DEFINITIONS)


def load(name: str) -> Definition:
    """An experiment by its name, or from a YAML file.

    Raises:
        InputError: If there is no such experiment or file, or a setting in it can't be used.
    """
    content = documents.read(DEFINITIONS, name, "experiment", "glowflow experiment --list")
    allowed = [entry.name for entry in fields(Definition) if entry.name != "name"]
    documents.check_keys(content, allowed, name)
    for key in ("about", "claim", "source", "presets", "variations", "figure"):
        if key not in content:
            raise InputError(f"{name} lacks {key!r}.")
    for settings in (content.get("shared"), *_values(content["variations"])):
        if isinstance(settings, dict) and isinstance(settings.get("model"), dict):
            settings["model"] = migrated(settings["model"])
    return Definition(Path(name).stem if documents.is_file(name) else name, **content)


def _values(content: object) -> list[Any]:
    return list(content.values()) if isinstance(content, dict) else []


def narrowed(
    definition: Definition, only: Sequence[str] = (), seeds: int | None = None, images: int | None = None
) -> Definition:
    """The experiment with fewer presets, or another number of seeds or of images per training.

    Another number of images makes another experiment, with a name of its own.
    """
    for preset in only:
        if preset not in definition.presets:
            raise InputError(f"{definition.name} has no preset {preset!r}; it has {', '.join(definition.presets)}.")
    chosen = {
        preset: length if images is None else images
        for preset, length in definition.presets.items()
        if not only or preset in only
    }
    name = definition.name if images is None else f"{definition.name}-{images}-images"
    about: dict[str, Any] = {
        part: {preset: content for preset, content in getattr(definition, part).items() if preset in chosen}
        for part in BY_PRESET
    }
    seeds = definition.seeds if seeds is None else seeds
    return replace(definition, name=name, presets=chosen, seeds=seeds, **about)


def _changed(config: GlowConfig | TrainConfig, default: GlowConfig | TrainConfig) -> dict[str, Any]:
    usual = asdict(default)
    return {name: value for name, value in asdict(config).items() if value != usual[name]}


def _check_types(definition: Definition) -> None:
    for entry in fields(definition):
        check_type(f"{entry.name!r} of {definition.name}", getattr(definition, entry.name), entry.type)
    for key in ("presets", "variations"):
        content = getattr(definition, key)
        if not (isinstance(content, dict) and content and all(isinstance(name, str) for name in content)):
            raise InputError(
                f"{key!r} of {definition.name} is {content!r}; it takes a mapping with at least one name, which is in "
                "quotation marks if it's a number."
            )
    for preset, images in definition.presets.items():
        check_whole(f"the number of images for {preset}", images, 1)
    check_whole("seeds", definition.seeds, 1, MOST_SEEDS)
    check_whole("validations", definition.validations, 1)
    for name, value in [("minutes", definition.minutes), *(("temperature", t) for t in definition.temperatures)]:
        check_number(f"{name} of {definition.name}", value, 0)
    for preset, names in definition.against.items():
        if preset not in definition.presets or not isinstance(names, list):
            raise InputError(f"'against' of {definition.name} takes a list of data sets for each of its presets.")
    for key in ("backgrounds", "published"):
        content = getattr(definition, key)
        if not content.keys() <= definition.against.keys() or not all(isinstance(v, dict) for v in content.values()):
            raise InputError(f"{key!r} of {definition.name} takes a mapping for each preset, which 'against' has, too.")


def _check_background(content: Mapping[str, Any], source: str) -> None:
    if not isinstance(content.get("preset"), str):
        raise InputError(f"{source} lacks 'preset', the name of the background model's preset.")
    _check_settings({part: settings for part, settings in content.items() if part != "preset"}, source)


def _check_settings(settings: object, source: str) -> None:
    documents.check_keys(settings, list(PARTS), source)
    assert isinstance(settings, dict)  # noqa: S101  for mypy
    for part, content in settings.items():
        for key in OWN.keys() & (content if part == "train" and isinstance(content, dict) else {}):
            raise InputError(
                f"{source} sets train.{key}; an experiment sets this for all its trainings, under {OWN[key]!r}."
            )
        documents.check_keys(content, PARTS[part], f"{source} {part},")
        if part in CONFIGURATIONS:
            documents.check_text(content, CONFIGURATIONS[part], f"{source} {part},")
    execution = settings.get("execution", {})
    MEMORIES.options(execution.get("memory", MEMORIES.names[0]))
    precision = execution.get("precision", PRECISIONS[0])
    if precision not in PRECISIONS:
        raise InputError(f"{source} has the precision {precision!r}; it takes one of {', '.join(PRECISIONS)}.")
