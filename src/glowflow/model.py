"""Glow: images <-> latents, with exact likelihood."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict, replace
from itertools import chain
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self, cast

import torch
from torch import Tensor, nn

from glowflow import execution, hub, weights
from glowflow.bijections import Chain, Step, TopPrior, standard_normal_log_prob
from glowflow.card import Card
from glowflow.conditioners import TopNetwork, ZeroLinear
from glowflow.config import GlowConfig
from glowflow.dequantizers import Dequantizer
from glowflow.errors import InputError
from glowflow.execution import Execution
from glowflow.images import BIN_CENTRE, Array, as_tensor, bits_per_dim, dequantize, to_uint8
from glowflow.layouts import levels
from glowflow.noise import normal, uniform
from glowflow.parts import DEQUANTIZERS
from glowflow.stored import StoredModel


class Glow(nn.Module):
    """The model of Kingma & Dhariwal 2018: L levels of [squeeze, K steps, split], every latent standard normal.

    `forward` maps continuous images x (B, C, H, W) in [-1/2, 1/2) to a list of L latents, level 0 first. `inverse` is
    its exact inverse. `encode` and `decode` do the same between uint8 images and flat latents (B, D). A
    class-conditional model takes labels y (B,), int64, wherever y appears. Images, flat latents and labels may also be
    NumPy arrays.

    >>> import torch
    >>> from glowflow import Glow, GlowConfig
    >>> model = Glow(GlowConfig(image_shape=(3, 16, 16), steps=2, width=16))
    >>> images = torch.randint(256, (4, 3, 16, 16), dtype=torch.uint8)
    >>> torch.equal(model.decode(model.encode(images)), images)
    True
    >>> model.sample(2, temperature=0.7).shape
    torch.Size([2, 3, 16, 16])

    Args:
        config: The architecture.
        class_names: Names of a class-conditional model's classes, which are stored with it; by default their numbers.
    """

    def __init__(self, config: GlowConfig, class_names: Sequence[str] | None = None) -> None:
        super().__init__()
        self.config = config
        names = [] if class_names is None else list(map(str, class_names))
        self.class_names = names or list(map(str, range(config.num_classes)))
        if len(self.class_names) != config.num_classes:
            raise InputError(f"There are {len(self.class_names)} names for {config.num_classes} classes.")
        top = config.latent_shapes[-1]
        self.dequantizer: Dequantizer = DEQUANTIZERS.build(config.dequantizer, config)
        self.levels = nn.ModuleList(levels(config))
        self.prior = TopPrior(TopNetwork(top, learned=config.learn_top, num_classes=config.num_classes))
        self.classifier = ZeroLinear(top[0], config.num_classes) if config.classifier else None
        self.execution = Execution()

    def forward(self, x: Array, y: Array | None = None) -> tuple[list[Tensor], Tensor]:
        """Latents of x, level 0 first, and ln |det d latents / dx| (B,) in nats."""
        latents, log_det, _ = self._latents(x, y)
        return latents, log_det

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
        x, log_q = self._dequantized(images, noise)
        return bits_per_dim(self.log_prob(x, y) - log_q, self.config.num_dims, self.config.num_bits)

    def bits_per_dim_and_logits(self, images: Array, noise: Array, y: Array | None = None) -> tuple[Tensor, Tensor]:
        """`bits_per_dim` and `classify` in one pass."""
        x, log_q = self._dequantized(images, noise)
        log_prob, logits = self.log_prob_and_logits(x, y)
        return bits_per_dim(log_prob - log_q, self.config.num_dims, self.config.num_bits), logits

    def log_prob_and_logits(self, x: Array, y: Array | None = None) -> tuple[Tensor, Tensor]:
        """`log_prob` and `classify` in one pass."""
        latents, log_det, top = self._latents(x, y)
        return log_det + standard_normal_log_prob(latents), self._logits(top)

    def classify(self, x: Array) -> Tensor:
        """Class logits (B, num_classes) of continuous images x.

        The classifier computes them from the spatial mean of the top latent. A class-conditional model without a
        classifier gives ln p(x | y), up to a constant, for each class y. By Bayes' rule these are the logits if all
        classes are equally frequent.
        """
        return self._logits(self._flow(x)[-2])

    @torch.no_grad()
    def initialize(self, x: Tensor) -> None:
        """Data-dependent initialisation of every actnorm, in order, on a batch of continuous images."""
        self._check_images(x)
        x = _channels_last(x)
        for level in self._chains:
            x, _ = level.initialize(x).chunk(2, dim=1)

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
        images = as_tensor(images)
        if images.dtype != torch.uint8:
            raise ValueError(f"encode takes uint8 images, not {images.dtype}.")
        noise = BIN_CENTRE if generator is None else _uniform_like(images, generator).to(self.device)
        exact = self._in_float64()
        x = dequantize(images.to(self.device), self.config.num_bits, noise).to(exact.dtype)
        return self.flatten(exact(x, y)[0])

    @torch.no_grad()
    def decode(self, z: Array, y: Array | None = None, *, exact: bool = True) -> Tensor:
        """Images (B, C, H, W), uint8, that have the flat latents z (B, D).

        Args:
            z: Latents.
            y: Labels for a class-conditional model.
            exact: True to compute in float64, as `encode` does. False to compute in the parameters' type, which is
                faster, but some values may be one level off.
        """
        model = self._in_float64() if exact else self
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

    def execute(self, execution: Execution) -> Self:
        """Choose how the model is computed. The results stay the same to within rounding.

        - `memory`: What a training step keeps for its backward pass. "store" keeps everything. "checkpoint" keeps the
          input of each step of flow, and runs the steps again. "reversible" keeps the output of each level, and undoes
          the steps. The last two take a third more arithmetic.
        - `precision`: Type that the couplings' networks compute in, such as torch.bfloat16; None for the parameters'.
          Everything else stays in the parameters' type.
        - `compiled`: True to have `torch.compile` compile the steps. It does so for training (unless `memory` is
          "reversible"), and for the `inverse` of a frozen model.
        """
        self.execution = execution
        for module in self.modules():
            if isinstance(module, Step):
                module.coupling.precision = execution.precision
        return self

    def freeze(self) -> "FrozenGlow":
        """A separate form of this model for inference, with inverses, folded weights and casts computed once.

        Nothing in the model itself is cached, so you can go on training it.
        """
        return FrozenGlow(self)

    def save_pretrained(self, directory: str | Path, weights_kind: str = "raw") -> None:
        """Write `config.json`, `model.safetensors` and a model card (`README.md`) into a directory.

        A `README.md` that glowflow didn't write stays.

        Args:
            directory: It's created if there is none.
            weights_kind: "raw", or "averaged" if the weights are averages over the training. It's only noted.
        """
        path = Path(directory)
        weights.save(path, self.state_dict(), asdict(self.config), weights_kind, self.class_names)
        self.card(StoredModel(str(path), path)).write(path)

    def card(self, stored: StoredModel) -> Card:
        """The card of this model as it's stored."""
        return Card.of(stored, sum(parameter.numel() for parameter in self.parameters()))

    @torch.no_grad()
    def push_to_hub(self, name: str, *, license: str | None = None, private: bool = False) -> str:  # noqa: A002
        """Upload the model to the Hugging Face hub, with a card and a picture of samples.

        `glowflow push` uploads a stored model, together with the results that its training recorded.

        Args:
            name: OWNER/NAME. A model of this name is replaced.
            license: The licence of the weights, as the hub names it. Without one the card says that there is none.
            private: True if only the owner may see a new page.

        Returns:
            The address of its page.

        Raises:
            InputError: If it can't be uploaded.
        """
        hub.check(name)
        with TemporaryDirectory() as folder:
            self.save_pretrained(folder)
            about = replace(self.card(StoredModel(folder, Path(folder))), name=name, license_id=license)
            y = torch.arange(hub.SHOWN) % self.config.num_classes if self.config.num_classes else None
            images = self.freeze().sample(hub.SHOWN, hub.TEMPERATURE, y, torch.Generator().manual_seed(0))
            return hub.push(Path(folder), about, images, private=private)

    @classmethod
    def from_pretrained(
        cls, path: str | Path | StoredModel, device: str | torch.device = "cpu", *, raw: bool = False
    ) -> Self:
        """Load a model from a directory, a run's directory (its best checkpoint), or the hub.

        Args:
            path: The directory, the model's name on the hub, or a model that is open already.
            device: Where to put the model.
            raw: True for the raw weights of a model that also has averaged ones.

        Raises:
            InputError: If there is no model, if it's damaged, or if its weights don't fit its configuration.
        """
        stored = StoredModel.open(path)
        tensors, file = stored.weights(raw=raw)
        model = cls(stored.config, stored.class_names)
        weights.assign(model, tensors, file)
        return model.to(device).eval()

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

    def _in_float64(self) -> "Glow":
        if self.dtype == torch.float64:
            return self
        exact = deepcopy(self).execute(Execution())
        return exact if self.device.type == "mps" else exact.double()

    @property
    def _chains(self) -> list[Chain]:
        return [cast("Chain", level) for level in self.levels]

    def _latents(self, x: Array, y: Array | None) -> tuple[list[Tensor], Tensor, Tensor]:
        """(latents, log_det, top before its prior)."""
        y = self._labels(len(x), y)
        *latents, top, log_det = self._flow(x)
        eps, term = self.prior(top, y)
        return [*latents, eps], log_det + term, top

    def _flow(self, x: Array) -> tuple[Tensor, ...]:
        """(latent of level 0, ..., top before its prior, log_det)."""
        x = x if isinstance(x, Tensor) else as_tensor(x).to(self.device, self.dtype)
        self._check_images(x)
        x, latents, log_det = _channels_last(x), [], x.new_zeros(len(x))
        *below, last = self._chains
        for level in below:
            y, term = execution.forward(level, x, self.execution)
            x, eps = y.chunk(2, dim=1)
            latents.append(eps)
            log_det = log_det + term
        top, term = execution.forward(last, x, self.execution)
        return (*latents, top, log_det + term)

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

    def _dequantized(self, images: Array, noise: Array) -> tuple[Tensor, Tensor]:
        """Continuous images x, and log q, see `Dequantizer`."""
        on_device = (as_tensor(values).to(self.device) for values in (images, noise))
        return self.dequantizer(*on_device)

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
        if y.device.type == "cpu" and num and not 0 <= int(y.min()) <= int(y.max()) < classes:
            raise ValueError(f"Labels go from 0 to {classes - 1}; these go from {int(y.min())} to {int(y.max())}.")
        return y


