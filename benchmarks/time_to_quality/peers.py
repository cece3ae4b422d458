"""The other code bases as contenders, each with the recipe that its own documentation gives.

Each is there twice: as documented, for GPUs, and `small`, with the steps K, width and batch size of glowflow's preset
for the task, all else as documented, since a documented size may be far too large for two cores. Common to all:

- They learn p(x) without labels, as everyone here; where a recipe has class-conditional latents (normflows), the same
  without classes takes their place.
- Images are quantised to the task's bits, and their noise is uniform in a quantised level.
- Levels are as many as documented, where the side can be halved so often: 2 for 28x28 digits.
- Digits are not mirrored, whatever the recipe does with its photographs.
- Evaluation mode and raw weights: none of the recipes averages them.
"""

import importlib
import sys
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain
from math import cos, log, pi
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from contender import Task
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import Adam, Adamax, Optimizer

from glowflow.config import GlowConfig, valid_levels
from glowflow.errors import InputError
from glowflow.experiments.peer import multiscale_flow
from glowflow.images import bits_per_dim, dequantize, to_uint8


@dataclass(frozen=True)
class Size:
    """How large a model and its batches are."""

    levels: int
    steps: int
    width: int
    batch_size: int


class Peer(ABC):
    """A network of another code base, in training.

    A subclass gives the network, its optimiser, loss and density. Here, x is in [-1/2, 1/2).
    """

    documented: Size
    lr: float
    max_grad_norm: float | None = None
    init_size = 0

    def __init__(self, task: Task, *, small: bool = False) -> None:
        self.task, self.is_small, self.size = task, small, self._size(task, small=small)
        channels, height, width = self.shape = task.model.image_shape
        self.num_dims = channels * height * width
        self.levels = max(n for n in valid_levels(self.shape) if n <= self.size.levels)
        self.batch_size = self.size.batch_size
        self.steps = 0
        with quiet():
            self.network: nn.Module = self.build()
        self.optimizer = self.build_optimizer([p for p in self.network.parameters() if p.requires_grad])
        self.recipe: dict[str, Any] = {"small": small} | asdict(self.size) | {"levels": self.levels}

    def _size(self, task: Task, *, small: bool) -> Size:
        model, train = task.model, task.run.train
        if small or task.is_miniature:
            return Size(self.documented.levels, model.steps, model.width, train.batch_size)
        return self.documented

    @abstractmethod
    def build(self) -> nn.Module:
        """The network."""

    @abstractmethod
    def build_optimizer(self, parameters: Sequence[nn.Parameter]) -> Optimizer:
        """The optimiser."""

    @abstractmethod
    def own_log_prob(self, x: Tensor) -> Tensor:
        """The log-density that the code base itself gives, in nats of x but for `constant`."""

    @abstractmethod
    def latents(self, x: Tensor) -> Tensor:
        """What x is mapped to, standard normal under the model: (B, D)."""

    @abstractmethod
    def draw(self, num: int, temperature: float) -> Tensor:
        """Random x."""

    @property
    def constant(self) -> float:
        """What has to be added to `own_log_prob` to make it the density of x."""
        return 0.0

    def loss(self, x: Tensor) -> Tensor:
        """What is minimised, as in most recipes: mean bits/dim."""
        return bits_per_dim(self.log_prob(x), self.num_dims, self.task.model.num_bits).mean()

    def augment(self, images: Tensor) -> Tensor:
        """Randomly changed images; as they are, in recipes that don't say otherwise."""
        return images

    def initialize(self, images: Tensor) -> None:
        """Nothing else, where the first batch that's trained on does it."""
        self.network.train()

    def train_step(self, images: Tensor) -> None:
        """Loss, gradient, update."""
        self.network.train()
        with quiet():
            loss = self.loss(self.continuous(images))
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate()
        self.optimizer.zero_grad()
        if self.accepts(loss):
            loss.backward()
            if self.max_grad_norm is not None:
                clip_grad_norm_(self.network.parameters(), self.max_grad_norm)
            self.optimizer.step()
        self.steps += 1

    def accepts(self, loss: Tensor) -> bool:
        """Whether a step is made at all."""
        return True

    def learning_rate(self) -> float:
        """Of the next step."""
        return self.lr

    def continuous(self, images: Tensor) -> Tensor:
        """The x of uint8 images, with noise."""
        changed = self.augment(images)
        return dequantize(changed, self.task.model.num_bits, torch.rand(changed.shape)).contiguous()

    def log_prob(self, x: Tensor) -> Tensor:
        """The density of x."""
        return self.own_log_prob(x) + self.constant

    def sample(self, num: int, temperature: float) -> Tensor:
        """Random images, those without a value black."""
        with quiet(), torch.no_grad():
            x = self.draw(num, temperature).reshape(num, *self.shape)
        return to_uint8(x.nan_to_num(-0.5), self.task.model.num_bits)

    def state(self) -> dict[str, Any]:
        """Weights, optimiser, counter."""
        return {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict(), "steps": self.steps}

    def load(self, state: dict[str, Any]) -> None:
        """Weights, optimiser, counter."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.steps = state["steps"]


class Normflows(Peer):
    """Normflows 1.7, its example notebook on image generation with Glow, on CIFAR-10.

    https://github.com/VincentStimper/normalizing-flows/blob/master/examples/glow_colab.ipynb

    L = 3, K = 16, 256 channels, LU, batches of 128, x + 1/2, Adamax with 1e-3 and weight decay 1e-5, the mean of the
    nats as its loss, steps without a finite loss skipped.

    Not as there: the latents' Gaussians have no classes (`DiagGaussian` in the place of `ClassCondDiagGaussian`).
    """

    documented = Size(levels=3, steps=16, width=256, batch_size=128)
    lr = 1e-3

    def build(self) -> nn.Module:
        """As its documentation builds it."""
        config = GlowConfig(self.shape, self.levels, self.size.steps, self.size.width)
        return multiscale_flow(package("normflows"), config)

    def build_optimizer(self, parameters: Sequence[nn.Parameter]) -> Optimizer:
        """Adamax."""
        return Adamax(parameters, lr=self.lr, weight_decay=1e-5)

    def loss(self, x: Tensor) -> Tensor:
        """Nats, which together with the weight decay is not the same as bits/dim."""
        return -self.log_prob(x).mean()

    def accepts(self, loss: Tensor) -> bool:
        """Only a finite loss."""
        return bool(loss.isfinite())

    def own_log_prob(self, x: Tensor) -> Tensor:
        """Its `log_prob` of x + 1/2."""
        return self.network.log_prob(x + 0.5, None)  # type: ignore[operator]

    def latents(self, x: Tensor) -> Tensor:
        """Without the means and scales of its bases."""
        parts, _ = self.network.inverse_and_log_det(x + 0.5)  # type: ignore[operator]
        bases: Any = self.network.q0
        scaled = [(z - base.loc) / base.log_scale.exp() for z, base in zip(parts, bases, strict=True)]
        return torch.cat([z.flatten(1) for z in scaled], dim=1)

    def draw(self, num: int, temperature: float) -> Tensor:
        """Its `sample`."""
        return self.network.sample(num, temperature=temperature)[0] - 0.5  # type: ignore[operator]


class Freia(Peer):
    """FrEIA 0.2, the convolutional network with invertible downsampling of its tutorial, "for CIFAR10".

    https://vislearn.github.io/FrEIA/_build/html/tutorial/examples/convolutional.html (the network),
    https://github.com/vislearn/FrEIA/tree/692b42a (until 2020 it had a README with the networks in its couplings and
    the loss, and experiments/mnist_minimal_example, the only training on images that it ever came with: batches of 256,
    normalised images, all weights from N(0, 0.01^2), Adam with 5e-4 and weight decay 5e-5, gradients clipped at 10).

    GLOW couplings with random permutations between them: 4 at full resolution with 3x3 convolutions, 12 downsampled
    once, every other one with 1x1 convolutions, then 12 fully connected ones on a quarter of the variables. Each has
    two networks of two layers, 256 channels, or 512 where fully connected. The tutorial doesn't train it (its page on
    that is empty), so the training is that of the example with digits. What the documentation says now, for points in
    two dimensions and in general (Adam with 1e-3, Xavier's initialisation), breaks down here: 1e16 bits/dim after 91
    steps of `small` on faces32, where this has 3.05 (validation images).

    Not as there: grey images are downsampled once more before everything, since a coupling can't divide one channel
    (its tips say so too). The example's loss divides |z|^2 by D twice, the README's doesn't, which is taken. The
    learning rate isn't lowered, which the example does after 20 epochs of MNIST, 1.2 million images. `small` has the
    preset's width and batch (twice the width where fully connected), and the same number of couplings.

    Its loss leaves out (D/2) ln 2 pi, and its normalisation of the images isn't in it: `constant` has both.
    """

    documented = Size(levels=1, steps=16, width=256, batch_size=256)
    lr = 5e-4
    max_grad_norm = 10.0
    init_size = 256

    def build(self) -> nn.Module:
        """A graph of nodes."""
        framework, modules = package("FrEIA.framework"), package("FrEIA.modules")
        node, end = framework.Node, framework.InputNode(*self.shape, name="input")
        nodes = [end]

        def add(module: Any, **arguments: Any) -> None:  # noqa: ANN401
            nodes.append(node(nodes[-1], module, arguments))

        def couple(index: int, network: Callable[..., nn.Module], clamp: float) -> None:
            add(modules.GLOWCouplingBlock, subnet_constructor=network, clamp=clamp)
            add(modules.PermuteRandom, seed=index)

        if self.shape[0] == 1:
            add(modules.IRevNetDownsampling)
        for index in range(4):
            couple(index, partial(self._convolutions, kernel=3), 1.2)
        add(modules.IRevNetDownsampling)
        for index in range(12):
            couple(index, partial(self._convolutions, kernel=3 if index % 2 else 1), 1.2)
        add(modules.Flatten)
        quarter = self.num_dims // 4
        split = node(nodes[-1], modules.Split, {"section_sizes": (quarter, self.num_dims - quarter), "dim": 0})
        nodes.append(split)
        for index in range(12):
            couple(index, self._linear, 2.0)
        nodes.append(node([nodes[-1].out0, split.out1], modules.Concat, {"dim": 0}))
        nodes.append(framework.OutputNode(nodes[-1], name="output"))
        network = framework.GraphINN(nodes)
        network.register_buffer("moments", torch.tensor([0.0, 1.0]))  # of the images
        return network

    def _convolutions(self, inputs: int, outputs: int, kernel: int) -> nn.Module:
        width, padding = self.size.width, kernel // 2
        layers = nn.Conv2d(inputs, width, kernel, padding=padding), nn.Conv2d(width, outputs, kernel, padding=padding)
        return nn.Sequential(layers[0], nn.ReLU(), layers[1])

    def _linear(self, inputs: int, outputs: int) -> nn.Module:
        width = 2 * self.size.width
        return nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, outputs))

    def build_optimizer(self, parameters: Sequence[nn.Parameter]) -> Optimizer:
        """Adam, from small random weights."""
        with torch.no_grad():
            for parameter in parameters:
                parameter.normal_(std=0.01)
        return Adam(parameters, lr=self.lr, weight_decay=5e-5)

    def initialize(self, images: Tensor) -> None:
        """Mean and standard deviation of all values together."""
        x = self.continuous(images)
        self.moments.copy_(torch.stack([x.mean(), x.std()]))

    @property
    def moments(self) -> Tensor:
        """Mean and standard deviation of the images."""
        return self.network.get_buffer("moments")

    @property
    def constant(self) -> float:
        """-(D/2) ln 2 pi, and -D ln std of the normalisation."""
        return -self.num_dims * (0.5 * log(2 * pi) + float(self.moments[1].log()))

    def loss(self, x: Tensor) -> Tensor:
        """Nats for each dimension."""
        return -self.own_log_prob(x).mean() / self.num_dims

    def own_log_prob(self, x: Tensor) -> Tensor:
        """-(|z|^2 / 2 - ln |det|), the negative of its loss."""
        z, log_det = self._forward(x)
        return log_det - 0.5 * z.square().sum(1)

    def latents(self, x: Tensor) -> Tensor:
        """Its output."""
        return self._forward(x)[0]

    def _forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z, log_det = self.network((x - self.moments[0]) / self.moments[1])
        return z, log_det

    def draw(self, num: int, temperature: float) -> Tensor:
        """Its inverse."""
        x, _ = self.network(temperature * torch.randn(num, self.num_dims), rev=True)
        return x * self.moments[1] + self.moments[0]


class Nflows(Peer):
    """Nflows 0.14, by its authors' image experiments for "Neural Spline Flows", the run with affine couplings.

    https://github.com/bayesiains/nsf: README ("Corresponding affine baseline run"), experiments/images.py and
    experiments/image_configs/cifar-10-8bit.json and cifar-10-5bit.json; nflows has no image example of its own.

    As documented: L = 3, K = 7, every level keeps all variables (`multi_scale` is false), residual networks of three
    blocks with batch normalisation and dropout of 0.2, of 96 channels (64 for 5 bits), batches of 512, mirroring, Adam
    with 5e-4, annealed over 200,000 steps (100,000 for 5 bits).
    `small` takes the defaults of images.py instead, which are more like Glow: half of the variables leave at each
    level, networks of three convolutions, annealing over 100,000 steps; with the preset's K, width and batch.

    Not as there: `nflows.transforms.SqueezeTransform` and the others stand for the same layers of that repository,
    from which nflows was made. To draw, its 1x1 convolutions need `torch.triangular_solve`, which is deprecated.
    """

    documented = Size(levels=3, steps=7, width=96, batch_size=512)
    lr = 5e-4

    def build(self) -> nn.Module:
        """A flow of levels."""
        flows, distributions = package("nflows.flows"), package("nflows.distributions")
        self.transforms = package("nflows.transforms")
        scaled = self.transforms.PointwiseAffineTransform(shift=-0.5, scale=2.0**-self.task.model.num_bits)
        body, shape = self._multiscale() if self.is_small else self._plain()
        base = distributions.StandardNormal(shape)
        return flows.Flow(self.transforms.CompositeTransform([scaled, body]), base)

    def _multiscale(self) -> tuple[Any, tuple[int, ...]]:
        whole, shape = self.transforms.MultiscaleCompositeTransform(num_transforms=self.levels), self.shape
        for _ in range(self.levels):
            level, squeezed = self._level(shape)
            shape = whole.add_transform(level, squeezed)
        return whole, (self.num_dims,)

    def _plain(self) -> tuple[Any, tuple[int, ...]]:
        levels, shape = [], self.shape
        for _ in range(self.levels):
            level, shape = self._level(shape)
            levels.append(level)
        return self.transforms.CompositeTransform(levels), shape

    def _level(self, shape: tuple[int, int, int]) -> tuple[Any, tuple[int, int, int]]:
        squeeze = self.transforms.SqueezeTransform()
        squeezed: tuple[int, int, int] = squeeze.get_output_shape(*shape)
        steps = [self._step(squeezed[0]) for _ in range(self.size.steps)]
        last = self.transforms.OneByOneConvolution(squeezed[0])
        return self.transforms.CompositeTransform([squeeze, *chain(*steps), last]), squeezed

    def _step(self, channels: int) -> list[nn.Module]:
        half = channels - channels // 2
        coupling = self.transforms.AffineCouplingTransform([1] * half + [0] * (channels - half), self._network)
        return [self.transforms.ActNorm(channels), self.transforms.OneByOneConvolution(channels), coupling]

    def _network(self, inputs: int, outputs: int) -> nn.Module:
        width = self.size.width
        if self.is_small:
            return Plain(inputs, width, outputs)
        if self.task.model.num_bits == 5:
            width = min(width, 64)
        residual = package("nflows.nn.nets").ConvResidualNet
        options = {"num_blocks": 3, "use_batch_norm": True, "dropout_probability": 0.2}
        network: nn.Module = residual(in_channels=inputs, out_channels=outputs, hidden_channels=width, **options)
        return network

    def build_optimizer(self, parameters: Sequence[nn.Parameter]) -> Optimizer:
        """Adam."""
        return Adam(parameters, lr=self.lr)

    def learning_rate(self) -> float:
        """Half a cosine, to zero."""
        last = 200_000 if self.task.model.num_bits == 8 and not self.is_small else 100_000
        return 0.5 * self.lr * (1 + cos(pi * self.steps / last))

    def augment(self, images: Tensor) -> Tensor:
        """Mirrored at random."""
        return mirrored(images) if self.task.mirrored else images

    @property
    def constant(self) -> float:
        """Its density is that of levels from 0 to 2^n."""
        return self.num_dims * self.task.model.num_bits * log(2)

    def own_log_prob(self, x: Tensor) -> Tensor:
        """Its `log_prob` of (x + 1/2) 2^n."""
        return self.network.log_prob(self._levels(x))  # type: ignore[operator]

    def latents(self, x: Tensor) -> Tensor:
        """Its noise."""
        return self.network.transform_to_noise(self._levels(x)).flatten(1)  # type: ignore[operator]

    def _levels(self, x: Tensor) -> Tensor:
        return (x + 0.5) * 2**self.task.model.num_bits

    def draw(self, num: int, temperature: float) -> Tensor:
        """Its inverse."""
        flow: Any = self.network.eval()
        levels, _ = flow._transform.inverse(temperature * flow._distribution.sample(num))
        return levels / 2**self.task.model.num_bits - 0.5


class Plain(nn.Module):
    """Three convolutions, as nsf's experiments/images.py has them, called with a context."""

    def __init__(self, inputs: int, width: int, outputs: int) -> None:
        super().__init__()
        kernels = [(inputs, width, 3), (width, width, 1), (width, outputs, 3)]
        first, middle, last = (nn.Conv2d(a, b, kernel, padding=kernel // 2) for a, b, kernel in kernels)
        self.layers = nn.Sequential(first, nn.ReLU(), middle, nn.ReLU(), last)

    def forward(self, inputs: Tensor, context: Tensor | None = None) -> Tensor:
        """Parameters of a coupling."""
        return self.layers(inputs)


class Rosinality(Peer):
    """rosinality/glow-pytorch, by the defaults of its train.py.

    https://github.com/rosinality/glow-pytorch: K = 32, 512 channels, additive couplings, LU, learned priors, batches of
    16, mirroring, Adam with 1e-4; the first batch initialises and is not trained on.

    Not as there: 3 levels, which leave a top of 4x4 as the 4 documented ones do for its 64x64 images; the task's bits
    instead of 5; its count of dimensions, which supposes three channels, is put right for grey images.
    """

    documented = Size(levels=3, steps=32, width=512, batch_size=16)
    lr = 1e-4
    init_size = 16

    def __init__(self, task: Task, *, small: bool = False, checkout: Path) -> None:
        self.checkout = checkout
        super().__init__(task, small=small)

    def build(self) -> nn.Module:
        """Its `Glow`."""
        self.code = checked_out(self.checkout)
        coupling = self.code.AffineCoupling
        self.code.AffineCoupling = partial(coupling, filter_size=self.size.width)  # type: ignore[attr-defined]
        try:
            network: nn.Module = self.code.Glow(self.shape[0], self.size.steps, self.levels, affine=False)
        finally:
            self.code.AffineCoupling = coupling  # type: ignore[attr-defined]
        return network

    def build_optimizer(self, parameters: Sequence[nn.Parameter]) -> Optimizer:
        """Adam."""
        return Adam(parameters, lr=self.lr)

    def augment(self, images: Tensor) -> Tensor:
        """Mirrored at random."""
        return mirrored(images) if self.task.mirrored else images

    @torch.no_grad()
    def initialize(self, images: Tensor) -> None:
        """By a forward pass."""
        with quiet():
            self.network(self.continuous(images))

    def own_log_prob(self, x: Tensor) -> Tensor:
        """Its log p and ln |det|, which is one number for all images where couplings are additive."""
        log_p, log_det, _ = self.network(x)
        return log_p + log_det

    def latents(self, x: Tensor) -> Tensor:
        """Its latents, without the means and scales that its priors give them."""
        with recorded(self.code.__dict__, "gaussian_log_p") as calls:
            self.network(x)
        return torch.cat([((z - mean) / log_sd.exp()).flatten(1) for z, mean, log_sd in calls], dim=1)

    def draw(self, num: int, temperature: float) -> Tensor:
        """Its inverse."""
        channels, height, width = self.shape
        shapes = [(channels << level, height >> level, width >> level) for level in range(1, self.levels)]
        top = (channels << (self.levels + 1), height >> self.levels, width >> self.levels)
        latents = [temperature * torch.randn(num, *shape) for shape in [*shapes, top]]
        return self.network.reverse(latents)  # type: ignore[operator]


class Y0ast(Peer):
    """y0ast/Glow-PyTorch, by the defaults of its train.py for CIFAR-10.

    https://github.com/y0ast/Glow-PyTorch: L = 3, K = 32, 512 channels, affine couplings, LU, a learned top, batches of
    64, eight of which initialise, shifts by up to a tenth and mirroring, Adamax with 5e-4 and weight decay 5e-5, the
    learning rate growing over 5 epochs.

    Not as there: the task's bits instead of 8; an epoch is the task's training images, of which there are fewer than
    CIFAR-10's 50,000, so the learning rate grows sooner.
    """

    documented = Size(levels=3, steps=32, width=512, batch_size=64)
    lr = 5e-4

    def __init__(self, task: Task, *, small: bool = False, checkout: Path) -> None:
        self.checkout = checkout
        super().__init__(task, small=small)
        self.init_size = 8 * self.batch_size

    def build(self) -> nn.Module:
        """Its `Glow`."""
        self.code = checked_out(self.checkout)
        channels, height, width = self.shape
        network: nn.Module = self.code.Glow(
            image_shape=(height, width, channels),
            hidden_channels=self.size.width,
            K=self.size.steps,
            L=self.levels,
            actnorm_scale=1.0,
            flow_permutation="invconv",
            flow_coupling="affine",
            LU_decomposed=True,
            y_classes=10,
            learn_top=True,
            y_condition=False,
        )
        return network

    def build_optimizer(self, parameters: Sequence[nn.Parameter]) -> Optimizer:
        """Adamax."""
        return Adamax(parameters, lr=self.lr, weight_decay=5e-5)

    def learning_rate(self) -> float:
        """Of the epoch."""
        epoch = self.steps * self.batch_size // self.task.num_train
        return self.lr * min(1.0, (epoch + 1) / 5)

    def augment(self, images: Tensor) -> Tensor:
        """Shifted by whole pixels, black where nothing is left, and mirrored."""
        moved = torch.stack([_shifted(image) for image in images])
        return mirrored(moved) if self.task.mirrored else moved

    @torch.no_grad()
    def initialize(self, images: Tensor) -> None:
        """By a forward pass."""
        self.network.train()
        self.own_log_prob(self.continuous(images))

    def own_log_prob(self, x: Tensor) -> Tensor:
        """The parts of its `normal_flow`, but for the noise, which x has already."""
        z, log_det = self.network.flow(x, logdet=x.new_zeros(len(x)))  # type: ignore[operator]
        mean, logs = self.network.prior(x)  # type: ignore[operator]
        return log_det + self.code.gaussian_likelihood(mean, logs, z)

    def latents(self, x: Tensor) -> Tensor:
        """Its latents, without the means and scales that its priors give them."""
        with recorded(self.code.gaussian_likelihood.__globals__, "gaussian_p") as calls:
            self.own_log_prob(x)
        return torch.cat([((z - mean) / logs.exp()).flatten(1) for mean, logs, z in calls], dim=1)

    def draw(self, num: int, temperature: float) -> Tensor:
        """Its inverse, which would draw 32 images if it weren't given their top latents."""
        self.network.eval()
        mean, logs = self.network.prior(torch.empty(num))  # type: ignore[operator]
        top = self.code.gaussian_sample(mean, logs, temperature)
        return self.network(z=top, temperature=temperature, reverse=True)

    def load(self, state: dict[str, Any]) -> None:
        """Its state lacks that it has been initialised."""
        super().load(state)
        self.network.set_actnorm_init()  # type: ignore[operator]


PACKAGES: dict[str, type[Peer]] = {"normflows": Normflows, "FrEIA": Freia, "nflows": Nflows}
CHECKOUTS: dict[str, type[Rosinality] | type[Y0ast]] = {"rosinality": Rosinality, "y0ast": Y0ast}
NAMES = [name + suffix for name in [*PACKAGES, *CHECKOUTS] for suffix in ("", "-small")]


def peer(name: str, task: Task, checkouts: dict[str, Path]) -> Peer:
    """The contender of a name among `NAMES`.

    Raises:
        InputError: If its code isn't there.
    """
    base, _, suffix = name.partition("-")
    if base in PACKAGES:
        return PACKAGES[base](task, small=bool(suffix))
    if base not in checkouts:
        raise InputError(f"{name} needs a checkout of its code: give --{base} PATH.")
    return CHECKOUTS[base](task, small=bool(suffix), checkout=checkouts[base])


def package(name: str) -> Any:  # noqa: ANN401 (a module without types)
    """A module of a package from the registry.

    Raises:
        InputError: If it isn't installed.
    """
    try:
        with quiet():
            return importlib.import_module(name)
    except ImportError:
        raise InputError(f"{name} isn't installed: pip install 'glowflow[peers]'.") from None


def checked_out(checkout: Path) -> ModuleType:
    """A checkout's module `model`, so that another checkout can have one too."""
    names = ("model", "modules", "utils")
    before = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    sys.path.insert(0, str(checkout))
    try:
        with quiet():
            return importlib.import_module("model")
    except ImportError as error:
        raise InputError(f"{checkout} can't be used: {error}.") from None
    finally:
        sys.path.remove(str(checkout))
        for name in names:
            sys.modules.pop(name, None)
        sys.modules.update(before)


@contextmanager
def quiet() -> Iterator[None]:
    """Without the warnings about what PyTorch has deprecated since."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def recorded(names: dict[str, Any], function: str) -> Iterator[list[tuple[Tensor, ...]]]:
    """What a function of a module's `names` is called with meanwhile."""
    real, calls = names[function], list[tuple[Tensor, ...]]()

    def note(*tensors: Tensor) -> Tensor:
        calls.append(tensors)
        return real(*tensors)

    names[function] = note
    try:
        yield calls
    finally:
        names[function] = real


def mirrored(images: Tensor) -> Tensor:
    """Each image as it is or mirrored, at random."""
    return torch.where(torch.rand(len(images), 1, 1, 1) < 0.5, images, images.flip(3))


def _shifted(image: Tensor, share: float = 0.1) -> Tensor:
    _, height, width = image.shape
    down, right = (round(side * share * (2 * float(torch.rand(())) - 1)) for side in (height, width))
    padded = torch.nn.functional.pad(image, [max(right, 0), max(-right, 0), max(down, 0), max(-down, 0)])
    top, left = max(-down, 0), max(-right, 0)
    return padded[:, top : top + height, left : left + width]
