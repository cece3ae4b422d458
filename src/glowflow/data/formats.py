"""Kinds of image files, by the endings of names: those that are read, and advice about the others."""

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
"""Endings of the files that Pillow reads by itself."""


@dataclass(frozen=True)
class Plugin:
    """A package that teaches Pillow another kind of file.

    Attributes:
        module: its module that does so when it's imported.
        kind: the name of this kind of file.
        install: the command that installs the package.
        endings: the endings of such files' names.
        start: a pattern that matches their first bytes.
    """

    module: str
    kind: str
    install: str
    endings: frozenset[str]
    start: re.Pattern[bytes]

    @property
    def is_installed(self) -> bool:
        """True if the package is installed."""
        return find_spec(self.module.partition(".")[0]) is not None

    @property
    def advice(self) -> str:
        """What to do if it isn't installed."""
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
"""Endings of files that hold pictures and aren't read, by the advice about them."""

PICTURES = PILLOWS.union(*OTHERS.values(), *(plugin.endings for plugin in PLUGINS))
"""Endings of all files that hold pictures, whether they can be read or not."""


def readable() -> frozenset[str]:
    """The endings, in lower case, of files that are read with the packages that are installed."""
    return PILLOWS.union(*(plugin.endings for plugin in PLUGINS if plugin.is_installed))


def advice(ending: str) -> str:
    """Advice about files with this ending, in a few words; empty if there is none.

    >>> advice(".mov"), advice(".png")
    ('save frames of videos as .png', '')
    """
    installs = {plugin.advice: plugin.endings for plugin in PLUGINS if not plugin.is_installed}
    return next((words for words, endings in {**installs, **OTHERS}.items() if ending in endings), "")


def open_image(file: Path | BinaryIO) -> Image.Image:
    """Open an image file with Pillow and all installed plugins.

    Raises:
        OSError: it's neither a file nor a folder. Opening a pipe, for instance, would wait for a writer.
        UnidentifiedImageError: its kind can't be read. The message names the package that its content needs.
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
    # Without a handler, Python prints what Pillow logs, and doesn't name the file.
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    for plugin in PLUGINS:
        with suppress(ImportError, OSError):  # a missing or broken plugin leaves its files unreadable
            import_module(plugin.module)
