"""The commands that store a folder of images with a model, and get it back.

The command line takes `threads` away before it calls a command, and `threads.settle` obeys it.
"""

import sys
from functools import cache, partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from glowflow.checks import check_whole
from glowflow.commands.inputs import check_parent, check_replaceable, print_rows
from glowflow.destinations import descriptor, destination
from glowflow.errors import InputError, counted, in_a_row
from glowflow.progress import progress, say

if TYPE_CHECKING:
    from glowflow.codec import IntegerModel
    from glowflow.codec.archive import Contents
    from glowflow.codec.archive_writer import Writer
    from glowflow.codec.extraction import Extraction

MOST_NAMES, MOST_PLACES, MOST_REASONS = 10, 5, 3
"""How many lost files, damaged places and reasons are named."""


def create(model: str, folder: Path, out: Path, block: int = 1000, threads: str | None = None) -> None:
    """Store a folder in one file, with its images about as small as the model's likelihood says.

    Example: glowflow archive create runs/digits my_digits digits.glow

    The model codes PNG, PGM and PPM files that have its shape and bits and hold nothing but pixels. They come back
    pixel for pixel. All other files are stored as they are, such as JPEG files, or images with transparency.

    You need the same model to get the images back, so keep a copy of it: a training that goes on replaces a run's
    best model.

    Args:
        folder: All files in it and in its folders are stored. Links to folders aren't followed.
        out: The archive (.glow).
        block: The number of images that are coded together. A block is decoded as a whole: one image takes as long as
            all of them, and one damaged byte loses all of them. The first images of each block take more bytes than
            the others.
    """
    from glowflow.codec.archive_writer import Writer
    from glowflow.codec.entries import MOST_ENTRIES
    from glowflow.codec.folder import files_of
    from glowflow.durable import beside, replacing

    check_whole("--block", block, 1, MOST_ENTRIES)
    _check_out(out)
    own = [out, beside(destination(out), "partial")]
    paths = list(files_of(folder, own, lambda path, reason: say(f"{path} is left out: {reason}.")))
    integers, start = _integers(model), perf_counter()
    with replacing(out) as partial, partial.open("wb") as file:
        with progress(f"Storing {folder}", len(paths), "files") as advance:
            writer = Writer(
                file, integers, block, _name(model), lambda files, *done: advance(files, _note(writer, *done))
            )
            written = writer.write(paths)
        size = file.tell()
    rows = _report(writer, perf_counter() - start)
    print_rows(rows | {"written": f"{out}, {size:,} bytes; the files have {written.source_bytes:,}"})


def extract(model: str, archive: Path, out: Path, only: list[str] | None = None, threads: str | None = None) -> None:
    """Get the files of an archive back.

    Example: glowflow archive extract runs/digits digits.glow my_digits

    Args:
        archive: What `glowflow archive create` made with the same model. Files that are kept as they are come back
            without the model, too.
        out: The folder for the files, which must be new or empty.
        only: The name of a file, or a pattern such as "holidays/*.png", if not all files are wanted. It may be given
            several times.
    """
    from glowflow.codec.folder import new_folder

    check_replaceable("OUT", out)
    with new_folder(out) as partial:
        found = _extracted(model, archive, partial, only)
    print_rows({"written": f"{counted(found.count, 'file')} in {out}"})
    _check(archive, found.contents, f"the others are in {out}", found)


def verify(model: str, archive: Path, threads: str | None = None) -> None:
    """Check that all files of an archive can be got back.

    Example: glowflow archive verify runs/digits digits.glow

    Args:
        archive: What `glowflow archive create` made with the same model.
    """
    found = _extracted(model, archive, None)
    _check(archive, found.contents, "the others are intact", found)
    print_rows({"model": str(found.contents.head), "intact": f"{counted(found.count, 'file')} of {archive}"})


def list_(archive: Path) -> None:
    """List the files of an archive, each as "coded" by the model or "kept" as it is; first, the model.

    Example: glowflow archive list digits.glow

    This reads the names alone. `glowflow archive verify` also reads the files.

    Args:
        archive: What `glowflow archive create` made.
    """
    from glowflow.codec.archive import Contents, head_of, read
    from glowflow.codec.head import shown

    if head := head_of(archive):
        sys.stdout.write(f"model  {head}\n")
    contents = Contents()
    for block in read(archive, contents):
        for entry in block.entries:
            sys.stdout.write(f"{'coded' if entry.kind else 'kept':5}  {shown(entry.name)}\n")
    _check(archive, contents, "the others are listed")


def _integers(model: str) -> "IntegerModel":
    """The model's integer form, with as many threads as the user wants, or as a trial finds best."""
    from glowflow.codec import IntegerModel
    from glowflow.codec.block import MOST_TOGETHER
    from glowflow.model import Glow
    from glowflow.threads import settle

    integers = IntegerModel(Glow.from_pretrained(model))
    settle(partial(_code_black, integers), MOST_TOGETHER, "cpu")
    return integers


