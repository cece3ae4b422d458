"""The commands that store a folder of images with a model, and get it back.

The command line takes `threads` away before it calls a command, and `threads.settle` obeys it.
"""

import sys
from collections import Counter
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from glowflow.checks import check_whole
from glowflow.commands.inputs import check_parent, check_replaceable, print_rows
from glowflow.destinations import descriptor, destination
from glowflow.errors import InputError, counted, in_a_row, shown
from glowflow.progress import progress, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from glowflow.codec import IntegerModel
    from glowflow.codec.archive import Contents
    from glowflow.codec.archive_writer import Writer
    from glowflow.codec.extraction import Extraction

MOST_PLACES = 5
"""How many damaged places are named."""
ANY = "-"
"""What stands for a model where none is needed."""


def create(
    model: str, folder: Path, out: Path, block: int = 1000, replace: bool = False, threads: str | None = None
) -> None:
    """Store a folder in one file, with its images about as small as the model's likelihood says.

    Example: glowflow archive create runs/digits my_digits digits.glow

    The model codes PNG, PGM and PPM files that have its shape and bits and hold nothing but pixels. They come back
    pixel for pixel. All other files are stored as they are, such as JPEG files, or images with transparency.

    You need the same model to get the images back, so keep a copy of it: a training that goes on replaces a run's
    best model.

    Args:
        folder: The folder to store, with all files in it and in its subfolders. Links to folders aren't followed.
        out: The archive (.glow).
        block: The number of images that are coded together. A block is decoded as a whole: one image takes as long as
            all of them, and one damaged byte loses all of them. The first images of each block take more bytes and
            more time than the others.
        replace: Replace an archive OUT that exists, once the new one is whole. Without this option, the command
            refuses.
    """
    from glowflow.codec.archive_writer import Writer
    from glowflow.codec.entries import MOST_ENTRIES
    from glowflow.codec.folder import files_of
    from glowflow.durable import beside, replacing

    check_whole("--block", block, 1, MOST_ENTRIES)
    has_old = _check_out(out, may_replace=replace)
    own = [out, beside(destination(out), "partial")]
    paths = list(files_of(folder, own, lambda path, reason: say(f"{shown(str(path))} is left out: {reason}.")))
    integers, start = _integers(model), perf_counter()
    with replacing(out) as partial, partial.open("wb") as file:
        with progress(f"Storing {folder}", len(paths), "files") as advance:
            writer = Writer(
                file, integers, block, _name(model), lambda files, *done: advance(files, _note(writer, *done))
            )
            written = writer.write(paths)
        size = file.tell()
        for sentence in written.left_out:
            say(sentence)
        if written.left_out and has_old:
            raise InputError(f"{out} stays as it was: the new one would lack {counted(len(written.left_out), 'file')}.")
    rows = _report(writer, perf_counter() - start)
    print_rows(rows | {"written": f"{out}, {size:,} bytes; the files have {written.source_bytes:,}"})
    if written.left_out:
        raise InputError(f"{out} lacks {counted(len(written.left_out), 'file')}.")


def extract(model: str, archive: Path, out: Path, only: list[str] | None = None, threads: str | None = None) -> None:
    """Get the files of an archive back.

    Example: glowflow archive extract runs/digits digits.glow copy_of_my_digits

    Files that are kept as they are need no model: ask for them by --only, and give - as MODEL.

    Args:
        archive: What `glowflow archive create` made with the same model.
        out: The folder for the files, which must be new or empty.
        only: The name of a file, or a pattern, if not all files are wanted. In a pattern, * stands for any letters and
            slashes: "holidays/*" is everything in that folder. The option may be given several times. Write
            --only=-name for a name that begins with a dash.
    """
    from glowflow.codec.folder import new_folder

    check_replaceable("OUT", out)
    with new_folder(out) as partial:
        found = _extracted(model, archive, partial, only)
    print_rows({"written": f"{counted(found.count, 'file')} in {out}"})
    _check(archive, found.contents, f"in {out}", found, only or ())


def verify(model: str, archive: Path, threads: str | None = None) -> None:
    """Check that all files of an archive can be got back.

    Example: glowflow archive verify runs/digits digits.glow

    Args:
        archive: What `glowflow archive create` made with the same model.
    """
    found = _extracted(model, archive, None)
    _check(archive, found.contents, "intact", found)
    model = str(found.contents.head) if found.has_images else "no file needs it, so it wasn't looked at"
    print_rows({"model": model, "intact": f"{counted(found.count, 'file')} of {archive}"})


