"""An experiment's results as a page of Markdown: what was claimed, the table, and which gaps count."""

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean

from glowflow.experiments.definition import Definition
from glowflow.experiments.significance import CRITERION, Gap, gap, mean_and_spread
from glowflow.experiments.study import SAMPLES_FOR_KID, Line, Study

Value = Callable[[Line], float | None]


def summary(study: Study, lines: Sequence[Line]) -> str:
    """The page, from stored results alone."""
    definition = study.definition
    total = len(definition.trainings())
    parts = [
        f"# {definition.name}",
        definition.about,
        f"The claim: {definition.claim} ({definition.source})",
        f"{len(lines)} of {total} trainings. Bits/dim and curves are of validation images, of the weights that "
        "are evaluated (the averaged ones, where there are), at the training's end; ± is the standard "
        "deviation over seeds.",
    ]
    for preset in definition.presets:
        mine = [line for line in lines if line["preset"] == preset]
        parts += [f"## {Path(preset).stem}", *_preset(study, preset, mine)] if mine else []
    return "\n\n".join(parts) + "\n"


def bits(line: Line) -> float | None:
    """Bits/dim at a training's end; None where it diverged."""
    return line.get("bits_per_dim")


def by_seed(lines: Sequence[Line], variation: str, value: Value) -> dict[int, float]:
    """A variation's results, by seed."""
    found = {line["seed"]: value(line) for line in lines if line["variation"] == variation}
    return {seed: result for seed, result in found.items() if result is not None}


def kid_at(temperature: float) -> Value:
    """What gives the KID of a training's samples at a temperature."""
    return lambda line: (line.get("kid") or {}).get(f"{temperature:g}")


def _preset(study: Study, preset: str, lines: Sequence[Line]) -> list[str]:
    definition = study.definition
    about = f"{definition.presets[preset]:,} images per training, {_epochs(lines)} epochs."
    return [about, _table(study, preset, lines), *_judged(definition, lines), *_orders(definition, lines)]


def _epochs(lines: Sequence[Line]) -> str:
    line = lines[0]
    return f"{line['settings']['train']['images'] / line['training_images']:.1f}"


def _table(study: Study, preset: str, lines: Sequence[Line]) -> str:
    definition, speed = study.definition, study.speeds().get(preset)
    temperatures = definition.temperatures if any(line.get("kid") for line in lines) else ()
    head = ["variation", "seeds", "bits/dim", *(f"KID, T = {t:g}" for t in temperatures), "M parameters", "images/s"]
    head += [f"time of a step by {next(iter(definition.variations))}'s"] if speed else []
    rows = []
    for variation in definition.variations:
        mine = [line for line in lines if line["variation"] == variation]
        if mine:
            times = [f"{speed['time_by_the_first'].get(variation, float('nan')):.2f}"] if speed else []
            rows.append([variation, *_cells(mine, variation, temperatures), *times])
    return _markdown(head, rows)


def _cells(lines: Sequence[Line], variation: str, temperatures: Sequence[float]) -> list[str]:
    diverged = sum(line["diverged"] is not None for line in lines)
    seeds = f"{len(lines)}" + (f", {diverged} diverged" if diverged else "")
    values = [mean_and_spread(list(by_seed(lines, variation, value).values()), 3) for value in (bits,)]
    values += [mean_and_spread(list(by_seed(lines, variation, kid_at(t)).values()), 4) for t in temperatures]
    speeds = [line["images_per_second"] for line in lines if line["images_per_second"]]
    return [seeds, *values, f"{lines[0]['parameters'] / 1e6:.2f}", f"{fmean(speeds):.0f}" if speeds else "-"]


def _judged(definition: Definition, lines: Sequence[Line]) -> list[str]:
    about = next((line["judge"] for line in lines if line.get("judge")), None)
    if about is None:
        absent = "KID is left out: these images have no labels, attributes or groups to train a classifier with."
        return [absent] if definition.temperatures else []
    return [
        f"KID (the lower the better, 0 for equal distributions) is between {SAMPLES_FOR_KID} samples and "
        f"{about['reference']}, by the features of a small classifier of {about['classifies']}, which names "
        f"{100 * about['accuracy']:.1f}% rightly of training images that it hasn't seen."
    ]


def _orders(definition: Definition, lines: Sequence[Line]) -> list[str]:
    if not definition.neighbours:
        return []
    temperatures = [definition.temperatures[-1]] if any(line.get("kid") for line in lines) else []
    values = [bits, *(kid_at(t) for t in temperatures)]
    head = ["claimed", "gap, bits/dim", "", *(word for t in temperatures for word in (f"gap, KID at T = {t:g}", ""))]
    rows = []
    for lower, higher in definition.neighbours:
        gaps = [gap(by_seed(lines, lower, value), by_seed(lines, higher, value)) for value in values]
        rows.append([f"{lower} < {higher}", *(cell for each in gaps for cell in _gap_cells(each))])
    return [CRITERION, _markdown(head, rows)]


def _gap_cells(found: Gap | None) -> tuple[str, str]:
    if found is None:
        return "-", "no seed in common"
    error = "" if found.standard_error is None else f" ± {found.standard_error:.4f}"
    return f"{found.mean:+.4f}{error}", found.verdict


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
