"""Kinds of image files, known by the endings of their names: which ones are read, and what to do about the others."""

import errno
import logging
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from glowflow.errors import install


def _endings(text: str) -> frozenset[str]:
    return frozenset(f".{ending}" for ending in text.split())


PILLOWS = _endings("avif bmp gif jfif jp2 jpe jpeg jpg pbm pgm png pnm ppm tga tif tiff webp")
"""Endings of the kinds that Pillow reads by itself."""


@dataclass(frozen=True)
class Plugin:
    """A package that teaches Pillow another kind of file.

    Attributes:
        module: the module of it that does so when it's imported.
        kind: what people call such files.
        install: the command that installs it.
        endings: how the names of such files end.
        start: matches their first bytes.
    """

    module: str
    kind: str
    install: str
    endings: frozenset[str]
    start: re.Pattern[bytes]

    @property
    def is_installed(self) -> bool:
        """Whether the package is there."""
        return find_spec(self.module.partition(".")[0]) is not None

    @property
    def advice(self) -> str:
        """What to do where it isn't."""
        return f"to read {self.kind}: {self.install}"


PLUGINS = (
    Plugin(
        "pillow_heif.HeifImagePlugin",
        "HEIC",
        install("heif"),
        _endings("heic heics heif heifs hif"),
        re.compile(rb"....ftyp(hei[cmsx]|hev[cmsx]|mif1|msf1)", re.DOTALL),
    ),
    Plugin(
        "pillow_jxl",
        "JPEG XL",
        "run pip install pillow-jxl-plugin",
        _endings("jxl"),
        re.compile(rb"\xff\x0a|\x00\x00\x00\x0cJXL "),
    ),
)

OTHERS: Mapping[str, frozenset[str]] = {
    "export camera raw as .jpg or .tif": _endings(
        "3fr arw cr2 cr3 crw dcr dng erf fff iiq kdc mef mos mrw nef nrw orf pef raf raw rw2 rwl sr2 srf srw x3f"
    ),
    "export drawings as .png": _endings("ai emf eps svg svgz wmf"),
    "convert to .png": _endings(
        "apng bpg cur dds dib djvu hdp icns ico j2c j2k jpc jpf jps jpx jxr kra mpo pcx psb psd qoi sgi wdp xbm xcf xpm"
    ),
    "convert measurements to .tif": _endings("dcm dicom exr fit fits fts hdr nii pfm"),
    "save frames of videos as .png": _endings("3gp avi flv m2ts m4v mkv mov mp4 mpeg mpg mts ogv webm wmv"),
    "unpack archives": _endings("7z bz2 gz rar tar tgz xz zip zst"),
}
"""Endings of files that hold pictures and aren't read, by what to do about them."""

PICTURES = PILLOWS.union(*OTHERS.values(), *(plugin.endings for plugin in PLUGINS))
"""Endings of all files that hold pictures, whether they can be read or not."""


def readable() -> frozenset[str]:
    """The endings, in lower case, of files that are read with the packages that are installed."""
    return PILLOWS.union(*(plugin.endings for plugin in PLUGINS if plugin.is_installed))


def advice(ending: str) -> str:
    """What to do about files whose names end like this, in a few words; nothing where there is nothing to be done.

    >>> advice(".mov"), advice(".png")
    ('save frames of videos as .png', '')
    """
    installs = {plugin.advice: plugin.endings for plugin in PLUGINS if not plugin.is_installed}
    return next((words for words, endings in {**installs, **OTHERS}.items() if ending in endings), "")


def open_image(file: Path | BinaryIO) -> Image.Image:
    """Open an image file with Pillow, which every plugin that is installed has taught its kind.

    Raises:
        OSError: it's neither a file nor a folder: opening a pipe would wait for somebody to write into it.
        UnidentifiedImageError: no kind that can be read; the message says what its content needs, whatever its name.
    """
    if isinstance(file, Path) and not file.is_file() and not file.is_dir() and file.exists():
        raise OSError(errno.EINVAL, "It isn't a regular file", os.fspath(file))
    _teach_pillow()
    try:
        return Image.open(file)
    except UnidentifiedImageError as error:
        start = _start(file)
        for plugin in PLUGINS:
            if plugin.start.match(start) and not plugin.is_installed:
                raise UnidentifiedImageError(f"it holds {plugin.kind}; {plugin.advice}") from error
        raise


def _start(file: Path | BinaryIO) -> bytes:
    """The first bytes."""
    if isinstance(file, Path):
        with file.open("rb") as opened:
            return opened.read(16)
    file.seek(0)
    return file.read(16)


@cache
def _teach_pillow() -> None:
    logging.getLogger("PIL").addHandler(logging.NullHandler())  # or Python prints what it logs, without the file's name
    for plugin in PLUGINS:
        with suppress(ImportError, OSError):  # isn't installed, or is broken: its files are unreadable then
            import_module(plugin.module)
