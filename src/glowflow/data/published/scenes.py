"""Patches of photographs from Debian's wallpapers. Whole photographs are held out, because their patches are alike."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from hashlib import file_digest
from pathlib import Path

import numpy as np
from PIL import Image

from glowflow.data.dataset import SPLITS, Split
from glowflow.data.published.fitting import piece
from glowflow.data.published.installed import Installed
from glowflow.data.published.reading import Images, Item, Part, Reading, found, refused
from glowflow.errors import InputError

PHOTOGRAPHS: Mapping[Split, Mapping[str, str]] = {
    "train": {
        "Bridge_by_Sander_Klootwijk.jpg": "bd86b081f9975e2b83527f71e49b9271a8ab40885428395969d9f7d834d7f050",
        "Dragonfly_by_Bolly.jpg": "af5af17841009732def24b09bb1e669a1b09d2b4bdeee7812c371101c30d2bb3",
        "Picture_1A_by_freespace.jpg": "89e86af38d04daaef975665dc2127e9fa76f0fd68f4eea105a2d0ae3390b010b",
        "free_by_Peter_Nerlich.jpg": "85a5453c2fed514c75973016f3d862aca62eb7ca087618822469274ac1092373",
        "life_by_Aitzol_Berasategi.jpg": "4c119350ead80201fe256850c3d316309ddfb4bdf10b235ce982dcde0c667c05",
        "sunset_by_Aitzol_Berasategi.jpg": "474dab6a4b9f94dc76c29dfe30e9f5db4af0fd2e33fe5d695f8152b371efca18",
        "mate/nature/Blinds.jpg": "f7aac0dcc2e06d0491643e84df3da1d9db7c4610f58806a880d56e074799f600",
        "mate/nature/Garden.jpg": "d3095ee09d425ef23d27155412136cf14fc3c9af76ca58b452f55e23da324e78",
        "mate/nature/GreenMeadow.jpg": "8fa0de0aa4089f7319c9fb7a6d006d4cab6023e8c8853731557cff53567b4832",
        "mate/nature/TwoWings.jpg": "665e5abf8a5399070a91a9a8e455fe071e5b61697ff78fdeda4e9843ef545aeb",
        "mate/nature/Wood.jpg": "19c78500ac00a622e19907ab9cc7d06d46fe08c4a6142759a84195696150ec07",
        "mate/nature/YellowFlower.jpg": "254da96256acb7add685679775a04d1e4a5bc8cd13e5a5a3d61351ce198a5306",
    },
    "validation": {
        "aitzgorri_by_Aitzol_Berasategi.jpg": "66268e7b48f8854d36a28765fac6e23ec1aee251daa6da1f64715f201020ad36",
        "mate/nature/Aqua.jpg": "5c30118205982da441bf7e6a1ada636a8a0be879408140b3148280c665ed6bce",
        "mate/nature/LadyBird.jpg": "e35a9a4126ef969c90b29c038058c5a575a20eadd84106a37bf1fa9931e7b61d",
        "mate/nature/Storm.jpg": "77ca53077831d3237f73393a91fc879158abc046d852941c26e90de336356957",
    },
    "test": {
        "Picture_0B_by_freespace.jpg": "c8c0ab18e48d9e0419fe42881112137f3afafc27dfddc29ec3a6d54c56d225ad",
        "friends_by_Aitzol_Berasategi.jpg": "cc40e313c74e421edffe3403def413c16878ce14661cce7ec5915baeab35538d",
        "greentock_by_Peter_Nerlich.jpg": "e7b20e2db9dcd6e2b278ca55873c2110b35d89cd38b04d0b18728726888e6889",
        "picosdeeuropa_by_Aitzol_Berasategi.jpg": "414d0072b2f6f2c555deafeaef6e45c4fed6fa9ad26eba6560ca8803959cf97a",
        "seeding_by_Clements_Engelhardt.jpg": "a5634d1ab5e41a3568e92d4a894a500c92b891f9ff734e50bd224d6e185a605f",
        "mate/nature/RainDrops.jpg": "3e4ea9671c28c90a86cf67b3db9daf18c4741587c596333a7529ca589aaa0c16",
    },
}
"""The SHA-256 of each photograph in the folder of wallpapers.

Drawings and gradients of the two packages are left out, and so are three photographs (Dune, FreshFlower, Wine) that
show the blocks of JPEG even at a third of their size. Garden and TwoWings show the same flowers, so they share a split.
"""
INSTALLED = Installed(
    ("lomiri-wallpapers-16.04", "mate-backgrounds"),
    "backgrounds",
    tuple(name for of_split in PHOTOGRAPHS.values() for name in of_split),
)
PER_SCENE: Mapping[Split, int] = {"train": 4_000, "validation": 500, "test": 500}
NUM_IMAGES: Mapping[Split, int] = {split: PER_SCENE[split] * len(PHOTOGRAPHS[split]) for split in SPLITS}
REDUCTIONS = (3, 4, 6)
"""The sides of the squares of pixels that become one pixel, their mean, in which the traces of JPEG disappear."""
LARGEST = 128
"""The largest side of a patch, in pixels. Smaller patches are pieces of such patches."""


def read(files: Path, photographs: Mapping[Split, Mapping[str, str]] = PHOTOGRAPHS) -> Reading:
    """The patches of all photographs in the folder `files`. The data set is the same everywhere, or it's refused."""
    paths = {split: [_verified(files, *photo) for photo in photographs[split].items()] for split in SPLITS}
    every = [path for of_split in paths.values() for path in of_split]
    parts = {split: _part(of_split, every.index(of_split[0]), PER_SCENE[split]) for split, of_split in paths.items()}
    return Reading(parts, every, named=True, grouped=True)


def _verified(files: Path, name: str, digest: str) -> Path:
    """The path of a photograph."""
    path = found(files, name)
    with refused(path), path.open("rb") as file:
        actual = file_digest(file, "sha256").hexdigest()
    if actual != digest:
        raise InputError(
            f"{path} isn't the photograph that scenes is made of (its SHA-256 is {actual}, not {digest}): "
            f"take the one from Debian's packages {' and '.join(INSTALLED.packages)}."
        )
    return path


def _part(paths: Sequence[Path], first_group: int, per_scene: int) -> Part:
    """The patches of some photographs, which take turns, so that the first few show all of them at all scales."""
    count = per_scene * len(paths)
    scales = cache(_scales)

    def key(number: int) -> str:
        turn, scene = divmod(number, len(paths))
        return f"{paths[scene].stem}-{turn}"

    def items(start: int) -> Iterator[Item]:
        for number in range(start, count):
            turn, scene = divmod(number, len(paths))
            photo = scales(paths[scene])[turn % len(REDUCTIONS)]
            item = Item(key(number), f"{paths[scene]}, patch {turn}", photo, group=first_group + scene)
            yield item._replace(picture=piece(photo, (3, LARGEST, LARGEST), item))

    return Part(count, lambda: map(key, range(count)), items)


def _scales(path: Path) -> list[Images]:
    """A photograph at each reduction, uint8 (h, w, 3)."""
    with refused(path), Image.open(path) as file:
        photo = file.convert("RGB")
    return [_reduced(np.asarray(photo), side) for side in REDUCTIONS]


def _reduced(photo: Images, side: int) -> Images:
    """The mean of each square of side x side pixels. Pixels that fill no square, at two edges, are left out."""
    height, width = photo.shape[0] // side, photo.shape[1] // side
    squares = photo[: height * side, : width * side].reshape(height, side, width, side, 3)
    return ((squares.sum((1, 3), dtype=np.uint32) + side**2 // 2) // side**2).astype(np.uint8)
