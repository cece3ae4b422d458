"""The number of threads: chosen by a trial, stored with a run, and kept when it goes on."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from PIL import Image

from glowflow import Glow, cli, threads
from glowflow.config import RunConfig
from glowflow.durable import digest
from glowflow.execution import Execution
from glowflow.threads import Trial
from glowflow.training import Options, TrainingState, train
from glowflow.training.run import as_plain
from glowflow.training.slowdown import Slowdown
from tests.helpers import assert_same


@pytest.fixture(name="cores")
def _cores(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Four cores, all of which PyTorch uses by default, and a user who sets no number of threads."""
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr(threads, "cores", lambda: 4)
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)
    threads.ask(None, is_long=False)


def found(best: int) -> Callable[..., Trial]:
    """A trial that always finds this number."""
    return lambda *_, **__: Trial({number: 1.0 if number == best else 2.0 for number in (1, 2, 4)})


def stored(out: Path) -> Any:  # noqa: ANN401 (what is there)
    return json.loads((out / "last" / "training.json").read_text()).get("threads")


@pytest.mark.parametrize(
    ("seconds", "best"),
    [
        ({1: 0.0485, 2: 0.0468}, 1),  # hardly slower
        ({1: 1.0, 2: 0.94}, 2),
        ({1: 0.05, 2: 0.2}, 1),  # beside other work
        ({1: 8.0, 2: 4.1, 4: 2.2, 8: 2.1}, 4),
        ({2: 1.0}, 2),
    ],
)
def test_the_fewest_threads_that_are_about_as_fast_as_the_best_are_taken(
    seconds: Mapping[int, float], best: int
) -> None:
    assert Trial(seconds).best == best


@pytest.mark.usefixtures("cores")
def test_a_trial_repeats_the_work_with_few_threads_and_with_all() -> None:
    seen: list[tuple[int, int]] = []

    def work(count: int) -> None:
        seen.append((torch.get_num_threads(), count))
        time.sleep(0.001 if torch.get_num_threads() == 2 else 0.003)

    trial = Trial.of(work, 16, seconds=0.0)
    assert trial.best == 2
    assert torch.get_num_threads() == 4
    assert {number for number, _ in seen} == set(trial.seconds) == {1, 2, 4}
    assert str(trial).startswith("2 threads will compute: a trial took ")


@pytest.mark.usefixtures("cores")
def test_a_number_that_is_hopelessly_slow_is_hardly_tried() -> None:
    slow: list[int] = []

    def work(count: int) -> None:
        if torch.get_num_threads() > 1:
            slow.append(count)
            time.sleep(0.05)

    assert Trial.of(work, 16, seconds=0.0).best == 1
    assert slow == [1] * 4  # twice with 2 threads, twice with 4


@pytest.mark.usefixtures("cores")
def test_a_trial_changes_nothing_of_a_training(config: RunConfig, tmp_path: Path) -> None:
    for name, execution in {"store": Execution(), "reversible": Execution("reversible")}.items():
        auto = train(config, tmp_path / f"{name}-auto", options=Options(execution, threads="auto"))
        assert auto.progress.threads is not None
        fixed = Options(execution, threads=auto.progress.threads)
        assert_same(auto, train(config, tmp_path / f"{name}-fixed", options=fixed))
    assert torch.get_num_threads() == 4


