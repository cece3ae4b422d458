"""One model shared by many clients: a thread of its own, and what waits for the same work as one batch."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from glowflow.evaluate import batch_size, bits_of
from glowflow.images import quantize
from glowflow.latents import Seen, look
from glowflow.model import Glow

LARGEST_BATCH = 16
"""So that nobody waits long for the others of a batch."""
MOST_WAITING = 256
"""Rows; beyond, a client is asked to come back."""


class BusyError(Exception):
    """Too much is waiting already."""


@dataclass(frozen=True)
class Encoded:
    """What the model makes of an image.

    Attributes:
        z: Flat latents, float64 (D,).
        image: What the model saw: quantised, uint8 (C, H, W).
        bits_per_dim: As `glowflow score` gives it.
        is_exact: Whether decoding the latents gives the quantised image, every level of it.
    """

    z: Tensor
    image: Tensor
    bits_per_dim: float
    is_exact: bool


Work = Callable[[Tensor, Tensor | None], Tensor | list[Encoded] | list[Seen]]
"""What is made of a batch of rows and their labels: a result for each."""


@dataclass(eq=False)
class _Job:
    """A row of some batch to come."""

    work: Work
    row: Tensor
    label: int | None
    result: asyncio.Future[Any]


class Engine:
    """The model and its thread. Its methods belong to one event loop, so nothing here needs a lock.

    Args:
        glow: A model in its inference form.

    Attributes:
        seconds_per_picture: What `warm_up` measured; 0 before.
    """

    def __init__(self, glow: Glow) -> None:
        self.glow = glow
        self.seconds_per_picture = 0.0
        self._largest = min(LARGEST_BATCH, batch_size(glow.config))
        self._waiting: list[_Job] = []
        self._running: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "glow")

    async def preview(self, z: Tensor, label: int | None = None) -> Tensor:
        """The image, uint8 (C, H, W), of latents (D,), in the parameters' precision: fast, a level off at worst."""
        return await self._result(self._preview, z, label)

    async def decode(self, z: Tensor, label: int | None = None) -> Tensor:
        """The image, uint8 (C, H, W), of latents (D,), in float64."""
        return await self._result(self._decode, z, label)

    async def look(self, image: Tensor, label: int | None = None) -> Seen:
        """What is measured of a picture, uint8 (C, H, W), to see whether it's like those that the model knows."""
        return await self._result(self._look, image, label)

    async def encode(self, image: Tensor, label: int | None = None) -> Encoded:
        """What the model makes of an image, uint8 (C, H, W).

        Raises:
            BusyError: As all four, if too much waits.
        """
        return await self._result(self._encode, image, label)

    @torch.inference_mode()
    def warm_up(self) -> None:
        """Have everything made that is made when it's first needed, and measure how long a picture takes."""
        config = self.glow.config
        y = torch.zeros(1, dtype=torch.int64, device=self.glow.device) if config.num_classes else None
        self._encode(torch.zeros(1, *config.image_shape, dtype=torch.uint8), y)
        began = time.perf_counter()
        self._preview(torch.zeros(1, config.num_dims), y)
        self.seconds_per_picture = time.perf_counter() - began

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(cancel_futures=True)

    async def _result(self, work: Work, row: Tensor, label: int | None) -> Any:  # noqa: ANN401 (an item of the work's)
        if len(self._waiting) >= MOST_WAITING:
            raise BusyError
        job = _Job(work, row, label, asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        return await job.result

    async def _run(self) -> None:
        """Work until nothing waits: at first on one row, which came alone, then on what came meanwhile."""
        loop = asyncio.get_running_loop()
        while batch := self._next_batch():
            try:
                answers = await loop.run_in_executor(self._thread, self._compute, batch)
            except Exception as error:  # theirs to handle who asked
                for job in _unanswered(batch):
                    job.result.set_exception(error)
            else:
                for job in _unanswered(batch):
                    job.result.set_result(answers[batch.index(job)])

    def _next_batch(self) -> list[_Job]:
        """The longest waiting row and others for the same work; those that nobody waits for any more are dropped.

        Batches have 1, 2, 4, ... rows: for each size torch keeps convolutions prepared, which take memory.
        """
        waiting = _unanswered(self._waiting)
        batch = [job for job in waiting if job.work == waiting[0].work][: self._largest]
        batch = batch[: 1 << len(batch).bit_length() - 1] if batch else []
        self._waiting = [job for job in waiting if job not in batch]
        return batch

    @torch.inference_mode()
    def _compute(self, batch: list[_Job]) -> Tensor | list[Encoded] | list[Seen]:
        labels = [job.label for job in batch]
        y = torch.tensor(labels, device=self.glow.device) if self.glow.config.num_classes else None
        return batch[0].work(torch.stack([job.row for job in batch]), y)

    def _preview(self, z: Tensor, y: Tensor | None) -> Tensor:
        return self.glow.decode(z, y, exact=False).cpu()

    def _decode(self, z: Tensor, y: Tensor | None) -> Tensor:
        return self.glow.decode(z, y).cpu()

    def _look(self, images: Tensor, y: Tensor | None) -> list[Seen]:
        return look(self.glow, images, y)

    def _encode(self, images: Tensor, y: Tensor | None) -> list[Encoded]:
        z = self.glow.encode(images, y)
        seen = quantize(images, self.glow.config.num_bits)
        is_exact = (self.glow.decode(z, y).cpu() == seen).flatten(1).all(1)
        return [
            Encoded(*row)
            for row in zip(z.cpu(), seen, bits_of(self.glow, images, y).tolist(), is_exact.tolist(), strict=True)
        ]


def _unanswered(batch: list[_Job]) -> list[_Job]:
    """Those that somebody still waits for."""
    return [job for job in batch if not job.result.done()]
