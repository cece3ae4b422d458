"""The commands that store a folder of images with a model, and get it back.

The command line takes `threads` away before it calls a command, and `threads.settle` obeys it.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from glowflow.checks import check_whole
from glowflow.commands.inputs import check_folder, check_parent, print_rows
from glowflow.errors import InputError, counted
from glowflow.progress import progress, say

if TYPE_CHECKING:
    from glowflow.codec import IntegerModel
    from glowflow.codec.archive import Contents, File
    from glowflow.codec.archive_writer import Writer


def create(model: str, folder: Path, out: Path, block: int = 1000, threads: str | None = None) -> None:
    """Store a folder in one file, with its images about as small as the model's likelihood says.

    Example: glowflow archive create runs/digits my_digits digits.glow

    The model codes PNG, PGM and PPM files that have its shape and bits and hold nothing but pixels. They come back
    pixel for pixel. All other files are stored as they are, such as JPEG files, or images with transparency. The same
    model is needed to get the images back.

    Args:
        folder: All files in it and in its folders are stored.
        out: The archive (.glow).
        block: The number of images that are coded together. Getting one of them back takes as long as getting all of
            them, and damage costs all of them. The first images of each block take more bytes than the others.
    """
    from glowflow.codec.archive_writer import Writer
    from glowflow.codec.entries import MOST_ENTRIES
    from glowflow.durable import replacing

    check_whole("--block", block, 1, MOST_ENTRIES)
    check_parent(out)
    paths, integers, start = list(_files(folder, out)), _integers(model), perf_counter()
    with replacing(out) as partial, partial.open("wb") as file:
        with progress(f"Storing {folder}", len(paths), "files") as advance:
            writer = Writer(file, integers, block, lambda files, *done: advance(files, _note(writer, *done)))
            writer.write(paths)
        size = file.tell()
    before = sum(path.stat().st_size for _, path in paths)
    print_rows(
        _report(writer, perf_counter() - start) | {"written": f"{out}, {size:,} bytes; the files have {before:,}"}
    )


def extract(model: str, archive: Path, out: Path, threads: str | None = None) -> None:
    """Get the files of an archive back.

    Example: glowflow archive extract runs/digits digits.glow my_digits

    Args:
        archive: What `glowflow archive create` made with the same model.
        out: The folder for the files, which must be new or empty.
    """
    from glowflow.durable import replacing_directory

    check_folder("OUT", out)
    with replacing_directory(out.resolve()) as partial:
        contents, count = _each(model, archive, partial)
    print_rows({"written": f"{counted(count, 'file')} in {out}"})
    _check(archive, contents, count, f"the others are in {out}")


def verify(model: str, archive: Path, threads: str | None = None) -> None:
    """Check that all files of an archive can be got back.

    Example: glowflow archive verify runs/digits digits.glow

    Args:
        archive: What `glowflow archive create` made with the same model.
    """
    contents, count = _each(model, archive, None)
    _check(archive, contents, count, "the others are intact")
    print_rows({"intact": f"{counted(count, 'file')} of {archive}"})


def list_(archive: Path) -> None:
    """List the files of an archive, each as "coded" by the model or "kept" as it is.

    Example: glowflow archive list digits.glow

    Args:
        archive: What `glowflow archive create` made.
    """
    from glowflow.codec.archive import Contents, read

    contents, count = Contents(), 0
    for block in read(archive, contents):
        for entry in block.entries:
            shown = entry.name if entry.name.isprintable() else repr(entry.name)
            sys.stdout.write(f"{'coded' if entry.kind else 'kept':5}  {shown}\n")
            count += 1
    _check(archive, contents, count, "the others are listed")


def _integers(model: str) -> "IntegerModel":
    """The model's integer form, with as many threads as the user wants, or as a trial finds best."""
    from glowflow.codec import IntegerModel
    from glowflow.codec.block import MOST_TOGETHER
    from glowflow.model import Glow
    from glowflow.threads import settle

    integers = IntegerModel(Glow.from_pretrained(model))
    settle(partial(_push_black, integers), MOST_TOGETHER, "cpu")
    return integers


def _push_black(integers: "IntegerModel", count: int) -> None:
    """Code black images for nothing."""
    import torch

    from glowflow.codec.stream import Stream

    integers.push(torch.zeros(count, *integers.config.image_shape, dtype=torch.int64), Stream(256))


def _files(folder: Path, out: Path) -> Iterator[tuple[str, Path]]:
    """The name and the place of each file in a folder, in a fixed order."""
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder: give the folder whose files are to be stored.")
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(place, name)
            if not path.is_file():
                say(f"{path} is left out: it isn't a file.")
            elif not (out.exists() and path.samefile(out)):
                yield path.relative_to(folder).as_posix(), path


def _note(writer: "Writer", images: int, bits: int) -> str:
    """What stands beside the progress: what the images take so far, and the archive."""
    megabytes = f"{(bits / 8 + writer.written.file_bytes) / 1e6:.1f} MB"
    return f"{bits / (images * writer.model.config.num_dims):.3f} bits/dim, {megabytes}" if images else megabytes


def _report(writer: "Writer", seconds: float) -> dict[str, str]:
    written, dims = writer.written, writer.model.config.num_dims
    rows = {}
    if written.images:
        bits = 8 * written.image_bytes / (written.images * dims)
        rate = written.images / seconds
        rows["coded"] = f"{counted(written.images, 'image')}, {bits:.3f} bits/dim, {written.image_bytes:,} bytes"
        rows["rate"] = f"{rate:.1f} images/s"
    return rows | {"kept": f"{counted(written.files, 'other file')}, {written.file_bytes:,} bytes"}


def _each(model: str, archive: Path, out: Path | None) -> tuple["Contents", int]:
    """Get all files back that are intact, and write them below `out` if it's given. Returns how many there are."""
    from glowflow.codec.archive import Contents, read

    integers, contents, count = _integers(model), Contents(), 0
    with progress(f"Reading {archive}", archive.stat().st_size, "bytes") as advance:
        for block in read(archive, contents):
            for found in block.files(integers, advance):
                if out:
                    _restore(out, found)
                count += 1
    return contents, count


def _restore(out: Path, found: "File") -> None:
    from glowflow.codec.entries import UnlikeError

    path = out / found.entry.name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.writelines(found.content)
    except (FileExistsError, NotADirectoryError):
        raise UnlikeError(f"two files have the name {found.entry.name!r}") from None
    with suppress(OSError, OverflowError):  # no file system has all times
        os.utime(path, ns=(found.time, found.time))


def _check(archive: Path, contents: "Contents", count: int, others: str) -> None:
    """Report what an archive has lost."""
    total = contents.head.get("files")
    if not contents.damages and contents.is_complete and total == count:
        return
    lost = "some files are lost" if total is None else _lost(total - count, total)
    places = [f"{damage.length:,} bytes from byte {damage.start:,} on" for damage in contents.damages[:5]]
    where = ", ".join(places) or ("a part is missing" if contents.is_complete else "its end is missing")
    raise InputError(f"{archive} is damaged ({where}): {lost}, and {others}.")


def _lost(count: int, total: int) -> str:
    return f"{count:,} of {counted(total, 'file')} {'is' if count == 1 else 'are'} lost"
