"""An experiment's results as a page of Markdown: the claim, the table, and the gaps that count."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

from glowflow.config import TrainConfig
from glowflow.experiments.definition import Definition, neighbours
from glowflow.experiments.results import Line, Value, bits, bits_after, by_seed, quality_at
from glowflow.experiments.significance import (
    CRITERION,
    Gap,
    binomial_interval,
    calibrated_interval,
    gap,
    mean_and_spread,
)
from glowflow.experiments.study import NUM_SAMPLES, Study
from glowflow.experiments.unusual import DRAWS, LEVEL

EQUAL_TIME = (
    "Bits/dim after equal time are read from the curves, at the time that the fastest variation takes for the whole "
    "training. The time is that of training steps alone, which were timed in turn."
)

COMBINED, CLAIMED, GOOD = "combined", 0.8, 0.95
"""The score that is to be good, the AUROC that the experiment `unusual` claims for it, and a good one."""

SHARES = (
    " Precision is the share of samples that resemble real images, and recall the share of real images that samples "
    "resemble. More is better."
)


def summary(study: Study, lines: Sequence[Line]) -> str:
    """The page, from stored results alone."""
    definition = study.definition
    total = len(definition.trainings())
    parts = [
        f"# {definition.name}",
        definition.about,
        f"The claim: {definition.claim} ({definition.source})",
        f"{len(lines)} of {total} trainings. Tables have the bits/dim of all validation images at the end of training. "
        "Curves have those of the validation images that the preset uses during training. Both use the averaged "
        "weights if the training averages them. ± is the standard deviation over seeds.",
        *([EQUAL_TIME] if study.speeds() else []),
        *_origin(lines),
        *([CRITERION] if definition.orders or definition.alike else []),
    ]
    for preset in definition.presets:
        mine = [line for line in lines if line["preset"] == preset]
        parts += [f"## {Path(preset).stem}", *_preset(study, preset, mine)] if mine else []
    return "\n\n".join(parts) + "\n"


def _origin(lines: Sequence[Line]) -> list[str]:
    """Commits and machines, and a warning if the settings have changed since."""
    commits = sorted({(line["commit"] or "none")[:7] + "+" * (line["commit"] or "").endswith("+") for line in lines})
    machines = sorted({line["gpu"] or line["machine"] for line in lines})
    days = sorted({line["date"][:10] for line in lines})
    when = " to ".join(dict.fromkeys([days[0], days[-1]]))
    parts = [f"Trained {when}, at commit {', '.join(commits)}; {'; '.join(machines)}."]
    outdated = sorted({Path(line["preset"]).stem for line in lines if line["outdated"]})
    if outdated:
        parts.append(
            f"**The settings of {', '.join(outdated)} have changed since. These results are from the former settings.**"
        )
    return parts


def _preset(study: Study, preset: str, lines: Sequence[Line]) -> list[str]:
    definition = study.definition
    values = _values(study, preset, lines)
    return [
        _about(lines),
        _table(study, preset, lines, values | _shares(study, lines)),
        *_judged(lines),
        *_told_apart(definition, preset, lines),
        *_comparisons(definition, lines, values),
    ]


def _values(study: Study, preset: str, lines: Sequence[Line]) -> dict[str, Value]:
    """What is compared, by its name: bits/dim after equally many images, after equal time, and KID."""
    values: dict[str, Value] = {"bits/dim": bits}
    if speed := study.speeds().get(preset):
        per_image: dict[str, float] = speed["seconds_per_image"]
        seconds = study.definition.presets[preset] * min(per_image.values())
        values[f"bits/dim after {seconds / 60:.1f} minutes"] = bits_after(seconds, per_image)
    if any(line.get("quality") or line.get("kid") for line in lines):
        values |= {f"KID at T = {t:g}": quality_at(t) for t in study.definition.temperatures}
    return values


def _shares(study: Study, lines: Sequence[Line]) -> dict[str, Value]:
    """Precision and recall of samples, by name. More is better, so they aren't among the values that are compared."""
    if not any(line.get("quality") for line in lines):
        return {}
    pairs = [(measure, t) for t in study.definition.temperatures for measure in ("precision", "recall")]
    return {f"{measure} at T = {t:g}": quality_at(t, measure) for measure, t in pairs}


