"""The parts that a model or its training can be made of, by kind: their names and options, free of torch.

A configuration gives a part by its name, or with options: `affine`, or `{kind: residual, blocks: 2}`. The options of a
part are a frozen dataclass in this file. Its decorator names the module of the class that is built from them. A part of
your own has both in your own file.
"""

from dataclasses import asdict, dataclass

from glowflow.checks import check_divides, check_number, check_whole
from glowflow.errors import InputError
from glowflow.registry import Fitted, Kind, Part

__all__ = [
    "AUGMENTATIONS",
    "CONDITIONERS",
    "COUPLINGS",
    "DEQUANTIZERS",
    "LAYOUTS",
    "MEMORIES",
    "PERMUTATIONS",
    "Fitted",
    "Kind",
    "Part",
]

COUPLINGS = Kind("coupling", "glowflow.bijections:Coupling")
"""Elementwise maps; built by (options, conditioner, mask), where `conditioner(n)` makes a network with n outputs for
each number that changes."""
CONDITIONERS = Kind("conditioner", "torch.nn:Module")
"""Networks inside couplings; built by (options, inputs, outputs, width, size): channels, hidden channels, (H, W)."""
PERMUTATIONS = Kind("permutation", "glowflow.bijections:Bijection")
"""Layers that mix the channels between two couplings; built by (options, channels)."""
DEQUANTIZERS = Kind("dequantizer", "glowflow.dequantizers:Dequantizer")
"""Maps from uint8 images to continuous ones; built by (options, config)."""
MEMORIES = Kind("memory", "glowflow.execution:MemoryMode")
"""Choices of what a training step keeps for its backward pass; built by (options)."""
LAYOUTS = Kind("layout", "builtins:list")
"""Arrangements of the layers, level by level; built by (options, config)."""
AUGMENTATIONS = Kind("augmentation", "glowflow.training:Augmentation")
"""Random changes of training images; built by (options)."""

SMALLEST_MARGIN = 1e-6
"""In float32, a smaller margin isn't kept exactly: numbers near 1 have steps of 6e-8."""

SMALLEST_SHARE = 1e-3
"""Random numbers have 24 bits. Below a smaller share, too few of them are left to choose among 256 values evenly."""


@COUPLINGS.option("affine", "glowflow.bijections.coupling")
@dataclass(frozen=True)
class Affine:
    """The original code's bounded scale, sigmoid(s + 2)."""


@COUPLINGS.option("affine-exp", "glowflow.bijections.coupling")
@dataclass(frozen=True)
class AffineExp:
    """The paper's unbounded scale, exp(s)."""


@COUPLINGS.option("affine-tanh", "glowflow.bijections.coupling")
@dataclass(frozen=True)
class AffineTanh:
    """The scale exp(factor tanh(s)) of RealNVP, bounded by a learned factor."""


@COUPLINGS.option("additive", "glowflow.bijections.coupling")
@dataclass(frozen=True)
class Additive:
    """A shift without a scale, as in NICE."""


@COUPLINGS.option("mixture", "glowflow.bijections.mixture")
@dataclass(frozen=True)
class Mixture:
    """The distribution function of a mixture of logistics, as in Flow++, with a number of `components`."""

    components: int = 4

    def __post_init__(self) -> None:
        check_whole("mixture components", self.components, 2)

    @property
    def params_per_channel(self) -> int:
        """The outputs of the network for each number that changes."""
        return 2 + 3 * self.components


@CONDITIONERS.option("conv", "glowflow.conditioners.conv")
@dataclass(frozen=True)
class Conv:
    """The three convolutions of Glow; `last` is the side of the last kernel, 3 as in the paper, or 1."""

    last: int = 3

    def __post_init__(self) -> None:
        if self.last not in {1, 3}:
            raise InputError(f"The last kernel of conv is {self.last} pixels wide; it takes 1 or 3.")


@CONDITIONERS.option("residual", "glowflow.conditioners.residual")
@dataclass(frozen=True)
class Residual:
    """The residual network of RealNVP, with a number of `blocks`."""

    blocks: int = 2

    def __post_init__(self) -> None:
        check_whole("residual blocks", self.blocks, 1)


@CONDITIONERS.option("attention", "glowflow.conditioners.attention")
@dataclass(frozen=True)
class Attention(Fitted):
    """The gated convolutions and self-attention of Flow++, with a number of `blocks` and attention `heads`."""

    blocks: int = 2
    heads: int = 4

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            check_whole(name, value, 1)

    def check(self, width: int, size: tuple[int, int]) -> None:
        """Each head has an equal share of the channels."""
        check_divides("heads", self.heads, "the width", width)

    def largest_tensor(self, width: int, size: tuple[int, int]) -> int:
        """Queries, keys and values, or what each head finds about each pair of places."""
        places = size[0] * size[1]
        return max(3 * width * places, self.heads * places**2)


