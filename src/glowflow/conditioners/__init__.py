"""The networks inside couplings and priors, one family per file."""

from glowflow.bijections import Conditioner
from glowflow.conditioners.conv import ConvConditioner
from glowflow.conditioners.edge import EdgeConv, ZeroConv
from glowflow.conditioners.residual import ResidualConditioner
from glowflow.conditioners.top import TopNetwork, ZeroLinear

__all__ = ["Conditioner", "ConvConditioner", "EdgeConv", "ResidualConditioner", "TopNetwork", "ZeroConv", "ZeroLinear"]
