"""A table and a figure of what `benchmarks.compression` has measured.

    pip install -e '.[bench]'
    python -m benchmarks.compression_report results/compression/compression.jsonl --figure docs/images/compression.png

The table has the largest archive of each model and data set, the best of the general codecs for the same images, and
how much less the archive takes. The figure shows what a block and a file add to the likelihood, and what the best codec
takes for the same images, against the number of images. Models with a single archive are left out, unless all are.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.lines import Line
from glowflow.durable import load_lines
from glowflow.experiments.canvas import canvas

HEAD = """\
| test images of | images | likelihood | stream | archive | best codec, per file | best codec, one picture |
|---|---|---|---|---|---|---|"""


def rows(lines: Sequence[Line]) -> Iterator[str]:
    """The rows of the table, in bits/dim."""
    for archives in _archives(lines):
        line, bits = archives[-1], archives[-1]["bits_per_dim"]
        excess = bits["stream"] / bits["likelihood_of_streamed"] - 1
        best = [_told(line, _best(lines, line, arrangement)) for arrangement in ("files", "mosaic")]
        own = [line["test_images_of"], f"{line['count']:,}", f"{bits['likelihood']:.3f}", f"{excess:+.2%}"]
        yield "| " + " | ".join([*own, f"{bits['archive']:.3f}", *best]) + " |"


def _is_beside(codec: Line, line: Line, arrangement: str) -> bool:
    """True for a line with a codec's bytes for the same images, in this arrangement."""
    same = ("model", "data", "count")
    return codec.get("arrangement") == arrangement and all(codec[name] == line[name] for name in same)


def _best(lines: Sequence[Line], line: Line, arrangement: str) -> Line | None:
    """The best codec's line for the images of an archive; None if none was measured."""
    beside = (each for each in lines if _is_beside(each, line, arrangement))
    return min(beside, key=lambda each: int(each["bytes"]), default=None)


def _told(line: Line, best: Line | None) -> str:
    """The best codec, and how much smaller the archive is."""
    if not best:
        return ""
    less = 1 - line["bytes"]["archive"] / best["bytes"]
    return f"{best['bits_per_dim']:.3f} ({best['codec']}), {abs(less):.0%} {'less' if less > 0 else 'more'}"


def draw(lines: Sequence[Line], path: Path) -> None:
    """Draw bits/dim against the number of images, for each model, from all lines of the output file."""
    own_of_all = _archives(lines)
    several = [own for own in own_of_all if len(own) > 1] or own_of_all
    figure = canvas(4.5 * len(several), 3.6)
    for axes, own in zip(figure.subplots(1, len(several), squeeze=False)[0], several, strict=True):
        _curves(axes, own)
        for arrangement, style in (("files", "-"), ("mosaic", "--")):
            _codecs(axes, [best for line in own if (best := _best(lines, line, arrangement))], style, arrangement)
        axes.set(title=own[0]["test_images_of"], xlabel="images", xscale="log", ylabel="bits/dim", ylim=0)
    figure.axes[0].legend(fontsize="small")
    figure.savefig(path, dpi=150)


def _curves(axes: Any, lines: Sequence[Line]) -> None:  # noqa: ANN401
    """What the images take by the model, with what a block adds, and with what the file adds."""
    counts = [line["count"] for line in lines]
    per_byte = [8 / (line["count"] * line["num_dims"]) for line in lines]
    axes.plot(counts, [line["bits_per_dim"]["likelihood"] for line in lines], "k:", label="by the model")
    blocks = [line["bytes"]["blocks"] * each for line, each in zip(lines, per_byte, strict=True)]
    axes.plot(counts, blocks, "o-", ms=3, label="with the block's overhead")
    axes.plot(counts, [line["bits_per_dim"]["archive"] for line in lines], "s-", ms=3, label="with the file's, too")


def _codecs(axes: Any, best: Sequence[Line], style: str, arrangement: str) -> None:  # noqa: ANN401
    """The bits/dim of the best codec for each number of images."""
    counts, bits = ([line[name] for line in best] for name in ("count", "bits_per_dim"))
    label = "best codec, " + {"files": "per file", "mosaic": "one picture"}[arrangement]
    axes.plot(counts, bits, color="0.5", ls=style, lw=1, marker=".", label=label)


def _archives(lines: Sequence[Line]) -> list[list[Line]]:
    """The archives of each model, data set and size of blocks, the smallest one first."""
    found: dict[tuple[Any, ...], list[Line]] = {}
    for line in lines:
        if "block" in line:
            found.setdefault((line["model"], line["data"], line["block"]), []).append(line)
    return [sorted(own, key=lambda line: int(line["count"])) for own in found.values()]


def main() -> None:
    """Print the table, and draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lines", type=Path)
    parser.add_argument("--figure", type=Path, help="draw this picture, too")
    options = parser.parse_args()
    lines = load_lines(options.lines)
    print("\n".join([HEAD, *rows(lines)]))
    if options.figure:
        draw(lines, options.figure)


if __name__ == "__main__":
    main()
