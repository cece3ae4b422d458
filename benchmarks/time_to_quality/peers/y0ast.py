"""y0ast/Glow-PyTorch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adamax, Optimizer

from benchmarks.time_to_quality.contender import Task
from benchmarks.time_to_quality.peers.base import Peer, Size, checked_out, mirrored, recorded


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


def _shifted(image: Tensor, share: float = 0.1) -> Tensor:
    _, height, width = image.shape
    down, right = (round(side * share * (2 * float(torch.rand(())) - 1)) for side in (height, width))
    padded = torch.nn.functional.pad(image, [max(right, 0), max(-right, 0), max(down, 0), max(-down, 0)])
    top, left = max(-down, 0), max(-right, 0)
    return padded[:, top : top + height, left : left + width]
