"""vislearn/FrEIA."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from math import log, pi
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from benchmarks.time_to_quality.contender import Task
from benchmarks.time_to_quality.peers.base import Peer, Size, package


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
    preset's width and batch (twice the width where fully connected), and all 28 couplings.

    Its loss leaves out (D/2) ln 2 pi, and its normalisation of the images isn't in it: `constant` has both.
    """

    documented = Size(levels=1, steps=28, width=256, batch_size=256)
    lr = 5e-4
    max_grad_norm = 10.0
    init_size = 256

    def _size(self, task: Task, *, small: bool) -> Size:
        return replace(super()._size(task, small=small), steps=self.documented.steps)

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
