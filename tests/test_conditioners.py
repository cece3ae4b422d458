"""The conditioners against their definitions, written out."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glowflow.bijections import Conditioner
from glowflow.bijections.conditioner import PlainConditioner, matrices_of, prepared
from glowflow.conditioners import ConvConditioner, EdgeConv, ResidualConditioner, TopNetwork, ZeroConv, ZeroLinear
from glowflow.conditioners.edge import ZeroConv1x1
from tests.helpers import assert_needed, randomize


def with_edge_channel(x: Tensor) -> Tensor:
    """x padded with zeros, and a last channel that is 1 on the padding: what the original convolves."""
    padded = F.pad(x, (1, 1, 1, 1))
    edge = F.pad(torch.zeros_like(x[:, :1]), (1, 1, 1, 1), value=1.0)
    return torch.cat([padded, edge], dim=1)


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 2), (4, 7)])
def test_edge_convolution_is_the_originals(size: tuple[int, int]) -> None:
    conv, x = EdgeConv(3, 5).double(), torch.randn(2, 3, *size, dtype=torch.float64)
    torch.testing.assert_close(conv(x), F.conv2d(with_edge_channel(x), conv.weight))


def test_zero_convolution_follows_its_equation() -> None:
    conv, x = randomize(ZeroConv(3, 5).double()), torch.randn(2, 3, 4, 4, dtype=torch.float64)
    h = F.conv2d(with_edge_channel(x), conv.weight)
    expected = (h + conv.bias.view(1, 5, 1, 1)) * torch.exp(3 * conv.logs).view(1, 5, 1, 1)
    torch.testing.assert_close(conv(x), expected)


def test_the_1x1_convolution_that_is_zero_at_first_follows_its_equation() -> None:
    conv, x = randomize(ZeroConv1x1(3, 5).double()), torch.randn(2, 3, 4, 4, dtype=torch.float64)
    expected = torch.einsum("oi,bihw->bohw", conv.weight[:, :, 0, 0], x) + conv.bias.view(1, 5, 1, 1)
    torch.testing.assert_close(conv(x), expected * torch.exp(3 * conv.logs).view(1, 5, 1, 1))


def layer_by_layer(network: ConvConditioner, x: Tensor) -> Tensor:
    h = F.relu(network.norm1(network.conv1(x))[0])
    h = F.relu(network.norm2(network.conv2(h))[0])
    out: Tensor = network.conv3(h)
    return out


@pytest.mark.parametrize("last", [1, 3])
def test_networks_folded_together_are_each_its_layers_one_by_one(last: int) -> None:
    networks = [randomize(ConvConditioner(3, 6, 16, last).double()) for _ in range(3)]
    x = torch.randn(2, 3, 6, 5, dtype=torch.float64, requires_grad=True)
    together = prepared(networks, x.shape[2:], None)
    for network, weights in zip(networks, together, strict=True):
        expected, inputs = layer_by_layer(network, x), [x, *network.parameters()]
        torch.testing.assert_close(network.freeze()(x), expected)
        for found in (network(x), network.run(x, weights)):
            torch.testing.assert_close(found, expected)
            gradients = (torch.autograd.grad(h.square().sum(), inputs, retain_graph=True) for h in (found, expected))
            torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("num_kinds", [1, 2, 3])
def test_networks_of_several_kinds_are_prepared_each_for_itself(num_kinds: int) -> None:
    x = torch.randn(2, 3, 4, 4)
    kinds = [ResidualConditioner(3, 6, 8, num_blocks=1), ConvConditioner(3, 6, 8), ConvConditioner(3, 6, 4)]
    networks = kinds[:num_kinds]
    for network, weights in zip(networks, prepared(networks, (4, 4), None), strict=True):
        torch.testing.assert_close(network.run(x, weights), network(x))


@pytest.mark.parametrize("last", [1, 3])
def test_initialisation_standardises_both_hidden_layers(last: int) -> None:
    network, x = ConvConditioner(3, 6, 16, last).double(), torch.randn(64, 3, 6, 5, dtype=torch.float64)
    out = network.initialize(x)
    torch.testing.assert_close(out, network(x))
    hidden = F.relu(network.norm1(network.conv1(x))[0])
    for values in (network.norm1(network.conv1(x))[0], network.norm2(network.conv2(hidden))[0]):
        ones = torch.ones(16, dtype=torch.float64)
        torch.testing.assert_close(values.std((0, 2, 3), unbiased=False), ones, rtol=0, atol=1e-3)


def test_residual_network_follows_its_structure() -> None:
    network: Any = randomize(ResidualConditioner(3, 6, 8, num_blocks=2).double())
    x = torch.randn(2, 3, 6, 4).double()
    h = network.first(torch.cat([F.relu(x), F.relu(-x)], dim=1))
    outputs = [network.skips[0](h)]
    for block, skip in zip(network.blocks, list(network.skips)[1:], strict=True):
        inner = block.conv1(F.relu(block.norm1(h)[0]))
        h = h + block.conv2(F.relu(block.norm2(inner)[0]))
        outputs.append(skip(h))
    expected = network.last(F.relu(network.norm(sum(outputs))[0]))
    torch.testing.assert_close(network(x), expected)


def test_residual_network_starts_at_zero_and_initialises_every_norm() -> None:
    network, x = ResidualConditioner(3, 6, 8, num_blocks=2).double(), torch.randn(64, 3, 6, 4).double()
    assert not network.initialize(x).any()
    sums: list[Tensor] = []
    network.norm.register_forward_hook(lambda _module, _inputs, output: sums.append(output[0]))
    network(x)
    ones = torch.ones(8, dtype=torch.float64)
    torch.testing.assert_close(sums[0].std((0, 2, 3), unbiased=False), ones, rtol=0, atol=1e-3)


def test_hidden_kernels_start_with_the_originals_spread() -> None:
    torch.manual_seed(0)
    network = ConvConditioner(48, 96, 128)
    for weight in (network.conv1.weight, network.conv2.weight):
        torch.testing.assert_close(weight.std(), torch.tensor(0.05), rtol=0.05, atol=0)
    assert not network.conv3.weight.any()


def test_top_network_adds_a_constant_and_a_part_for_the_class() -> None:
    network = randomize(TopNetwork((4, 3, 5), num_classes=3).double())
    labels = torch.tensor([2, 0])
    both, constant = network(labels), TopNetwork((4, 3, 5)).double()
    assert both.shape == (2, 8, 3, 5)
    assert network.conv is not None
    assert network.embedding is not None
    assert constant.conv is not None
    constant.conv.load_state_dict(network.conv.state_dict())
    embedding = network.embedding(F.one_hot(labels, 3).double())
    torch.testing.assert_close(both - embedding[:, :, None, None], constant(None).expand(2, -1, -1, -1))
    assert constant(None).std((2, 3)).min() > 0  # not constant over positions


@pytest.mark.parametrize(("learned", "num_classes"), [(True, 0), (True, 3), (False, 0), (False, 3)])
def test_the_frozen_top_network_gives_the_same(*, learned: bool, num_classes: int) -> None:
    network = randomize(TopNetwork((4, 3, 5), learned=learned, num_classes=num_classes).double())
    labels = torch.tensor([2, 0]) if num_classes else None
    torch.testing.assert_close(network.freeze()(labels), network(labels))


def test_zero_linear_follows_its_equation() -> None:
    layer, x = randomize(ZeroLinear(4, 3).double()), torch.randn(2, 4, dtype=torch.float64)
    expected = (x @ layer.weight.T + layer.bias) * torch.exp(3 * layer.logs)
    torch.testing.assert_close(layer(x), expected)


class Mixed(Conditioner):
    """Matrices of several shapes, and a conditioner inside, which answers for its own."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels = nn.ParameterList(torch.zeros(shape) for shape in [(3, 1), (1, 3), (4, 2), (5, 1, 1, 1)])
        self.inner = ConvConditioner(2, 4, width=8)
        self.plain = PlainConditioner(nn.Linear(2, 2))

    def forward(self, x: Tensor) -> Tensor:
        return x

    def matrices(self) -> list[nn.Parameter]:
        return list(self.kernels)


def test_matrices_are_what_conditioners_call_so_but_for_single_columns() -> None:
    mixed = Mixed()
    shapes = [tuple(w.shape) for w in matrices_of(nn.Sequential(nn.Linear(3, 3), mixed))]
    assert shapes == [(1, 3), (4, 2), *(tuple(w.shape) for w in matrices_of(mixed.inner))]


def test_a_conditioner_of_one_s_own_has_a_forward() -> None:
    assert_needed(Conditioner, "forward")


def test_any_network_is_a_conditioner() -> None:
    plain, x = PlainConditioner(nn.Sequential(nn.Linear(2, 3), nn.Dropout())), torch.randn(5, 2)
    assert not plain.initialize(x).requires_grad
    frozen = plain.freeze()
    assert torch.equal(frozen(x), plain.eval()(x))
    assert not any(parameter.requires_grad for parameter in frozen.parameters())
    assert all(parameter.requires_grad for parameter in plain.parameters())
