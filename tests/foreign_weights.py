"""Weights and images for recordings of foreign code bases: functions of a seed, so that only the seed is stored.

tools/record_pytorch_glows.py gives them to the foreign models, tests/test_import_pytorch.py to ours.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

Array = NDArray[Any]
Fill = Callable[[RandomState, tuple[int, ...]], Array]


def fill(shapes: Mapping[str, Sequence[int]], seed: int) -> dict[str, Array]:
    """Values, float32, for each tensor of a state dict, as if it were trained.

    One RandomState(seed) fills the tensors in alphabetical order, each by the first of RULES that its name ends with.
    """
    random = RandomState(seed)
    return {name: _rule(name)(random, tuple(shapes[name])).astype(np.float32) for name in sorted(shapes)}


def images(shape: Sequence[int], seed: int, num_classes: int) -> tuple[Array, Array, Array]:
    """Images (B, C, H, W), uint8, their dequantisation noise in [0, 1), and labels (B,) where there are classes."""
    random = RandomState(seed)
    pixels, noise = random.randint(256, size=shape).astype(np.uint8), random.random_sample(shape)
    return pixels, noise, random.randint(max(1, num_classes), size=shape[0])


def normal(std: float) -> Fill:
    """Gaussian values."""
    return lambda random, shape: std * random.standard_normal(shape)


def zeros(_: RandomState, shape: tuple[int, ...]) -> Array:
    """Zero everywhere."""
    return np.zeros(shape)


def ones(_: RandomState, shape: tuple[int, ...]) -> Array:
    """One everywhere."""
    return np.ones(shape)


def signs(random: RandomState, shape: tuple[int, ...]) -> Array:
    """1 and -1."""
    return random.choice([1.0, -1.0], size=shape)


def signed_scales(random: RandomState, shape: tuple[int, ...]) -> Array:
    """Around 1 and -1."""
    return signs(random, shape) * np.exp(0.3 * random.standard_normal(shape))


def permutation(random: RandomState, shape: tuple[int, ...]) -> Array:
    """A permutation matrix."""
    return np.eye(shape[0])[random.permutation(shape[0])]


def triangular(random: RandomState, shape: tuple[int, ...]) -> Array:
    """Factors of an LU decomposition; the values that they must not use are there too."""
    return 0.5 / np.sqrt(shape[0]) * random.standard_normal(shape)


def mixing(random: RandomState, shape: tuple[int, ...]) -> Array:
    """A well-conditioned 1x1 convolution, far from a rotation: a permutation with signs, disturbed."""
    size = shape[:2]
    matrix = permutation(random, size) * signs(random, (size[0], 1)) + triangular(random, size)
    return matrix.reshape(shape)


RULES: tuple[tuple[str, Fill], ...] = (
    # rosinality/glow-pytorch
    (r"actnorm\.initialized", ones),
    (r"actnorm\.loc", normal(0.3)),
    (r"actnorm\.scale", signed_scales),
    (r"invconv\.w_p", permutation),
    (r"invconv\.u_mask", lambda _, shape: np.triu(np.ones(shape), 1)),
    (r"invconv\.l_mask", lambda _, shape: np.tril(np.ones(shape), -1)),
    (r"invconv\.l_eye", lambda _, shape: np.eye(shape[0])),
    (r"invconv\.s_sign", signs),
    (r"invconv\.w_s", normal(0.3)),
    (r"invconv\.w_[lu]", triangular),
    (r"net\.[02]\.weight", normal(0.05)),
    (r"net\.[02]\.bias", normal(0.1)),
    (r"\.scale", normal(0.1)),
    # y0ast/Glow-PyTorch
    (r"prior_h", zeros),
    (r"actnorm\.bias", normal(0.3)),
    (r"actnorm\.logs", normal(0.3)),
    (r"invconv\.p", permutation),
    (r"invconv\.sign_s", signs),
    (r"invconv\.log_s", normal(0.3)),
    (r"invconv\.(lower|upper)", triangular),
    (r"block\.[02]\.conv\.weight", normal(0.1)),
    (r"linear\.weight", normal(0.3)),
    (r"linear\.bias", normal(0.3)),
    (r"\.logs", normal(0.1)),
    # both
    (r"invconv\.weight", mixing),
    (r"conv\.weight", normal(0.02)),  # the convolutions that start at zero
    (r"conv\.bias", normal(0.2)),
)


def _rule(name: str) -> Fill:
    return next(values for pattern, values in RULES if re.search(f"{pattern}$", name))
