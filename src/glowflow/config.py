"""The settings of a model and of its training, as frozen dataclasses that don't need torch."""

from dataclasses import dataclass, replace
from typing import Any, Literal, Self

from glowflow.checks import check_number, check_types, check_whole, checked_range, make_plain, typed
from glowflow.errors import InputError, counted
from glowflow.parts import (
    AUGMENTATIONS,
    CONDITIONERS,
    COUPLINGS,
    DEQUANTIZERS,
    LAYOUTS,
    PERMUTATIONS,
    Fitted,
    Kind,
    Layout,
    Part,
)
from glowflow.shapes import Shape, check_levels, check_shape, default_levels

PARTS = (COUPLINGS, PERMUTATIONS, CONDITIONERS, LAYOUTS, DEQUANTIZERS)
"""The kinds of parts that a `GlowConfig` names."""

LARGEST_BATCH = 2**22
"""Images; merely choosing the images of a larger batch would take too long."""


@dataclass(frozen=True)
class GlowConfig:
    """The architecture of a `Glow`.

    The defaults are the original's (openai/glow) for its largest CIFAR-10 model. A part (coupling, conditioner,
    permutation, layout, dequantizer) is a name, or a mapping with its options:
    `{{"kind": "residual", "blocks": 2}}`; see `glowflow.parts`.

    >>> config = GlowConfig(image_shape=(3, 32, 32), steps=8, conditioner={{"kind": "residual", "blocks": 1}})
    >>> config.num_levels, config.conditioner, config.coupling
    (3, {{'kind': 'residual', 'blocks': 1}}, 'affine')

    Args:
        image_shape: The shape (C, H, W) of the images: channels, height and width. Height and width are even.
        levels: L, the number of levels. None takes the largest number that leaves a top of at least 4x4.
        steps: K, the steps of flow (actnorm, permutation, coupling) in each level. One number, or a list of one per
            level.
        width: The channels of the hidden layers in each coupling's network. One number, or a list of one per level.
            The layout "realnvp" doubles one number from level to level, and takes a list as it is. After the squeeze
            of each level it doubles either.
        coupling: The map of the changing half: {couplings}.
        permutation: The layer that mixes the channels: {permutations}.
        num_bits: The bits n, 1 to 8, that each value of an image is quantised to.
        learn_top: True if the prior of the top latent has a learned mean and scale.
        num_classes: The number of classes of a class-conditional prior; 0 for an unconditional model.
        classifier: True if a class-conditional model also predicts the class from its top latent.
        layout: How the layers are arranged: {layouts}. `logit: true` begins the model with the
            logit of the pixels, which suits images with black or white areas. `margin` says how far the logit's
            argument stays away from 0 and 1; a small one gives these areas more room.
        conditioner: The network in each coupling: {conditioners}. It may be a list, one for each level.
        dequantizer: How the values of an image become continuous: {dequantizers}.

    Raises:
        InputError: If these settings don't make a model; the message names possible ones.
    """

    image_shape: Shape
    levels: int | None = None
    steps: int | tuple[int, ...] = 32
    width: int | tuple[int, ...] = 512
    coupling: Part = "affine"
    permutation: Part = "conv1x1"
    num_bits: int = 8
    learn_top: bool = True
    num_classes: int = 0
    classifier: bool = False
    layout: Part = "glow"
    conditioner: Part | tuple[Part, ...] = "conv"
    dequantizer: Part = "uniform"

    def __post_init__(self) -> None:
        make_plain(self)
        check_shape(self.image_shape)
        check_levels(self.image_shape, self.levels)
        check_whole("num_bits", self.num_bits, 1, 8)
        check_whole("num_classes", self.num_classes, 0)
        for kind in (COUPLINGS, PERMUTATIONS, LAYOUTS, DEQUANTIZERS):
            if isinstance(value := getattr(self, kind.name), tuple):
                raise InputError(f"{kind.name} is {typed(value)}; it takes one value for all levels.")
            object.__setattr__(self, kind.name, kind.normal(value))
        for name in ("steps", "width", "conditioner"):
            object.__setattr__(self, name, self._per_level(name))
        check_types(self)
        for level in range(self.num_levels):
            self._check_networks(level)
        if self.classifier and not self.num_classes:
            raise InputError("classifier=True needs num_classes of at least 1.")

    def __hash__(self) -> int:
        """Equal configurations have equal hashes; of parts, which may be mappings, only the names count."""
        others = (value for name, value in vars(self).items() if name not in {kind.name for kind in PARTS})
        return hash((*others, *(kind.name_of(part) for kind in PARTS for part in self.parts(kind))))

    def at(self, level: int) -> "Level":
        """The choices for one level, 0 to L - 1."""
        channels, height, width = self.image_shape
        shape = (channels << level, height >> level, width >> level)
        width = self._layout.width_at(level, self.width) if isinstance(self.width, int) else self.width[level]
        values = (getattr(self, name) for name in ("steps", "conditioner"))
        steps, conditioner = (value[level] if isinstance(value, tuple) else value for value in values)
        return Level(shape, steps, width, conditioner)

    def networks(self, level: int) -> list[tuple[int, tuple[int, int]]]:
        """The width and the images' size (H, W) of each sort of network in a level, 0 to L - 1."""
        found = self.at(level)
        return self._layout.networks(found.width, found.shape[1:], is_top=level == self.num_levels - 1)

    @property
    def _layout(self) -> Layout:
        """The options of the layout, which know its networks. Foreign options are taken to be like Glow's."""
        options = LAYOUTS.options(self.layout)
        return options if isinstance(options, Layout) else Layout()

    def _check_networks(self, level: int) -> None:
        """Refuse options of a level's conditioner that don't fit its networks' width, or the size of their images."""
        options = CONDITIONERS.options(self.at(level).conditioner)
        for width, size in self.networks(level) if isinstance(options, Fitted) else []:
            try:
                options.check(width, size)
            except InputError as error:
                raise InputError(f"In level {level + 1} of {self.num_levels}, {error}") from None

    def _per_level(self, name: str) -> Any:  # noqa: ANN401 (whatever it is)
        """A setting that may be a list with a value for each level, checked."""
        value = getattr(self, name)
        if not isinstance(value, tuple):
            return _checked(name, value)
        if len(value) != self.num_levels:
            found, wanted = counted(len(value), "value"), counted(self.num_levels, "level")
            raise InputError(f"{name} has {found} for {wanted}: give one for each level, or one for all levels.")
        values = tuple(_checked(name, each) for each in value)
        means_the_same = name != "width" or self._layout.width_at(1, 1) == 1
        return values[0] if means_the_same and all(each == values[0] for each in values) else values

    def parts(self, kind: Kind) -> tuple[Part, ...]:
        """The parts of a kind: one, or one for each level."""
        value = getattr(self, kind.name)
        return value if isinstance(value, tuple) else (value,)

    def difference(self, other: Self, place: str) -> list[str]:
        """Where another model's settings differ, such as "model.steps: 8 there, 16 here", where `place` is "here"."""
        mine, its = (vars(replace(config, levels=config.num_levels)) for config in (self, other))
        return [
            f"model.{name}: {typed(mine[name])} there, {typed(value)} {place}"
            for name, value in its.items()
            if mine[name] != value
        ]

    @property
    def foreign_parts(self) -> list[str]:
        """The parts that glowflow doesn't have, such as "coupling bent"."""
        chosen = [(kind, part) for kind in PARTS for part in self.parts(kind)]
        return sorted({f"{kind.name} {kind.name_of(part)}" for kind, part in chosen if not kind.is_built_in(part)})

    @property
    def num_levels(self) -> int:
        """L, with the default resolved."""
        return self.levels or default_levels(self.image_shape)

    @property
    def num_dims(self) -> int:
        """D = C * H * W, the numbers in an image and in its latents together."""
        channels, height, width = self.image_shape
        return channels * height * width

    @property
    def latent_shapes(self) -> tuple[Shape, ...]:
        """(C_i, H_i, W_i) of each level's latent, level 0 first, the top last."""
        channels, height, width = self.image_shape
        shapes = [(channels << i, height >> i, width >> i) for i in range(1, self.num_levels)]
        top = self.num_levels
        return (*shapes, (channels << (top + 1), height >> top, width >> top))


