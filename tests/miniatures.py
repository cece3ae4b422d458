"""Data sets in exactly the formats in which they were published, but of few images."""

import gzip
import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import io as scipy_io

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]
CIFAR10_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@dataclass(frozen=True)
class Split:
    """The images (N, H, W, C) of one published split, and what is known of them."""

    images: Images
    labels: Labels
    attributes: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Miniature:
    """What was written: the name of the data set, its image shape (C, H, W), and its published splits."""

    name: str
    image_shape: tuple[int, int, int]
    splits: dict[str, Split]
    class_names: tuple[str, ...] = ()
    attribute_names: tuple[str, ...] = ()


def pictures(count: int, height: int, width: int, channels: int = 3, seed: int = 0) -> Images:
    """Smooth, and each another: waves of random direction and colour, (N, H, W, C)."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    waves = np.random.default_rng(seed).uniform(-9, 9, (3, count, 1, 1, channels))
    phase = waves[0] * y[..., None] + waves[1] * x[..., None] + waves[2]
    return (127.5 + 127 * np.sin(phase)).astype(np.uint8)


def random_split(count: int, seed: int, size: int = 32, channels: int = 3, num_classes: int = 10) -> Split:
    labels = np.random.default_rng(seed).integers(0, num_classes, count)
    return Split(pictures(count, size, size, channels, seed), labels)


def _channels_first(images: Images) -> Images:
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2).reshape(len(images), -1))


def python2_pickle(value: object) -> bytes:
    """Protocol 2 as Python 2 wrote it, in which CIFAR was published: text is bytes, NumPy's modules have old names."""
    return b"\x80\x02" + _pickled(value) + b"."


def _pickled(value: Any) -> bytes:  # noqa: ANN401
    match value:
        case str() | bytes():
            content = value.encode("latin1") if isinstance(value, str) else value
            return (
                b"U" + bytes([len(content)]) if len(content) < 256 else b"T" + struct.pack("<i", len(content))
            ) + content
        case int():
            return b"J" + struct.pack("<i", value)
        case list():
            return b"](" + b"".join(map(_pickled, value)) + b"e"
        case tuple():
            return b"(" + b"".join(map(_pickled, value)) + b"t"
        case dict():
            return b"}(" + b"".join(_pickled(key) + _pickled(entry) for key, entry in value.items()) + b"u"
    kind = b"cnumpy\ndtype\n" + _pickled(("u1", 0, 1)) + b"R" + b"(K\x03U\x01|NNN" + 2 * _pickled(-1) + b"K\x00tb"
    empty = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n" + _pickled((0,)) + _pickled("b") + b"tR"
    return empty + b"(" + _pickled(1) + _pickled(value.shape) + kind + b"\x89" + _pickled(value.tobytes()) + b"tb"


def cifar10_python(folder: Path) -> Miniature:
    train, test = random_split(20, 1), random_split(6, 2)
    parts = [*zip(np.array_split(train.images, 5), np.array_split(train.labels, 5), strict=True)]
    files = {f"data_batch_{number}": part for number, part in enumerate(parts, 1)}
    _cifar_batches(folder / "cifar-10-batches-py", files | {"test_batch": (test.images, test.labels)}, "")
    meta = {"label_names": list(CIFAR10_NAMES), "num_cases_per_batch": 10000, "num_vis": 3072}
    (folder / "cifar-10-batches-py" / "batches.meta").write_bytes(python2_pickle(meta))
    return Miniature("cifar10", (3, 32, 32), {"train": train, "test": test}, CIFAR10_NAMES)


def cifar100_python(folder: Path) -> Miniature:
    names = tuple(f"thing_{number}" for number in range(100))
    train, test = random_split(20, 3, num_classes=100), random_split(6, 4, num_classes=100)
    files = {"train": (train.images, train.labels), "test": (test.images, test.labels)}
    _cifar_batches(folder / "cifar-100-python", files, "fine_")
    meta = {"fine_label_names": list(names), "coarse_label_names": ["thing"]}
    (folder / "cifar-100-python" / "meta").write_bytes(python2_pickle(meta))
    return Miniature("cifar100", (3, 32, 32), {"train": train, "test": test}, names)


