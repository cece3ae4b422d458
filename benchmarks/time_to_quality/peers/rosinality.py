"""rosinality/glow-pytorch."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from benchmarks.time_to_quality.contender import Task
from benchmarks.time_to_quality.peers.base import Peer, Size, checked_out, mirrored, quiet, recorded


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
