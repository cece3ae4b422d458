"""Compiled functions, which run uncompiled if they can't be compiled."""

from collections.abc import Callable
from typing import Generic, ParamSpec, TypeVar

from glowflow.progress import say

MAX_SHAPES = 64
"""How many shapes a function is compiled for; for others it runs uncompiled. PyTorch's own limit of 8 is too low."""

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Compiled(Generic[Arguments, Result]):
    """A function that `torch.compile` compiles when it's first called, and again for each shape of its arguments.

    If that fails, for example without a C++ compiler, one message says so, and the function runs uncompiled.

    >>> import torch
    >>> Compiled(torch.add).function is torch.add
    True
    """

    def __init__(self, function: Callable[Arguments, Result]) -> None:
        self.function = function
        self.fast: Callable[Arguments, Result] | None = None
        self.failed = False

    def __call__(self, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        """Call the function."""
        if self.failed:
            return self.function(*args, **kwargs)
        import torch._dynamo  # noqa: PLC0415  it takes as long to import as the rest of torch

        if self.fast is None:
            say("Compiling: the first step takes a minute or more.")
            self.fast = torch.compile(self.function, dynamic=False)
        try:
            with torch._dynamo.config.patch(recompile_limit=MAX_SHAPES):
                return self.fast(*args, **kwargs)
        except torch._dynamo.exc.TorchDynamoException as error:
            reason = str(error).strip().splitlines()[0]
            say(f"The model runs uncompiled, which changes only the speed: {reason}")
            self.failed = True
            return self.function(*args, **kwargs)
