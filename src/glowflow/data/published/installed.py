"""Published files that a package of the operating system installs."""

import os
from dataclasses import dataclass
from pathlib import Path

DIRECTORIES = "/usr/local/share:/usr/share"
"""Where such files are, unless $XDG_DATA_DIRS says otherwise (the XDG Base Directory Specification)."""


@dataclass(frozen=True)
class Installed:
    """A data set's files in Debian's packages.

    Attributes:
        packages: the names of the packages.
        folder: the folder below a directory of $XDG_DATA_DIRS.
        files: the files in this folder, which must all be there.
    """

    packages: tuple[str, ...]
    folder: str
    files: tuple[str, ...]

    def find(self) -> Path | None:
        """The folder; None if not all packages are installed."""
        directories = (os.environ.get("XDG_DATA_DIRS") or DIRECTORIES).split(":")
        folders = (Path(directory) / self.folder for directory in directories)
        return next((place for place in folders if all((place / name).is_file() for name in self.files)), None)
