"""The image files below a folder, and what is left out.

Links to folders are followed, except for links that lead back to a folder that they lie in.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from glowflow.data.formats import PICTURES, advice, readable
from glowflow.progress import say

SYSTEMS = frozenset(
    {"#recycle", "#snapshot", "$recycle.bin", "@eadir", "@recently-snapshot", "@recycle", "__macosx", "lost+found"}
    | {"recycler", "system volume information"}
)
"""Folders, in lower case, in which systems keep thumbnails and deleted files. Names with a dot are hidden anyway."""
MOST_PATHS = 100
"""The most paths to one folder that are followed. Links beside each other can give endlessly many."""
MOST_NAMED = 5
"""The most names in a line."""

Place = tuple[str, tuple[str, ...]]
"""A folder: its path within the first folder, and the real paths of the folders above it and of itself."""


@dataclass
class Listing:
    """What is in a folder. Every name is a path within the folder, with / between its parts.

    Attributes:
        folder: the folder.
        files: the image files, sorted by name.
        endings: the number of picture files that can't be read, by the endings of their names.
        in_vain: folders that hold such files and no image files.
        others: all else that is left out, by the reason.
    """

    folder: Path
    files: list[str] = field(default_factory=list)
    endings: Counter[str] = field(default_factory=Counter)
    in_vain: list[str] = field(default_factory=list)
    others: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def report(self) -> None:
        """Print what is left out, a line for each reason."""
        for phrase in self.left_out():
            say(f"Left out of {self.folder}: {phrase}.")

    def left_out(self) -> Iterator[str]:
        """What is left out: a phrase for each reason."""
        if self.endings:
            yield self._kinds()
        for reason, names in self.others.items():
            yield f"{_some(names)} ({reason})"

    def _kinds(self) -> str:
        """A phrase about files that can't be read, counted by their endings."""
        by_advice: dict[str, list[str]] = {}
        for ending, count in self.endings.most_common():
            by_advice.setdefault(advice(ending), []).append(f"{count:,} {ending}")
        kinds = "; ".join(f"{', '.join(counts)} ({words})" for words, counts in by_advice.items())
        return kinds + (f"; no other images are in {_some(self.in_vain)}" if self.in_vain else "")


def _some(names: Sequence[str]) -> str:
    """The first names, and the number of others."""
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def listing(folder: Path) -> Listing:
    """The image files below a folder, and what is left out. Hidden files and folders are ignored."""
    walk = _Walk(Listing(folder), readable())
    places: list[Place] = [("", (os.path.realpath(folder),))]
    for place in places:  # the list grows meanwhile
        places.extend(walk.through(*place))
    walk.found.files.sort()
    walk.found.in_vain = sorted(walk.unread_in - set(map(_parent, walk.found.files)) - {""})
    return walk.found


@dataclass
class _Walk:
    """A walk, with what was found so far.

    Attributes:
        found: the listing.
        endings: the endings of names of readable files.
        paths: the number of paths that have led to each folder, by its real path.
        unread_in: the folders with picture files that can't be read.
    """

    found: Listing
    endings: frozenset[str]
    paths: Counter[str] = field(default_factory=Counter)
    unread_in: set[str] = field(default_factory=set)

    def through(self, folder: str, above: tuple[str, ...]) -> Iterator[Place]:
        """List the files of a folder, and give the sub-folders to enter."""
        for entry in self._entries(folder):
            name = f"{folder}/{entry.name}" if folder else entry.name
            if not _is(entry.is_dir):
                self._add_file(entry, name)
                continue
            real = os.path.realpath(entry.path)
            self.paths[real] += 1
            if reason := self._reason(entry.name, real, above):
                self.found.others[reason].append(name)
            else:
                yield name, (*above, real)

    def _entries(self, folder: str) -> list[os.DirEntry[str]]:
        """All that isn't hidden in a folder, sorted by name."""
        try:
            with os.scandir(os.path.join(self.found.folder, folder)) as entries:
                return sorted((e for e in entries if not e.name.startswith(".")), key=lambda entry: entry.name)
        except OSError as error:
            reason = f"folders that can't be read: {error.strerror or error}"
            self.found.others[reason].append(folder or "the folder itself")
            return []

    def _add_file(self, entry: os.DirEntry[str], name: str) -> None:
        """List a file. A link to nothing counts as one, and is reported when it's read."""
        ending = os.path.splitext(entry.name)[1].lower()
        if ending in self.endings:
            is_special = os.path.exists(entry.path) and not _is(entry.is_file)
            (self.found.others["not regular files"] if is_special else self.found.files).append(name)
        elif ending in PICTURES:
            self.found.endings[ending] += 1
            self.unread_in.add(_parent(name))

    def _reason(self, name: str, real: str, above: Sequence[str]) -> str:
        """Why a sub-folder is left out; empty if it isn't."""
        if name.lower() in SYSTEMS:
            return "folders that systems make for thumbnails and the like"
        if any(os.path.join(other, "").startswith(os.path.join(real, "")) for other in above):
            return "links that lead back to a folder that they lie in"
        return f"folders to which links lead by more than {MOST_PATHS} paths" if self.paths[real] > MOST_PATHS else ""


def _parent(name: str) -> str:
    return name.rpartition("/")[0]


def _is(kind: Callable[[], bool]) -> bool:
    """True if an entry is of a kind. A link that can't be followed, such as one to itself, is of none."""
    try:
        return kind()
    except OSError:
        return False
