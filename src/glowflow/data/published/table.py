"""The table of published data sets, with their files and shapes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from glowflow.data.dataset import Split
from glowflow.data.published import celeba, cifar, idx, imagenet, lsun, picture_files, scenes, svhn
from glowflow.data.published.fitting import REDUCED, Fit, centre, face, padded, piece_or_all, random_crop
from glowflow.data.published.installed import Installed
from glowflow.data.published.reading import Reading
from glowflow.shapes import Shape


@dataclass(frozen=True)
class Published:
    """A data set whose files are published elsewhere.

    Attributes:
        description: one sentence, with the source.
        layout: what the folder for --files should hold.
        shapes: the usual image shapes (C, H, W). The first is the default.
        sides: the fewest and the most pixels that a side may have.
        num_images: the number of images in each published split.
        read: the reader of a folder of its files.
        fit: the function that gives an image its shape.
        native: (height, width) of each published image; None if it varies.
        torchvision: the class that downloads it, and the options of each call; empty if there is none.
        installed: the packages of Debian that have the files, which then are found without --files; None if none has.
    """

    description: str
    layout: str
    shapes: tuple[Shape, ...]
    sides: tuple[int, int]
    num_images: Mapping[Split, int]
    read: Callable[[Path], Reading]
    fit: Fit = centre
    native: tuple[int, int] | None = None
    torchvision: tuple[str, Sequence[Mapping[str, str | bool]]] = ("", ())
    installed: Installed | None = None


BOTH = ({"train": True}, {"train": False})
DIGITS = tuple("0123456789")
CLOTHES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
LSUN = {"bedroom": ("bedroom", 3_033_042), "tower": ("tower", 708_264), "church": ("church_outdoor", 126_227)}
"""The end of our name, LSUN's name of the category, and its number of training images."""


def _cifar(name: str, title: str, classes: str) -> Published:
    (python, binary), archive = cifar.VERSIONS[name], title.lower()
    return Published(
        f"{title}: photographs of {classes}, labelled (Krizhevsky 2009).",
        f"{python.folder} or {binary.folder}, unpacked from {archive}-python.tar.gz or {archive}-binary.tar.gz",
        shapes=((3, 32, 32),),
        sides=(1, 32),
        num_images={"train": 50_000, "test": 10_000},
        read=partial(cifar.read, name),
        native=(32, 32),
        torchvision=(title.replace("-", ""), BOTH),
    )


def _idx(folder: str, description: str, class_names: tuple[str, ...], installed: Installed | None = None) -> Published:
    return Published(
        description,
        f"{', '.join(name for names in idx.FILES.values() for name in names)} (or with .gz), perhaps in {folder}/raw",
        shapes=((1, 28, 28), (1, 32, 32), (3, 32, 32)),
        sides=(28, 512),
        num_images={"train": 60_000, "test": 10_000},
        read=partial(idx.read, folder, class_names),
        fit=padded,
        native=(28, 28),
        torchvision=(folder, BOTH),
        installed=installed,
    )


def _imagenet_png(size: int) -> Published:
    return Published(
        f"ImageNet at {size}x{size} as in PixelRNN, to compare with the literature (van den Oord et al. 2016).",
        f"train_{size}x{size} and valid_{size}x{size}, folders of .png files",
        shapes=((3, size, size),),
        sides=(1, size),
        num_images={"train": 1_281_149, "test": 49_999},
        read=partial(imagenet.read_png, size),
        native=(size, size),
    )


def _imagenet_npz(size: int) -> Published:
    return Published(
        f"ImageNet at {size}x{size} by a box filter, labelled; not to compare with imagenet{size} "
        "(Chrabaszcz et al. 2017).",
        "train_data_batch_1.npz to train_data_batch_10.npz and val_data.npz",
        shapes=((3, size, size),),
        sides=(1, size),
        num_images={"train": 1_281_167, "test": 50_000},
        read=partial(imagenet.read_npz, size),
        native=(size, size),
    )


