"""A process that renders faces straight into a mapped file: run by `faces`, its job comes as JSON on standard input."""

import json
import os
import sys

from numpy.lib.format import open_memmap

from glowflow.data.face_drawing import render


def main() -> None:
    """Render each chunk of the job; after each, when it's on the disk, print an empty line."""
    job = json.load(sys.stdin)
    images = {split: open_memmap(path, mode="r+") for split, path in job["files"].items()}
    for split, row, first, last in job["chunks"]:
        for index in range(first, last):
            images[split][row + index - first] = render(job["seed"], index, job["size"])
        images[split].flush()
        os.write(1, b"\n")


if __name__ == "__main__":
    main()
