"""The command that runs an experiment: a set of trainings, its table and its figure."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from glowflow.commands.inputs import device_named
from glowflow.commands.tables import print_table
from glowflow.errors import InputError
from glowflow.progress import say

if TYPE_CHECKING:
    from glowflow.experiments.study import Study


def experiment(
    name: str | None = None,
    out: Path = Path("results/experiments"),
    runs: Path = Path("runs/experiments"),
    presets: str | None = None,
    seeds: int | None = None,
    images: int | None = None,
    slice: float = 150,  # noqa: A002 (the option's name)
    device: str | None = None,
    list_all: bool = False,
    dry_run: bool = False,
    figure_only: bool = False,
    no_figure: bool = False,
) -> None:
    """Run or continue an experiment: a set of trainings, with a table and a figure.

    Example: glowflow experiment ablation --out mine --presets digits

    A training isn't run again if its result is stored. A clone of the repository holds the results of all experiments;
    to run them yourself, give another directory with --out.

    Args:
        name: An experiment's name, or a YAML file of your own. Without it, all experiments are listed.
        out: The folder of the experiments' results, with a directory for each.
        runs: The folder of their trainings. A training that several experiments share is run once.
        presets: Train only these of its presets, separated by commas.
        seeds: The number of seeds to train, instead of the experiment's.
        images: The images of each training, instead of the experiment's. The results have a directory of their own.
        slice: Save and stop after about this many minutes. The same command continues.
        list_all: List the experiments.
        dry_run: Measure a few steps, and report which trainings would run here, and for how long.
        figure_only: Draw the figure from the stored results, without any training.
        no_figure: Don't draw, so that matplotlib isn't needed.
    """
    if name is None or list_all:
        _list()
        return
    from glowflow.experiments import definition
    from glowflow.experiments.figures import check_library
    from glowflow.experiments.study import Study
    from glowflow.threads import asked, use

    if isinstance(wish := asked(), int):
        use(wish)  # beside the trainings, which have an option for it
    if not slice > 0:
        raise InputError(f"--slice is {slice:g}; it takes a number of minutes above 0.")
    only = [word.strip() for word in presets.split(",")] if presets else []
    whole = definition.narrowed(definition.load(name), images=images)
    chosen = definition.narrowed(whole, only, seeds)
    whole = replace(whole, seeds=max(whole.seeds, chosen.seeds))
    study = Study(chosen, out / chosen.name, runs, device_named(device))
    if not figure_only and (known := len(study.results())):
        say(f"{study.path} has the results of {known} of {len(chosen.trainings())} trainings, which aren't run again.")
    if dry_run:
        _estimate(study)
        return
    if not no_figure:
        check_library()
    if not figure_only and not study.run(60 * slice):
        say(f"Trainings that remain: {len(study.remaining())}. The same command continues.")
        return
    _report(replace(study, definition=whole), with_figure=not no_figure, outdated=figure_only)


def _list() -> None:
    from glowflow.experiments import definition

    found = [definition.load(name) for name in definition.names()]
    print_table(
        "Experiments (minutes: about, on one core)",
        ("name", "about", "source", "presets", "trainings", "minutes"),
        [(e.name, e.about, e.source, ", ".join(e.presets), str(len(e.trainings())), f"{e.minutes:g}") for e in found],
        right=("trainings", "minutes"),
        sentences="about",
        spare=("source", "presets"),
    )


def _estimate(study: "Study") -> None:
    """Print the trainings that remain, and how long they will take."""
    todo, definition = study.remaining(), study.definition
    if not todo:
        say("Nothing remains to be run.")
        return
    minutes = study.minutes(todo)
    kinds = dict.fromkeys((training.preset, training.variation) for training in todo)
    rows = []
    for preset, variation in kinds:
        mine = [m for t, m in zip(todo, minutes, strict=True) if (t.preset, t.variation) == (preset, variation)]
        each = f"{sum(mine) / len(mine):.1f}"
        images = next(t.run.train.images for t in todo if (t.preset, t.variation) == (preset, variation))
        rows.append((Path(preset).stem, variation, str(len(mine)), f"{images:,}", each))
    numbers = ("seeds", "images each", "minutes each")
    title = f"{definition.name}: {len(todo)} trainings to run, about {sum(minutes):.0f} minutes here"
    print_table(title, ("preset", "variation", *numbers), rows, right=numbers)


def _report(study: "Study", *, with_figure: bool, outdated: bool) -> None:
    """Write and draw all results, including those of earlier commands."""
    from glowflow.durable import save_text
    from glowflow.experiments.figures import draw
    from glowflow.experiments.summary import summary

    lines = study.results(outdated=outdated)
    if not lines:
        raise InputError(f"{study.path} has no results of these trainings: give the --out and --images they had.")
    page = summary(study, lines)
    save_text(study.out / "summary.md", page)
    sys.stdout.write(page)
    pictures = draw(study, lines) if with_figure else []
    say(f"Written: {', '.join(map(str, [study.out / 'summary.md', *pictures]))}")
