# %% [markdown]
# # A coupling of your own, on two moons
#
# The layers of glowflow can be used alone, on vectors as well as on images.
# This notebook writes a new coupling, checks it, trains it on points in the
# plane, and then uses it by its name in a model of images.

# %%
from dataclasses import dataclass
from math import pi

import torch
import torch.nn.functional as F
from torch import nn

from glowflow import Glow, GlowConfig
from glowflow.bijections import (
    ActNorm,
    AffineTanhCoupling,
    Chain,
    Conv1x1,
    Coupling,
    Step,
    standard_normal_log_prob,
)
from glowflow.parts import COUPLINGS
from glowflow.pictures import grid

torch.manual_seed(0)
STEPS = 600

# %% [markdown]
# ## The coupling
#
# A coupling changes one half of its input and leaves the other half as it is. A
# network looks at the half that stays and gives the numbers h that control the
# change. So a coupling of your own only says how many numbers of h it needs for
# each value, and how each value changes. The change has to be increasing, so
# that it can be undone.
#
# This one multiplies and adds: y = x * scale + shift. Its scale is a softplus,
# ln(1 + exp(s)), which is positive and grows only linearly with s. (The scale
# of the original is bounded, and the paper's grows exponentially.)


# %%
@COUPLINGS.option("softplus")
@dataclass(frozen=True)
class Softplus:
    """A scale that grows linearly."""


@COUPLINGS.builds("softplus")
class SoftplusCoupling(Coupling):
    """y_b = x_b * scale + shift, with scale = softplus(s + 0.5) + 0.05."""

    params_per_channel = 2

    def transform(self, x_b, h):
        shift, scale = h[:, 0::2], self.scale(h)
        return x_b * scale + shift, scale.log()

    def untransform(self, y_b, h):
        shift, scale = h[:, 0::2], self.scale(h)
        return (y_b - shift) / scale

    def scale(self, h):
        return F.softplus(h[:, 1::2] + 0.5) + 0.05  # near 1 at the start


# %% [markdown]
# ## Is it right?
#
# A mistake in the logarithm of the derivative doesn't crash anything. It only
# makes likelihoods wrong. So compare it with the Jacobian matrix that PyTorch
# computes, and check the inverse.

# %%
coupling = SoftplusCoupling(nn.Linear(1, 2)).double()
x = torch.randn(1, 2, dtype=torch.float64)
y, log_det = coupling(x)
jacobian = torch.autograd.functional.jacobian(lambda x: coupling(x)[0], x)
expected = torch.linalg.slogdet(jacobian.reshape(2, 2)).logabsdet
torch.testing.assert_close(log_det[0], expected)
torch.testing.assert_close(coupling.inverse(y), x)
print("log-determinant and inverse are right")

# %% [markdown]
# ## Two moons
#
# The points lie on two half circles.


# %%
def moons(num):
    angle, is_upper = pi * torch.rand(num), torch.rand(num) < 0.5
    first = torch.where(is_upper, angle.cos(), 1 - angle.cos()) - 0.5
    second = torch.where(is_upper, angle.sin(), 0.5 - angle.sin()) - 0.25
    return torch.stack([first, second], dim=1) + 0.05 * torch.randn(num, 2)


def picture(points, reach):
    """How many of the points lie where, in a square from -reach to reach."""
    rows_first = points.flip(1) * torch.tensor([-1.0, 1.0])
    counts = torch.histogramdd(rows_first, 48, range=[-reach, reach] * 2).hist
    return 255 - (255 * (counts / counts.max()).sqrt()).byte()[None]


grid(picture(moons(20_000), 2.0)[None], columns=1, enlarge=4)

# %% [markdown]
# A flow is a chain of steps: an actnorm, a 1x1 convolution (for vectors a
# matrix) and a coupling. The loss is the mean of -log p(x), in nats. It is the
# log-density of the latents under a standard normal distribution, plus the
# log-determinant.


# %%
def network():
    layers = [
        nn.Linear(1, 32),
        nn.ReLU(),
        nn.Linear(32, 32),
        nn.ReLU(),
        nn.Linear(32, 2),
    ]
    nn.init.zeros_(layers[-1].weight)
    return nn.Sequential(*layers)


def trained(kind):
    flow = Chain(
        *(Step(ActNorm(2), Conv1x1(2), kind(network())) for _ in range(6))
    )
    flow.initialize(moons(256))
    optimizer = torch.optim.Adam(flow.parameters(), lr=4e-3)
    for _ in range(STEPS):
        z, log_det = flow(moons(256))
        loss = -(standard_normal_log_prob([z]) + log_det).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return flow.freeze()


def nats(flow, points):
    z, log_det = flow(points)
    return -(standard_normal_log_prob([z]) + log_det).mean().item()


flows = {
    "softplus": trained(SoftplusCoupling),
    "affine-tanh": trained(AffineTanhCoupling),
}
points = moons(20_000)
for name, flow in flows.items():
    print(f"{name}: {nats(flow, points):.2f} nats per point")

# %% [markdown]
# For comparison, a single normal distribution with the points' mean and
# covariance:

# %%
normal = torch.distributions.MultivariateNormal(points.mean(0), points.T.cov())
baseline = -normal.log_prob(points).mean().item()
print(f"normal distribution: {baseline:.2f} nats per point")
assert nats(flows["softplus"], points) < baseline

# %% [markdown]
# The picture shows the points, their latents, and new points that the flow with
# the new coupling draws. A longer training makes the moons sharper, as those on
# the page [Concepts](../concepts.md#flow-and-latents).

# %%
flow = flows["softplus"]
drawn = flow.inverse(torch.randn(20_000, 2))
panels = [
    picture(points, 2.0),
    picture(flow(points)[0], 4.0),
    picture(drawn, 2.0),
]
grid(torch.stack(panels), columns=3, enlarge=4)

# %% [markdown]
# ## In a model of images
#
# The decorators above registered the coupling by the name `softplus`. So a
# configuration can name it, and images are encoded and decoded exactly. [Parts
# of your own](../parts.md) shows how to use a file of parts on the command
# line.

# %%
model = Glow(
    GlowConfig(image_shape=(3, 16, 16), steps=2, width=16, coupling="softplus")
)
images = torch.randint(256, (4, 3, 16, 16), dtype=torch.uint8)
assert torch.equal(model.decode(model.encode(images)), images)
print(model.config.coupling, tuple(model.encode(images).shape))
