"""Train a flow on points of two moons and draw what it does: docs/images/two-moons.png.

Run: python -m tools.two_moons (half a minute; needs the extra `bench`).
"""

from math import pi
from pathlib import Path

import matplotlib as mpl
import torch
from matplotlib import pyplot as plt
from torch import Tensor, nn

from glowflow.bijections import ActNorm, AffineTanhCoupling, Chain, Conv1x1, Step, standard_normal_log_prob

STEPS, BATCH = 2000, 256


def moons(num: int, generator: torch.Generator) -> Tensor:
    """Points (num, 2) on two interleaved half circles, with some noise."""
    angle = pi * torch.rand(num, generator=generator)
    is_upper = torch.rand(num, generator=generator) < 0.5
    x = torch.where(is_upper, angle.cos(), 1 - angle.cos()) - 0.5
    y = torch.where(is_upper, angle.sin(), 0.5 - angle.sin()) - 0.25
    return torch.stack([x, y], dim=1) + 0.05 * torch.randn(num, 2, generator=generator)


def network() -> nn.Module:
    """A network from one coordinate to shift and scale of the other, which gives zeros at first."""
    layers = [nn.Linear(1, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2)]
    nn.init.zeros_(layers[-1].get_parameter("weight"))
    return nn.Sequential(*layers)


def main() -> None:
    """Train and draw."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    flow = Chain(*(Step(ActNorm(2), Conv1x1(2), AffineTanhCoupling(network())) for _ in range(8)))
    flow.initialize(moons(BATCH, generator))
    optimizer = torch.optim.Adam(flow.parameters(), lr=2e-3)
    for _ in range(STEPS):
        z, log_det = flow(moons(BATCH, generator))
        loss = -(standard_normal_log_prob([z]) + log_det).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    draw(flow.freeze(), generator)
    print(f"{loss.item():.3f} nats per point")


@torch.no_grad()
def draw(flow: nn.Module, generator: torch.Generator) -> None:
    """Data, latents and samples side by side."""
    mpl.use("agg")
    x = moons(2000, generator)
    samples = flow.inverse(torch.randn(2000, 2, generator=generator))  # type: ignore[operator]
    figure, axes = plt.subplots(1, 3, figsize=(9.5, 3.2), layout="constrained")
    panels = {"data": (x, 1.9), "latents": (flow(x)[0], 3.6), "samples": (samples, 1.9)}
    for axis, (title, (points, reach)) in zip(axes, panels.items(), strict=True):
        axis.scatter(*points.T, s=2, color="#3b6ea5", alpha=0.6, linewidths=0)
        axis.set(title=title, aspect="equal", xlim=(-reach, reach), ylim=(-reach, reach), xticks=[], yticks=[])
    figure.savefig(Path(__file__).parents[1] / "docs" / "images" / "two-moons.png", dpi=120)


if __name__ == "__main__":
    main()
