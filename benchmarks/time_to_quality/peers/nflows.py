"""bayesiains/nflows."""

from collections.abc import Sequence
from itertools import chain
from math import cos, log, pi
from typing import Any

from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from benchmarks.time_to_quality.peers.base import Peer, Size, mirrored, package


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
