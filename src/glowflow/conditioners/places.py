"""What networks with attention share: attention over places, an embedding of them, layers that are zero at first."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FEW_PLACES = 256
"""For so few places, torch's own function of attention takes up to three times as long on a CPU in bfloat16."""


def attended(qkv: Tensor, heads: int) -> Tensor:
    """Multi-head self-attention over N places, given their queries, keys and values: (B, N, 3 C) -> (B, N, C).

    Vaswani et al. 2017, section 3.2.
    """
    q, k, v = qkv.unflatten(-1, (3, heads, -1)).permute(2, 0, 3, 1, 4)
    if qkv.device.type == "cpu" and qkv.shape[1] <= FEW_PLACES:
        attention = (q @ k.mT * q.shape[-1] ** -0.5).softmax(-1).to(v.dtype)
        return (attention @ v).transpose(1, 2).flatten(2)
    return F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


def position(rows: int, columns: int, width: int) -> nn.Parameter:
    """A learned embedding of each place, (rows * columns, width)."""
    return nn.Parameter(width**-0.5 * torch.randn(rows * columns, width))


def zeroed(layer: nn.Module) -> nn.Module:
    """The layer, whose output is zero now."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def projections(network: nn.Module) -> list[nn.Parameter]:
    """The weights of all linear layers and convolutions."""
    return [w for name, w in network.named_parameters() if name.endswith("weight") and w.ndim > 1]
