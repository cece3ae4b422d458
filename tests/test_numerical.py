"""Inverses without a formula."""

from functools import partial

import pytest
import torch
from torch import Tensor

from glowflow import InputError
from glowflow.bijections.numerical import inverse_of_increasing


def straight(x: Tensor) -> tuple[Tensor, Tensor]:
    """x, and the logarithm of its derivative."""
    return x, torch.zeros_like(x)


def bent(a: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """x^3 + a x, and the logarithm of its derivative."""
    return x**3 + a * x, (3 * x**2 + a).log()


def test_the_inverse_is_as_exact_as_float64_can_be() -> None:
    x = torch.randn(1000, dtype=torch.float64) * torch.logspace(-8, 8, 1000, dtype=torch.float64)
    a = torch.tensor(0.5, dtype=torch.float64)
    found = inverse_of_increasing(partial(bent, a), bent(a, x)[0])
    torch.testing.assert_close(found, x, rtol=1e-15, atol=0)


def test_values_are_found_up_to_half_of_the_largest_number_and_larger_ones_refused() -> None:
    y = torch.tensor([-8.9e307, 8.9e307], dtype=torch.float64)
    torch.testing.assert_close(inverse_of_increasing(straight, y), y, rtol=1e-15, atol=0)
    with pytest.raises(InputError, match="outside the map's range"):
        inverse_of_increasing(straight, 2 * y[:1] + 1e307)


def test_gradients_with_respect_to_the_value_and_to_the_map() -> None:
    a, y = torch.tensor(0.5, dtype=torch.float64), torch.linspace(-3, 3, 7, dtype=torch.float64)
    a.requires_grad_(), y.requires_grad_()
    assert torch.autograd.gradcheck(lambda a, y: inverse_of_increasing(partial(bent, a), y), (a, y))


def test_a_value_that_is_never_reached_is_refused() -> None:
    with pytest.raises(ValueError, match="outside the map's range"):
        inverse_of_increasing(lambda x: (x.tanh(), -2 * x.cosh().log()), torch.tensor([2.0], dtype=torch.float64))
