"""The figures of an experiment, drawn from stored results alone."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from glowflow.experiments.canvas import canvas
from glowflow.experiments.results import Line, bits, by_seed, marked, quality_at
from glowflow.experiments.study import Study
from glowflow.pictures import GAP, stacked

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DASHES = ("-", "--", ":", "-.")
ABREAST = 3
"""The most presets that are drawn beside each other."""
DRAWN = {"bits_per_dim": "C7", "typicality": "C0", "combined": "C1"}
"""The scores whose AUROC are drawn, each with its colour."""
Scale = Callable[[Line], float]
"""The factor that turns a training's number of images into epochs or minutes."""


def check_library() -> None:
    """Refuse to draw without matplotlib."""
    _figure(1, 1)


def draw(study: Study, lines: Sequence[Line]) -> list[Path]:
    """Draw the figure and the samples, and return the paths of the pictures."""
    drawn = {
        "epochs": _against_epochs,
        "time": _against_time,
        "final": _final,
        "temperatures": _temperatures,
        "auroc": _auroc,
    }
    presets = [preset for preset in study.definition.presets if any(line["preset"] == preset for line in lines)]
    columns, rows = min(len(presets), ABREAST), -(-len(presets) // ABREAST)
    figure = _figure(columns, rows)
    for number, preset in enumerate(presets, 1):
        axes = figure.add_subplot(rows, columns, number)
        drawn[study.definition.figure](study, axes, [line for line in lines if line["preset"] == preset])
        axes.set_title(Path(preset).stem)
    _legend(figure)
    figure.savefig(study.out / "figure.png", dpi=150)
    return [study.out / "figure.png", *_galleries(study, lines)]


def _figure(columns: int, rows: int) -> "Figure":
    return canvas(5 * columns, 4 * rows, ", or give --no-figure")


def _legend(figure: "Figure") -> None:
    """Put one legend beside all parts of the figure, if it has more than one name."""
    named = {
        name: handle for axes in figure.axes for handle, name in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    if len(named) > 1:
        figure.legend(named.values(), named.keys(), loc="outside right center", handlelength=3)


def _against_epochs(study: Study, axes: "Axes", lines: Sequence[Line]) -> None:
    _curves(study, axes, lines, lambda line: 1 / line["training_images"])
    axes.set(xlabel="epochs")


def _against_time(study: Study, axes: "Axes", lines: Sequence[Line]) -> None:
    """Draw curves against the time of steps that were timed in turn, since trainings ran beside different loads."""
    seconds = study.speeds()[lines[0]["preset"]]["seconds_per_image"]
    _curves(study, axes, lines, lambda line: seconds[line["variation"]] / 60)
    axes.set(xlabel="minutes of training steps")


def _curves(study: Study, axes: "Axes", lines: Sequence[Line], scale: Scale) -> None:
    """Draw each variation's mean validation curve, in a band from the lowest seed to the highest."""
    for variation, (colour, dashes) in _styles(study).items():
        mine = [line for line in lines if line["variation"] == variation and line["curve"] and not line["diverged"]]
        if mine:
            x = np.mean([[images * scale(line) for images, _ in line["curve"]] for line in mine], axis=0)
            y = np.array([[value for _, value in line["curve"]] for line in mine], float)
            axes.fill_between(x, y.min(0), y.max(0), color=colour, alpha=0.2, linewidth=0)
            axes.plot(x, y.mean(0), color=colour, linestyle=dashes, label=marked(variation, mine))
    axes.set(ylabel="validation bits/dim")
    _crop(axes)


def _crop(axes: "Axes") -> None:
    """Cut off the first validations, which are far above the others."""
    curves = [np.asarray(line.get_ydata()) for line in axes.get_lines()]
    if curves:
        axes.set_ylim(top=max(np.nanmax(y[min(1, len(y) - 1) :]) for y in curves) + 0.05)


def _styles(study: Study) -> dict[str, tuple[str, str]]:
    """Colour and line style of each variation. "A B" has the colour of A and the line style of B."""
    words = {variation: variation.split() for variation in study.definition.variations}
    colours = list(dict.fromkeys(word for word, *_ in words.values()))
    lines = list(dict.fromkeys(" ".join(rest) for _, *rest in words.values()))
    return {
        variation: (f"C{colours.index(first) % 10}", DASHES[lines.index(" ".join(rest)) % len(DASHES)])
        for variation, (first, *rest) in words.items()
    }


def _final(study: Study, axes: "Axes", lines: Sequence[Line]) -> None:
    """Draw bits/dim at the end: a point for each seed, and a bar at their mean."""
    for position, variation in enumerate(study.definition.variations):
        values = list(by_seed(lines, variation, bits).values())
        axes.plot([position] * len(values), values, "o", color="C0")
        if values:
            axes.plot([position - 0.3, position + 0.3], [np.mean(values)] * 2, color="C0")
    names = [marked(name, lines) for name in study.definition.variations]
    axes.set_xticks(range(len(names)), names, rotation=45)
    axes.set(ylabel="validation bits/dim")


def _temperatures(study: Study, axes: "Axes", lines: Sequence[Line]) -> None:
    """Draw the KID of samples against their temperature."""
    for variation in study.definition.variations:
        values = {t: by_seed(lines, variation, quality_at(t)).values() for t in study.definition.temperatures}
        known = {t: float(np.mean(list(kids))) for t, kids in values.items() if kids}
        axes.plot(list(known), list(known.values()), marker="o", label=variation)
    axes.set(xlabel="temperature", ylabel="KID", ylim=(min(0, axes.get_ylim()[0]), None))


def _auroc(study: Study, axes: "Axes", lines: Sequence[Line]) -> None:
    """Draw the AUROC of some scores against each kind of unusual images: a point for each seed."""
    found = [line["told_apart"]["auroc"] for line in lines if line.get("told_apart")]
    kinds = list(dict.fromkeys(kind for each in found for kind in each))
    for score, colour in DRAWN.items():
        places = [kinds.index(kind) for each in found for kind in each]
        values = [table[score] for each in found for table in each.values()]
        axes.plot(places, values, "o", color=colour, alpha=0.7, label=score.replace("bits_per_dim", "bits/dim"))
    axes.axhline(0.5, color="grey", linewidth=0.5)
    axes.set_xticks(range(len(kinds)), kinds, rotation=45, ha="right")
    axes.set(ylabel="AUROC", ylim=(-0.03, 1.03))


def _galleries(study: Study, lines: Sequence[Line]) -> list[Path]:
    """Save samples side by side, for each preset: all variations at one temperature, or one at all temperatures."""
    paths = []
    for preset in study.definition.presets:
        first = [line for line in lines if line["preset"] == preset and line["seed"] == 0]
        if len(study.definition.variations) == 1:
            groups = {"": {f"T = {t:g}": study.picture(x, t) for t in study.definition.temperatures for x in first}}
        else:
            temperatures = study.definition.temperatures
            groups = {f"-T{t:g}": {x["variation"]: study.picture(x, t) for x in first} for t in temperatures}
        for name, pictures in groups.items():
            present = {title: Image.open(path) for title, path in pictures.items() if path.exists()}
            if present:
                paths.append(study.out / f"samples-{Path(preset).stem}{name}.png")
                abreast(present).save(paths[-1])
    return paths


def abreast(pictures: Mapping[str, Image.Image]) -> Image.Image:
    """Pictures of one size with their titles, in rows of four, or in rows of three if only those leave no gap."""
    tiles = [stacked({title: picture}) for title, picture in pictures.items()]
    columns = next((n for n in (4, 3) if len(tiles) % n == 0), min(len(tiles), 4))
    width, height = tiles[0].width + 4 * GAP, tiles[0].height
    size = (columns * width - 4 * GAP, -(-len(tiles) // columns) * height)
    canvas = Image.new(tiles[0].mode, size, "white")
    for index, tile in enumerate(tiles):
        row, column = divmod(index, columns)
        canvas.paste(tile, (column * width, row * height))
    return canvas
