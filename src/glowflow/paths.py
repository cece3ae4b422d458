"""Paths as people write them on a command line, in a file or in a variable of the environment."""

import os
import shlex

from glowflow.errors import InputError


def expanded(text: str) -> str:
    """A path whose `~` or `~user` is replaced by the home directory; `./~` is a file of that name.

    Raises:
        InputError: If there is no such home directory, and no file of the name as it stands.
    """
    path = os.path.expanduser(text)
    if path.startswith("~") and not os.path.lexists(path):
        home = text.partition("/")[0]
        raise InputError(f"{text} can't be found, since there is no home directory {home}: give the whole path.")
    return path


def quoted(text: object) -> str:
    """A path or a name as it's to be typed in a shell.

    >>> print(quoted("my photos"), quoted("~"))
    'my photos' './~'
    """
    word = str(text)
    return shlex.quote(f"./{word}" if word.startswith(("~", "-")) else word)
