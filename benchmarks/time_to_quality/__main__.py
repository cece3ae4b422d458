"""How good a model do I have after the time that I can afford? Glowflow and other code bases, side by side.

Each contender is trained on the same images, by its own code base's documented recipe (see `peers/`, which lists
every deviation), in turns of half a minute on the same cores, until each has had its `--minutes` of training. At 0.5,
1, 2, 4, ... minutes of its own time, one evaluator (`judge.py`) takes its bits/dim of the same validation images, with
the same noise. Before, each density is checked against a Jacobian (`density.py`), and put right where it's off by a
constant. Reports are lines of the output file, and samples are kept in a directory of its name beside it, from which
both figures are drawn again by `--draw-only`; a run that was stopped goes on by the same command, from checkpoints in
`--work`, and a contender with its last report in the file isn't trained again.

    pip install -e '.[data,peers]'
    git clone https://github.com/rosinality/glow-pytorch ../rosinality
    git clone https://github.com/y0ast/Glow-PyTorch ../y0ast
    python -m benchmarks.time_to_quality faces32 mine.jsonl --rosinality ../rosinality --y0ast ../y0ast --contenders \
        glowflow normflows-small FrEIA-small nflows-small rosinality-small y0ast-small \
        --figure faces32.png --samples samples.png

That takes two hours and some, 20 minutes for each; `-small` are the others' recipes at the size
that glowflow's preset had in version 0.1.0.
Without `--contenders` the others take part at their documented sizes too. A preset of one's own joins by `--ours`, and
what is stored in the repository is drawn again by `--draw-only`:

    python -m benchmarks.time_to_quality digits trials.jsonl --contenders glowflow --ours wide=wide.yaml
    python -m benchmarks.time_to_quality faces32 results/time-to-quality/reports.jsonl --draw-only --split test \
        --figure faces32.png --samples samples.png

The test images stay untouched until the recipes are frozen: everything is judged on validation images, and only the
last, final comparison is run with `--split test`. One that was made with other `--minutes` can be made longer.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import get_args

import torch
from PIL import Image

from benchmarks.time_to_quality.contender import SIZES, Contender, Task, plain, task
from benchmarks.time_to_quality.density import check, shrunk
from benchmarks.time_to_quality.figure import OURS, draw, label, summary
from benchmarks.time_to_quality.judge import judge
from benchmarks.time_to_quality.ours import Glowflow
from benchmarks.time_to_quality.peers import CHECKOUTS, NAMES, PACKAGES, SMALL, peer
from benchmarks.time_to_quality.race import Lane, race
from glowflow.commands.inputs import Precision, precision_named
from glowflow.config import RunConfig
from glowflow.data import prepare
from glowflow.durable import append, load_lines
from glowflow.errors import InputError
from glowflow.experiments.results import Line
from glowflow.pictures import grid, save, stacked
from glowflow.presets import load_run
from glowflow.provenance import provenance

MINUTES = (0.5, 1.0, 2.0, 4.0, 8.0, 12.0, 16.0, 20.0)
NUM_SAMPLES = 12
TEMPERATURE = 0.7
LARGEST_ERROR = 1e-6
"""Nats by which a density may be off a Jacobian's, in float64."""

Build = Callable[[Task], Contender]


def main() -> None:
    """Check, train, evaluate, draw."""
    options = parse()
    try:
        compare(options)
    except InputError as error:
        sys.exit(str(error))


def compare(options: argparse.Namespace) -> None:
    """Do what the command asks for."""
    model = load_run(options.task).model
    common = {"task": options.task, "split": options.split, "seed": options.seed, "images_judged": options.images}
    builders = {} if options.draw_only else builders_of(options)
    if builders:
        run(options, builders, common)
    everything = [line for line in load_lines(options.out) if common.items() <= line.items()]
    lines = [line for line in everything if line["kind"] == "evaluation"]
    for line in everything:
        if line["kind"] == "density":
            print(f"{line['contender']:20} density: largest error {line['largest_error']:.1e} nats over {line['dims']} "
                  f"dimensions; constant added: {line['constant']:+.3f}")  # fmt: skip
    print(*summary(lines), sep="\n")
    if options.figure and lines:
        title = f"{options.task}, {model.num_bits} bits, {options.split} images"
        draw(lines, options.figure, title, model.num_bits)
    samples = sorted(samples_of(options).glob("*.png"), key=lambda path: (path.stem != OURS, path.stem))
    if options.samples and samples:
        save(stacked({label(path.stem): Image.open(path) for path in samples}), options.samples)


