"""Which small changes of the code does no test notice?

`mutations.py` makes mutants of a module: another operator, constant or comparison, a statement less, two arguments
swapped. Each is tested by the tests that run the changed line, of those that `TESTS` names, until one fails. The
mutants that no test can notice, or should, are explained in results/mutants/equivalent.yaml. It takes

    pip install cosmic-ray coverage
    python -m benchmarks.mutants glowflow.bijections.coupling glowflow.durable
    python -m benchmarks.mutants --sample 40
    python -m benchmarks.mutants --again

One mutant at a time is tested, on one core. Where only functions change, a process that has collected the tests forks,
and changes its functions' code, which takes a fraction of a second. Other mutants are written to a copy of the
repository, and everything of glowflow's is imported again.
"""

import argparse
import importlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import coverage
import pytest
import yaml

from benchmarks.mutations import Change, changes, statement
from benchmarks.transplants import forget, transplant
from glowflow.durable import save_text
from glowflow.provenance import provenance

ROOT = Path(__file__).parents[1]
PARTS = ("src", "tests", "benchmarks", "tools")
"""What the copy has."""

TESTS = {
    "glowflow.bijections.conditioner": ("conditioners", "optimizer"),
    "glowflow.bijections.numerical": ("numerical",),
    "glowflow.bijections.conv1x1": ("bijections", "execution"),
    "glowflow.bijections.coupling": ("bijections", "execution"),
    "glowflow.bijections.step": ("bijections", "execution"),
    "glowflow.bijections.*": ("bijections", "layouts"),
    "glowflow.execution.compilation": ("execution",),
    "glowflow.execution.*": ("execution",),
    "glowflow.experiments.significance": ("significance",),
    "glowflow.order": ("order",),
    "glowflow.noise": ("order",),
    "glowflow.training.checkpoints": ("state", "faults"),
    "glowflow.training.state": ("state",),
    "glowflow.durable": ("durable", "file_systems"),
    "glowflow.demo.engine": ("engine",),
}
"""Modules, and the files of tests that concern them; the first key that a module matches counts."""

COMPILED = "glowflow.execution.compilation"
"""Only this module is tested by compiling, which takes half a minute."""
PRELOADED = ("torch._dynamo", "hypothesis", "PIL.Image", "safetensors.torch", "jsonargparse", "rich.console")
QUIET = ("-q", "-x", "-n", "0", "-p", "no:cacheprovider", "--no-header", "-W", "ignore::pytest.PytestWarning")


class Mutant(NamedTuple):
    """A change of a module."""

    module: str
    change: Change

    def __str__(self) -> str:
        return f"{self.module}: {self.change.before} -> {self.change.after}"


Left = tuple[Mutant, list[str], float]
"""A mutant, the tests that concern it, and the seconds that they may take."""


class Trial:
    """A plugin of pytest, which runs the tests once without a change, and then those that concern each mutant.

    Attributes:
        survivors: Mutants that no test noticed.
        left: Those that have to be imported.
    """

    def __init__(self, mutants: list[Mutant], root: Path) -> None:
        self.mutants, self.root = mutants, root
        self.paths = {mutant.module: path_of(mutant.module, root) for mutant in mutants}
        include = list(map(str, self.paths.values()))
        self.coverage = coverage.Coverage(data_file=None, include=include, config_file=False)
        self.coverage.start()
        self.survivors: list[Mutant] = []
        self.left: list[Left] = []

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the tests."""
        seconds = self.without_a_change(session)
        if session.testsfailed:
            return True
        forget("glowflow")
        data = self.coverage.get_data()
        lines = {module: data.contexts_by_lineno(str(path)) for module, path in self.paths.items()}
        items = {item.nodeid: item for item in session.items}
        for mutant in self.mutants:
            self.test(mutant, session, items, seconds, lines[mutant.module])
        return True

    def without_a_change(self, session: pytest.Session) -> dict[str, float]:
        """Run all tests; how long each takes."""
        seconds: dict[str, float] = {}
        for item, following in zip(session.items, [*session.items[1:], None], strict=True):
            self.coverage.switch_context(item.nodeid)
            began = time.perf_counter()
            item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
            seconds[item.nodeid] = time.perf_counter() - began
        self.coverage.stop()
        return seconds

    def test(
        self,
        mutant: Mutant,
        session: pytest.Session,
        items: Mapping[str, pytest.Item],
        seconds: Mapping[str, float],
        lines: Mapping[int, list[str]],
    ) -> None:
        """Test a mutant by the tests that run its line, the quickest first; "" stands for the module's import."""
        source = self.paths[mutant.module].read_text(encoding="utf-8")
        reaching = {test for line in statement(source, mutant.change.line) for test in lines.get(line, ())}
        tests = sorted(seconds if "" in reaching else reaching, key=lambda test: seconds[test])
        limit = 30 + 5 * sum(seconds[test] for test in tests)
        noticed = None if tests else "nothing"
        if tests and "" not in reaching:
            concerned = [items[test] for test in tests]
            noticed = apart(notices, limit, self.paths[mutant.module], source, mutant.change.source, session, concerned)
        if noticed == "nothing":
            self.survivors.append(mutant)
            print(mutant, file=sys.__stderr__, flush=True)
        elif noticed == "not transplanted" or "" in reaching:
            self.left.append((mutant, tests, limit))


def notices(path: Path, source: str, changed: str, session: pytest.Session, items: list[pytest.Item]) -> str:
    """Change the functions of a file, and run tests until one fails."""
    if not transplant(path, source, changed):
        return "not transplanted"
    before = session.testsfailed
    for item, following in zip(items, [*items[1:], None], strict=True):
        try:
            item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
        except Exception:  # too deep a recursion may be too much for pytest itself
            return "a failure"
        if session.testsfailed > before:
            return "a failure"
    return "nothing"