@CONDITIONERS.option("transformer", "glowflow.conditioners.transformer")
@dataclass(frozen=True)
class Transformer(Attention):
    """The small vision transformer of Jet over patches of `patch` times `patch` pixels; `mlp_ratio` widens its MLPs."""

    patch: int = 1
    mlp_ratio: int = 4

    def check(self, width: int, size: tuple[int, int]) -> None:
        """Patches have no pixel left over, too."""
        super().check(width, size)
        check_divides("patch", self.patch, "the height and the width of the level's images", *size)

    def largest_tensor(self, width: int, size: tuple[int, int]) -> int:
        """Patches are the places, and the hidden layer of the MLPs may be wider."""
        rows, columns = (length // self.patch for length in size)
        return max(super().largest_tensor(width, (rows, columns)), self.mlp_ratio * width * rows * columns)


@PERMUTATIONS.option("conv1x1", "glowflow.bijections.conv1x1")
@dataclass(frozen=True)
class Conv1x1:
    """An invertible 1x1 convolution."""


@PERMUTATIONS.option("conv1x1-lu", "glowflow.bijections.conv1x1")
@dataclass(frozen=True)
class Conv1x1LU:
    """An invertible 1x1 convolution in its LU decomposition, which makes the determinant cheaper."""


@PERMUTATIONS.option("shuffle", "glowflow.bijections.permutation")
@dataclass(frozen=True)
class Shuffle:
    """A fixed random order of the channels."""


@PERMUTATIONS.option("reverse", "glowflow.bijections.permutation")
@dataclass(frozen=True)
class Reverse:
    """The reversed order of the channels."""


@DEQUANTIZERS.option("uniform", "glowflow.dequantizers.uniform")
@dataclass(frozen=True)
class Uniform:
    """A uniform distribution over each bin."""


@DEQUANTIZERS.option("variational", "glowflow.dequantizers.variational")
@dataclass(frozen=True)
class Variational:
    """A learned distribution over each bin, by a flow with its own `steps` and `width`; bits/dim are then a bound."""

    steps: int = 4
    width: int = 32

    def __post_init__(self) -> None:
        check_whole("steps of the dequantizer", self.steps, 1)
        check_whole("width of the dequantizer", self.width, 1)


@MEMORIES.option("store", "glowflow.execution.memory")
@dataclass(frozen=True)
class Store:
    """Everything: the fastest."""


@MEMORIES.option("checkpoint", "glowflow.execution.memory")
@dataclass(frozen=True)
class Checkpoint:
    """The input of each step of flow, which is then run again; this costs a third more arithmetic."""


@MEMORIES.option("reversible", "glowflow.execution.reversible")
@dataclass(frozen=True)
class Reversible:
    """The output of each level and every eighth step's input; undoing the steps costs a third more arithmetic."""

    anchor_interval: int = 8

    def __post_init__(self) -> None:
        check_whole("anchor_interval", self.anchor_interval, 1)


@dataclass(frozen=True)
class Layout:
    """With `logit`, the model begins with the logit of the pixels.

    `margin` is how far the logit's argument stays away from 0 and 1.
    """

    logit: bool = False
    margin: float = 0.05

    def __post_init__(self) -> None:
        check_number("margin", self.margin, SMALLEST_MARGIN, below=0.5)

    def width_at(self, level: int, width: int) -> int:
        """The width at a level, 0 to L - 1, of a model with one width for all levels."""
        return width

    def networks(self, width: int, size: tuple[int, int], *, is_top: bool) -> list[tuple[int, tuple[int, int]]]:
        """The width and the images' size (H, W) of each sort of network in a level that images enter with `size`."""
        return [(width, (size[0] // 2, size[1] // 2))]


@LAYOUTS.option("glow", "glowflow.layouts")
@dataclass(frozen=True)
class GlowLayout(Layout):
    """Squeeze, steps of flow, split."""


@LAYOUTS.option("realnvp", "glowflow.layouts")
@dataclass(frozen=True)
class RealNVPLayout(Layout):
    """Couplings with checkerboard masks, squeeze, couplings over channels, a split without a prior of its own.

    A single width is doubled from level to level, and in each level after the squeeze (Dinh et al. 2017, section 4.1).
    """

    def width_at(self, level: int, width: int) -> int:
        """Twice as much as at the level before."""
        return width << level

    def networks(self, width: int, size: tuple[int, int], *, is_top: bool) -> list[tuple[int, tuple[int, int]]]:
        """First those with checkerboard masks, then those after the squeeze, which the top doesn't have."""
        wider = [(2 * width, (size[0] // 2, size[1] // 2))]
        return [(width, size), *([] if is_top else wider)]


@AUGMENTATIONS.option("none", "glowflow.training.augmentation")
@dataclass(frozen=True)
class Unchanged:
    """No change."""


@AUGMENTATIONS.option("flip", "glowflow.training.augmentation")
@dataclass(frozen=True)
class Flip:
    """Left and right exchanged in half of the images."""


@AUGMENTATIONS.option("turn", "glowflow.training.augmentation")
@dataclass(frozen=True)
class Turn:
    """A turn by 0, 90, 180 or 270 degrees."""


@AUGMENTATIONS.option("shift", "glowflow.training.augmentation")
@dataclass(frozen=True)
class Shift:
    """A shift by up to `most` of the image's side, with the border repeated."""

    most: float = 0.1

    def __post_init__(self) -> None:
        check_number("most of shift", self.most, 0, below=1)


@AUGMENTATIONS.option("pixels", "glowflow.training.augmentation")
@dataclass(frozen=True)
class Pixels:
    """A `share` of all values replaced by random ones, for background models."""

    share: float = 0.1

    def __post_init__(self) -> None:
        check_number("share of pixels", self.share, SMALLEST_SHARE, below=1)
