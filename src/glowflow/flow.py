"""What a model computes with its layers: latents, likelihoods and images."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import partial, reduce
from itertools import chain
from math import prod
from typing import NamedTuple, TypeAlias, cast

import torch
from torch import Tensor, nn

from glowflow import execution
from glowflow.bijections import Bijection, Chain, SplitPrior, TopPrior, standard_normal_log_prob
from glowflow.bijections.base import checked
from glowflow.conditioners import ZeroLinear
from glowflow.config import GlowConfig
from glowflow.dequantizers import Dequantizer
from glowflow.execution import Execution
from glowflow.images import BIN_CENTRE, Array, as_tensor, bits_per_dim, dequantize, to_uint8
from glowflow.noise import normal, uniform
from glowflow.parts import LAYOUTS

Run: TypeAlias = Callable[[Sequence[Bijection], Tensor], tuple[Tensor, Tensor]]
"""A way to run layers: it gives their output for an input, and their log-determinant in some form."""


class Passed(NamedTuple):
    """What a pass through all levels gives. Each list has an entry for each level, level 0 first."""

    latents: list[Tensor]
    log_dets: list[Tensor]
    """Of each level's layers, except for its prior, in nats."""
    priors: list[Tensor]
    """The log-determinant of each level's prior; 0 where a level has none."""

    @property
    def log_det(self) -> Tensor:
        """The sum."""
        return reduce(torch.add, map(torch.add, self.log_dets, self.priors))


