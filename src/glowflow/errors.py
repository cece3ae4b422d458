"""The exceptions that the command line turns into a sentence and an exit code."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches


def listed(names: Sequence[str], most: int = 20) -> str:
    """Join names for a message: at most `most`, and in quotation marks if a name has ", " in it.

    >>> listed(["cat", "cow", "dog"], most=2)
    'cat, cow, ...'
    >>> listed(["Paris, France", "Rome"])
    "'Paris, France', Rome"
    """
    return in_a_row([quoted_name(name) for name in names], most)


def in_a_row(entries: Sequence[str], most: int = 20) -> str:
    """Join the first entries of a list with commas.

    >>> in_a_row(["cat 5", "cow 2", "dog 1"], most=2)
    'cat 5, cow 2, ...'
    """
    return ", ".join(entries[:most]) + (", ..." if len(entries) > most else "")


def quoted_name(name: str) -> str:
    """Put a name in quotation marks if it could be read as two names."""
    return repr(name) if ", " in name else name


def shown(text: str) -> str:
    r"""A text from elsewhere as it's printed: in quotation marks if it has signs that a terminal might obey.

    >>> print(shown("runs/digits"), shown("a" + chr(7)))
    runs/digits 'a\x07'
    """
    return text if text.isprintable() else repr(text)


def meant(word: str, possible: Mapping[str, str], otherwise: str) -> str:
    """Suggest the word that a misspelt one stands for, or return `otherwise` if no word is similar.

    Only words with the same first letter are suggested.

    >>> meant("digit", {"digits": "'digits'"}, ""), meant("foo", {"oom": "oom"}, "it takes oom")
    ("perhaps 'digits' is meant", 'it takes oom')
    """
    near = get_close_matches(word, [each for each in possible if each[:1] == word[:1]], n=1)
    return f"perhaps {possible[near[0]]} is meant" if near else otherwise


def counted(number: int, noun: str) -> str:
    """A number of things, in words.

    >>> counted(1, "image"), counted(2000, "image"), counted(2, "class")
    ('1 image', '2,000 images', '2 classes')
    """
    ending = "" if number == 1 else "es" if noun.endswith("s") else "s"
    return f"{number:,} {noun}{ending}"


def one_line(text: object) -> str:
    """Put a text, or the message of an error, on one line.

    >>> one_line(ValueError("a  message"))
    'a message'
    """
    return " ".join(str(text).split())


def install(extra: str) -> str:
    """Say how to install an extra of glowflow, which PyPI doesn't have yet.

    >>> install("demo")
    "run pip install -e '.[demo]' in your clone of glowflow"
    """
    return f"run pip install -e '.[{extra}]' in your clone of glowflow"


class InputError(ValueError):
    """Something that the user gave can't be used.

    The message is one sentence, which says what was wrong, where, and what would be right. The command line prints it
    without a traceback and exits with code 2.

    >>> from glowflow import GlowConfig
    >>> GlowConfig(image_shape=(3, 32, 32), levels=9)
    Traceback (most recent call last):
    glowflow.errors.InputError: An image of 32x32 can't have 9 levels; it can have 1, 2, 3, 4, 5.
    """


class UnregisteredPartError(InputError):
    """A configuration names a part that isn't registered.

    Args:
        kind: The kind of part, such as "coupling".
        name: What the configuration calls the part.
        names: The registered parts of this kind.
    """

    def __init__(self, kind: str, name: object, names: Sequence[str]) -> None:
        self.kind, self.name, self.near = kind, name, meant(str(name), {each: each for each in names}, "")
        told = f"{name!r}: {self.near}" if self.near else repr(name)
        known = ", ".join(names)
        super().__init__(f"{kind} is {told}; it takes one of {known}, or a part of your own that is registered.")


class RunBusyError(InputError):
    """Another process is training in the run's directory."""


class TrainingDivergedError(Exception):
    """Too many steps in a row gave no finite loss and gradient; the message is one sentence."""


class TrainingInterruptedError(Exception):
    """A training saved its state and stopped on request; `signum` is the signal."""

    def __init__(self, message: str, signum: int) -> None:
        super().__init__(message)
        self.signum = signum


class MemoryShortError(Exception):
    """The machine, or its GPU, has too little memory; the message says what takes less."""


class ProcessLostError(Exception):
    """Another process of a distributed training ended; the message is one sentence."""
