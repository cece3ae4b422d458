"""Tests use what users can use: no private name of glowflow's, its benchmarks' or its tools', however it's written."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
OURS = ("glowflow", "benchmarks", "tools")
NAMED_TUPLES = {"_replace", "_asdict", "_fields", "_make"}
"""What a NamedTuple offers to everybody."""


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__") and name not in NAMED_TUPLES


def private_names(source: str) -> Iterator[str]:
    """Those that a test's source imports, takes from an object other than its own, or names in a string."""
    tree = ast.parse(source)
    foreign = {name for node in ast.walk(tree) for name in names_from_elsewhere(node)}
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(module), names=names) if is_ours(module):
                yield from (name for alias in names for name in [*module.split("."), alias.name] if is_private(name))
            case ast.Import(names=names):
                yield from (part for a in names if is_ours(a.name) for part in a.name.split(".") if is_private(part))
            case ast.Attribute(attr=name) if is_private(name) and root(node) not in foreign | {"self", "cls"}:
                yield name
            case ast.Call(func=ast.Attribute(attr=verb) | ast.Name(id=verb), args=[_, ast.Constant(str(name)), *_]) if (
                verb in {"setattr", "getattr", "delattr", "hasattr"} and is_private(name)
            ):
                yield name
            case ast.Constant(str(text)):
                yield from re.findall(r"^glowflow(?:\.\w+)*\.(_[a-z]\w*)", text)


def names_from_elsewhere(node: ast.AST) -> list[str]:
    """What an import of another library's binds."""
    match node:
        case ast.ImportFrom(module=module, names=names) if not is_ours(module or ""):
            return [alias.asname or alias.name for alias in names]
        case ast.Import(names=names):
            return [alias.asname or alias.name.split(".")[0] for alias in names if not is_ours(alias.name)]
    return []


def is_ours(module: str) -> bool:
    return module.split(".", maxsplit=1)[0] in OURS


def root(node: ast.expr) -> str | None:
    """The first name of a.b.c; None where that isn't a name."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


@pytest.mark.parametrize("path", sorted(TESTS.glob("**/*.py")), ids=lambda path: path.name)
def test_tests_use_no_private_name(path: Path) -> None:
    assert list(private_names(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "source",
    [
        "from glowflow.weights import _name",
        "from glowflow._name import find",
        "import glowflow._name",
        "from benchmarks import hostile\nhostile._name()",
        "from glowflow import weights\nweights._name.cache_clear()",
        "state.optimizer._name = 3",
        "found()._name",
        'monkeypatch.setattr("glowflow.weights._name", None)',
        'monkeypatch.setattr(weights, "_name", None)',
        'getattr(weights, "_name")',
    ],
)
def test_a_private_name_is_found(source: str) -> None:
    assert list(private_names(source)) == ["_name"]


@pytest.mark.parametrize(
    "source",
    [
        "import torch\ntorch._dynamo.reset()",
        "from torch._dynamo import config",
        "loss._replace(total=1)",
        "class Own:\n    def f(self) -> int:\n        return self._labels()",
        'name = "_orig_mod.module"',
        "weights.__all__",
    ],
)
def test_other_names_are_not(source: str) -> None:
    assert list(private_names(source)) == []