def run(tests: list[str], *plugins: object) -> int:
    """Run tests until one fails, with what is on the disk now; pytest's exit code."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "glowflow"]:
        del sys.modules[name]
    return int(pytest.main([*QUIET, *tests], plugins=list(plugins)))


def apart(function: Callable[..., Any], seconds: float, *arguments: object) -> Any:  # noqa: ANN401
    """What a function gives in a fork of this process, or None if it takes longer than so many seconds, or dies."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=lambda: sender.send(silent(function, *arguments)))
    process.start()
    sender.close()
    answer = None
    with suppress(EOFError):
        answer = receiver.recv() if receiver.poll(seconds) else None
    with suppress(ProcessLookupError):
        os.killpg(process.pid or 0, signal.SIGKILL)
    process.join()
    if process.exitcode == 1:
        raise RuntimeError("What was run apart failed, for the reason above.")
    return answer


def silent(function: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401
    """Call a function in a group of processes of its own, whose output goes nowhere."""
    os.setpgid(0, 0)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return function(*arguments)


def modules() -> list[str]:
    """All that `TESTS` names."""
    paths = [path for path in sorted((ROOT / "src").rglob("*.py")) if path.name != "__init__.py"]
    found = [".".join(path.relative_to(ROOT / "src").with_suffix("").parts) for path in paths]
    return [module for module in found if any(fnmatchcase(module, pattern) for pattern in TESTS)]


def path_of(module: str, root: Path = ROOT) -> Path:
    """A module's file."""
    return root / "src" / Path(*module.split(".")).with_suffix(".py")


def pattern_of(module: str) -> str:
    """The key of `TESTS` that a module is under."""
    return next(pattern for pattern in TESTS if fnmatchcase(module, pattern))


def trial(pattern: str, mutants: list[Mutant], root: Path) -> tuple[list[Mutant], list[Left]]:
    """Test the mutants of the modules under a key of `TESTS`: see `Trial.survivors` and `Trial.left`."""
    plugin = Trial(mutants, root)
    doctests = [str(path.relative_to(root)) for path in plugin.paths.values()]
    files = [f"tests/test_{suite}.py" for suite in TESTS[pattern]]
    if run([*doctests, *files, *([] if pattern == COMPILED else ["-k", "not compiled"])], plugin):
        raise SystemExit(f"The tests of {pattern} fail without a change.")
    return plugin.survivors, plugin.left


def survivors(pattern: str, mutants: list[Mutant], root: Path) -> Iterator[Mutant]:
    """The mutants of the modules under a key of `TESTS` that no test notices."""
    survived, left = apart(trial, 10**6, pattern, mutants, root)
    yield from survived
    for mutant, tests, limit in left:
        path = path_of(mutant.module, root)
        source = path.read_text(encoding="utf-8")
        path.write_text(mutant.change.source, encoding="utf-8")
        if apart(run, limit, tests) == 0:
            print(mutant, file=sys.stderr, flush=True)
            yield mutant
        path.write_text(source, encoding="utf-8")


def chosen(module: str, options: argparse.Namespace) -> tuple[int, int, list[Mutant]]:
    """How many mutants of a module there are, how many of them count as tried, and those to be tried now."""
    every = [Mutant(module, change) for change in changes(path_of(module).read_text(encoding="utf-8"))]
    if options.again:
        before = json.loads((options.out / f"{module}.json").read_text())
        former = [(each["before"], each["after"]) for each in before["survivors"]]  # lines may have moved
        again = [m for m in every if (m.change.before, m.change.after) in former]
        return len(every), min(before["tried"], len(every)), again
    sample = len(every) if options.sample is None else min(options.sample, len(every))
    return len(every), sample, random.Random(0).sample(every, sample)


def store(pattern: str, options: argparse.Namespace, root: Path) -> None:
    """Try the mutants of the modules under a key of `TESTS`, and store what is found of each module."""
    mutants = {module: chosen(module, options) for module in options.modules if pattern_of(module) == pattern}
    tried = [mutant for _, _, chosen in mutants.values() for mutant in chosen]
    found = list(survivors(pattern, tried, root)) if tried else []
    known = {each for kind in yaml.safe_load((options.out / "equivalent.yaml").read_text()) for each in kind["mutants"]}
    for module, (count, sample, _) in mutants.items():
        survived = [
            {"line": m.change.line, "before": m.change.before, "after": m.change.after, "explained": str(m) in known}
            for m in found
            if m.module == module
        ]
        explained = sum(bool(each["explained"]) for each in survived)
        counts = {"mutants": count, "tried": sample, "killed": sample - len(survived), "survived": len(survived)}
        line = {"module": module} | counts | {"explained": explained, "survivors": survived} | provenance()
        save_text(options.out / f"{module}.json", json.dumps(line, indent=1) + "\n")


def main() -> None:
    """Try, and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", default=modules())
    parser.add_argument("--sample", type=int, help="mutants of each module, drawn with a fixed seed; all by default")
    parser.add_argument("--again", action="store_true", help="those that survived before, by the tests of now")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "mutants")
    options = parser.parse_args()
    for name in PRELOADED:
        importlib.import_module(name)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        for part in PARTS:
            shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", root)
        os.chdir(root)
        sys.path.insert(0, str(root / "src"))
        sys.dont_write_bytecode = True
        os.environ |= {"PYTHONPATH": str(root / "src"), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
        for pattern in dict.fromkeys(map(pattern_of, options.modules)):
            store(pattern, options, root)


if __name__ == "__main__":
    main()
