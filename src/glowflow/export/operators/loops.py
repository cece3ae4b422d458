"""Searches, which repeat the same operations."""

from collections.abc import Callable
from typing import Any

from glowflow.export.symbols import Call, Symbol, composes


@composes("repeated")
def _repeated(move: Callable[..., tuple[Any, tuple[Any, ...]]], state: tuple[Any, ...], most: int) -> tuple[Any, ...]:
    """`glowflow.bijections.numerical.repeated` as a loop, whose body is recorded once."""
    graph = next(each for each in state if isinstance(each, Symbol)).graph
    first = [Call(graph, each).expanded(each, each.shape) for each in state]
    with graph.part() as nodes:
        before = tuple(Symbol.of(graph, graph.fresh(), each) for each in state)
        is_last, after = move(*before)
        going = ~is_last
    types = [{each.value: each.dtype for each in several} for several in (before, (going, *after))]
    names = graph.loop(most, first, graph.body(nodes, *types))
    return tuple(Symbol.of(graph, name, each) for name, each in zip(names, state, strict=True))
