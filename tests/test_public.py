"""Every public name is in the reference, and its docstring has an example, which the doctests run."""

import re
from importlib import import_module
from inspect import isclass, isfunction
from pathlib import Path
from pydoc import locate

import pytest

import glowflow
from glowflow.provenance import provenance

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"
LAYERS = ("", ".bijections", ".codec", ".conditioners", ".dequantizers")
SCORES = (".scoring.bits", ".scoring.heat", ".scoring.where")
MODULES = (*LAYERS, ".evaluate", ".judging", ".judging.kid", ".judging.precision_recall", ".latents", *SCORES)


def offered(module: str) -> list[str]:
    """The classes and functions of a module: those of its `__all__`, or those that it defines."""
    found = import_module(module)
    defined = [name for name, value in vars(found).items() if getattr(value, "__module__", None) == module]
    names = getattr(found, "__all__", defined)
    return [name for name in names if isclass(value := getattr(found, name)) or isfunction(value)]


PUBLIC = [(f"glowflow{module}", name) for module in MODULES for name in offered(f"glowflow{module}") if name[0] != "_"]
DIRECTIVES = {
    line for page in REFERENCE.glob("*.md") for line in re.findall(r"^::: (\S+)", page.read_text(), re.MULTILINE)
}


@pytest.mark.parametrize(("module", "name"), PUBLIC)
def test_it_has_an_example(module: str, name: str) -> None:
    assert ">>> " in (getattr(import_module(module), name).__doc__ or "")


@pytest.mark.parametrize(("module", "name"), PUBLIC)
def test_it_stands_in_the_reference(module: str, name: str) -> None:
    assert {module, f"{module}.{name}"} & DIRECTIVES


def test_what_the_reference_names_exists() -> None:
    for directive in DIRECTIVES:
        assert locate(directive) is not None, directive


def test_dir_shows_the_public_names_alone() -> None:
    assert dir(glowflow) == sorted(glowflow.__all__)


def test_a_result_names_the_version_of_this_code() -> None:
    """The metadata of an editable installation may be older than the code."""
    assert provenance()["glowflow"] == glowflow.__version__
