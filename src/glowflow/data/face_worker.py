"""A process that renders faces straight into mapped files: run by `faces`, its job comes as JSON on standard input."""

import json
import os
import sys

from numpy.lib.format import open_memmap

from glowflow.data.face_drawing import render
from glowflow.data.face_parts import attributes, choose


def main() -> None:
    """Render each chunk of the job; after each, when it's on the disk, write an empty line."""
    job = json.load(sys.stdin)
    files = {split: [open_memmap(path, mode="r+") for path in paths] for split, paths in job["files"].items()}
    for split, row, first, last in job["chunks"]:
        images, truths = files[split]
        for offset, index in enumerate(range(first, last)):
            images[row + offset] = render(job["seed"], index, job["size"])
            truths[row + offset] = attributes(choose(job["seed"], index))
        images.flush()
        truths.flush()
        try:
            os.write(1, b"\n")
        except BrokenPipeError:
            return  # nobody waits for the faces any more


if __name__ == "__main__":
    main()