class FrozenGlow(Glow):
    """The inference form of a `Glow`. It has the same functions, except for those that would change or save it."""

    def __init__(self, model: Glow) -> None:
        nn.Module.__init__(self)
        self.config, self.class_names = model.config, model.class_names
        self.dequantizer = model.dequantizer.freeze()
        self.levels = nn.ModuleList([level.freeze() for level in model._chains])
        self.prior = cast("TopPrior", model.prior.freeze())
        self.classifier = deepcopy(model.classifier)
        self._exact = [] if model.dtype == torch.float64 else [deepcopy(model)]  # a list hides it from nn.Module
        self.requires_grad_(requires_grad=False).eval()
        self.execution = Execution()
        if model.execution.compiled:
            self._run_once()
        self.execution = model.execution

    @torch.no_grad()
    def _run_once(self) -> None:
        """Decode an image, so that compiling finds everything that the layers keep for this size of images."""
        y = torch.zeros(1, dtype=torch.int64, device=self.device) if self.config.num_classes else None
        self.inverse(self.unflatten(torch.zeros(1, self.config.num_dims, device=self.device, dtype=self.dtype)), y)

    def _in_float64(self) -> Glow:
        """The float64 form, which is made when it's first needed."""
        if self._exact and not isinstance(self._exact[0], FrozenGlow):
            self._exact = [self._exact[0]._in_float64().freeze()]
        return self._exact[0] if self._exact else self

    def execute(self, execution: Execution) -> Self:
        """Refused."""
        raise ValueError("A frozen model can't be executed otherwise: call execute before freeze.")

    def initialize(self, x: Tensor) -> None:
        """Refused."""
        raise ValueError("A frozen model can't be initialised: initialise the model that it is made from.")

    def save_pretrained(self, directory: str | Path, weights_kind: str = "raw") -> None:
        """Refused."""
        raise ValueError("A frozen model can't be saved: save the model that it is made from.")


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def _uniform_like(images: Tensor, generator: torch.Generator) -> Tensor:
    return uniform(len(images), prod(images.shape[1:]), generator).view(images.shape)
