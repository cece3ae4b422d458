"""What an experiment is: presets, what is varied in them, and how often; as YAML in `definitions/`."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_args

from glowflow import presets
from glowflow.checks import check_whole
from glowflow.config import GlowConfig, RunConfig, TrainConfig, migrated
from glowflow.errors import InputError
from glowflow.parts import MEMORIES, Part
from glowflow.presets import documents

Settings = Mapping[str, Mapping[str, Any]]
"""Settings by part: `model` and `train` override the preset's, `execution` may have a `precision`
and a `memory` mode."""

Figure = Literal["epochs", "time", "final", "temperatures"]
PRECISIONS = ("float32", "bfloat16")
OWN = {"images": "presets", "seed": "seeds", "validate_every": "validations"}
"""Settings of a training that the experiment has under names of its own."""
CONFIGURATIONS: Mapping[str, type] = {"model": GlowConfig, "train": TrainConfig}
PARTS = {
    "model": [field.name for field in fields(GlowConfig)],
    "train": [field.name for field in fields(TrainConfig) if field.name not in OWN],
    "execution": ["precision", "memory"],
}
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
        """All that determines its result: whatever isn't a default. Two trainings that agree in it are one."""
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
        """A name for its run's directory, which experiments share where their trainings are the same."""
        return directory(self.preset, self.seed, self.settings)

    def __str__(self) -> str:
        return f"{Path(self.preset).stem}, {self.variation}, seed {self.seed}"


