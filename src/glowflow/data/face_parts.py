"""The parts of a cartoon face, drawn at random from (seed, index), and the binary attributes that follow from them.

Parts have the names of python_avatars, but nothing here needs this library.
"""

import colorsys
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rgb = tuple[float, float, float]
"""Red, green and blue, 0 to 1."""

# Relative frequencies. Some parts are left out: tops without room for glasses and a beard, parts that hide the face or
# have a fixed colour, and parts that are too rare or too small to be learnt at 64 pixels (a crying eye, a unibrow).
SHORT_HAIR = dict.fromkeys(
    (
        *("SHORT_FLAT", "SHORT_ROUND", "SHORT_WAVED", "SHORT_CURLY", "SHORT_DREADS_1", "CAESAR", "CAESAR_SIDE_PART"),
        *("BUZZCUT", "ELVIS", "QUIFF", "POMPADOUR", "PIXIE", "MOWGLI", "SHAGGY", "EVIL_SPIKE", "BUN"),
    ),
    2.4,
)
LONG_HAIR = dict.fromkeys(
    (
        *("BIG_HAIR", "BOB", "CURLY", "CURVY", "DREADS", "FRO", "LONG_NOT_TOO_LONG", "MIA_WALLACE", "STRAIGHT_1"),
        *("STRAIGHT_STRAND", "TWIST_LONG_HAIR", "WILD", "WICK"),
    ),
    2.7,
)
NO_HAIR = {"NONE": 10.0}
HATS = {"HAT": 4.0, "TURBAN": 3.0, "WINTER_HAT_1": 3.0, "WINTER_HAT_2": 2.0, "WINTER_HAT_3": 4.0, "WINTER_HAT_4": 3.0}
TOPS = SHORT_HAIR | LONG_HAIR | NO_HAIR | HATS

SMILES = {"SMILE": 14.0, "TWINKLE": 10.0, "BIG_SMILE": 12.0, "DEFAULT": 10.0, "TONGUE": 5.0}
FROWNS = {"SAD": 12.0, "DISBELIEF": 6.0, "CONCERNED": 5.0}
MOUTHS = SMILES | FROWNS | {"SERIOUS": 14.0, "GRIMACE": 6.0, "SCREAM_OPEN": 6.0}
OPEN_MOUTHS = {"SMILE", "BIG_SMILE", "DEFAULT", "TONGUE", "DISBELIEF", "CONCERNED", "SCREAM_OPEN"}

CLOSED_EYES = {"CLOSED": 9.0, "HAPPY": 8.0}
WIDE_EYES = {"SURPRISED": 10.0, "EYE_ROLL": 4.0}
EYES = CLOSED_EYES | WIDE_EYES | {"DEFAULT": 40.0, "SIDE": 8.0, "SQUINT": 9.0, "WINK": 6.0, "WINK_WACKY": 3.0}

RAISED_EYEBROWS = {"RAISED_EXCITED": 11.0, "RAISED_EXCITED_NATURAL": 11.0}
ANGRY_EYEBROWS = {"ANGRY": 9.0, "ANGRY_NATURAL": 9.0}
SAD_EYEBROWS = {"SAD_CONCERNED": 7.0, "SAD_CONCERNED_NATURAL": 7.0}
EYEBROWS = RAISED_EYEBROWS | ANGRY_EYEBROWS | SAD_EYEBROWS | {"DEFAULT": 20.0, "DEFAULT_NATURAL": 14.0, "UP_DOWN": 6.0}

EYEGLASSES = {"PRESCRIPTION_1": 5.0, "PRESCRIPTION_2": 7.0, "ROUND": 7.0}
SUNGLASSES = {"KURT": 2.0, "SUNGLASSES": 4.0, "WAYFARERS": 4.0, "SUNGLASSES_2": 1.5, "WAYFARERS_2": 1.5}
ACCESSORIES = EYEGLASSES | SUNGLASSES | {"NONE": 68.0}

BEARDS = {"BEARD_LIGHT": 8.0, "BEARD_MEDIUM": 8.0, "BEARD_MAGESTIC": 5.0, "WICK_BEARD": 4.0}
MUSTACHES = {"MOUSTACHE_FANCY": 5.0, "MOUSTACHE_MAGNUM": 5.0, "EINSTEIN_MOUSTACHE": 4.0}
FACIAL_HAIR = BEARDS | MUSTACHES | {"NONE": 61.0}

SUITS = {"BLAZER_SHIRT": 8.0, "BLAZER_SWEATER": 6.0, "BOND_SUIT": 6.0, "SHIRT_WICK": 4.0}
SHIRTS = dict.fromkeys(["SHIRT_CREW_NECK", "SHIRT_SCOOP_NECK", "SHIRT_V_NECK", "COLLAR_SWEATER", "HOODIE"], 14.0)
CLOTHES = SUITS | SHIRTS | {"OVERALL": 6.0}
NOSES = {"DEFAULT": 1.0, "SMALL": 1.0, "WIDE": 1.0}

