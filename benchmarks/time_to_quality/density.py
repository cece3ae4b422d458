"""Is what a contender calls a density one? On a tiny instance of it, in float64, by automatic differentiation."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import log, pi

import torch
from torch import Tensor
from torch.autograd.functional import jacobian

from benchmarks.time_to_quality.contender import Contender, Small, Task
from benchmarks.time_to_quality.peers.base import Peer, quiet
from glowflow.config import RunConfig

NUM_IMAGES = 3


@dataclass(frozen=True)
class Density:
    """What was found, in nats of a tiny image."""

    dims: int
    largest_error: float
    """Of `log_prob` against ln N(z; 0, 1) + ln |det dz/dx|."""
    constant: float
    """What had to be added to the code base's own figure, which `log_prob` does."""


def miniature(task: Task) -> Task:
    """The same task on images as small as can be, for models of this size."""
    return replace(task, run=shrunk(task.run), small=Small(steps=2, width=8, batch_size=8), is_miniature=True)


def shrunk(run: RunConfig) -> RunConfig:
    """The same parts for images of 4x4 in colour, of 8x8 in grey, with L = 2, K = 2 and width 8.

    If each level has a conditioner of its own, the first and the last one stay.
    """
    channels, conditioner = run.model.image_shape[0], run.model.conditioner
    side = 8 if channels == 1 else 4
    if isinstance(conditioner, tuple):
        conditioner = conditioner[0], conditioner[-1]
    shape = (channels, side, side)
    model = replace(run.model, image_shape=shape, levels=2, steps=2, width=8, conditioner=conditioner)
    return RunConfig(model, replace(run.train, batch_size=8, init_batch_size=8))


def check(build: Callable[[Task], Contender], task: Task) -> Density:
    """Compare a miniature's density with what its own map from images to latents implies.

    It takes a step first, which initialises it, and its weights are then moved a little at random: at the start much
    is zero, and a wrong factor wouldn't show; with much more, it's all but singular, and rounding shows.
    """
    small = miniature(task)
    torch.manual_seed(0)
    contender = build(small)
    shape = small.model.image_shape
    if contender.init_size:
        contender.initialize(torch.randint(256, (contender.init_size, *shape), dtype=torch.uint8))
    contender.train_step(torch.randint(256, (contender.batch_size, *shape), dtype=torch.uint8))
    network = contender.network.double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.requires_grad or not isinstance(contender, Peer):  # FrEIA has permutations among them
                parameter.add_(0.02 * torch.randn_like(parameter))
    x = torch.rand(NUM_IMAGES, *shape, dtype=torch.float64) - 0.5
    with quiet():
        errors = contender.log_prob(x).detach() - torch.stack([implied(contender, image) for image in x])
    constant = contender.constant if isinstance(contender, Peer) else 0.0
    return Density(x[0].numel(), float(errors.abs().max()), constant)


def implied(contender: Contender, image: Tensor) -> Tensor:
    """Ln N(z; 0, 1) + ln |det dz/dx| of one image."""

    def latents(one: Tensor) -> Tensor:
        return contender.latents(one[None])[0]

    slope: Tensor = jacobian(latents, image)
    normal = -0.5 * (latents(image).detach().square() + log(2 * pi)).sum()
    return normal + torch.linalg.slogdet(slope.flatten(1)).logabsdet