def _about(lines: Sequence[Line]) -> str:
    """The length of the trainings, and the standard error over validation images."""
    line = lines[0]
    images = line["settings"]["train"].get("images", TrainConfig().images)
    parts = [f"{images:,} images per training, {images / line['training_images']:.1f} epochs."]
    kinds = sorted({line["bound"] for line in lines if line.get("bound")})
    if kinds:
        parts.append(f"Some bits/dim are upper bounds ({'; '.join(kinds)}): compare them only with each other.")
    errors = [other["standard_error"] for other in lines if other.get("standard_error") is not None]
    scored = [other["num_images"] for other in lines if other.get("num_images")]
    if errors:
        parts.append(f"Bits/dim have a standard error of {fmean(errors):.3f} over the {scored[0]:,} validation images.")
    elif scored:
        parts.append(
            f"The {scored[0]:,} validation images show one scene, so bits/dim have no standard error over scenes."
        )
    return " ".join(parts)


def _table(study: Study, preset: str, lines: Sequence[Line], values: Mapping[str, Value]) -> str:
    definition, speed = study.definition, study.speeds().get(preset)
    head = ["variation", "seeds", *values, "M parameters", "images/s"]
    head += [f"time of a step, relative to {next(iter(definition.variations))}"] if speed else []
    rows = []
    for variation in definition.variations:
        mine = [line for line in lines if line["variation"] == variation]
        if mine:
            times = [f"{speed['time_by_the_first'].get(variation, float('nan')):.2f}"] if speed else []
            rows.append([variation, *_cells(mine, variation, values), *times])
    return _markdown(head, rows)


def _cells(lines: Sequence[Line], variation: str, values: Mapping[str, Value]) -> list[str]:
    diverged = sum(line["diverged"] is not None for line in lines)
    skipped = sum(line["skipped"] or 0 for line in lines if line["diverged"] is None)
    seeds = f"{len(lines)}" + (f", {diverged} diverged" if diverged else "")
    seeds += f", {skipped} steps skipped" if skipped else ""
    bounded = any(line.get("bound") for line in lines)
    found = [
        mean_and_spread(list(by_seed(lines, variation, value).values()), 4 if name.startswith("KID") else 3)
        + " (bound)" * (bounded and name.startswith("bits"))
        for name, value in values.items()
    ]
    speeds = [line["images_per_second"] for line in lines if line["images_per_second"]]
    return [seeds, *found, f"{lines[0]['parameters'] / 1e6:.2f}", f"{fmean(speeds):.0f}" if speeds else "-"]


def _judged(lines: Sequence[Line]) -> list[str]:
    about = next((line["judge"] for line in lines if line.get("judge")), None)
    if about is None:
        return []
    return [
        f"KID is a distance between {NUM_SAMPLES} samples and {about['reference']}. Lower is better, and equal "
        f"distributions have 0. It compares features of a small classifier of {about['classifies']}, which is right "
        f"for {100 * about['accuracy']:.1f}% of the {about.get('kept', 'training images that were kept from it')}. The "
        f"flows have seen them.{SHARES if any(line.get('quality') for line in lines) else ''}"
    ]


def _told_apart(definition: Definition, preset: str, lines: Sequence[Line]) -> list[str]:
    """A table of the scores' mean AUROC for each kind of unusual images, and the shares of false alarms."""
    found = [line["told_apart"] for line in lines if line.get("told_apart")]
    if not found:
        return []
    tables: dict[str, list[dict[str, float]]] = {}
    for each in found:
        for kind, table in each["auroc"].items():
            tables.setdefault(kind, []).append(table)
    names = list(dict.fromkeys(name for some in tables.values() for table in some for name in table))
    published = definition.published.get(preset, {})
    rows = []
    for kind, some in tables.items():
        means = (mean_and_spread([table[name] for table in some if name in table], 3) for name in names)
        rows.append([kind, *means, *([published.get(kind, "-")] if published else [])])
    head = ["AUROC against", *names, *(["published"] if published else [])]
    return [_markdown(head, rows), _hardest(tables), _false_alarms(found), *_by_size(found)]