def _lsun(name: str, *, is_realnvp: bool) -> Published:
    category, count = LSUN[name]
    protocol = f"random crops at {REDUCED} pixels, RealNVP's protocol" if is_realnvp else "centre-cropped"
    return Published(
        f"LSUN {name}, {protocol} ({'Dinh et al. 2017; ' if is_realnvp else ''}Yu et al. 2015).",
        f"{category}_train_lmdb and {category}_val_lmdb, or {category}_train and {category}_val, folders of images",
        shapes=((3, 64, 64),) if is_realnvp else ((3, 64, 64), (3, 96, 96), (3, 128, 128)),
        sides=(1, REDUCED) if is_realnvp else (1, 256),
        num_images={"train": count, "test": 300},
        read=partial(lsun.read, category),
        fit=random_crop if is_realnvp else centre,
    )


PUBLISHED: Mapping[str, Published] = {
    "cifar10": _cifar("cifar10", "CIFAR-10", "10 classes"),
    "cifar100": _cifar("cifar100", "CIFAR-100", "100 classes"),
    "mnist": _idx("MNIST", "MNIST: handwritten digits, grey, labelled (LeCun et al. 1998).", DIGITS),
    "fashionmnist": _idx(
        "FashionMNIST",
        "Fashion-MNIST: pieces of clothing, grey, labelled (Xiao et al. 2017).",
        CLOTHES,
        Installed(
            ("dataset-fashion-mnist",),
            "datasets/fashion-mnist",
            tuple(f"{name}.gz" for names in idx.FILES.values() for name in names),
        ),
    ),
    "scenes": Published(
        "Patches of 22 photographs (those of Debian's wallpapers), held out by photograph.",
        f"the photographs of Debian's packages {' and '.join(scenes.INSTALLED.packages)}, as in /usr/share/backgrounds",
        shapes=((3, 32, 32), (3, 64, 64)),
        sides=(1, scenes.LARGEST),
        num_images=scenes.NUM_IMAGES,
        read=scenes.read,
        fit=piece_or_all,
        installed=scenes.INSTALLED,
    ),
    "svhn": Published(
        "SVHN: digits of house numbers, labelled (Netzer et al. 2011).",
        "train_32x32.mat and test_32x32.mat",
        shapes=((3, 32, 32),),
        sides=(1, 32),
        num_images={"train": 73_257, "test": 26_032},
        read=svhn.read,
        native=(32, 32),
        torchvision=("SVHN", ({"split": "train"}, {"split": "test"})),
    ),
    "celeba": Published(
        "CelebA: faces with 40 attributes, cropped as in RealNVP (Liu et al. 2015; Dinh et al. 2017).",
        f"{celeba.IMAGES} (a folder of .jpg files), {celeba.ATTRIBUTES} and {celeba.PARTITION}, perhaps in celeba",
        shapes=((3, 64, 64), (3, 32, 32)),
        sides=(1, 148),
        num_images={"train": 162_770, "validation": 19_867, "test": 19_962},
        read=celeba.read,
        fit=face,
        native=(218, 178),
        torchvision=("CelebA", ({"split": "train"},)),
    ),
    "celebahq": Published(
        "CelebA-HQ: 30,000 faces, as image files (Karras et al. 2018).",
        "its image files, all of one resolution",
        shapes=((3, 256, 256),),
        sides=(1, 1024),
        num_images={"train": 30_000},
        read=picture_files.read_folder,
    ),
    "imagenet32": _imagenet_png(32),
    "imagenet64": _imagenet_png(64),
    "imagenet32-box": _imagenet_npz(32),
    "imagenet64-box": _imagenet_npz(64),
    **{f"lsun-{name}": _lsun(name, is_realnvp=False) for name in LSUN},
    **{f"lsun-{name}-realnvp": _lsun(name, is_realnvp=True) for name in LSUN},
}
