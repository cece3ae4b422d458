"""The tensors of a foreign checkpoint, each taken once by name and shape, and a model made from them."""

import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

import torch
from torch import Tensor

from glowflow.config import GlowConfig
from glowflow.errors import InputError
from glowflow.model import Glow

Tree: TypeAlias = "Mapping[str, Tensor | Tree]"
"""Tensors of a `Glow`, nested like its modules."""


class Tensors:
    """A checkpoint's tensors. An InputError names each that is missing, left over or of a wrong shape."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._left = dict(tensors)

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def count(self, pattern: str) -> int:
        """The number of different matches of a regular expression at the start of names."""
        return len({match.group() for match in map(re.compile(pattern).match, self._left) if match})

    def shape(self, name: str, num_dims: int) -> tuple[int, ...]:
        """The shape of a tensor with `num_dims` dimensions. The tensor isn't taken."""
        found = tuple(self._get(name).shape)
        if len(found) != num_dims:
            raise InputError(f"The checkpoint's {name} has shape {found}; it should have {num_dims} dimensions.")
        return found

    def take(self, name: str, *shape: int) -> Tensor:
        """Take a tensor of this shape, as float64."""
        tensor = self._get(name)
        if tuple(tensor.shape) != shape:
            raise InputError(
                f"The checkpoint's {name} has shape {tuple(tensor.shape)}; its other tensors call for {shape}."
            )
        if not tensor.isfinite().all():
            raise InputError(f"The checkpoint's {name} has values that aren't finite.")
        return self._left.pop(name).double()

    def take_constant(self, name: str, value: Tensor) -> None:
        """Take a tensor whose value the foreign code never changes."""
        if not torch.equal(self.take(name, *value.shape), value.double()):
            raise InputError(f"The checkpoint's {name} has other values than the constant in its code base.")

    def finish(self) -> None:
        """Refuse tensors that are left over."""
        if self._left:
            raise InputError(f"The checkpoint has an unknown tensor {min(self._left)}.")

    def _get(self, name: str) -> Tensor:
        if name not in self._left:
            raise InputError(f"The checkpoint lacks {name}, or is from another code base.")
        return self._left[name]


def assemble(config: GlowConfig, tree: Tree) -> Glow:
    """The model with these tensors, float32, in evaluation mode."""
    model = Glow(config)
    model.load_state_dict(_flat(tree))
    return model.eval()


def levels(config: GlowConfig, step: Callable[[int, int, int], Tree], split: Callable[[int, int], Tree]) -> Tree:
    """The tensors of all levels. A level is a squeeze, its steps and the split, as in `glowflow.layouts`.

    Args:
        config: The model's configuration.
        step: Gives a step's tensors from (level, index, channels).
        split: Gives the tensors of a split's network from (level, channels).
    """
    tree: dict[str, Tree] = {}
    for level in range(config.num_levels):
        channels = config.image_shape[0] << (level + 2)
        chain = {str(1 + index): step(level, index, channels) for index in range(config.at(level).steps)}
        if level < config.num_levels - 1:
            chain[str(1 + config.at(level).steps)] = {"conditioner": split(level, channels)}
        tree[str(level)] = chain
    return tree


def with_edge(kernel: Tensor, padding: float) -> Tensor:
    """The `EdgeConv` weight (out, in + 1, 3, 3) for a kernel (out, in, 3, 3) of code that pads with this value."""
    return torch.cat([kernel, padding * kernel.sum(1, keepdim=True)], dim=1)


def check_lu(name: str, permutation: Tensor, sign: Tensor) -> None:
    """Refuse a P that isn't a permutation, and signs other than 1 and -1: ln |det| wouldn't be the sum of log_s."""
    ones = [permutation.sum(0), permutation.sum(1), permutation.max(0).values, permutation.max(1).values, sign.abs()]
    if not all((values == 1).all() for values in ones):
        raise InputError(f"The checkpoint's {name} is damaged: P isn't a permutation, or a sign isn't 1 or -1.")


def check_invertible(name: str, matrix: Tensor) -> None:
    """Refuse a singular matrix."""
    if not torch.linalg.slogdet(matrix.double()).logabsdet.isfinite():
        raise InputError(f"The checkpoint's {name} isn't invertible.")


def take_lu(found: Tensors, name: str, channels: int, parts: tuple[str, str, str, str, str]) -> Tensor:
    """The matrix P (tril(L, -1) + I) (triu(U, 1) + diag(sign * exp(log_s))), (C, C), of a convolution.

    `parts` are the names of P, L, U, sign and log_s within it.
    """
    permutation, lower, upper = (found.take(f"{name}.{part}", channels, channels) for part in parts[:3])
    sign, log_s = (found.take(f"{name}.{part}", channels) for part in parts[3:])
    check_lu(name, permutation, sign)
    unit_lower = lower.tril(-1) + torch.eye(len(lower), dtype=lower.dtype)
    return permutation @ unit_lower @ (upper.triu(1) + (sign * log_s.exp()).diag())


def conv1x1(config: GlowConfig, name: str, matrix: Tensor) -> Tree:
    """The tensors of our 1x1 convolution for y = W x, W (out, in). The checkpoint calls it `name`."""
    check_invertible(name, matrix)
    if config.permutation == "conv1x1":
        return {"weight": matrix}
    permutation, lower, upper = torch.linalg.lu(matrix.T)
    diagonal = upper.diagonal()
    return {
        "permutation": permutation,
        "sign": diagonal.sign(),
        "lower": lower,
        "upper": upper.triu(1),
        "log_s": diagonal.abs().log(),
    }


def _flat(tree: Tree, prefix: str = "") -> dict[str, Tensor]:
    """The tensors of a tree by their dotted names."""
    flat: dict[str, Tensor] = {}
    for name, value in tree.items():
        flat |= {prefix + name: value} if isinstance(value, Tensor) else _flat(value, f"{prefix}{name}.")
    return flat