GlowConfig.__doc__ = (GlowConfig.__doc__ or "").format(
    couplings=COUPLINGS.described(),
    permutations=PERMUTATIONS.described(),
    layouts=LAYOUTS.described(),
    conditioners=CONDITIONERS.described(),
    dequantizers=DEQUANTIZERS.described(),
)


@dataclass(frozen=True)
class Level:
    """The choices of a `GlowConfig` for one level.

    Attributes:
        shape: (C, H, W) of the images that come into the level.
        steps: K.
        width: Channels of the hidden layers in the couplings' networks; RealNVP's are twice as wide after the squeeze.
        conditioner: The network in each coupling.
    """

    shape: Shape
    steps: int
    width: int
    conditioner: Part


def _checked(name: str, value: Any) -> Any:  # noqa: ANN401 (a number or a part)
    """A value for one level."""
    if name == "conditioner":
        return CONDITIONERS.normal(value)
    check_whole(name, value, 1)
    return value


@dataclass(frozen=True)
class TrainConfig:
    """How a model is trained. Lengths are counted in images, so that they hold for any batch size.

    >>> TrainConfig(data="my_photos", lr=5e-4).batch_size
    64

    Args:
        data: A data set's name (`glowflow data list`), hf:NAME for one on the hub, a folder of images or of TFRecord
            shards, or an .npy/.npz file. A plus sign joins several in equal shares: photos+faces.
        images: Length of the training: the number of images drawn, including repetitions.
        batch_size: Images per step, over all processes.
        init_batch_size: The number of images for the data-dependent initialisation; 0 turns it off.
        augment: A random change of the training images: {augmentations}. It may be a list of changes, which follow each
            other.
        optimizer: "glow-adamax" is the original's; "muon" is the same with Muon for matrices, such as the kernels of
            convolutions; the others are torch.optim's.
        lr: Learning rate after the warm-up.
        warmup_images: The learning rate grows linearly from 0 over this many images.
        decay_from: After this many images, the learning rate falls as 1 / sqrt(images drawn), however long the training
            is. None leaves it constant.
        cooldown_images: The learning rate falls linearly to 0 over the last images of the training, this many.
        beta1: Decay of the mean of the gradients.
        beta2: Decay of the second statistic of the gradients: in adamax and glow-adamax, their running maximum.
        grad_clip: The largest norm of the gradient. A larger gradient is scaled down to it. None turns this off.
        averaging: Decay, per step, of the average of the weights, which evaluation and sampling use. None turns it off.
        weight_y: Weight of the classifier's loss (bits per image) beside bits/dim, for a model with a classifier.
        validate_every: The number of images between validations, which measure bits/dim, draw samples and save
            checkpoints.
        validation_images: The largest number of validation images that are used while training.
        seed: The seed of the weights, the order of the images and all noise.
        value_range: [low, high]: the values that become black and white in image files of more than 8 bits. None takes
            a usual range that holds the values of all files.
        start: A model of the same architecture whose weights the training starts from, instead of fresh ones: a run's
            directory, a directory made by save_pretrained, or a name on the hub.
    """

    data: str = "digits"
    images: int = 100_000
    batch_size: int = 64
    init_batch_size: int = 256
    augment: Part | tuple[Part, ...] = "none"
    optimizer: Literal["glow-adamax", "muon", "adamax", "adam", "adamw"] = "glow-adamax"
    lr: float = 1e-3
    warmup_images: int = 10_000
    decay_from: int | None = None
    cooldown_images: int = 0
    beta1: float = 0.9
    beta2: float = 0.999
    grad_clip: float | None = None
    averaging: float | None = 0.999
    weight_y: float = 0.0
    validate_every: int = 10_000
    validation_images: int = 1_000
    seed: int = 0
    value_range: tuple[float, float] | None = None
    start: str | None = None

    def __post_init__(self) -> None:
        make_plain(self)
        check_whole("batch_size", self.batch_size, 1, LARGEST_BATCH)
        check_whole("init_batch_size", self.init_batch_size, 0, LARGEST_BATCH)
        for name in ("images", "validate_every", "validation_images"):
            check_whole(name, getattr(self, name), 1)
        for name in ("warmup_images", "cooldown_images", "seed"):
            check_whole(name, getattr(self, name), 0)
        for name in ("lr", "weight_y"):
            check_number(name, getattr(self, name), 0)
        for name in ("beta1", "beta2"):
            check_number(name, getattr(self, name), 0, below=1)
        object.__setattr__(self, "augment", _shortest(self.augment))
        check_types(self)
        if self.cooldown_images > self.images:
            raise InputError(f"cooldown_images is {self.cooldown_images}, which is more than the {self.images} images.")
        if self.decay_from is not None:
            check_whole("decay_from", self.decay_from, 1)
        if self.averaging is not None:
            check_number("averaging", self.averaging, 0, below=1)
        if self.grad_clip is not None:
            check_number("grad_clip", self.grad_clip, 1e-12)
        if self.value_range is not None:
            object.__setattr__(self, "value_range", checked_range(self.value_range))

    def __hash__(self) -> int:
        """Equal configurations have equal hashes; the augmentations, which may be mappings, don't count."""
        return hash(tuple(value for name, value in vars(self).items() if name != "augment"))

    @property
    def augmentations(self) -> tuple[Part, ...]:
        """The parts of `augment`, in their order."""
        return self.augment if isinstance(self.augment, tuple) else (self.augment,)


TrainConfig.__doc__ = (TrainConfig.__doc__ or "").format(augmentations=AUGMENTATIONS.described())


def _shortest(augment: Any) -> Part | tuple[Part, ...]:  # noqa: ANN401 (whatever it is)
    """Augmentations in the form that equal ones share: "none", one part alone, or several in a tuple."""
    normal = tuple(map(AUGMENTATIONS.normal, augment if isinstance(augment, tuple) else (augment,)))
    changes = tuple(part for part in normal if part != "none")
    return changes if len(changes) > 1 else (*changes, "none")[0]


@dataclass(frozen=True)
class RunConfig:
    """A training in full: what `config.yaml` in a run's directory holds.

    >>> RunConfig(GlowConfig((1, 28, 28)), TrainConfig(data="digits")).train.images
    100000
    """

    model: GlowConfig
    train: TrainConfig

    def __post_init__(self) -> None:
        if self.model.classifier != (self.train.weight_y > 0):
            raise InputError("A classifier (model.classifier) and the weight of its loss (train.weight_y) go together.")
