"""The small changes of code that `mutants.py` makes: most are Cosmic Ray's, of which each kind is made in one way."""

import ast
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import parso
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

Place = tuple[int, int]
"""Line and column."""

BINARY = (
    "Add_Sub Sub_Add Mul_Div Div_Mul FloorDiv_Mul Mod_Mul Pow_Mul LShift_RShift RShift_LShift BitOr_BitAnd BitAnd_BitOr"
)
COMPARISONS = "Eq_NotEq NotEq_Eq Lt_LtE Lt_GtE LtE_Lt LtE_Gt Gt_GtE Gt_LtE GtE_Gt GtE_Lt Is_IsNot IsNot_Is"
OTHERS = (
    "ReplaceUnaryOperator_Delete_USub ReplaceUnaryOperator_Delete_Not ReplaceUnaryOperator_Delete_Invert AddNot "
    "ReplaceTrueWithFalse ReplaceFalseWithTrue ReplaceAndWithOr ReplaceOrWithAnd ReplaceBreakWithContinue "
    "ReplaceContinueWithBreak NumberReplacer RemoveDecorator ZeroIterationForLoop"
)
"""Cosmic Ray's names."""


class Operator(Protocol):
    """A kind of change, of nodes of a syntax tree of parso's."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Place, Place]]:  # noqa: ANN401 (parso's)
        """Where a node can be changed."""

    def mutate(self, node: Any, index: int) -> Any:  # noqa: ANN401
        """The changed node."""


class RemoveStatement:
    """A statement of a function becomes `pass`."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Place, Place]]:  # noqa: ANN401
        """Not of docstrings, imports, and what is `pass` already."""
        if node.type != "simple_stmt" or parso.tree.search_ancestor(node, "funcdef") is None:
            return
        if node.children[0].type not in {"string", "strings", "keyword", "import_from", "import_name"}:
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:  # noqa: ANN401
        """The statement's line with `pass`."""
        first = node.children[0]
        node.children[0] = parso.python.tree.Name("pass", first.start_pos, first.get_first_leaf().prefix)
        return node


class SwapArguments:
    """The first two arguments of a call change places."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Place, Place]]:  # noqa: ANN401
        """Of calls with two arguments that have no names."""
        if node.type == "arglist" and all(child.type != "argument" for child in node.children[:3]):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:  # noqa: ANN401
        """The arguments in the other order."""
        first, comma, second, *rest = node.children
        node.children = [second, comma, first, *rest]
        return node


class OtherException:
    """A handler is for another exception."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[Place, Place]]:  # noqa: ANN401
        """Of each handler of some exceptions."""
        if node.type == "except_clause":
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:  # noqa: ANN401
        """The handler of an exception that isn't raised there."""
        node.children[1] = parso.python.tree.Name("ZeroDivisionError", node.children[1].start_pos, " ")
        return node


class Change(NamedTuple):
    """A change of a source."""

    operator: str
    line: int
    before: str
    """The changed lines, as they were, as one."""
    after: str
    source: str
    """The whole, changed."""


def operators() -> dict[str, Operator]:
    """All kinds of changes by name."""
    names = [f"ReplaceBinaryOperator_{pair}" for pair in BINARY.split()]
    names += [f"ReplaceComparisonOperator_{pair}" for pair in COMPARISONS.split()] + OTHERS.split()
    own = {kind.__name__: kind() for kind in (RemoveStatement, SwapArguments, OtherException)}
    return {name: get_operator(f"core/{name}")() for name in names} | own


def changes(source: str) -> list[Change]:
    """All that can be made of a source, each once; annotations stay."""
    annotated = _annotations(source)
    found: dict[str, Change] = {}
    for name, operator in operators().items():
        places = [start for node in ast_nodes(get_ast(source)) for start, _ in operator.mutation_positions(node)]
        for occurrence, place in enumerate(places):
            if any(start <= place < end for start, end in annotated):
                continue
            changed = mutate_code(source, operator, occurrence)
            if changed and _differs(source, changed):
                found.setdefault(changed, Change(name, place[0], *_difference(source, changed), changed))
    return list(found.values())


def _annotations(source: str) -> list[tuple[Place, Place]]:
    """Where a source's annotations begin and end."""
    nodes = list(ast.walk(ast.parse(source)))
    found = [getattr(node, name, None) for node in nodes for name in ("annotation", "returns")]
    return [((a.lineno, a.col_offset), (a.end_lineno, a.end_col_offset)) for a in found if a is not None]


def _differs(source: str, changed: str) -> bool:
    """Whether a changed source is Python, and other code than before: swapping equal arguments changes nothing."""
    try:
        return ast.dump(ast.parse(changed)) != ast.dump(ast.parse(source))
    except SyntaxError:
        return False


def _difference(source: str, changed: str) -> tuple[str, str]:
    """The lines in which two sources differ, as one line each."""
    old, new = source.splitlines(), changed.splitlines()
    start = next(i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b)
    end = next(i for i, (a, b) in enumerate(zip(old[::-1], new[::-1], strict=False)) if a != b)
    parts = (old[start : max(len(old) - end, start)], new[start : max(len(new) - end, start)])
    before, after = (" ".join(" ".join(lines).split()) for lines in parts)
    return before, after


def statement(source: str, line: int) -> range:
    """The lines of the smallest statement that a line belongs to; of one with a body, those before it."""
    ranges = [_lines(node) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt)]
    return min((each for each in ranges if line in each), key=len, default=range(line, line + 1))


def _lines(node: ast.stmt) -> range:
    body = getattr(node, "body", None)
    end = max(node.lineno, body[0].lineno - 1) if body else node.end_lineno or node.lineno
    return range(min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))]), end + 1)
