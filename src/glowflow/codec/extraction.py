"""Getting the files of an archive back: all of them, or those whose names are asked for."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from glob import escape
from pathlib import Path
from unicodedata import normalize

from glowflow.codec.archive import Block, Coded, Contents, File, read
from glowflow.codec.folder import restore
from glowflow.codec.integer_model import IntegerModel
from glowflow.codec.records import DamagedError
from glowflow.errors import InputError, in_a_row, shown


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
    """How many files can't be written here."""
    lost: int = 0
    """How many of those that were asked for turned out to be damaged."""
    has_images: bool = False
    """True if the model was needed."""


def survey(wanted: Wanted) -> Survey:
    """Look which blocks are needed, without reading them.

    Raises:
        InputError: If no file has a name that is asked for, or as for `read`.
    """
    found, unknown, contents = Survey(), set(wanted.patterns), Contents()
    for block in read(wanted.archive, contents):
        if names := wanted.names(block):
            found.size += block.record.length
            found.has_images |= isinstance(block, Coded)
            unknown -= {pattern for pattern in unknown if any(_fits(name, pattern) for name in names)}
    if unknown:
        raise InputError(_not_found(wanted.archive, unknown, contents))
    return found


def _not_found(archive: Path, unknown: set[str], contents: Contents) -> str:
    told = f"No file of {archive} fits --only {in_a_row([repr(pattern) for pattern in sorted(unknown)])}."
    if contents.nameless != 0:
        return f"{told} The archive is damaged, and it may have had such a file."
    return f"{told} Give a name that glowflow archive list shows, or a pattern: 'folder/*' is all of a folder."


def extract(
    wanted: Wanted,
    out: Path | None,
    model: Callable[[], IntegerModel],
    advance: Callable[[int], None] = lambda count: None,
    told: Callable[[str, str], None] = lambda name, reason: None,
) -> Extraction:
    """Get files back.

    Args:
        wanted: The files that are asked for.
        out: The folder for them; None if they are only to be checked.
        model: Gives the model's integer form. It's called only for images.
        advance: Is called with numbers of bytes of the archive that have been read.
        told: Is called with the name of each file that can't be written here, and the reason; and with the name of each
            file that is damaged, and an empty reason.

    Raises:
        InputError: If the model is another one, or as for `read`.
    """
    found = Extraction()
    for block in read(wanted.archive, found.contents):
        if names := wanted.names(block):
            found.has_images |= isinstance(block, Coded)
            try:
                for file in _files(block, model, advance, wanted):
                    if reason := restore(out, file) if out else _checked(file):
                        told(file.entry.name, reason)
                        found.unfit += 1
                    else:
                        found.count += 1
            except DamagedError as error:
                found.contents.note(error.damage)
                found.lost += len(names)
                for name in names:
                    told(name, "")
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
    """True if a pattern fits a name, or is what `archive list` shows of it. A letter may be typed as two signs.

    >>> _fits("a1.png", "a*"), _fits("a1.png", "a[1].png"), _fits("a[1].png", "a[1].png")
    (True, False, True)
    """
    name_, pattern_ = (normalize("NFC", text) for text in (name, pattern))
    only_stars = "*".join(map(escape, pattern_.split("*")))
    return pattern in {name, shown(name)} or fnmatchcase(name_, only_stars)
