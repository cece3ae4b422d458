"""Registries of parts: names and options in configurations, and what builds a part from them."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass
from importlib import import_module
from typing import Any, TypeAlias, TypeVar, get_type_hints

from glowflow.checks import described, fits, plain
from glowflow.errors import InputError, UnregisteredPartError

Part: TypeAlias = dict[str, Any] | str
"""A part in a configuration: its name, or a mapping with its name as `kind` and options that aren't the defaults."""

Options = TypeVar("Options", bound=type)
Builder = TypeVar("Builder", bound=Callable[..., Any])


class Kind:
    """The registry of one kind of part.

    >>> from dataclasses import dataclass
    >>> FLAVOURS = Kind("flavour")
    >>> @FLAVOURS.option("vanilla")
    ... @dataclass(frozen=True)
    ... class Vanilla:
    ...     "Plain."
    ...     beans: int = 2
    >>> FLAVOURS.normal({"kind": "vanilla", "beans": 2}), FLAVOURS.normal({"kind": "vanilla", "beans": 3})
    ('vanilla', {'kind': 'vanilla', 'beans': 3})
    >>> FLAVOURS.options("vanilla")
    Vanilla(beans=2)
    >>> FLAVOURS.described()
    '"vanilla" (plain; by default {beans: 2})'

    Args:
        name: What configurations call the kind.
        base: MODULE:CLASS of what its builders give.
    """

    def __init__(self, name: str, base: str = "builtins:object") -> None:
        self.name, self._base = name, base
        self._options: dict[str, type] = {}
        self._modules: dict[str, str] = {}
        self._builders: dict[str, Callable[..., Any]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Every part's name, the oldest first."""
        return tuple(self._options)

    def option(self, name: str, module: str | None = None) -> Callable[[Options], Options]:
        """Decorate the frozen dataclass of a part's options, so that configurations can name the part.

        The first sentence of the dataclass's docstring describes the part in help texts.

        Args:
            name: What configurations call the part.
            module: The module of its builder, which is imported when the part is first built.

        Raises:
            InputError: If another part has this name, if this isn't a dataclass, or if an option has no default.
        """

        def register(options: Options) -> Options:
            if not is_dataclass(options):
                raise InputError(f"The options of {name!r} aren't a dataclass: use @dataclass(frozen=True).")
            for field in fields(options):
                if field.default is field.default_factory is MISSING:
                    raise InputError(f"The {self.name} {name} has the option {field.name!r} and no default for it.")
            if repr(known := self._options.get(name, options)) != repr(options):  # a notebook may register one again
                raise InputError(f"{known.__module__} has a {self.name} {name!r} already: choose another name.")
            self._options[name] = options
            if module:
                self._modules[name] = module
            return options

        return register

    def builds(self, name: str) -> Callable[[Builder], Builder]:
        """Register the builder of a part: a function of the options and more, or a class with such a method `build`.

        Raises:
            InputError: If no options have this name, if another module builds the part, or if a class has no `build`.
        """

        def register(builder: Builder) -> Builder:
            if isinstance(builder, type) and not hasattr(builder, "build"):
                raise InputError(f"{builder.__name__} can't build the {self.name} {name!r}: it has no method build.")
            if name not in self._options:
                raise InputError(f"There is no {self.name} {name!r} to build: register its options first, by .option.")
            if (home := self._modules.setdefault(name, builder.__module__)) != builder.__module__:
                raise InputError(f"{home} builds the {self.name} {name!r} already: choose another name.")
            self._builders[name] = getattr(builder, "build", builder)
            return builder

        return register

    def build(self, part: Part, *args: Any) -> Any:  # noqa: ANN401 (each kind has its own)
        """Build a part from its options and the other arguments of its kind.

        Raises:
            InputError: If there is no such part, or nothing builds it, or what is built isn't of the kind's class.
        """
        options, name = self.options(part), self.name_of(part)
        if name not in self._builders and name in self._modules:
            import_module(self._modules[name])
        if name not in self._builders:
            raise InputError(f"Nothing builds the {self.name} {name!r}: register a class or function with .builds.")
        try:
            built = self._builders[name](options, *args)
        except TypeError as error:  # such as an abstract class, or a wrong number of arguments
            raise InputError(f"The {self.name} {name} can't be built: {error}.") from error
        module, _, base = self._base.partition(":")
        if not isinstance(built, getattr(import_module(module), base)):
            raise InputError(f"The {self.name} {name} is built as a {type(built).__name__}; it should be a {base}.")
        return built

    def options(self, part: object) -> Any:  # noqa: ANN401 (a dataclass)
        """The options of a part as it stands in a configuration.

        Raises:
            InputError: If there is no such part, or it has no such option, or the option can't have this value.
        """
        name = self.name_of(part)
        kind = self._options[name]
        given = {key: value for key, value in part.items() if key != "kind"} if isinstance(part, Mapping) else {}
        types = get_type_hints(kind)
        known = [field.name for field in fields(kind)]
        for key, value in given.items():
            if key not in known:
                takes = f"it takes {', '.join(known)}" if known else "it takes none"
                raise InputError(f"The {self.name} {name} has no option {key!r}: {takes}.")
            if not fits(value, types[key]):
                raise InputError(f"The {self.name} {name} has {key} = {value!r}; it takes {described(types[key])}.")
        return kind(**{key: plain(value) for key, value in given.items()})

    def normal(self, part: object) -> Part:
        """The shortest form of a part: its name alone if all options are the defaults. Equal parts have equal forms."""
        options, name = self.options(part), self.name_of(part)
        default = asdict(self._options[name]())
        changed = {key: value for key, value in asdict(options).items() if value != default[key]}
        return {"kind": name, **changed} if changed else name

    def is_built_in(self, part: object) -> bool:
        """True for a part of glowflow's own."""
        return self._options[self.name_of(part)].__module__.startswith("glowflow.")

    def described(self) -> str:
        """Every part's name with the first sentence about it and its options' defaults, for help texts."""
        return "; ".join(f'"{name}" ({_about(kind)})' for name, kind in self._options.items())

    def name_of(self, part: object) -> str:
        """The name of a part as it stands in a configuration; InputError if there is none of this name."""
        if isinstance(part, Mapping) and "kind" not in part:
            raise InputError(f"{self.name} is {dict(part)}, where kind is missing: one of {', '.join(self.names)}.")
        name = part["kind"] if isinstance(part, Mapping) else part
        if not isinstance(name, str) or name not in self._options:
            raise UnregisteredPartError(self.name, name, self.names)
        return name


class Fitted(ABC):
    """Options of a conditioner that must fit its width, or the size of the images that it sees."""

    @abstractmethod
    def check(self, width: int, size: tuple[int, int]) -> None:
        """Raise an InputError if the options don't fit a number of hidden channels, or images of a size (H, W)."""

    def largest_tensor(self, width: int, size: tuple[int, int]) -> int:
        """About how many numbers the network's largest tensor has for each image; by default the hidden channels."""
        return width * size[0] * size[1]


def _about(options: type) -> str:
    text = (options.__doc__ or "").strip().partition("\n")[0].rstrip(".")
    defaults = ", ".join(f"{name}: {json.dumps(value)}" for name, value in asdict(options()).items())
    return f"{text[:1].lower()}{text[1:]}" + (f"; by default {{{defaults}}}" if defaults else "")