def _code_black(integers: "IntegerModel", count: int) -> None:
    """Code black images for nothing."""
    import torch

    from glowflow.codec.block import Way, packed

    packed(integers, torch.zeros(count, *integers.config.image_shape, dtype=torch.uint8), Way(count, 256))


def _check_out(out: Path) -> None:
    """Refuse to replace a file that isn't an archive: it could be one that is to be stored."""
    from glowflow.codec.records import MARK

    check_parent(out)
    if out.is_file() and descriptor(out) is None:
        with out.open("rb") as file:
            begins = file.read(len(MARK))
        if begins not in {b"", MARK}:
            raise InputError(f"{out} isn't an archive, and would be replaced: give OUT a new name.")


def _name(model: str) -> str:
    """A model's name for others, who don't know this machine: OWNER/NAME on the hub, or the end of a path."""
    return Path(*Path(model).parts[-2:]).as_posix()


def _note(writer: "Writer", images: int, bits: int) -> str:
    """What stands beside the progress: what the images take so far, and the archive."""
    megabytes = f"{(bits / 8 + writer.written.file_bytes) / 1e6:.1f} MB"
    return f"{bits / (images * writer.model.config.num_dims):.3f} bits/dim, {megabytes}" if images else megabytes


def _report(writer: "Writer", seconds: float) -> dict[str, str]:
    from glowflow.codec.pictures_alone import coded_files

    written, dims = writer.written, writer.model.config.num_dims
    rows = {}
    if written.images:
        bits = 8 * written.image_bytes / (written.images * dims)
        rate = written.images / seconds
        rows["coded"] = f"{counted(written.images, 'image')}, {bits:.3f} bits/dim, {written.image_bytes:,} bytes"
        rows["rate"] = f"{rate:.1f} images/s"
    if written.files:
        rows["kept"] = f"{counted(written.files, 'other file')}, {written.file_bytes:,} bytes"
        counts = [f"{reason} ({count:,})" for reason, count in written.reasons.most_common()]
        rows["reasons"] = in_a_row(counts, MOST_REASONS)
        rows["model"] = f"codes {coded_files(writer.model.config.image_shape, writer.model.config.num_bits)}"
    return rows


def _extracted(model: str, archive: Path, out: Path | None, only: list[str] | None = None) -> "Extraction":
    """Get files of an archive back into a folder, or only check them."""
    from glowflow.codec.extraction import Wanted, extract, survey

    wanted = Wanted(archive, only or ())
    needed = survey(wanted)
    opened = cache(partial(_integers_of, model, archive))
    if needed.has_images:
        opened()  # before the first file is written
    with progress(f"Reading {archive}", max(needed.size, 1), "bytes") as advance:
        return extract(wanted, out, opened, advance)


def _integers_of(model: str, archive: Path) -> "IntegerModel":
    """The integer form of the model that an archive was made with. InputError if it's another one, or missing."""
    from glowflow.codec.archive import head_of

    head = head_of(archive)
    try:
        integers = _integers(model)
    except InputError as error:
        raise InputError(f"{error} The archive was made with {head or 'a model that is unknown'}.") from None
    if head:
        head.check(integers)
    return integers


def _check(archive: Path, contents: "Contents", others: str, found: "Extraction | None" = None) -> None:
    """Report what an archive has lost, and what this system can't have."""
    problems = []
    if contents.damages or not contents.is_complete or not contents.head or contents.names < contents.head.files:
        problems.append(f"{archive} is damaged ({_where(contents)}): {_lost(contents)}, and {others}.")
    if found and found.unfit:
        told = in_a_row(found.reasons, MOST_NAMES)
        problems.append(f"{counted(found.unfit, 'file')} can't be written here, and {others}: {told}.")
    if problems:
        raise InputError(" ".join(problems))


def _where(contents: "Contents") -> str:
    places = [f"{damage.length:,} bytes from byte {damage.start:,} on" for damage in contents.damages]
    return in_a_row(places, MOST_PLACES) or ("a part is missing" if contents.is_complete else "its end is missing")


def _lost(contents: "Contents") -> str:
    """How many files are lost, and the names of those whose names aren't."""
    from glowflow.codec.head import shown

    names = in_a_row([shown(name) for name in contents.lost_names], MOST_NAMES)
    if not contents.head:
        some = f"{counted(contents.lost, 'file')} ({names}) and perhaps more are" if names else "some files may be"
        return f"{some} lost, since their number isn't known"
    total = contents.head.files
    count = total - contents.names + contents.lost
    among = "" if count == contents.lost else "among them "
    told = f" ({among}{names})" if names else ""
    return f"{count:,} of {counted(total, 'file')} {'is' if count == 1 else 'are'} lost{told}"
