"""The invertible layers, one family per file; each can be used alone."""

from glowflow.bijections.actnorm import ActNorm
from glowflow.bijections.base import Bijection, Chain
from glowflow.bijections.conditioner import Conditioner
from glowflow.bijections.conv1x1 import Conv1x1, Conv1x1LU, Invertible1x1
from glowflow.bijections.coupling import (
    AdditiveCoupling,
    AffineCoupling,
    AffineExpCoupling,
    AffineTanhCoupling,
    Coupling,
)
from glowflow.bijections.logit import Logit
from glowflow.bijections.masks import Checkerboard, Halves, Mask
from glowflow.bijections.mixture import MixtureCoupling
from glowflow.bijections.permutation import Permute, Reverse, Shuffle
from glowflow.bijections.prior import SplitPrior, TopPrior, standard_normal_log_prob
from glowflow.bijections.squeeze import Squeeze
from glowflow.bijections.step import FrozenStep, Step

__all__ = [
    "ActNorm",
    "AdditiveCoupling",
    "AffineCoupling",
    "AffineExpCoupling",
    "AffineTanhCoupling",
    "Bijection",
    "Chain",
    "Checkerboard",
    "Conditioner",
    "Conv1x1",
    "Conv1x1LU",
    "Coupling",
    "FrozenStep",
    "Halves",
    "Invertible1x1",
    "Logit",
    "Mask",
    "MixtureCoupling",
    "Permute",
    "Reverse",
    "Shuffle",
    "SplitPrior",
    "Squeeze",
    "Step",
    "TopPrior",
    "standard_normal_log_prob",
]
