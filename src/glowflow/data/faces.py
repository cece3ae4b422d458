"""Cartoon faces with binary attributes: rendered once, by all cores, into the cache."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import cycle
from subprocess import PIPE, Popen
from typing import Any

import numpy as np

from glowflow.data.cache import Builder, Names, Source
from glowflow.data.dataset import SPLITS, Dataset, Split
from glowflow.data.face_drawing import render
from glowflow.data.face_parts import ATTRIBUTES, attributes, choose
from glowflow.data.glimpse import Glimpse, spread
from glowflow.errors import InputError
from glowflow.packages import require
from glowflow.progress import progress
from glowflow.shapes import Shape, shape_text
from glowflow.threads import cores

VERSION = 1
"""A part of the cache's key. Raise it when the pictures change."""
SEED = 0
NUM_IMAGES: Mapping[Split, int] = {"train": 20_000, "validation": 1_000, "test": 2_000}
CHUNK = 100
"""The number of faces that a worker renders before they are recorded as done. An interruption can lose as many."""
SMALLEST, LARGEST = 16, 512

Chunk = tuple[Split, int, int, int]
"""(split, row, first, last): faces first to last - 1 of the seed, which go to the split's rows from `row` on."""


def source(image_shape: Shape, num_images: Mapping[Split, int] = NUM_IMAGES, studio: str = "faces") -> Source:
    """The faces of a studio at `image_shape`."""
    channels, size, width = image_shape
    if channels != 3 or size != width or not SMALLEST <= size <= LARGEST:
        raise InputError(
            f"{studio} can't be rendered as {shape_text(image_shape)} (channels x height x width): "
            f"choose 3 channels and a square of {SMALLEST} to {LARGEST} pixels, such as 3x32x32 or 3x64x64."
        )
    counts = "-".join(str(num_images[split]) for split in SPLITS)
    return Source(
        studio,
        f"{studio}-v{VERSION}-seed{SEED}-{counts}-{size}",
        lambda builder: _build(builder, size, num_images, studio),
        glimpse=lambda split, num: _glimpse(split, num, size, num_images, studio),
    )


def _glimpse(split: Split, num: int, size: int, num_images: Mapping[Split, int], studio: str) -> Glimpse:
    """Some faces of a split, rendered by this process."""
    _require_packages(studio)
    faces = _first(split, num_images) + spread(num_images[split], num)
    images = np.empty((len(faces), size, size, 3), np.uint8)
    with progress(f"Rendering {studio} at {size}x{size}", total=len(faces)) as advance:
        for row, index in enumerate(faces):
            images[row] = render(SEED, int(index), size, studio)
            advance(1)
    truths = np.stack([attributes(choose(SEED, int(index), studio)) for index in faces])
    shown = Dataset(studio, split, images, attributes=truths, attribute_names=tuple(ATTRIBUTES))
    return Glimpse(shown, num_images, attributes=truths)


def _build(builder: Builder, size: int, num_images: Mapping[Split, int], studio: str) -> Names:
    _require_packages(studio)
    for split in SPLITS:
        builder.create(split, "images", (num_images[split], size, size, 3), np.uint8)
        builder.create(split, "attributes", (num_images[split], len(ATTRIBUTES)), np.bool_)
    _render(builder, list(_chunks(num_images)), size, studio)
    return Names(attributes=tuple(ATTRIBUTES))


def _require_packages(studio: str) -> None:
    for package in ("python_avatars", "resvg_py"):
        require(package, studio)


def _first(split: Split, num_images: Mapping[Split, int]) -> int:
    """The index of the split's first face. Splits are consecutive parts of the seed's series, so none share a face."""
    return sum(num_images[earlier] for earlier in SPLITS[: SPLITS.index(split)])


def _chunks(num_images: Mapping[Split, int]) -> Iterator[Chunk]:
    """All chunks of all splits."""
    for split in SPLITS:
        offset = _first(split, num_images)
        for row in range(0, num_images[split], CHUNK):
            yield split, row, offset + row, offset + min(row + CHUNK, num_images[split])


def _render(builder: Builder, chunks: list[Chunk], size: int, studio: str) -> None:
    """Let workers render the chunks that the journal lacks. A chunk is recorded when it's on the disk."""
    journal = builder.scratch("done", (len(chunks),), np.bool_)
    todo = [int(k) for k in np.flatnonzero(~journal)]
    sizes = np.array([last - first for _, _, first, last in chunks])
    total, done = int(sizes.sum()), int(sizes[journal].sum())
    files = {s: [str(builder.path(s, column)) for column in ("images", "attributes")] for s in SPLITS}
    job = {"seed": SEED, "size": size, "studio": studio, "files": files}
    with (
        _workers(job, [chunks[k] for k in todo]) as workers,
        progress(f"Rendering {studio} at {size}x{size}", total=total, done=done) as advance,
    ):
        for k, worker in zip(todo, cycle(workers), strict=False):
            _await(worker)
            journal[k] = True
            journal.flush()
            advance(int(sizes[k]))


@contextmanager
def _workers(job: dict[str, Any], chunks: list[Chunk]) -> Iterator[list[Popen[str]]]:
    """Processes that share the chunks. Each prints a line when a chunk is on the disk, and ends with the context.

    They are plain subprocesses: `multiprocessing` would import the user's main script again, or fork a process in which
    torch runs threads. They have a session of their own, so that Ctrl-C goes to the parent alone.
    """
    count = min(len(chunks), cores())
    command = [sys.executable, "-P", "-m", "glowflow.data.face_worker"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    workers = [
        Popen(command, stdin=PIPE, stdout=PIPE, text=True, env=environment, start_new_session=True)  # noqa: S603
        for _ in range(count)
    ]
    try:
        for number, worker in enumerate(workers):
            _send(worker, job | {"chunks": chunks[number::count]})
        yield workers
    finally:
        for worker in workers:
            worker.kill()
            with worker:  # closes its pipes and waits for it
                pass


def _send(worker: Popen[str], job: dict[str, Any]) -> None:
    assert worker.stdin is not None  # noqa: S101  for mypy: it's a pipe
    with suppress(BrokenPipeError), worker.stdin:  # `_await` reports a worker that ended early
        json.dump(job, worker.stdin)


def _await(worker: Popen[str]) -> None:
    if not (worker.stdout and worker.stdout.readline()):
        raise RuntimeError(f"A process that renders faces ended early, with exit status {worker.wait()}.")
