"""Tables that fit into the terminal."""

import sys
from collections.abc import Collection, Iterable, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from glowflow.terminal import output

LEAST_WIDTH = 40
"""The fewest characters in a row of a column of sentences."""
FILE_WIDTH = 1000
"""The width of a table in a file or a pipe: so wide that nothing is cut."""


def print_table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    right: Collection[str] = (),
    sentences: str | None = None,
    spare: Sequence[str] = (),
) -> None:
    """Print a table to standard output, without some columns if it's wider than the terminal.

    A line below the table names the columns that were left out.

    Args:
        title: What it shows.
        columns: The titles of the columns.
        rows: The texts of each row.
        right: Columns of numbers, whose texts end at the same place.
        sentences: The column whose texts may go over several lines.
        spare: Columns that are left out if the terminal is too narrow, in this order.
    """
    console, cells = wide_console(), [dict(zip(columns, row, strict=True)) for row in rows]
    shown, left = list(columns), list(spare)
    table = _table(title, shown, cells, right, sentences)
    while left and _least_width(console, table) > console.width:
        shown.remove(left.pop(0))
        table = _table(title, shown, cells, right, sentences)
    console.print(table)
    if left_out := ", ".join(name for name in columns if name not in shown):
        console.print(f"In a wider terminal or in a file, the table also shows: {left_out}.")


def wide_console() -> Console:
    """Standard output, which is wide enough for any table if it isn't a terminal."""
    return output(None if sys.stdout.isatty() else FILE_WIDTH)


def _table(
    title: str, columns: Sequence[str], rows: Sequence[dict[str, str]], right: Collection[str], sentences: str | None
) -> Table:
    table = Table(title=title)
    for name in columns:
        least = LEAST_WIDTH if name == sentences else max(map(cell_len, (name, *(row[name] for row in rows))))
        table.add_column(name, no_wrap=name != sentences, min_width=least)
        table.columns[-1].justify = "right" if name in right else "left"
    for row in rows:
        table.add_row(*(row[name] for name in columns))
    return table


def _least_width(console: Console, table: Table) -> int:
    return Measurement.get(console, console.options.update(max_width=FILE_WIDTH), table).minimum
