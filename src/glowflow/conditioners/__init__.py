"""The networks inside couplings and priors, one family per file."""

from glowflow.bijections import Conditioner
from glowflow.conditioners.attention import AttentionConditioner
from glowflow.conditioners.conv import ConvConditioner
from glowflow.conditioners.edge import EdgeConv, ZeroConv
from glowflow.conditioners.residual import ResidualConditioner
from glowflow.conditioners.top import TopNetwork, ZeroLinear
from glowflow.conditioners.transformer import TransformerConditioner

__all__ = [
    "AttentionConditioner",
    "Conditioner",
    "ConvConditioner",
    "EdgeConv",
    "ResidualConditioner",
    "TopNetwork",
    "TransformerConditioner",
    "ZeroConv",
    "ZeroLinear",
]
