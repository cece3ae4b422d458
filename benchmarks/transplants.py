"""Changed code for the functions of a module that has been imported already."""

import gc
from collections.abc import Iterator
from functools import _lru_cache_wrapper
from inspect import CO_OPTIMIZED
from pathlib import Path
from types import CodeType, FunctionType


def transplant(path: Path, source: str, changed: str) -> bool:
    """Give a module's functions the code that they have in a changed source.

    False if that's not enough: constants, classes, default values or decorators differ, and are set by importing.
    """
    old, new = (compile(content, str(path), "exec") for content in (source, changed))
    if skeleton(old) != skeleton(new):
        return False
    pairs = zip(functions(old), functions(new), strict=True)
    alive = [each for each in gc.get_objects() if type(each) is FunctionType and each.__code__.co_filename == str(path)]
    for before, after in pairs:
        owners = [function for function in alive if function.__code__ == before]
        if before != after and not owners:
            return False
        for function in owners:
            if len(before.co_freevars) != len(after.co_freevars):
                return False
            function.__code__ = after
    return True


def skeleton(code: CodeType) -> tuple[object, ...]:
    """What importing runs: all but the code of functions."""
    constants = (
        (each.co_name if is_function(each) else skeleton(each)) if isinstance(each, CodeType) else repr(each)
        for each in code.co_consts
    )
    return code.co_code, code.co_names, code.co_varnames, tuple(constants)


def functions(code: CodeType) -> Iterator[CodeType]:
    """The code of functions and methods that a module's or a class's code defines."""
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from [each] if is_function(each) else functions(each)


def is_function(code: CodeType) -> bool:
    """Whether it's a function's that is called later, and no class's or comprehension's."""
    return bool(code.co_flags & CO_OPTIMIZED) and (not code.co_name.startswith("<") or code.co_name == "<lambda>")


def forget(package: str) -> None:
    """Empty the caches of a package's functions."""
    for each in gc.get_objects():
        if type(each) is _lru_cache_wrapper and (each.__module__ or "").startswith(package):
            each.cache_clear()
