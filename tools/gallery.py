"""Draw the pictures of docs/gallery.md: run the page's own commands, and keep the pictures that the page shows.

The commands run in one folder. The emoji, the model of them and all pictures stay there, so a second run doesn't train
again. The first one trains for ten minutes on one core, and an interrupted training goes on.

    python -m tools.gallery                             # all pictures, made in runs/gallery
    python -m tools.gallery --only "The bundled faces"  # those of some parts of the page
"""

import argparse
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "gallery.md"
PICTURES = ROOT / "docs" / "images" / "gallery"
PART = re.compile(r"^## ", re.MULTILINE)
BLOCK = re.compile(r"^```(python)?\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHOWN = re.compile(r'src="images/gallery/([^"]+)"')


def main() -> None:
    """Run the commands and keep their pictures, part by part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, nargs="?", default=ROOT / "runs" / "gallery")
    parts = parts_of(PAGE.read_text(encoding="utf-8"))
    parser.add_argument("--only", nargs="+", choices=parts, default=list(parts), help="titles of parts of the page")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    for title in options.only:
        for arguments in steps(parts[title]):
            print(f"+ {shlex.join(arguments)}", flush=True)
            subprocess.run([sys.executable, *arguments], cwd=options.work, env=environment(), check=True)
        for name in shown(parts[title]):
            keep(options.work / name)


def parts_of(page: str) -> dict[str, str]:
    """The parts of a page, by their titles; what stands before the first belongs to none."""
    _, *parts = PART.split(page)
    return {part.partition("\n")[0]: part for part in parts}


def steps(text: str) -> Iterator[list[str]]:
    """The arguments of `python` for each command and each block of Python, in their order. Other lines are left out."""
    for language, block in BLOCK.findall(text):
        if language:
            yield ["-c", block]
            continue
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["glowflow"]:
                yield ["-m", *words]
            elif words[:1] == ["python"]:
                yield words[1:]


def shown(text: str) -> list[str]:
    """The names of the pictures that a text shows."""
    return SHOWN.findall(text)


def environment() -> dict[str, str]:
    """The environment of the commands, which find this repository's tools from any folder."""
    paths = [str(ROOT), os.environ.get("PYTHONPATH")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def keep(made: Path) -> None:
    """Store a picture among those of the docs, in as few bytes as its pixels take."""
    PICTURES.mkdir(exist_ok=True)
    with Image.open(made) as picture:
        picture.save(PICTURES / made.name, optimize=True)
    print(f"{(PICTURES / made.name).stat().st_size / 1000:6.1f} kB  {made.name}", flush=True)


if __name__ == "__main__":
    main()