def run(options: argparse.Namespace, builders: dict[str, Build], common: Line) -> None:
    """Check the densities, and train what hasn't been."""
    base = load_run(options.task)
    splits = prepare(base.train.data, base.model.image_shape)
    given, judged = task(options.task, len(splits["train"])), splits[options.split].thinned(options.images)
    folder = work_of(options)
    minutes = [m for m in options.at if m < options.minutes] + [options.minutes]

    def described(name: str, contender: Contender) -> Line:
        ours = {"contender": name, "ours": isinstance(contender, Glowflow)}
        return common | ours | {"recipe": plain(contender.recipe), "code": code_of(name, options)}

    lanes = []
    for name, build in builders.items():
        torch.manual_seed(options.seed)
        contender = build(given)
        who, lines = described(name, contender), load_lines(options.out)
        if not has(lines, who | {"kind": "density"}):
            density = check(build, given)
            if density.largest_error > LARGEST_ERROR:
                raise InputError(f"What {name} calls a log-density is wrong by {density.largest_error:.1e} nats.")
            record(options.out, who | {"kind": "density"} | asdict(density))
        if is_done(lines, who, options.minutes):
            print(f"{name}: done already.")
            continue
        lanes.append(Lane(name, contender, splits["train"], folder / f"{name}.checkpoint", options.seed))

    def report(lane: Lane) -> None:
        at, name = lane.progress, lane.name
        verdict = judge(lane.contender, judged, base.model.num_bits)
        timing = {"run": at.run, "at": at.reported, "minutes": at.seconds / 60, "images": at.position}
        found = {"kind": "evaluation", "status": at.status, "steps": at.steps} | timing | asdict(verdict)
        record(options.out, described(name, lane.contender) | found)
        bits = "not finite" if verdict.bits_per_dim is None else f"{verdict.bits_per_dim:.4f}"
        kind = f" (bound: {verdict.bound})" if verdict.bound else ""
        about = f"{name}, {at.seconds / 60:.2f} minutes, {at.position:,} images"
        print(f"{about}: {bits} bits/dim{kind}, {at.status}", flush=True)
        keep_samples(lane, samples_of(options) / f"{name}.png")

    race(lanes, minutes, options.slice, report)


def keep_samples(lane: Lane, path: Path) -> None:
    """Draw some images in a row, where the model can."""
    torch.manual_seed(0)
    try:
        samples = lane.contender.sample(NUM_SAMPLES, TEMPERATURE)
    except (RuntimeError, ValueError) as error:
        print(f"{lane.name} gave no samples: {error}")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    save(grid(samples, NUM_SAMPLES), path)


def builders_of(options: argparse.Namespace) -> dict[str, Build]:
    """How each contender is made."""
    checkouts = {name: getattr(options, name) for name in CHECKOUTS if getattr(options, name)}
    everyone = [OURS, *(name for name in NAMES if name.removesuffix(SMALL) in {*PACKAGES, *checkouts})]
    wanted = everyone if options.contenders is None else options.contenders
    presets: dict[str, tuple[str, Precision]] = {OURS: (options.task, "auto")}
    presets |= {name: (preset, precision) for name, preset, precision in options.ours}
    names = dict.fromkeys([*wanted, *(name for name, _, _ in options.ours)])
    return {
        name: _ours(*presets[name], options) if name in presets else partial(peer, name, checkouts=checkouts)
        for name in names
    }


