"""Getting the files of an archive back: all of them, or those whose names are asked for."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from glowflow.codec.archive import MOST_TOLD, Block, Coded, Contents, File, read
from glowflow.codec.folder import restore
from glowflow.codec.head import shown
from glowflow.codec.integer_model import IntegerModel
from glowflow.codec.records import DamagedError
from glowflow.errors import InputError


@dataclass(frozen=True)
class Wanted:
    """The files that are asked for.

    Args:
        archive: The archive.
        patterns: Names, or patterns in which * stands for any letters, also slashes; all files if there are none.
    """

    archive: Path
    patterns: Sequence[str] = ()

    def __contains__(self, name: object) -> bool:
        """True for the name of a file that is asked for."""
        return not self.patterns or any(_fits(str(name), pattern) for pattern in self.patterns)

    def names(self, block: Block) -> list[str]:
        """Those of a block."""
        return [entry.name for entry in block.entries if entry.name in self]


@dataclass
class Survey:
    """What has to be read for the files that are asked for."""

    size: int = 0
    """Bytes of the archive."""
    has_images: bool = False
    """True if the model is needed."""


@dataclass
class Extraction:
    """What has come back."""

    contents: Contents = field(default_factory=Contents)
    count: int = 0
    """How many files."""
    unfit: int = 0
    """How many files can't be there."""
    reasons: list[str] = field(default_factory=list)
    """The names of the first ones of them, and why."""

    def add(self, name: str, reason: str) -> None:
        """Note a file that has come back; or, with a reason, one that can't be there."""
        if reason:
            self.unfit += 1
            self.reasons = [*self.reasons, f"{shown(name)} ({reason})"][:MOST_TOLD]
        else:
            self.count += 1


def survey(wanted: Wanted) -> Survey:
    """Look which blocks are needed, without reading them.

    Raises:
        InputError: If no file has a name that is asked for, or as for `read`.
    """
    found, unknown = Survey(), set(wanted.patterns)
    for block in read(wanted.archive, Contents()):
        if names := wanted.names(block):
            found.size += block.record.length
            found.has_images |= isinstance(block, Coded)
            unknown -= {pattern for pattern in unknown if any(_fits(name, pattern) for name in names)}
    if unknown:
        raise InputError(f"No file of {wanted.archive} has the name {min(unknown)!r}.")
    return found


def extract(
    wanted: Wanted,
    out: Path | None,
    model: Callable[[], IntegerModel],
    advance: Callable[[int], None] = lambda count: None,
) -> Extraction:
    """Get files back.

    Args:
        wanted: The files that are asked for.
        out: The folder for them; None if they are only to be checked.
        model: Gives the model's integer form. It's called only for images.
        advance: Is called with numbers of bytes of the archive that have been read.

    Raises:
        InputError: If the model is another one, or as for `read`.
    """
    found = Extraction()
    for block in read(wanted.archive, found.contents):
        if names := wanted.names(block):
            try:
                for file in _files(block, model, advance, wanted):
                    found.add(file.entry.name, restore(out, file) if out else _checked(file))
            except DamagedError as error:
                found.contents.lose(names, error.damage)
    return found


def _files(
    block: Block, model: Callable[[], IntegerModel], advance: Callable[[int], None], wanted: Wanted
) -> Iterator[File]:
    return (file for file in block.files(model, advance) if file.entry.name in wanted)


def _checked(file: File) -> str:
    """Read a file's content; DamagedError if it isn't what was written."""
    for _ in file.content:
        pass
    return ""


def _fits(name: str, pattern: str) -> bool:
    return name == pattern or fnmatchcase(name, pattern)
