"""Glow: the model of images, which is built, initialised, frozen, stored and loaded here."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self, cast

import torch
from torch import Tensor, nn

from glowflow import hub, weights
from glowflow.bijections import Step, TopPrior
from glowflow.card import Card
from glowflow.conditioners import TopNetwork, ZeroLinear
from glowflow.config import GlowConfig
from glowflow.errors import InputError
from glowflow.execution import Execution
from glowflow.flow import Flow, channels_last
from glowflow.layouts import levels
from glowflow.parts import DEQUANTIZERS
from glowflow.stored import StoredModel


class Glow(Flow):
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
        self.dequantizer = DEQUANTIZERS.build(config.dequantizer, config)
        self.levels = nn.ModuleList(levels(config))
        self.prior = TopPrior(TopNetwork(top, learned=config.learn_top, num_classes=config.num_classes))
        self.classifier = ZeroLinear(top[0], config.num_classes) if config.classifier else None
        self.execution = Execution()
        if config.foreign_parts and self.device.type != "meta":
            self._try()

    @torch.no_grad()
    def _try(self) -> None:
        """Compute two images, so that a part that gives something wrong is refused at once."""
        images = torch.zeros(2, *self.config.image_shape, dtype=torch.uint8, device=self.device)
        y = images.new_zeros(2, dtype=torch.int64) if self.config.num_classes else None
        with torch.random.fork_rng(devices=[]):
            self.bits_per_dim(images, torch.full_like(images, 0.5, dtype=torch.float32), y)

    @torch.no_grad()
    def initialize(self, x: Tensor) -> None:
        """Data-dependent initialisation of every actnorm, in order, on a batch of continuous images."""
        self._check_images(x)
        x = channels_last(x)
        for level in self._chains:
            x, _ = level.initialize(x).chunk(2, dim=1)

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

    def in_float64(self) -> "Glow":
        """A copy in float64, or the model itself if it is in float64. Apple's GPUs lack float64 and keep float32."""
        if self.dtype == torch.float64:
            return self
        exact = deepcopy(self).execute(Execution())
        return exact if self.device.type == "mps" else exact.double()


class FrozenGlow(Glow):
    """The inference form of a `Glow`. It has the same functions, except for those that would change or save it."""

    def __init__(self, model: Glow) -> None:
        nn.Module.__init__(self)
        self.config, self.class_names = model.config, model.class_names
        self.dequantizer = model.dequantizer.freeze()
        self.levels = nn.ModuleList([level.freeze() for level in model._chains])
        self.prior = TopPrior(cast("TopNetwork", model.prior.network).freeze())
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

    def in_float64(self) -> Glow:
        """The float64 form, which is made when it's first needed."""
        if self._exact and not isinstance(self._exact[0], FrozenGlow):
            self._exact = [self._exact[0].in_float64().freeze()]
        return self._exact[0] if self._exact else self

    def freeze(self) -> "FrozenGlow":
        """The model itself, which is frozen already."""
        return self

    def execute(self, execution: Execution) -> Self:
        """Refused."""
        raise ValueError("A frozen model can't be executed otherwise: call execute before freeze.")

    def initialize(self, x: Tensor) -> None:
        """Refused."""
        raise ValueError("A frozen model can't be initialised: initialise the model that it is made from.")

    def save_pretrained(self, directory: str | Path, weights_kind: str = "raw") -> None:
        """Refused."""
        raise ValueError("A frozen model can't be saved: save the model that it is made from.")