@pytest.mark.usefixtures("cores")
def test_a_run_keeps_its_number_when_it_goes_on(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(yaml.safe_dump(as_plain(config)))
    monkeypatch.setattr(Trial, "of", found(2))
    command = ["train", "tiny.yaml", "--out", "run", "--train.images"]
    assert cli.main([*command, "160"]) == 0
    assert "2 threads will compute: a trial took" in capfd.readouterr().err
    assert stored(Path("run")) == 2
    monkeypatch.setattr(Trial, "of", found(4))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert cli.main([*command, "320"]) == 0
    assert "will compute" not in capfd.readouterr().err
    assert stored(Path("run")) == 2
    assert cli.main([*command, "480", "--threads", "1"]) == 0
    assert "The run has had 2 threads so far, and has 1 from now on: last digits may differ." in capfd.readouterr().err
    assert stored(Path("run")) == 1


@pytest.mark.usefixtures("cores")
def test_a_run_of_before_keeps_what_pytorch_takes(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(replace(config, train=replace(config.train, images=160)), out := tmp_path / "run")
    for name in ("last", "previous"):  # as they were written then
        path = out / name / "training.json"
        content = {key: value for key, value in json.loads(path.read_text()).items() if "rocess" not in key}
        content.pop("threads")
        path.write_text(json.dumps(content, indent=2) + "\n")
        digests = json.loads((out / name / "digests.json").read_text())
        digests["training.json"] = digest(path)
        (out / name / "digests.json").write_text(json.dumps(digests, indent=2) + "\n")
    monkeypatch.setattr(Trial, "of", found(1))
    train(config, out, options=Options(threads="auto"))
    assert stored(out) == 4


@pytest.mark.usefixtures("cores")
def test_a_run_from_a_larger_machine_says_that_it_cannot_keep_its_number(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    train(replace(config, train=replace(config.train, images=160)), out := tmp_path / "run")
    monkeypatch.setattr(threads, "cores", lambda: 2)
    monkeypatch.setattr(Trial, "of", found(1))
    train(config, out, options=Options(threads="auto"))
    assert "has had 4 threads, more than the cores here" in capfd.readouterr().err
    assert stored(out) == 1


@pytest.mark.usefixtures("cores")
def test_a_library_call_tries_nothing_unless_it_is_asked_to(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trial, "of", lambda *_: pytest.fail("tried"))
    train(config, tmp_path / "run")
    assert stored(tmp_path / "run") == 4


@pytest.mark.usefixtures("cores")
@pytest.mark.parametrize(
    ("arguments", "variable", "number"),
    [
        ("evaluate model --data images.npz", None, 2),  # by a trial, since it may take long
        ("evaluate model --data images.npz", "1", 4),  # PyTorch itself has read the variable
        ("evaluate model --data images.npz --threads 3", "1", 3),
        ("sample model", None, 4),
        ("sample model --threads auto", "1", 2),
        ("sample model --threads 3", None, 3),
        ("encode model a.png --threads 1", None, 1),
        ("vary model a.png --threads 3", None, 3),
    ],
)
def test_commands_compute_with_the_number_that_is_asked_for(
    config: RunConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: str,
    variable: str | None,
    number: int,
) -> None:
    monkeypatch.chdir(tmp_path)
    Glow(config.model).save_pretrained("model")
    Image.new("L", (8, 8)).save("a.png")
    if variable:
        monkeypatch.setenv("OMP_NUM_THREADS", variable)
    monkeypatch.setattr(Trial, "of", found(2))
    assert cli.main(arguments.split()) == 0
    assert torch.get_num_threads() == number


@pytest.mark.parametrize("said", ["0", "-1", "1.5", "many", "100000"])
def test_what_is_no_number_of_threads_is_refused(capsys: pytest.CaptureFixture[str], said: str) -> None:
    assert cli.main(["sample", "faces", "--threads", said]) == 2
    assert f"--threads is {said}; it takes auto, or a whole number from 1 to" in capsys.readouterr().err


def test_processes_of_torchrun_share_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "cores", lambda: 16)
    for together, share in {"1": 16, "3": 5, "64": 1}.items():
        monkeypatch.setenv("LOCAL_WORLD_SIZE", together)
        assert threads.most() == share


def test_a_training_that_has_slowed_down_says_so_once_until_it_recovers() -> None:
    slowdown = Slowdown(threads=2)
    half_minutes = [23] * 5 + [1.2] * 8 + [23] * 5 + [8] + [23] * 3 + [8] * 4
    told = [(rate, slowdown.after(round(10 * rate), 10.0)) for rate in half_minutes for _ in range(3)]
    warnings = [(rate, warning) for rate, warning in told if warning]
    assert [rate for rate, _ in warnings] == [1.2, 8]
    assert "slowed down from 23 to 1.2 images/s" in warnings[0][1]
    assert "--threads 1" in warnings[0][1]


def test_slow_steps_of_a_training_are_reported(
    config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    original, steps = Slowdown.after, iter(range(1000))

    def after(self: Slowdown, images: int, _: float) -> str | None:
        return original(self, images, 10.0 if next(steps) < 20 else 40.0)

    monkeypatch.setattr(Slowdown, "after", after)
    train(replace(config, train=replace(config.train, images=640)), tmp_path / "run")
    assert capfd.readouterr().err.count("The training has slowed down from") == 1


def test_a_state_stores_its_threads(config: RunConfig, tmp_path: Path) -> None:
    state = train(config, tmp_path / "run")
    again = TrainingState.new(config, "cpu")
    assert again.restore(tmp_path / "run")
    assert again.progress.threads == state.progress.threads == torch.get_num_threads()
    assert again.progress.processes == 1