def _ours(preset: str, precision: Precision, options: argparse.Namespace) -> Build:
    """How a preset of glowflow's is made, in a precision."""
    own, base = load_run(preset), load_run(options.task)
    if _images(own) != _images(base):
        raise InputError(f"{preset} is for other images than {options.task}: data, image shape and bits must be equal.")

    def build(given: Task) -> Contender:
        if given.is_miniature:
            return Glowflow(shrunk(own))
        seeded = replace(own, train=replace(own.train, seed=options.seed))
        return Glowflow(seeded, precision_named(precision, "cpu"))

    return build


def _images(run: RunConfig) -> tuple[tuple[int, int, int], int, str]:
    return run.model.image_shape, run.model.num_bits, run.train.data


def record(path: Path, line: Line) -> None:
    """Append a line with its provenance."""
    append(path, json.dumps(line | provenance()) + "\n")


def has(lines: Sequence[Line], settings: Line) -> bool:
    """Whether there is a line with all these settings."""
    return any(settings.items() <= line.items() for line in lines)


def is_done(lines: Sequence[Line], described: Line, minutes: float) -> bool:
    """Whether a contender's last report is there."""
    mine = [line for line in lines if (described | {"kind": "evaluation"}).items() <= line.items()]
    return any(line["at"] >= minutes or line["status"] not in {"running", "finished"} for line in mine)


def code_of(name: str, options: argparse.Namespace) -> str:
    """Whose code it is, and which version: of a checkout, its commit."""
    base = name.removesuffix(SMALL)
    if base in CHECKOUTS:
        return f"{base} {_commit(getattr(options, base))}"
    distribution = base if base in PACKAGES else "glowflow"
    try:
        return f"{distribution} {version(distribution)}"
    except PackageNotFoundError:
        return distribution


def _commit(checkout: Path | None) -> str | None:
    import subprocess  # noqa: PLC0415

    command = ["git", "-C", str(checkout), "rev-parse", "HEAD"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.stdout.strip() or None


def work_of(options: argparse.Namespace) -> Path:
    """Where the checkpoints of this comparison are kept."""
    return _of_this(options, options.work)


def samples_of(options: argparse.Namespace) -> Path:
    """Where its samples are kept: beside its results, in a directory of the same name."""
    return _of_this(options, options.out.with_suffix(""))


def _of_this(options: argparse.Namespace, folder: Path) -> Path:
    return folder / f"{options.task}-{options.split}-{options.seed}"


def named_preset(text: str) -> tuple[str, str, str]:
    """NAME=PRESET, whose precision is what `glowflow train` would choose here, or NAME=PRESET:PRECISION."""
    match = re.fullmatch(rf"([\w.+-]+)=(.+?)(?::({'|'.join(get_args(Precision))}))?", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} isn't NAME=PRESET or NAME=FILE.yaml")
    return match[1], match[2], match[3] or "auto"


def parse() -> argparse.Namespace:
    """The command's options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", choices=SIZES, help="a preset: images, bits, and glowflow's own settings")
    parser.add_argument("out", type=Path, help="a JSONL file, which need not exist yet")
    parser.add_argument("--minutes", type=float, default=20.0, help="of training, for each contender")
    parser.add_argument("--at", type=float, nargs="+", default=MINUTES, help="minutes at which each is evaluated")
    parser.add_argument("--slice", type=float, default=30.0, help="seconds of training in a turn")
    parser.add_argument("--contenders", nargs="*", choices=[OURS, *NAMES], help="by default all whose code is there")
    parser.add_argument("--ours", type=named_preset, nargs="+", default=[], metavar="NAME=PRESET[:PRECISION]")
    for name in CHECKOUTS:
        parser.add_argument(f"--{name}", type=Path, help="a checkout of its code")
    parser.add_argument("--split", choices=["validation", "test"], default="validation", help="test: see above")
    parser.add_argument("--images", type=int, default=256, help="at most so many are evaluated")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("runs/time-to-quality"), help="for checkpoints")
    parser.add_argument("--draw-only", action="store_true", help="of what has been recorded; train nothing")
    parser.add_argument("--figure", type=Path, help="draw bits/dim against minutes")
    parser.add_argument("--samples", type=Path, help="draw the samples, which are kept beside OUT")
    return parser.parse_args()


if __name__ == "__main__":
    main()