def _cifar_batches(folder: Path, files: dict[str, tuple[Images, Labels]], kind: str) -> None:
    folder.mkdir(parents=True)
    for name, (images, labels) in files.items():
        content = {
            "batch_label": f"batch {name}",
            "data": _channels_first(images),
            "filenames": ["a.png"] * len(images),
        }
        (folder / name).write_bytes(python2_pickle(content | {f"{kind}labels": labels.tolist()}))


def cifar10_binary(folder: Path) -> Miniature:
    train, test = random_split(20, 1), random_split(6, 2)
    (folder / "cifar-10-batches-bin").mkdir(parents=True)
    rows = [np.hstack([s.labels[:, None].astype(np.uint8), _channels_first(s.images)]) for s in (train, test)]
    names = [*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"]
    for name, part in zip(names, [*np.array_split(rows[0], 5), rows[1]], strict=True):
        part.tofile(folder / "cifar-10-batches-bin" / name)
    (folder / "cifar-10-batches-bin" / "batches.meta.txt").write_text("\n".join(CIFAR10_NAMES) + "\n\n")
    return Miniature("cifar10", (3, 32, 32), {"train": train, "test": test}, CIFAR10_NAMES)


def mnist_gz(folder: Path) -> Miniature:
    return _mnist(folder, ".gz")


def mnist_torchvision(folder: Path) -> Miniature:
    return _mnist(folder / "MNIST" / "raw", "")


def _mnist(folder: Path, ending: str) -> Miniature:
    folder.mkdir(parents=True)
    splits = {}
    for split, name, count, seed in (("train", "train", 20, 5), ("test", "t10k", 6, 6)):
        small = random_split(count, seed, 28, 1)
        _idx(folder / f"{name}-images-idx3-ubyte{ending}", small.images[..., 0])
        _idx(folder / f"{name}-labels-idx1-ubyte{ending}", small.labels.astype(np.uint8))
        padded = np.pad(small.images, ((0, 0), (2, 2), (2, 2), (0, 0)))
        splits[split] = Split(np.tile(padded, 3), small.labels)
    return Miniature("mnist", (3, 32, 32), splits, tuple("0123456789"))


def _idx(path: Path, values: NDArray[np.uint8]) -> None:
    content = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def svhn(folder: Path) -> Miniature:
    folder.mkdir(parents=True)
    splits = {"train": random_split(20, 7), "test": random_split(6, 8)}
    for name, split in splits.items():
        labels = np.where(split.labels == 0, 10, split.labels).astype(np.uint8)[:, None]
        scipy_io.savemat(folder / f"{name}_32x32.mat", {"X": split.images.transpose(1, 2, 3, 0), "y": labels})
    return Miniature("svhn", (3, 32, 32), splits, tuple("0123456789"))


def celeba(folder: Path) -> Miniature:
    """Twelve faces: eight of training, two of validation, two of test, not in this order."""
    (folder / "celeba" / "img_align_celeba").mkdir(parents=True)
    images, names = pictures(12, 218, 178, seed=9), tuple(f"Attribute_{number}" for number in range(40))
    attributes = np.random.default_rng(9).integers(0, 2, (12, 40)) == 1
    files = [f"{number:06}.jpg" for number in range(1, 13)]
    for file, image in zip(files, images, strict=True):
        Image.fromarray(image).save(folder / "celeba" / "img_align_celeba" / file, quality=100, subsampling=0)
    rows = [
        f"{file} {' '.join(f'{2 * a - 1:2}' for a in row)}"
        for file, row in zip(files, attributes.astype(int), strict=True)
    ]
    (folder / "celeba" / "list_attr_celeba.txt").write_text("\n".join(["12", " ".join(names) + " ", *rows]) + "\n")
    numbers = [0, 2, 0, 0, 1, 0, 0, 1, 0, 2, 0, 0]
    lines = [f"{file} {number}" for file, number in zip(files, numbers, strict=True)]
    (folder / "celeba" / "list_eval_partition.txt").write_text("\n".join(lines) + "\n")
    numbered = np.array(numbers)
    faces = np.stack([_face(folder / "celeba" / "img_align_celeba" / file) for file in files])
    splits = {
        split: Split(faces[numbered == n], np.zeros((numbered == n).sum(), np.int64), attributes[numbered == n])
        for n, split in enumerate(("train", "validation", "test"))
    }
    return Miniature("celeba", (3, 64, 64), splits, attribute_names=names)


def _face(path: Path) -> Images:
    with Image.open(path) as image:
        cropped = Image.fromarray(np.asarray(image)[40:188, 15:163])
    return np.asarray(cropped.resize((64, 64), Image.Resampling.BICUBIC))


def imagenet_png(folder: Path) -> Miniature:
    splits = {"train": random_split(20, 10), "test": random_split(6, 11)}
    for split, name in (("train", "train_32x32"), ("test", "valid_32x32")):
        (folder / name).mkdir(parents=True)
        for number, image in enumerate(splits[split].images, 1):
            Image.fromarray(image).save(folder / name / f"{number:07}.png")
    return Miniature("imagenet32", (3, 32, 32), splits)


def imagenet_npz(folder: Path) -> Miniature:
    folder.mkdir(parents=True)
    train, test = random_split(20, 12, num_classes=1000), random_split(6, 13, num_classes=1000)
    parts = [*zip(np.array_split(train.images, 10), np.array_split(train.labels, 10), strict=True)]
    files = {f"train_data_batch_{number}": part for number, part in enumerate(parts, 1)}
    for name, (images, labels) in (files | {"val_data": (test.images, test.labels)}).items():
        rows = _channels_first(images)
        np.savez_compressed(folder / f"{name}.npz", data=rows, labels=labels + 1, mean=rows.mean(0))
    names = tuple(str(number) for number in range(1, 1001))
    return Miniature("imagenet32-box", (3, 32, 32), {"train": train, "test": test}, names)


def lsun_lmdb(folder: Path) -> Miniature:
    splits = {}
    for split, name, count in (("train", "train", 12), ("test", "val", 4)):
        keys, files, splits[split] = lsun_files(count, name)
        (folder / f"tower_{name}_lmdb").mkdir(parents=True)
        with (
            lmdb.open(str(folder / f"tower_{name}_lmdb"), map_size=1 << 24) as database,
            database.begin(write=True) as to,
        ):
            for key, content in zip(keys, files, strict=True):
                to.put(key.encode(), content)
    return Miniature("lsun-tower", (3, 64, 64), splits)


def lsun_exported(folder: Path) -> Miniature:
    """As LSUN's own script exports a database: in folders by the first letters of the keys."""
    splits = {}
    for split, name, count in (("train", "train", 12), ("test", "val", 4)):
        keys, files, splits[split] = lsun_files(count, name)
        for key, content in zip(keys, files, strict=True):
            path = folder / f"tower_{name}" / key[0] / key[1] / f"{key}.webp"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return Miniature("lsun-tower", (3, 64, 64), splits)


@cache
def lsun_files(count: int, name: str) -> tuple[list[str], list[bytes], Split]:
    """Keys, WebP files, and what the centre crop makes of them."""
    rng = np.random.default_rng(len(name))
    keys = sorted(rng.bytes(20).hex() for _ in range(count))
    files, cropped = [], []
    for number in range(count):
        height, width = (256, 256 + 10 * number) if number % 2 else (256 + 10 * number, 256)
        file = io.BytesIO()
        Image.fromarray(pictures(1, height, width, seed=number + 50)[0]).save(file, "WEBP", quality=90)
        files.append(file.getvalue())
        top, left = (height - 256) // 2, (width - 256) // 2
        with Image.open(file) as image:
            square = image.convert("RGB").crop((left, top, left + 256, top + 256))
        cropped.append(np.asarray(square.resize((64, 64), Image.Resampling.BICUBIC)))
    return keys, files, Split(np.stack(cropped), np.zeros(count, np.int64))


def celebahq(folder: Path) -> Miniature:
    folder.mkdir(parents=True)
    images = pictures(12, 256, 256, seed=14)
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"img{number:08}.png")
    return Miniature("celebahq", (3, 256, 256), {"train": Split(images, np.zeros(12, np.int64))})


EVERY: tuple[Callable[[Path], Miniature], ...] = (
    cifar10_python,
    cifar10_binary,
    cifar100_python,
    mnist_gz,
    mnist_torchvision,
    svhn,
    celeba,
    celebahq,
    imagenet_png,
    imagenet_npz,
    lsun_lmdb,
    lsun_exported,
)