PARTS: Mapping[str, Mapping[str, float]] = {
    "top": TOPS,
    "mouth": MOUTHS,
    "eyes": EYES,
    "eyebrows": EYEBROWS,
    "accessory": ACCESSORIES,
    "facial_hair": FACIAL_HAIR,
    "clothes": CLOTHES,
    "nose": NOSES,
}
"""The frequencies of each part, in the order in which parts are chosen."""

HAIR_COLOURS = {"black": 25.0, "brown": 30.0, "blond": 20.0, "gray": 13.0, "red": 12.0}
HAIR_RANGES: Mapping[str, tuple[Rgb, Rgb]] = {
    "black": ((0.10, 0.08, 0.08), (0.17, 0.13, 0.13)),
    "brown": ((0.29, 0.18, 0.13), (0.50, 0.31, 0.20)),
    "blond": ((0.80, 0.62, 0.30), (0.95, 0.84, 0.60)),
    "gray": ((0.62, 0.62, 0.64), (0.90, 0.89, 0.90)),
    "red": ((0.66, 0.22, 0.06), (0.82, 0.36, 0.14)),
}
SKIN_TONES = {"pale": 25.0, "medium": 45.0, "dark": 30.0}
SKIN_RANGES: Mapping[str, tuple[Rgb, Rgb]] = {
    "pale": ((1.00, 0.88, 0.75), (0.99, 0.82, 0.68)),
    "medium": ((0.94, 0.74, 0.56), (0.78, 0.53, 0.34)),
    "dark": ((0.60, 0.36, 0.21), (0.40, 0.25, 0.19)),
}

Limits = tuple[float, float]
LIGHT: Mapping[str, Limits] = {
    "background_angle": (0, 2 * np.pi),
    "light_angle": (0, 2 * np.pi),
    "light_slope": (0.05, 0.3),
    "exposure": (0.82, 1.1),
    "contrast": (0.85, 1.1),
    "warmth": (-0.08, 0.08),
}
"""The limits of the random settings of background and light, in the order in which they are drawn; see `Face`."""
EVEN_LIGHT: Mapping[str, Limits] = {
    **LIGHT,
    "light_slope": (0.05, 0.15),
    "exposure": (0.95, 1.1),
    "contrast": (0.95, 1.1),
    "warmth": (-0.03, 0.03),
}


@dataclass(frozen=True)
class Studio:
    """How the faces of a data set are placed and lit: the limits of what is drawn at random.

    Attributes:
        size: a factor for the face's height and width.
        stretch: a factor for its width, and a divisor for its height.
        rotation: degrees, to either side.
        shift: the largest shift, across and down, to either side, in units of the picture's size.
        colours: how far the background's gradient goes from its first colour to its second, 0 to 1.
        paleness: how far the background's colours go to white, 0 to 1.
        light: the limits of the other settings of background and light.
    """

    size: Limits
    stretch: Limits
    rotation: float
    shift: tuple[float, float]
    colours: float
    paleness: float
    light: Mapping[str, Limits]


STUDIOS: Mapping[str, Studio] = {
    "faces": Studio((0.93, 1.12), (0.95, 1.05), rotation=12, shift=(0.04, 0.03), colours=1, paleness=0, light=LIGHT),
    "portraits": Studio(
        (1, 1.06), (0.98, 1.02), rotation=3, shift=(0.01, 0.01), colours=0.2, paleness=0.5, light=EVEN_LIGHT
    ),
}
"""The data sets of faces."""


@dataclass(frozen=True)
class Face:
    """Everything that determines a picture of a face, including pose and light.

    Attributes:
        rotation: degrees, clockwise.
        shift: rightward and downward, in units of the picture's size.
        scale: horizontal and vertical.
        background: the two ends of a linear gradient.
        background_angle: radians, from the x axis.
        light_angle: radians, the direction that the light comes from.
        light_slope: the fraction by which the lit edge is brighter than the middle.
        exposure: a factor for all values.
        contrast: a factor for the distance from middle grey.
        warmth: a fraction that is added to red and subtracted from blue.
    """

    top: str
    mouth: str
    eyes: str
    eyebrows: str
    accessory: str
    facial_hair: str
    clothes: str
    nose: str
    hair: str
    hair_colour: Rgb
    skin: str
    skin_colour: Rgb
    clothes_colour: Rgb
    hat_colour: Rgb
    rotation: float
    shift: tuple[float, float]
    scale: tuple[float, float]
    background: tuple[Rgb, Rgb]
    background_angle: float
    light_angle: float
    light_slope: float
    exposure: float
    contrast: float
    warmth: float


