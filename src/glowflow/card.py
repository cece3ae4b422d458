"""The model card: a README.md that describes a stored model, in English for people and in YAML for the hub."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import yaml

from glowflow import weights
from glowflow.checks import typed
from glowflow.config import PARTS, GlowConfig
from glowflow.durable import load_json, save_text
from glowflow.errors import InputError, counted, listed, one_line
from glowflow.parts import Kind, Part
from glowflow.stored import StoredModel

FILE, PICTURE = "README.md", "samples.png"
MARK = "<!-- glowflow wrote this card and may write it again. Remove this line to keep a text of your own. -->"
TASK = "unconditional-image-generation"

CARD = """---
{metadata}---

# {title}

This model is a [Glow](https://arxiv.org/abs/1807.03039), a normalizing flow, for images of {size}. It computes the
exact likelihood of an image, turns images into latents and back without loss, and draws new images. It was made with
glowflow.
{picture}
## Use

Install glowflow with its extra `hub`. Then load the model in Python:

```python
{imports}from glowflow import Glow

model = Glow.from_pretrained("{place}")
images = model.sample(16, temperature=0.7{y})  # uint8 (16, C, H, W)
```

Or use it on the command line:

```
glowflow sample {place} --out new.png
```
{foreign}
## Results

{results}

## Model

{model}

## Training

{training}

## Licence

{licence}

## Limits

- The model takes and draws images of {size} only. glowflow crops and resizes the images that you give to its commands.
- It knows images like those of its training. It repeats what is common or missing among them.
- An image that is unlike the training images may still have low bits/dim. Low bits/dim alone doesn't prove likeness.
- Bits/dim doesn't measure how good drawn images look. A temperature (the standard deviation of the random latents)
  below 1 often gives better images with less variety.
{quantised}
{mark}
"""

MEANING = """

Bits/dim is the mean number of bits that the model needs for one value (one channel of one pixel). Less is better. Two
models can be compared by it only if their images have the same size and the same number of bits per channel."""

FOREIGN = """
glowflow doesn't have these parts of the model: {names}. Ask the model's author for the Python file that registers them.
Import it before you load the model, or name it on the command line by `--plugins FILE`.
"""

BOUNDED = " A bound is an\nupper bound on the bits that the model needs. Compare it only with bounds of the same kind."
CHOSEN = (
    " The validation\nimages were also used to choose the best weights, so the result on them is slightly too good."
)


@dataclass(frozen=True)
class Result:
    """Bits/dim on a split of a data set, as `glowflow evaluate --json` stores it."""

    data: str
    split: str
    bits_per_dim: float
    standard_error: float | None
    num_images: int
    bound: str = ""
    """What makes it differ from the bits/dim with uniform noise (`evaluate.bound`)."""

    @classmethod
    def read(cls, content: Mapping[str, Any], source: Path) -> Self:
        """The result that a JSON object from a file holds; InputError if it holds none."""
        try:
            error = content["standard_error"]
            return cls(
                str(content["data"]),
                str(content["split"]),
                float(content["bits_per_dim"]),
                None if error is None else float(error),
                int(content["num_images"]),
                str(content.get("bound", "")),
            )
        except (KeyError, TypeError, ValueError):
            raise InputError(f"{source} holds no result as glowflow evaluate --json writes it.") from None


@dataclass(frozen=True)
class Card:
    """What is known about a stored model."""

    config: GlowConfig
    parameters: int
    class_names: Sequence[str]
    weights: str
    """raw or averaged."""
    training: Mapping[str, Any]
    """The contents of `provenance.json`, where there is one."""
    results: Sequence[Result]
    name: str = ""
    """The model's name on the hub, if it's there with a picture."""
    license_id: str | None = None
    """The licence as the hub names it, such as mit."""

    @classmethod
    def of(cls, stored: StoredModel, parameters: int) -> Self:
        """Gather what is known about a stored model."""
        path = stored.directory / weights.PROVENANCE
        training = load_json(path) if path.is_file() else {}
        results = [Result.read(training["validation"], path)] if "validation" in training else []
        return cls(stored.config, parameters, stored.class_names, stored.kind, training, results)

    def write(self, directory: Path) -> None:
        """Write the card into a directory; one that somebody else wrote stays."""
        if own(directory) is None:
            save_text(directory / FILE, str(self))

    def __str__(self) -> str:
        """The card's text."""
        classes, bits = self.config.num_classes, self.config.num_bits
        quantised = f"- It knows 2^{bits} = {2**bits} levels per channel. Finer differences are lost.\n"
        return CARD.format(
            metadata=yaml.safe_dump(self._metadata(), sort_keys=False, allow_unicode=True),
            title=self._title,
            size=_size(self.config),
            picture=f"\n![Images that the model drew]({PICTURE})\n" if self.name else "",
            imports="import torch\n" if classes else "",
            place=self.name or "path/to/this/folder",
            y=f", y=torch.arange(16) % {classes}" if classes else "",
            foreign=_foreign(self.config),
            results=self._results(),
            model=_table(self._model()),
            training=self._training(),
            licence=f"The author gives this model the licence `{self.license_id}`."
            if self.license_id
            else "No licence was given for this model. Ask its author before you use it.",
            quantised=quantised if bits < 8 else "",
            mark=MARK,
        )

    @property
    def _title(self) -> str:
        data = self.training.get("data")
        return self.name.partition("/")[2] or (f"Glow of {_plain(data)}" if data else "Glow")

    def _metadata(self) -> dict[str, Any]:
        """What the hub reads: https://huggingface.co/docs/hub/model-cards."""
        tags = ["glow", "normalizing-flow", "exact-likelihood", "arxiv:1807.03039"]
        data = str(self.training.get("data", ""))
        entries = [_entry(result) for result in self.results]
        optional = {
            "license": self.license_id,
            "datasets": [data.removeprefix("hf:")] if data.startswith("hf:") else None,
            "model-index": [{"name": self._title, "results": entries}] if entries else None,
        }
        always = {"library_name": "glowflow", "pipeline_tag": TASK, "tags": tags}
        return always | {name: value for name, value in optional.items() if value}

    def _results(self) -> str:
        if not self.results:
            return "The model's files hold no results. `glowflow evaluate` measures bits/dim."
        head = ["| images | number | bits/dim | standard error |", "|---|---|---|---|"]
        chosen = CHOSEN if any(result.split == "validation" for result in self.results) else ""
        bounded = BOUNDED if any(result.bound for result in self.results) else ""
        return "\n".join([*head, *map(_row, self.results)]) + MEANING + bounded + chosen

    def _model(self) -> dict[str, str]:
        config = self.config
        classes = f"{config.num_classes} ({listed(self.class_names)})" if config.num_classes else "none"
        return {
            "image size": _size(config),
            "bits per channel": str(config.num_bits),
            "parameters": f"{self.parameters:,}",
            "classes": classes,
            "levels": str(config.num_levels),
            "steps of flow in each level": typed(config.steps),
            "width of the networks": typed(config.width),
            **{kind.name: ", ".join(_told(kind, part) for part in config.parts(kind)) for kind in PARTS},
            "weights": "averaged over the training" if self.weights == "averaged" else "not averaged",
        }

    def _training(self) -> str:
        known = self.training
        if not known:
            return "The model's files don't record how it was trained."
        commit, changed, _ = str(known.get("commit") or "").partition("+")
        of = f", commit {commit[:12]}{' with changes' if changed else ''}" if commit else ""
        rows = {
            "data": known.get("data"),
            "images seen, repetitions included": f"{known['images']:,}" if "images" in known else None,
            "precision of the networks": known.get("precision"),
            "glowflow": f"{known.get('glowflow')}{of}",
            "torch": known.get("torch"),
            "hardware": known.get("gpu") or known.get("machine"),
            "saved": known.get("date"),
        }
        return _table({name: str(value) for name, value in rows.items() if value})


def own(directory: Path) -> str | None:
    """The card in a directory if somebody else wrote it; None if there is no card, or glowflow may overwrite it."""
    path = directory / FILE
    content = path.read_text(encoding="utf-8", errors="surrogateescape") if path.is_file() else MARK
    return None if MARK in content else content


def _size(config: GlowConfig) -> str:
    channels, height, width = config.image_shape
    return f"{width}x{height} pixels and {counted(channels, 'channel')}"


def _told(kind: Kind, part: Part) -> str:
    """A part's name with its options, such as residual (blocks 2)."""
    options = [f"{name} {typed(value)}" for name, value in asdict(kind.options(part)).items()]
    return kind.name_of(part) + (f" ({', '.join(options)})" if options else "")


def _foreign(config: GlowConfig) -> str:
    """How to get the parts that glowflow doesn't have."""
    return FOREIGN.format(names=", ".join(config.foreign_parts)) if config.foreign_parts else ""


def _entry(result: Result) -> dict[str, Any]:
    """A result as the hub reads it."""
    return {
        "task": {"type": TASK},
        "dataset": {"name": result.data, "type": result.data.removeprefix("hf:"), "split": result.split},
        "metrics": [
            {"type": "bits_per_dim", "name": f"bits/dim{_about(result)}", "value": round(result.bits_per_dim, 4)}
        ],
    }


def _row(result: Result) -> str:
    error = "unknown" if result.standard_error is None else f"{result.standard_error:.4f}"
    bits = _plain(f"{result.bits_per_dim:.4f}{_about(result)}")
    return f"| {_plain(result.data)}, {result.split} | {result.num_images:,} | {bits} | {error} |"


def _about(result: Result) -> str:
    return f" (bound: {result.bound})" if result.bound else ""


def _table(rows: Mapping[str, str]) -> str:
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {_plain(value)} |" for name, value in rows.items())])


def _plain(text: object) -> str:
    """Make a text fit into a cell of a table."""
    return one_line(text).replace("|", "\\|")
