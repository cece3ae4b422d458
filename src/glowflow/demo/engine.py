"""One model shared by many clients: it has a thread of its own, and clients who want the same work share a batch."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from glowflow.evaluate import batch_size, bits_of
from glowflow.export.runtime import Decode
from glowflow.images import BIN_CENTRE, quantize
from glowflow.latents import Seen, look
from glowflow.model import Glow
from glowflow.noise import Stream, uniform_noise
from glowflow.scoring.bits import Bits
from glowflow.scoring.heat import Heat
from glowflow.scoring.reference import Reference
from glowflow.scoring.statistics import Statistics

LARGEST_BATCH = 16
"""Rows; in a larger batch, each client would wait too long for the others."""
SLOWEST_MAP = 1.0
"""Seconds; if a map of a picture takes longer, there are none, because everybody would wait for it."""
MOST_WAITING = 256
"""Rows; if more are waiting, a client is asked to come back."""


class BusyError(Exception):
    """Too much is waiting already."""


@dataclass(frozen=True)
class Encoded:
    """The latents and measurements of an image.

    Attributes:
        z: Flat latents, float64 (D,).
        image: The quantised image, as the model sees it, uint8 (C, H, W).
        bits_per_dim: The image's bits/dim, as in `glowflow score`.
        is_exact: True if decoding the latents gives back the quantised image exactly.
        p_value: The share of usual images that are at least as unusual, as in `glowflow score`; None if it's unknown.
    """

    z: Tensor
    image: Tensor
    bits_per_dim: float
    is_exact: bool
    p_value: float | None


@dataclass(frozen=True)
class Judged:
    """How usual a picture is.

    Attributes:
        bits_per_dim: Its bits/dim.
        p_value: As in `Encoded`.
        heat: Where it takes more bits than usual, if that is known. Otherwise how many bits each pixel takes. None if
            that would keep others waiting for too long.
    """

    bits_per_dim: float
    p_value: float | None
    heat: Heat | None


Work = Callable[[Tensor, Tensor | None], Tensor | list[Encoded] | list[Seen] | list[Judged]]
"""Maps a batch of rows and their labels to a result for each row."""


@dataclass(eq=False)
class _Job:
    """A row that waits for its batch."""

    work: Work
    row: Tensor
    label: int | None
    result: asyncio.Future[Any]


class Engine:
    """The model and its thread. Its methods belong to one event loop, so nothing here needs a lock.

    Args:
        glow: A model in its inference form.
        draw: What draws previews; by default the model itself.
        reference: What is usual for it, if it's known.

    Attributes:
        seconds_per_picture: What `warm_up` measured; 0 before.
    """

    def __init__(self, glow: Glow, draw: Decode | None = None, reference: Reference | None = None) -> None:
        self.glow = glow
        self._draw = draw
        self._reference = reference
        self.seconds_per_picture = 0.0
        self._seconds_per_map = 0.0
        self._largest = min(LARGEST_BATCH, batch_size(glow.config))
        self._waiting: list[_Job] = []
        self._running: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "glow")

    async def preview(self, z: Tensor, label: int | None = None) -> Tensor:
        """The image, uint8 (C, H, W), of latents (D,), in the parameters' precision: fast, at most a level off."""
        return await self._result(self._preview, z, label)

    async def decode(self, z: Tensor, label: int | None = None) -> Tensor:
        """The image, uint8 (C, H, W), of latents (D,), computed in float64."""
        return await self._result(self._decode, z, label)

    async def look(self, image: Tensor, label: int | None = None) -> Seen:
        """Measure whether a picture, uint8 (C, H, W), is like those that the model knows."""
        return await self._result(self._look, image, label)

    async def judge(self, image: Tensor, label: int | None = None) -> Judged:
        """Compare a picture, uint8 (C, H, W), with usual images, as a whole and place by place."""
        return await self._result(self._judge, image, label)

    async def encode(self, image: Tensor, label: int | None = None) -> Encoded:
        """Encode an image, uint8 (C, H, W), and measure it.

        Raises:
            BusyError: If too much is waiting, as for the other methods.
        """
        return await self._result(self._encode, image, label)

    @torch.inference_mode()
    def warm_up(self) -> None:
        """Prepare everything that is only made when it's first needed, and measure what a picture and a map take."""
        config = self.glow.config
        y = torch.zeros(1, dtype=torch.int64, device=self.glow.device) if config.num_classes else None
        image = torch.zeros(1, *config.image_shape, dtype=torch.uint8)
        self._encode(image, y)
        self.seconds_per_picture = _seconds(lambda: self._preview(torch.zeros(1, config.num_dims), y))
        self._seconds_per_map = _seconds(lambda: self._heats(image, y))

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown()

    async def _result(self, work: Work, row: Tensor, label: int | None) -> Any:  # noqa: ANN401 (an item of the work's)
        if len(self._waiting) >= MOST_WAITING:
            raise BusyError
        job = _Job(work, row, label, asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        return await job.result

    async def _run(self) -> None:
        """Work until nothing waits: first on the one row that came, then on those that came in the meantime."""
        loop = asyncio.get_running_loop()
        while batch := self._next_batch():
            try:
                answers = await loop.run_in_executor(self._thread, self._compute, batch)
            except Exception as error:  # those who asked handle it
                for job in _unanswered(batch):
                    job.result.set_exception(error)
            else:
                for job in _unanswered(batch):
                    job.result.set_result(answers[batch.index(job)])

    def _next_batch(self) -> list[_Job]:
        """The row that has waited longest, and others for the same work. Rows that nobody waits for are dropped.

        Judgements take long and can wait, so they come last, one by one. Batches have 1, 2, 4, ... rows, because torch
        keeps prepared convolutions in memory for each size.
        """
        waiting = _unanswered(self._waiting)
        next_ones = [job for job in waiting if job.work != self._judge] or waiting[:1]
        batch = [job for job in next_ones if job.work == next_ones[0].work][: self._largest]
        batch = batch[: 1 << len(batch).bit_length() - 1] if batch else []
        self._waiting = [job for job in waiting if job not in batch]
        return batch

    @torch.inference_mode()
    def _compute(self, batch: list[_Job]) -> Tensor | list[Encoded] | list[Seen] | list[Judged]:
        labels = [job.label for job in batch]
        y = torch.tensor(labels, device=self.glow.device) if self.glow.config.num_classes else None
        return batch[0].work(torch.stack([job.row for job in batch]), y)

    def _preview(self, z: Tensor, y: Tensor | None) -> Tensor:
        return self.glow.decode(z, y, exact=False).cpu() if self._draw is None else self._draw(z, y)

    def _decode(self, z: Tensor, y: Tensor | None) -> Tensor:
        return self.glow.decode(z, y).cpu()

    def _look(self, images: Tensor, y: Tensor | None) -> list[Seen]:
        return look(self.glow, images, y)

    def _encode(self, images: Tensor, y: Tensor | None) -> list[Encoded]:
        z = self.glow.encode(images, y)
        seen = quantize(images, self.glow.config.num_bits)
        is_exact = (self.glow.decode(z, y).cpu() == seen).flatten(1).all(1)
        bits, p_values = self._scores(images, y)
        return [Encoded(*row) for row in zip(z.cpu(), seen, bits, is_exact.tolist(), p_values, strict=True)]

    def _judge(self, images: Tensor, y: Tensor | None) -> list[Judged]:
        return [Judged(*row) for row in zip(*self._scores(images, y), self._maps(images, y), strict=True)]

    def _scores(self, images: Tensor, y: Tensor | None) -> tuple[list[float], list[float | None]]:
        """The bits/dim of images, as `bits_of` gives them, and their p-values."""
        if self._reference is None:
            return bits_of(self.glow, images, y).tolist(), [None] * len(images)
        found = Statistics.of(self.glow, images, self._noise(images), y, self._reference.codecs)
        scores = self._reference.scores(found)["unusual"]
        return found.bits_per_dim.tolist(), self._reference.p_value("unusual", scores).tolist()

    def _maps(self, images: Tensor, y: Tensor | None) -> list[Heat] | list[None]:
        return self._heats(images, y) if self._seconds_per_map <= SLOWEST_MAP else [None] * len(images)

    def _heats(self, images: Tensor, y: Tensor | None) -> list[Heat]:
        usual = self._reference.where if self._reference else None
        if usual is None:
            bits = Bits.by_pixel(self.glow, images, self._noise(images), y)
            return [Heat.bits(values) for values in bits.total.cpu().numpy()]
        still = Bits.by_pixel(self.glow, images, torch.full(images.shape, BIN_CENTRE), y)
        return [Heat.unusual(values) for values in usual.excess(still.cpu())]

    def _noise(self, images: Tensor) -> Tensor:
        """The noise of `bits_of`, which is the same for all images."""
        return uniform_noise(0, Stream.EVALUATION, 0, 1, self.glow.config.image_shape).expand(images.shape)


def _seconds(work: Callable[[], object]) -> float:
    """The time that something takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _unanswered(batch: list[_Job]) -> list[_Job]:
    """The jobs that somebody still waits for."""
    return [job for job in batch if not job.result.done()]
