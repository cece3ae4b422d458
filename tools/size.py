"""Print the size of Python code: its lines, its long functions and its long files.

Run: python -m tools.size src
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

LONG_FUNCTION, LONG_FILE = 20, 300
"""Lines. Longer ones are listed; a docstring doesn't count towards a function's length."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def length(function: Function) -> int:
    """The lines of a function without its docstring."""
    first = function.body[0]
    documented = ast.get_docstring(function, clean=False) is not None
    return _lines(function) - (_lines(first) if documented else 0)


def _lines(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def functions(path: Path) -> Iterator[tuple[int, str]]:
    """The length and name of each function in a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, Function):
            yield length(node), f"{path}:{node.name}"


def main(folder: Path) -> None:
    """Print the number of lines, then the long functions and files."""
    paths = sorted(folder.rglob("*.py"))
    files = [(len(path.read_text(encoding="utf-8").splitlines()), str(path)) for path in paths]
    every = [found for path in paths for found in functions(path)]
    print(f"{sum(lines for lines, _ in files):,} lines in {len(files)} files, {len(every):,} functions")
    for what, found, limit in (("functions", every, LONG_FUNCTION), ("files", files, LONG_FILE)):
        long = sorted((entry for entry in found if entry[0] > limit), reverse=True)
        print(f"{len(long)} {what} over {limit} lines")
        for lines, name in long:
            print(f"  {lines} {name}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