ATTRIBUTES: Mapping[str, Callable[[Face], bool]] = {
    "Smiling": lambda face: face.mouth in SMILES,
    "Mouth_Open": lambda face: face.mouth in OPEN_MOUTHS,
    "Frowning": lambda face: face.mouth in FROWNS,
    "Raised_Eyebrows": lambda face: face.eyebrows in RAISED_EYEBROWS,
    "Angry_Eyebrows": lambda face: face.eyebrows in ANGRY_EYEBROWS,
    "Sad_Eyebrows": lambda face: face.eyebrows in SAD_EYEBROWS,
    "Eyeglasses": lambda face: face.accessory in EYEGLASSES,
    "Sunglasses": lambda face: face.accessory in SUNGLASSES,
    "Eyes_Closed": lambda face: face.eyes in CLOSED_EYES and face.accessory not in SUNGLASSES,
    "Wide_Eyes": lambda face: face.eyes in WIDE_EYES and face.accessory not in SUNGLASSES,
    "Beard": lambda face: face.facial_hair in BEARDS,
    "Mustache": lambda face: face.facial_hair in MUSTACHES,
    "Bald": lambda face: face.top in NO_HAIR,
    "Long_Hair": lambda face: face.top in LONG_HAIR,
    "Black_Hair": lambda face: _shows(face, "black"),
    "Brown_Hair": lambda face: _shows(face, "brown"),
    "Blond_Hair": lambda face: _shows(face, "blond"),
    "Gray_Hair": lambda face: _shows(face, "gray"),
    "Red_Hair": lambda face: _shows(face, "red"),
    "Wearing_Hat": lambda face: face.top in HATS,
    "Wearing_Suit": lambda face: face.clothes in SUITS,
    "Pale_Skin": lambda face: face.skin == "pale",
    "Dark_Skin": lambda face: face.skin == "dark",
}
"""The rule of each attribute, which says whether a face has it. Hidden parts don't count."""


def attributes(face: Face) -> NDArray[np.bool_]:
    """One truth value for each of `ATTRIBUTES`."""
    return np.array([rule(face) for rule in ATTRIBUTES.values()])


def choose(seed: int, index: int, studio: str = "faces") -> Face:
    """Face number `index` of the endless series of `seed` in a studio: a pure function of the three.

    The same face has the same parts and colours in every studio.
    """
    rng, limits = np.random.default_rng([seed, index]), STUDIOS[studio]
    hair, skin = _pick(rng, HAIR_COLOURS), _pick(rng, SKIN_TONES)
    size = rng.uniform(*limits.size)
    stretch = rng.uniform(*limits.stretch)
    parts: dict[str, Any] = {part: _pick(rng, table) for part, table in PARTS.items()}
    return Face(
        **parts,
        hair=hair,
        hair_colour=_between(rng, *HAIR_RANGES[hair]),
        skin=skin,
        skin_colour=_between(rng, *SKIN_RANGES[skin]),
        clothes_colour=_colour(rng),
        hat_colour=_colour(rng),
        rotation=rng.uniform(-limits.rotation, limits.rotation),
        shift=_shift(rng, limits),
        scale=(size * stretch, size / stretch),
        background=_background(rng, limits),
        **_lighting(rng, limits),
    )


def _shift(rng: np.random.Generator, limits: Studio) -> tuple[float, float]:
    across, down = (rng.uniform(-most, most) for most in limits.shift)
    return across, down


def _lighting(rng: np.random.Generator, limits: Studio) -> dict[str, Any]:
    return {name: rng.uniform(*each) for name, each in limits.light.items()}


def _background(rng: np.random.Generator, limits: Studio) -> tuple[Rgb, Rgb]:
    first, second = _colour(rng), _colour(rng)
    white = (1.0, 1.0, 1.0)
    return _mixed(first, white, limits.paleness), _mixed(_mixed(first, second, limits.colours), white, limits.paleness)


def _mixed(first: Rgb, second: Rgb, share: float) -> Rgb:
    """The colour at `share` of the way from the first to the second; exactly these at 0 and 1."""
    red, green, blue = ((1 - share) * a + share * b for a, b in zip(first, second, strict=True))
    return red, green, blue


def _shows(face: Face, hair: str) -> bool:
    return face.hair == hair and (face.top in SHORT_HAIR or face.top in LONG_HAIR)


def _pick(rng: np.random.Generator, frequencies: Mapping[str, float]) -> str:
    cumulative = list(accumulate(frequencies.values()))
    return list(frequencies)[bisect_right(cumulative, rng.random() * cumulative[-1])]


def _between(rng: np.random.Generator, first: Rgb, last: Rgb) -> Rgb:
    """A random colour near the line between two colours."""
    share = rng.uniform()
    red, green, blue = (a + share * (b - a) + rng.uniform(-0.02, 0.02) for a, b in zip(first, last, strict=True))
    return red, green, blue


def _colour(rng: np.random.Generator) -> Rgb:
    return colorsys.hsv_to_rgb(rng.uniform(), rng.uniform(0.1, 0.65), rng.uniform(0.4, 1))