def directory(preset: str, seed: int, settings: Mapping[str, Any]) -> str:
    """A name that tells trainings apart by their settings."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]
    return f"{Path(preset).stem}-seed{seed}-{digest}"


@dataclass(frozen=True)
class Definition:
    """An experiment.

    Args:
        name: What it's called.
        about: One sentence.
        claim: What it tests.
        source: Where the claim stands.
        presets: Each with the length of its trainings, in images.
        variations: By name, the settings in which each differs. Those named "A B" share A's colour and B's line.
        figure: Its kind: validation bits/dim against epochs or against time, at the end, or samples by temperature.
        minutes: About how long all of it takes on one core.
        seeds: Each preset and variation is trained with seeds 0, ..., seeds - 1.
        validations: How often each training is validated.
        shared: Settings of all its trainings.
        orders: Variations in the order that the claim has them, the lowest bits/dim first.
        alike: Variations between which the claim has no difference.
        temperatures: Of the samples that each trained model is judged and shown by.

    Raises:
        InputError: For settings that can't be used.
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
    orders: Sequence[Sequence[str]] = ()
    alike: Sequence[Sequence[str]] = ()
    temperatures: Sequence[float] = ()

    def __post_init__(self) -> None:
        _check_types(self)
        for name, settings in {"shared": self.shared, **self.variations}.items():
            _check_settings(settings, f"{self.name}, under {name},")
        for name in (variation for compared in (*self.orders, *self.alike) for variation in compared):
            if name not in self.variations:
                raise InputError(f"{self.name} compares {name!r}, which isn't one of its variations.")
        self.trainings()

    def trainings(self) -> list[Training]:
        """All trainings, one seed after the other, so that any first part of them is balanced."""
        runs = {preset: presets.load_run(preset) for preset in self.presets}
        return [
            self._training(run, preset, variation, seed)
            for seed in range(self.seeds)
            for preset, run in runs.items()
            for variation in self.variations
        ]

    def _training(self, run: RunConfig, preset: str, variation: str, seed: int) -> Training:
        images = self.presets[preset]
        every = max(1, images // self.validations)
        train = replace(run.train, images=images, validate_every=every, seed=seed)
        execution: dict[str, Any] = {}
        for settings in (self.shared, self.variations[variation]):
            run = replace(run, model=replace(run.model, **settings.get("model", {})))
            train = replace(train, **settings.get("train", {}))
            execution |= settings.get("execution", {})
        return Training(preset, variation, seed, RunConfig(run.model, train), **execution)


def neighbours(lists: Sequence[Sequence[str]]) -> list[tuple[str, str]]:
    """The pairs of variations that a claim compares."""
    return [pair for names in lists for pair in pairwise(names)]


def names() -> list[str]:
    """The experiments that come with glowflow."""
    return documents.names_in(DEFINITIONS)


def load(name: str) -> Definition:
    """An experiment by its name, or by a YAML file of one's own.

    Raises:
        InputError: If there is no such experiment or file, or something in it can't be used.
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
    """The experiment with some of its presets, other seeds, or, under another name, trainings of another length."""
    for preset in only:
        if preset not in definition.presets:
            raise InputError(f"{definition.name} has no preset {preset!r}; it has {', '.join(definition.presets)}.")
    chosen = {
        preset: length if images is None else images
        for preset, length in definition.presets.items()
        if not only or preset in only
    }
    name = definition.name if images is None else f"{definition.name}-{images}-images"
    return replace(definition, name=name, presets=chosen, seeds=definition.seeds if seeds is None else seeds)


def _changed(config: GlowConfig | TrainConfig, default: GlowConfig | TrainConfig) -> dict[str, Any]:
    usual = asdict(default)
    return {name: value for name, value in asdict(config).items() if value != usual[name]}


def _check_types(definition: Definition) -> None:
    takes: dict[str, tuple[Callable[[Any], bool], str]] = {
        "about": (_is_text, "a sentence"),
        "claim": (_is_text, "a sentence"),
        "source": (_is_text, "text"),
        "presets": (_has_names, "at least one preset's name, with a number of images"),
        "variations": (_has_names, "at least one name, in quotation marks if it's a number, with settings"),
        "minutes": (_is_amount, "a number of at least 0"),
        "orders": (_is_lists_of_text, "lists of variations"),
        "alike": (_is_lists_of_text, "lists of variations"),
        "temperatures": (lambda content: _is_list(content, _is_amount), "a list of numbers of at least 0"),
        "figure": (get_args(Figure).__contains__, f"one of {', '.join(get_args(Figure))}"),
    }
    for key, (fits, wanted) in takes.items():
        content = getattr(definition, key)
        if not fits(content):
            raise InputError(f"{definition.name} has {content!r} under {key!r}; it takes {wanted}.")
    for preset, images in definition.presets.items():
        check_whole(f"the number of images for {preset}", images, 1)
    check_whole("seeds", definition.seeds, 1, MOST_SEEDS)
    check_whole("validations", definition.validations, 1)


def _is_text(content: object) -> bool:
    return isinstance(content, str)


def _is_amount(content: object) -> bool:
    return isinstance(content, int | float) and content >= 0


def _has_names(content: object) -> bool:
    return isinstance(content, dict) and bool(content) and all(map(_is_text, content))


def _is_list(content: object, fits: Callable[[object], bool]) -> bool:
    return isinstance(content, list | tuple) and all(map(fits, content))


def _is_lists_of_text(content: object) -> bool:
    return _is_list(content, lambda entry: _is_list(entry, _is_text))


def _check_settings(settings: object, source: str) -> None:
    documents.check_keys(settings, list(PARTS), source)
    assert isinstance(settings, dict)  # noqa: S101  for mypy
    for part, content in settings.items():
        for key in OWN.keys() & (content if part == "train" and isinstance(content, dict) else {}):
            raise InputError(
                f"{source} sets train.{key}, which an experiment says under {OWN[key]!r} for all trainings."
            )
        documents.check_keys(content, PARTS[part], f"{source} {part},")
        if part in CONFIGURATIONS:
            documents.check_text(content, CONFIGURATIONS[part], f"{source} {part},")
    execution = settings.get("execution", {})
    MEMORIES.options(execution.get("memory", MEMORIES.names[0]))
    precision = execution.get("precision", PRECISIONS[0])
    if precision not in PRECISIONS:
        raise InputError(f"{source} has the precision {precision!r}; it takes one of {', '.join(PRECISIONS)}.")
