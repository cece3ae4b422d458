"""What came out: a table, and curves of bits/dim against minutes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.time_to_quality.peers import CODES, SMALL
from glowflow.experiments.canvas import canvas
from glowflow.experiments.results import Line

OURS = "glowflow"
TICKS = (0.1, 0.2, 0.5, 1, 2, 4, 8, 12, 16, 20, 40, 60)
"""Minutes."""


def curves(lines: Sequence[Line]) -> dict[str, list[Line]]:
    """The reports on each contender's last training, in the order of time."""
    last = {line["contender"]: line["run"] for line in lines}
    return {name: sorted(_once(lines, run), key=lambda line: line["minutes"]) for name, run in last.items()}


def _once(lines: Sequence[Line], run: str) -> list[Line]:
    """One report for each time: after a crash, one may have been made twice."""
    return list({line["at"]: line for line in lines if line["run"] == run}.values())


def summary(lines: Sequence[Line]) -> list[str]:
    """Each contender's last figure, and when each of ours passed the best that another had at any time."""
    found = curves(lines)
    said = [_last(name, curve) for name, curve in found.items()]
    others = [
        line for curve in found.values() for line in curve if not line["ours"] and line["bits_per_dim"] is not None
    ]
    if others:
        best = min(others, key=lambda line: line["bits_per_dim"])
        said += [passing(name + marked(curve[0]), curve, best) for name, curve in found.items() if curve[0]["ours"]]
    return said


def _last(name: str, curve: Sequence[Line]) -> str:
    line = curve[-1]
    bits = "no finite bits/dim" if line["bits_per_dim"] is None else f"{line['bits_per_dim']:.3f} bits/dim"
    error = "" if line["standard_error"] is None else f" +- {line['standard_error']:.3f}"
    error += marked(line)
    status = "" if line["status"] in {"running", "finished"} else f" ({line['status']})"
    return f"{name:20} {bits}{error} after {line['minutes']:.1f} minutes, {line['images']:,} images{status}"


def passing(name: str, curve: Sequence[Line], best: Line) -> str:
    """When a contender was at least as good as a report on another; to its next report, so at most so late."""
    goal = f"{best['contender']}'s {best['bits_per_dim']:.3f}"
    for line in curve:
        if line["bits_per_dim"] is not None and line["bits_per_dim"] <= best["bits_per_dim"]:
            return f"{name} had passed {goal} after {line['minutes']:.1f} minutes."
    return f"{name} didn't pass {goal}."


def marked(line: Line) -> str:
    """The mark of bits/dim that aren't those of uniform noise."""
    return " (bound)" if line.get("bound") else ""


def label(name: str) -> str:
    """What a contender is called in pictures: another's at glowflow's size by its name alone."""
    return f"{name}, documented size" if name in CODES else name.removesuffix(SMALL)


def style(name: str) -> dict[str, Any]:
    """Its line, the same in every figure: glowflow's black, others dotted at their documented size."""
    code = name.removesuffix(SMALL)
    if code in CODES:
        return {"color": f"C{CODES.index(code)}", "linestyle": ":" if name in CODES else "-"}
    return {"color": "black", "linewidth": 2} if name == OURS else {"color": "black", "linestyle": "--"}


def draw(lines: Sequence[Line], path: Path, heading: str, num_bits: int) -> None:
    """Bits/dim against minutes of training, on a logarithmic axis; crosses where a training ended early."""
    figure = canvas(7, 4.5)
    axes = figure.subplots()
    for name, curve in sorted(curves(lines).items(), key=lambda found: (not found[1][0]["ours"], found[0])):
        shown = [line for line in curve if line["bits_per_dim"] is not None]
        ended = curve[-1]["status"] not in {"running", "finished"}
        title = label(name) + marked(curve[-1]) + (f" ({curve[-1]['status'].partition(':')[0]})" if ended else "")
        minutes, bits = [line["minutes"] for line in shown], [line["bits_per_dim"] for line in shown]
        axes.plot(minutes, bits, marker=".", label=title, **style(name))
        if ended:
            axes.plot([curve[-1]["minutes"]], [bits[-1] if bits else num_bits], "x", color=style(name)["color"])
    axes.set(xscale="log", xlabel="minutes of training", ylabel="bits/dim", title=heading)
    shown_range = axes.get_xlim()
    axes.set_xticks([tick for tick in TICKS if shown_range[0] <= tick <= shown_range[1]])
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.set_ylim(top=min(axes.get_ylim()[1], num_bits + 0.5))  # an image costs its bits without any model
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=150)
