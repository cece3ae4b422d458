"""A whole model as a bijection between images and a stream."""

from typing import cast

import numpy as np
import torch
from torch import Tensor

from glowflow.bijections import Chain, Logit
from glowflow.codec import coupling, layers, top_prior  # noqa: F401 (they register their forms)
from glowflow.codec.digest import digest
from glowflow.codec.form import form_of, row, without_form
from glowflow.codec.pieces import logit_pieces, normal_pieces, uniform_pieces
from glowflow.codec.scaling import OutOfRangeError, check_range
from glowflow.codec.stream import BASE, Stream
from glowflow.dequantizers import UniformDequantizer
from glowflow.errors import InputError
from glowflow.model import FrozenGlow, Glow

STEP = 40503
"""A number whose multiples are scattered, from 0 to BASE, like random ones."""


class IntegerModel:
    """The integer form of a `Glow`: `push` puts images on a stream, and `pop` takes them off.

    A number of images at a time go through the model together. Each takes about as many bits as the likelihood says.

    Raises:
        InputError: If a part of the model has no integer form, or if weights can't be represented.

    >>> from glowflow import Glow, GlowConfig
    >>> model = IntegerModel(Glow(GlowConfig(image_shape=(1, 4, 4), levels=1, steps=1, width=8)))
    >>> stream, levels = Stream(lanes=16), torch.arange(32).view(2, 1, 4, 4)
    >>> model.push(levels, stream)
    >>> torch.equal(model.pop(2, stream), levels)
    True
    """

    def __init__(self, model: Glow) -> None:
        _check(model)
        self.config = model.config
        self.num_levels = 2**model.config.num_bits
        (first, *rest), *others = (list(cast("Chain", level)) for level in model.levels)
        if isinstance(first, Logit):
            self.pixels, chains = logit_pieces(self.config.num_bits, first.slope), [rest, *others]
        else:
            self.pixels, chains = uniform_pieces(self.config.num_bits), [[first, *rest], *others]
        self.forms = [form_of(Chain(*chain)) for chain in chains]
        self.prior = form_of(model.prior)
        self.normal = normal_pieces()
        self.weights_digest = digest(model)
        """Tells this model from others."""
        self.digest = digest(model, self._stream_of_an_image())
        """Tells this model, and what its integer form computes, from others."""

    def check(self, images: Tensor) -> None:
        """Refuse images that the model can't code.

        Raises:
            InputError: If the images have another type than uint8, a shape other than (B, C, H, W) with the model's C,
                H and W, or values that aren't multiples of 2^(8 - n).
        """
        if images.dtype != torch.uint8 or tuple(images.shape[1:]) != self.config.image_shape:
            raise InputError(
                f"The images are {images.dtype} {tuple(images.shape)}; this model codes torch.uint8 "
                f"(N, {', '.join(map(str, self.config.image_shape))})."
            )
        step = 2 ** (8 - self.config.num_bits)
        if any((image & (step - 1)).any() for image in images):  # one by one, because a copy of all takes memory
            raise InputError(
                f"The images have values that aren't multiples of {step}, which a model of {self.config.num_bits} bits "
                "can't code without a loss: quantise them first, by glowflow.images.quantize."
            )

    def levels_of(self, images: Tensor) -> Tensor:
        """The levels, int64 from 0 to 2^n - 1, of images, uint8 (B, C, H, W); InputError as for `check`."""
        self.check(images)
        return (images.cpu() >> (8 - self.config.num_bits)).long()

    def images_of(self, levels: Tensor) -> Tensor:
        """The images whose levels these are."""
        return (levels << (8 - self.config.num_bits)).to(torch.uint8)

    @torch.no_grad()
    def push(self, levels: Tensor, stream: Stream) -> None:
        """Put images on the stream, given the levels of their pixels: int64 (B, C, H, W), from 0 to 2^n - 1.

        Raises:
            OutOfRangeError: If numbers become too large; the stream's content is then undefined.
        """
        x = torch.from_numpy(self.pixels.draw(row(levels), stream)).view(levels.shape)
        *below, last = self.forms
        for level in below:
            x, eps = level.forward(x, stream).chunk(2, dim=1)
            self._push_latent(eps, stream)
        self._push_latent(self.prior.forward(last.forward(x, stream), stream), stream)

    @torch.no_grad()
    def pop(self, count: int, stream: Stream) -> Tensor:
        """Take `count` images off the stream; the stream is then what it was before they were put on."""
        *below, top = ((count, *shape) for shape in self.config.latent_shapes)
        *lower, last = self.forms
        x = last.inverse(self.prior.inverse(self._pop_latent(top, stream), stream), stream)
        for level, shape in zip(reversed(lower), reversed(below), strict=True):
            x = level.inverse(torch.cat([x, self._pop_latent(shape, stream)], dim=1), stream)
        return torch.from_numpy(self.pixels.undraw(row(x), stream)).view(x.shape)

    def _stream_of_an_image(self) -> bytes:
        """The stream that begins with an image without a pattern; empty if the model can't code it."""
        numbers = torch.arange(self.config.num_dims, device="cpu") * STEP % BASE % self.num_levels
        stream = Stream(lanes=64)
        try:
            self.push(numbers.view(1, *self.config.image_shape), stream)
        except OutOfRangeError:
            return b""
        return stream.to_bytes()

    def _push_latent(self, eps: Tensor, stream: Stream) -> None:
        numbers = row(eps)
        check_range(numbers)
        self.normal.undraw(numbers, stream)

    def _pop_latent(self, shape: tuple[int, ...], stream: Stream) -> Tensor:
        zeros = np.zeros(shape, np.int64)
        return torch.from_numpy(self.normal.draw(zeros.ravel(), stream)).view(shape)


def _check(model: Glow) -> None:
    """Refuse a model that has no integer form as a whole."""
    if isinstance(model, FrozenGlow):
        raise InputError("A frozen model can't code images: give the model that it is made from.")
    if type(model.dequantizer) is not UniformDequantizer:
        raise without_form(model.dequantizer)