def _hardest(tables: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """Name the kinds that the combined score finds worst, by the AUROC of each score for each kind and seed."""
    means = {kind: fmean(table[COMBINED] for table in some) for kind, some in tables.items()}
    hard = [f"{kind} ({mean:.3f})" for kind, mean in sorted(means.items(), key=lambda each: each[1]) if mean < GOOD]
    below = [kind for kind, mean in means.items() if mean < CLAIMED]
    return (
        f"The combined score has an AUROC below {GOOD:g} for {', '.join(hard) or 'none of these kinds'}, and below "
        f"{CLAIMED:g} for {', '.join(below) or 'none'}."
    )


def _false_alarms(found: Sequence[Line]) -> str:
    """Say if p-values are right."""
    first, shares = found[0], [each["false_alarms"] for each in found]
    low, high = calibrated_interval(first["usual"], first["reference"], LEVEL)
    least, most = binomial_interval(first["usual"], LEVEL)
    alarms = ", ".join(f"{share:.1%} ({'inside' if low <= share <= high else 'outside'})" for share in shares)
    scenes = first["scenes"]
    dependent = f" The test images show {scenes} scenes, so they aren't independent." if scenes else ""
    return (
        f"The reference has {first['reference']:,} validation images. Of {first['usual']:,} usual test images, these "
        f"shares have a p-value below {LEVEL:g}, one for each seed: {alarms}. If p-values are right, 99 of 100 such "
        f"shares of independent images lie between {low:.1%} and {high:.1%}. With a reference of all usual images that "
        f"there could be, they would lie between {least:.1%} and {most:.1%}.{dependent}"
    )


def _by_size(found: Sequence[Line]) -> list[str]:
    """Say if p-values are right with smaller references, too."""
    shares: dict[str, list[float]] = {}
    for each in found:
        for size, drawn in each["false_alarms_by_size"].items():
            shares.setdefault(size, []).extend(drawn)
    if not shares:
        return []
    said = ", ".join(
        f"{fmean(each):.1%} with {size} images ({min(each):.1%} to {max(each):.1%})" for size, each in shares.items()
    )
    return [
        f"References of fewer validation images, {DRAWS} random choices for each seed, give these shares on average: "
        f"{said}."
    ]


def _comparisons(definition: Definition, lines: Sequence[Line], values: Mapping[str, Value]) -> list[str]:
    """A table with a row for each pair that the claim compares."""
    compared = {"<": neighbours(definition.orders), "=": neighbours(definition.alike)}
    if not any(compared.values()):
        return []
    head = ["claimed", *(word for name in values for word in (f"gap, {name}", ""))]
    rows = []
    for sign, pairs in compared.items():
        for a, b in pairs:
            gaps = [gap(by_seed(lines, a, value), by_seed(lines, b, value)) for value in values.values()]
            cells = [cell for found in gaps for cell in _gap_cells(found, definition.seeds, equal=sign == "=")]
            rows.append([f"{a} {sign} {b}", *cells])
    return [_markdown(head, rows)]


def _gap_cells(found: Gap | None, seeds: int, *, equal: bool) -> tuple[str, str]:
    if found is None:
        return "-", "no seed in common"
    error = "" if found.standard_error is None else f" ± {found.standard_error:.4f}"
    fewer = f" ({found.num_seeds} of {seeds} seeds)" if found.num_seeds < seeds else ""
    return f"{found.mean:+.4f}{error}", (found.verdict_on_equality if equal else found.verdict) + fewer


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