class Flow(nn.Module):
    """The part of `Glow` that maps images to latents and back, given the layers. `Glow` describes the shapes."""

    config: GlowConfig
    dequantizer: Dequantizer
    levels: nn.ModuleList
    prior: TopPrior
    classifier: ZeroLinear | None
    execution: Execution

    def forward(self, x: Array, y: Array | None = None) -> tuple[list[Tensor], Tensor]:
        """Latents of x, level 0 first, and ln |det d latents / dx| (B,) in nats."""
        passed, _ = self._passed(x, y)
        return passed.latents, passed.log_det

    def by_level(self, x: Array, y: Array | None = None) -> Passed:
        """`forward`, with the log-determinant (B,) of each level's layers and of its prior."""
        return self._passed(x, y)[0]

    def by_position(self, x: Array, y: Array | None = None) -> Passed:
        """`by_level`, with each log-determinant divided among positions, (B, h, w), as by `Bijection.by_position`.

        The layers run one by one, which takes longer than `forward`.
        """
        y = self._labels(len(x), y)
        (*latents, top), log_dets, priors = self._flow(x, lambda layers, x: Chain(*layers).by_position(x))
        eps, prior = self.prior.by_position(top, y)
        return Passed([*latents, eps], log_dets, [*priors, prior])

    def inverse(self, latents: list[Tensor], y: Array | None = None) -> Tensor:
        """The x that has these latents."""
        y = self._labels(len(latents[0]), y)
        *below, top = latents
        x = self.prior.inverse(top, y)
        for level, eps in zip(reversed(self._chains), [None, *reversed(below)], strict=True):
            x = execution.inverse(level, x if eps is None else torch.cat([x, eps], dim=1), self.execution)
        return x

    def log_prob(self, x: Array, y: Array | None = None) -> Tensor:
        """Log-density (B,) in nats of continuous images x."""
        latents, log_det = self(x, y)
        return log_det + standard_normal_log_prob(latents)

    def bits_per_dim(self, images: Array, noise: Array, y: Array | None = None) -> Tensor:
        """Bits/dim (B,) of images (B, C, H, W), uint8: -log2 P(image) / D, the average cost of a value in bits.

        The mean over many draws of noise is an upper bound. One draw gives an estimate of this bound.

        Args:
            images: They are quantised to the model's number of bits first.
            noise: Uniform numbers in [0, 1), of the same shape.
            y: Labels for a class-conditional model.
        """
        x, log_q = self.dequantized(images, noise)
        return bits_per_dim(self.log_prob(x, y) - log_q, self.config.num_dims, self.config.num_bits)

    def bits_per_dim_and_logits(self, images: Array, noise: Array, y: Array | None = None) -> tuple[Tensor, Tensor]:
        """`bits_per_dim` and `classify` in one pass."""
        x, log_q = self.dequantized(images, noise)
        log_prob, logits = self.log_prob_and_logits(x, y)
        return bits_per_dim(log_prob - log_q, self.config.num_dims, self.config.num_bits), logits

    def log_prob_and_logits(self, x: Array, y: Array | None = None) -> tuple[Tensor, Tensor]:
        """`log_prob` and `classify` in one pass."""
        passed, top = self._passed(x, y)
        return passed.log_det + standard_normal_log_prob(passed.latents), self._logits(top)

    def classify(self, x: Array) -> Tensor:
        """Class logits (B, num_classes) of continuous images x.

        The classifier computes them from the spatial mean of the top latent. A class-conditional model without a
        classifier gives ln p(x | y) for each class y, up to a constant that all classes share. By Bayes' rule these
        are the logits if all classes are equally frequent.
        """
        return self._logits(self._flow(x).latents[-1])

    @torch.no_grad()
    def encode(self, images: Array, y: Array | None = None, generator: torch.Generator | None = None) -> Tensor:
        """Flat latents (B, D), float64, of images (B, C, H, W), uint8.

        Encoding and decoding compute in float64 (float32 on Apple's GPUs, which lack float64). In float32, rounding
        errors may grow beyond a whole level for an image that is unlike the training images.

        Args:
            images: They are quantised to the model's number of bits first.
            y: Labels for a class-conditional model.
            generator: Draws the dequantisation noise. Without a generator, values stand at the centres of their bins,
                and decoding gives the quantised images back exactly.
        """
        images = _checked_uint8("encode", images)
        exact = self.in_float64()
        if generator is None:
            x = dequantize(images.to(self.device), self.config.num_bits, BIN_CENTRE)
        else:
            x, _ = self.dequantized(images, _uniform_like(images, generator))
        return self.flatten(exact(x.to(exact.dtype), y)[0])

    @torch.no_grad()
    def decode(self, z: Array, y: Array | None = None, *, exact: bool = True) -> Tensor:
        """Images (B, C, H, W), uint8, that have the flat latents z (B, D).

        Args:
            z: Latents.
            y: Labels for a class-conditional model.
            exact: True to compute in float64, as `encode` does. False to compute in the parameters' type, which is
                faster, but some values may be one level off.
        """
        model = self.in_float64() if exact else self
        x = model.inverse(self.unflatten(as_tensor(z).to(self.device, model.dtype)), y)
        return to_uint8(x, self.config.num_bits)

    @torch.no_grad()
    def sample(
        self,
        num: int,
        temperature: float | Array = 1.0,
        y: Array | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Random images (num, C, H, W), uint8.

        Args:
            num: How many.
            temperature: Standard deviation of the latents, one for all or one per image (num,).
            y: Labels (num,) for a class-conditional model.
            generator: Draws the latents; by default torch's global one.
        """
        if num < 0:
            raise ValueError(f"{num} images can't be drawn: give a number of at least 0.")
        eps = normal(num, self.config.num_dims, generator, self.device)
        scale = torch.as_tensor(temperature, device=self.device, dtype=eps.dtype).reshape(-1, 1)
        if len(scale) not in {1, num}:
            raise ValueError(f"There are {len(scale)} temperatures for {num} images; give one, or one per image.")
        return self.decode(eps * scale, y, exact=False)

    def flatten(self, latents: list[Tensor]) -> Tensor:
        """Join latents into (B, D): level 0 first, the top last, each in (H, W, C) order."""
        return torch.cat([eps.permute(0, 2, 3, 1).flatten(1) for eps in latents], dim=1)

    def unflatten(self, z: Tensor) -> list[Tensor]:
        """Divide flat latents (B, D) into the latents of each level."""
        if z.ndim != 2 or z.shape[1] != self.config.num_dims:
            raise ValueError(f"Latents have shape {tuple(z.shape)}; this model's are (B, {self.config.num_dims}).")
        shapes = self.config.latent_shapes
        parts = z.split([prod(shape) for shape in shapes], dim=1)
        return [
            part.reshape(-1, height, width, channels).permute(0, 3, 1, 2)
            for part, (channels, height, width) in zip(parts, shapes, strict=True)
        ]

    def dequantized(self, images: Array, noise: Array) -> tuple[Tensor, Tensor]:
        """Continuous images x of uint8 images and noise, and log q (B,); see `Dequantizer`."""
        images, noise = _checked_uint8("bits_per_dim", images), as_tensor(noise)
        if noise.shape != images.shape:
            raise ValueError(f"The noise has shape {tuple(noise.shape)}; that of the images is {tuple(images.shape)}.")
        given = self.dequantizer(images.to(self.device), noise.to(self.device))
        x, log_q = checked(self.dequantizer, given, images.shape, images.shape[:1])
        return x.to(self.dtype), log_q

    @abstractmethod
    def in_float64(self) -> "Flow":
        """The same model in float64, or in float32 on a device that lacks float64."""

    @property
    def device(self) -> torch.device:
        """The device of the parameters."""
        return self._first_tensor.device

    @property
    def dtype(self) -> torch.dtype:
        """Type of the parameters."""
        return self._first_tensor.dtype

    @property
    def _first_tensor(self) -> Tensor:
        """A parameter, or a constant of a frozen model."""
        return next(tensor for tensor in chain(self.parameters(), self.buffers()) if tensor.is_floating_point())

    @property
    def _chains(self) -> list[Chain]:
        return [cast("Chain", level) for level in self.levels]

    def _passed(self, x: Array, y: Array | None) -> tuple[Passed, Tensor]:
        """A pass through all levels, and the top before its prior."""
        y = self._labels(len(x), y)
        (*latents, top), log_dets, priors = self._flow(x)
        eps, prior = self.prior(top, y)
        return Passed([*latents, eps], log_dets, [*priors, prior]), top

    def _flow(self, x: Array, run: Run | None = None) -> Passed:
        """A pass through all levels without the prior of the top. `run` runs layers; by default as `execution` says."""
        x = x if isinstance(x, Tensor) else as_tensor(x).to(self.device, self.dtype)
        self._check_images(x)
        run = run or partial(execution.forward, execution=self.execution)
        x, latents, log_dets, priors = channels_last(x), [], [], []
        *below, last = self._chains
        for level in below:
            layers, prior = _divided(level)
            y, log_det = run(layers, x)
            y, of_prior = run(prior, y)
            x, eps = y.chunk(2, dim=1)
            latents.append(eps)
            log_dets.append(log_det)
            priors.append(of_prior)
        top, log_det = run(list(last), x)
        shapes = ((len(x), *shape) for shape in self.config.latent_shapes)
        checked(f"The layout {LAYOUTS.name_of(self.config.layout)}", (*latents, top), *shapes)
        return Passed([*latents, top], [*log_dets, log_det], priors)

    def _logits(self, top: Tensor) -> Tensor:
        if self.classifier is not None:
            return self.classifier(top.mean((2, 3)))
        if not self.config.num_classes:
            raise ValueError("This model can't classify: it isn't class-conditional.")
        classes = torch.arange(self.config.num_classes, device=top.device)
        return torch.stack([self._top_log_prob(top, y.expand(len(top))) for y in classes], dim=1)

    def _top_log_prob(self, top: Tensor, y: Tensor) -> Tensor:
        eps, log_det = self.prior(top, y)
        return log_det + standard_normal_log_prob([eps])

    def _check_images(self, x: Tensor) -> None:
        if not x.is_floating_point():
            raise ValueError(f"The model takes continuous images (see glowflow.images.dequantize), not {x.dtype}.")
        if tuple(x.shape[1:]) != self.config.image_shape:
            raise ValueError(f"Images have shape {tuple(x.shape[1:])}; this model's are {self.config.image_shape}.")

    def _labels(self, num: int, y: Array | None) -> Tensor | None:
        """Labels as a tensor; ValueError if they don't fit."""
        if self.config.num_classes and y is None:
            raise ValueError("This model is class-conditional: give labels y.")
        if not self.config.num_classes and y is not None:
            raise ValueError("This model is not class-conditional: it takes no labels y.")
        if y is None:
            return None
        y = y if isinstance(y, Tensor) else as_tensor(y).long()
        if y.shape != (num,) or y.dtype != torch.int64:
            raise ValueError(f"Labels are {y.dtype} {tuple(y.shape)}; int64 ({num},) is needed, one per image.")
        classes = self.config.num_classes
        if y.device.type == "cpu" and not y.is_meta and num and not 0 <= int(y.min()) <= int(y.max()) < classes:
            raise ValueError(f"Labels go from 0 to {classes - 1}; these go from {int(y.min())} to {int(y.max())}.")
        return y


def _divided(level: Chain) -> tuple[list[Bijection], list[Bijection]]:
    """A level's layers, and its prior if it has one."""
    layers = list(level)
    end = len(layers) - isinstance(layers[-1], SplitPrior)
    return layers[:end], layers[end:]


def channels_last(x: Tensor) -> Tensor:
    """The images in channels-last memory."""
    return x.contiguous(memory_format=torch.channels_last)


def _checked_uint8(function: str, images: Array) -> Tensor:
    """Images as a tensor; ValueError if they aren't uint8."""
    images = as_tensor(images)
    if images.dtype != torch.uint8:
        raise ValueError(f"{function} takes uint8 images, not {images.dtype}.")
    return images


def _uniform_like(images: Tensor, generator: torch.Generator) -> Tensor:
    return uniform(len(images), prod(images.shape[1:]), generator).view(images.shape)