def list_(archive: Path) -> None:
    """Show the model of an archive, and its files. Each file is "coded" by the model, or "kept" as it is.

    Example: glowflow archive list digits.glow

    This reads only the names. `glowflow archive verify` also reads the files.

    Args:
        archive: What `glowflow archive create` made.
    """
    from glowflow.codec.archive import head_of, read
    from glowflow.codec.extraction import Extraction

    if head := head_of(archive):
        sys.stdout.write(f"model  {head}\n")
    found, counts, size = Extraction(), Counter[str](), archive.stat().st_size
    for block in read(archive, found.contents):
        is_cut = block.record.end > size
        if is_cut:
            found.contents.note(block.record.damage)
            found.lost += len(block.entries)
        for entry in block.entries:
            kind = "lost" if is_cut else "coded" if entry.kind else "kept"
            counts[kind] += 1
            sys.stdout.write(f"{kind:5}  {shown(entry.name)}\n")
    sys.stdout.write(f"total  {counts['coded']:,} coded, {counts['kept']:,} kept, {size:,} bytes\n")
    _check(archive, found.contents, "listed", found)


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

    from glowflow.codec.scaling import OutOfRangeError
    from glowflow.codec.stream import Stream

    with suppress(OutOfRangeError):
        integers.push(torch.zeros(count, *integers.config.image_shape, dtype=torch.int64), Stream(lanes=256))


def _check_out(out: Path, *, may_replace: bool) -> bool:
    """Refuse to replace a file. An empty one may be replaced, and an archive if the user asks for it: True then."""
    from glowflow.codec.records import MARK

    check_parent(out)
    if not out.is_file() or descriptor(out) is not None:
        return False
    with out.open("rb") as file:
        begins = file.read(len(MARK))
    if begins not in {b"", MARK}:
        raise InputError(f"{out} isn't an archive, and would be replaced: give OUT a new name.")
    if begins and not may_replace:
        raise InputError(f"{out} exists already: give OUT a new name, or --replace if you don't need the old archive.")
    return bool(begins)


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
        reasons = [
            f"{reason} ({count:,}, such as {shown(written.examples[reason])})"
            for reason, count in written.reasons.most_common()
        ]
        rows["reasons"] = "; ".join(reasons)
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
        return extract(wanted, out, opened, advance, _print_lost)


def _print_lost(name: str, reason: str) -> None:
    """Print the name of a file that is damaged, or why it can't be written here."""
    sys.stdout.write(f"not written  {shown(name)} ({reason})\n" if reason else f"lost  {shown(name)}\n")


def _integers_of(model: str, archive: Path) -> "IntegerModel":
    """The integer form of the model that an archive was made with. InputError if it's another one, or missing."""
    from glowflow.codec.archive import head_of

    head = head_of(archive)
    made_with = head or "a model that is unknown"
    if model == ANY:
        raise InputError(f"The images need a model: give it as MODEL. The archive was made with {made_with}.")
    try:
        integers = _integers(model)
    except InputError as error:
        raise InputError(f"{error} The archive was made with {made_with}.") from None
    if head:
        head.check(integers)
    return integers


def _check(
    archive: Path, contents: "Contents", where: str, found: "Extraction | None" = None, only: "Sequence[str]" = ()
) -> None:
    """Report what an archive has lost, and what this system can't have.

    Args:
        archive: The archive.
        contents: What is known of it.
        where: Where its files are now, or what they are.
        found: What has come back.
        only: Which files were asked for, if not all were.
    """
    problems = []
    if contents.damages or not contents.is_complete or contents.nameless != 0:
        lost = found.lost if found else 0
        damaged = f"{archive} is damaged ({_places(contents, archive.stat().st_size)})"
        if not only:
            problems.append(f"{damaged}: {_lost(contents, lost)} {where}.")
        elif lost:
            problems.append(f"{damaged}: {counted(lost, 'file')} that you asked for {_are(lost)} lost.")
        elif contents.nameless != 0 and any("*" in pattern for pattern in only):
            problems.append(f"{damaged}: names are lost, too, and you may have asked for some of them.")
        else:
            say(f"{damaged}, but all files that you asked for are {where}.")
    if found and found.unfit:
        problems.append(f"{counted(found.unfit, 'file')} can't be written here, and the others are {where}.")
    if problems:
        raise InputError(" ".join(problems))


def _places(contents: "Contents", size: int) -> str:
    """Where an archive of so many bytes is damaged."""
    places = [
        f"{counted(min(length, size - start), 'byte')} from byte {start:,} on" for start, length in contents.damages
    ]
    if not places:
        return "a part is missing" if contents.is_complete else "its end is missing"
    return in_a_row(places, MOST_PLACES) + ("" if contents.is_complete else "; its end is missing or damaged")


def _lost(contents: "Contents", lost: int) -> str:
    """How many files are lost, up to the word before the place of the others."""
    if contents.nameless is None or not contents.head:
        some = f"{counted(lost, 'file')} {_are(lost)} lost, and perhaps more" if lost else "some files may be lost"
        return f"{some}, because nothing says how many there were. The others are"
    total, count = contents.head.files, contents.nameless + lost
    if not count:
        return f"no file is lost, and all {total:,} are"
    named = f". The names of {contents.nameless:,} of these are lost, too" if contents.nameless else ""
    return f"{count:,} of {counted(total, 'file')} {_are(count)} lost{named}. The others are"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
