"""Tensors side by side in one vector, so that one operation changes all of them."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class SideBySide:
    """Tensors of one type as `views` of one `vector`. Each view has the memory layout of its tensor.

    Args:
        tensors: The tensors, which are copied into the vector.
        like: Tensors of the same shapes, whose memory layout the views get instead.

    >>> pair = SideBySide([torch.ones(2), torch.zeros(1, 3)])
    >>> pair.vector += 1
    >>> pair.views
    [tensor([2., 2.]), tensor([[1., 1., 1.]])]
    """

    def __init__(self, tensors: Sequence[Tensor], like: Sequence[Tensor] | None = None) -> None:
        self.is_permuted = [
            tensor.ndim == 4 and tensor.is_contiguous(memory_format=torch.channels_last) for tensor in like or tensors
        ]
        self.vector = self.join(tensors)
        parts = self.vector.split([tensor.numel() for tensor in tensors])
        self.views: list[Tensor] = [
            part.view(tensor.permute(0, 2, 3, 1).shape).permute(0, 3, 1, 2) if is_permuted else part.view(tensor.shape)
            for part, tensor, is_permuted in zip(parts, tensors, self.is_permuted, strict=True)
        ]

    def join(self, tensors: Sequence[Tensor]) -> Tensor:
        """Other tensors of the same shapes, as a new vector."""
        pairs = zip(tensors, self.is_permuted, strict=True)
        return torch.cat([(each.permute(0, 2, 3, 1) if is_permuted else each).flatten() for each, is_permuted in pairs])


def laid_side_by_side(model: nn.Module) -> Tensor:
    """Make the parameters of a model views of one vector, which is returned. Changes of either change the other."""
    together = SideBySide([weight.detach() for weight in model.parameters()])
    for weight, view in zip(model.parameters(), together.views, strict=True):
        weight.data = view
    return together.vector
