"""The checks on each Python and each torch that glowflow supports.

`nox --list` shows the sessions, and `nox -s "tests-3.13(oldest)" -- tests/test_model.py` runs one on some of the tests.
nox needs the Pythons on the path; it makes an environment with uv for each session.
"""

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv"

PROJECT = nox.project.load_toml("pyproject.toml")["project"]
TORCH = next(each for each in PROJECT["dependencies"] if each.startswith("torch>="))
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]


@nox.session(python=PYTHONS)
@nox.parametrize("torch", [nox.param(TORCH.replace(">=", "=="), id="oldest"), nox.param(TORCH, id="newest")])
def tests(session: nox.Session, torch: str) -> None:
    """The tests with the oldest or the newest torch, and the newest of everything else."""
    session.install(torch, "-e", ".[test]")
    session.run("pytest", *session.posargs)


@nox.session(python=PYTHONS[0])
def lowest(session: nox.Session) -> None:
    """The tests with the lowest version of each dependency that pyproject.toml allows."""
    old = ["httpx>=0.27", "pyarrow>=21"]  # which the lowest Starlette's test client and the lowest datasets need
    session.install("--resolution", "lowest-direct", "-e", ".[test]", *old)
    session.run("pytest", "-W", "ignore::DeprecationWarning", *session.posargs)  # old packages warn of new ones


@nox.session(python=PYTHONS[0])
def lint(session: nox.Session) -> None:
    """Ruff, and that imports go down only."""
    session.install("-e", ".[dev]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports", "--no-cache")


@nox.session(python=PYTHONS[0])
def types(session: nox.Session) -> None:
    """Mypy."""
    session.install("-e", ".[dev]")
    session.run("mypy")


@nox.session(python=PYTHONS[0])
def docs(session: nox.Session) -> None:
    """The site builds, and none of its links is broken."""
    session.install("-e", ".[dev]")
    session.run("mkdocs", "build", "--strict", "--quiet", env={"NO_MKDOCS_2_WARNING": "1"})


@nox.session(python=PYTHONS[0])
def release(session: nox.Session) -> None:
    """The tag, the version and the changelog agree; sdist and wheel build, and hold what they should."""
    session.run("bash", ".ci/release", external=True)
    session.install("-e", ".[dev]", "pip")
    session.run("bash", ".ci/distributions", env={"PYTHON": f"{session.bin}/python"}, external=True)
