"""A process that renders faces into mapped files. `faces` runs it and sends the job as JSON to its standard input."""

import json
import os
import sys

from numpy.lib.format import open_memmap

from glowflow.data.face_drawing import render
from glowflow.data.face_parts import attributes, choose


def main() -> None:
    """Render each chunk of the job, and write an empty line when the chunk is on the disk."""
    job = json.load(sys.stdin)
    files = {split: [open_memmap(path, mode="r+") for path in paths] for split, paths in job["files"].items()}
    for split, row, first, last in job["chunks"]:
        images, truths = files[split]
        for offset, index in enumerate(range(first, last)):
            images[row + offset] = render(job["seed"], index, job["size"], job["studio"])
            truths[row + offset] = attributes(choose(job["seed"], index))
        images.flush()
        truths.flush()
        try:
            os.write(1, b"\n")
        except BrokenPipeError:
            return  # the parent has ended


if __name__ == "__main__":
    main()
