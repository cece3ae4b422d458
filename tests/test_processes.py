"""Several processes train and evaluate as one does."""

import contextlib
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from glowflow.cli import main
from glowflow.config import RunConfig
from glowflow.errors import ProcessLostError
from glowflow.processes import Processes, joined
from glowflow.training.run import as_plain
from glowflow.weights import REFERENCE


def torchrun(count: int, *arguments: str, options: tuple[str, ...] = ()) -> list[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={count}", *options]
    return [*launcher, "-m", "glowflow", *arguments]


def in_turn(count: int, *commands: Sequence[str]) -> list[str]:
    """Several commands, for which the processes start once (see `tests/in_turn.py`)."""
    return [*torchrun(count)[:-2], str(Path(__file__).with_name("in_turn.py")), json.dumps(commands)]


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def worker_in_training(launcher: "subprocess.Popen[str]", out: str) -> int:
    """The process number of the last of two workers, as soon as the training has saved twice."""
    find, workers = ["pgrep", "-P", str(launcher.pid)], ""
    while not Path(out, "previous").exists():
        if workers.count("\n") < 2:
            workers = subprocess.run(find, capture_output=True, text=True, check=False).stdout
        time.sleep(0.01)
        assert launcher.poll() is None
    return max(map(int, workers.split()))


def alone(*arguments: str) -> None:
    assert main(arguments) == 0


@pytest.fixture(name="preset")
def _preset(config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(as_plain(config)))
    return "tiny.yaml"


def losses(out: str) -> list[tuple[str, int, float]]:
    lines = [json.loads(line) for line in Path(out, "metrics.jsonl").read_text().splitlines()]
    return [(line["kind"], line["images"], line["bits_per_dim"]) for line in lines]


@pytest.mark.parametrize("count", range(1, 7))
def test_shares_have_everything_once(count: int) -> None:
    shares = [index for rank in range(count) for index in Processes(rank, count).share(5)]
    assert shares == list(range(5))


class OneOfTwo(Processes):
    """One of two processes, the other one of which has failed."""

    def any(self, value: bool) -> bool:  # noqa: FBT001 (as in Processes)
        return True


def test_work_that_fails_in_one_process_fails_in_all() -> None:
    assert Processes().attempted(lambda: 3) == 3
    with pytest.raises(ProcessLostError, match="failed in another process"):
        OneOfTwo(0, 2).attempted(lambda: 3)
    with pytest.raises(ZeroDivisionError):
        OneOfTwo(0, 2).attempted(lambda: 1 // 0)


def test_a_launcher_that_has_died_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """This includes a launcher that died before its process could ask to be told."""
    launched = {"TORCHELASTIC_RUN_ID": "none", "TORCHELASTIC_USE_AGENT_STORE": "True", "RANK": "0", "WORLD_SIZE": "2"}
    for name, value in (launched | {"MASTER_ADDR": "localhost", "MASTER_PORT": "1"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("glowflow.processes.CONNECTION_TIMEOUT", timedelta(seconds=1))
    asked: list[tuple[int, int]] = []  # of the system, which is not to end this process with pytest's
    system = SimpleNamespace(prctl=lambda *arguments: asked.append(arguments))
    monkeypatch.setattr("glowflow.processes.ctypes", SimpleNamespace(CDLL=lambda _: system))
    with pytest.raises(ProcessLostError, match="Process 0 of 2 lost the connection"), joined("cpu"):
        pass
    assert asked == ([(1, signal.SIGTERM)] if sys.platform == "linux" else [])  # PR_SET_PDEATHSIG is 1


def test_several_processes_train_as_one(preset: str) -> None:
    train = ("train", preset, "--precision", "float32")  # bfloat16 rounds sums over other parts otherwise
    alone(*train, "--out", "one")
    evaluate = ("evaluate", "one", "--json")
    mixed = (*train, "--out", "mixed")
    run(*in_turn(3, (*mixed, "--train.images", "160", "--micro_batch", "2"), (*evaluate, "three.json")))
    run(*in_turn(2, mixed, (*train, "--out", "two", "--memory", "reversible")))
    for out in ("two", "mixed"):
        assert (Path(out) / "report.html").is_file()
        for (kind, images, expected), found in zip(losses("one"), losses(out), strict=True):
            assert found[:2] == (kind, images)
            assert found[2] == pytest.approx(expected, abs=1e-5)
    alone(*evaluate, "one.json")
    one, three = (json.loads(Path(name).read_text()) for name in ("one.json", "three.json"))
    assert three["num_images"] == one["num_images"]
    for name in ("bits_per_dim", "standard_error", "reconstruction_error_levels"):
        assert three[name] == pytest.approx(one[name], abs=1e-6)


def test_several_processes_learn_and_score_as_one(preset: str, capfd: pytest.CaptureFixture[str]) -> None:
    """They share the reference of a training's end, and the scores. Each line and each file is written once."""
    images = np.random.default_rng(0).integers(0, 256, (270, 8, 8), dtype=np.uint8)
    np.savez("many.npz", train=images[:120], validation=images[120:])
    run(*torchrun(2, "train", preset, "--data", "many.npz", "--out", "run"))
    commands = (
        ("score", "run", "--split", "validation", "--out", "scores.csv"),
        ("compare", "run", "--against", "other.npy"),
        ("calibrate", "run"),
        ("score", "bare", "--out", "plain.csv"),
    )
    for folder in map(Path, ("alone", "together")):
        shutil.copytree("run", folder / "run")
        shutil.copytree("run", folder / "bare", ignore=shutil.ignore_patterns(REFERENCE))
        np.save(folder / "other.npy", images[:40] // 2)
    expected = {}
    with contextlib.chdir("alone"):
        for command in commands:
            capfd.readouterr()
            alone(*command)
            expected[command] = capfd.readouterr().out
    assert expected["calibrate", "run"].count("usual images") == 1
    processes = in_turn(2, *commands)
    told = subprocess.run(processes, cwd="together", capture_output=True, text=True, timeout=240, check=True)
    assert told.stdout == "".join(expected.values())
    assert " ".join(told.stderr.split()).count("bare has no reference that tells what is usual") == 1
    for name, score in (("scores.csv", "unusual"), ("plain.csv", "bits_per_dim")):
        one, two = (Path(folder, name).read_text().splitlines() for folder in ("alone", "together"))
        assert len(one) == len(two) == (151 if score == "unusual" else 10)
        found = {row["image"]: row for row in csv.DictReader(two)}
        for row in csv.DictReader(one):
            assert float(found[row["image"]][score]) == pytest.approx(float(row[score]), abs=1e-3)
    first, second = (load_file(Path(folder, "run", REFERENCE)) for folder in ("alone", "together"))
    torch.testing.assert_close(second, first, rtol=1e-4, atol=1e-3)


def test_a_killed_process_ends_the_others_and_a_restart_goes_on(preset: str) -> None:
    arguments = ("train", preset, "--train.images", "1600")
    run(*torchrun(2, *arguments, "--out", "whole"))
    options = ("--max-restarts=1",)
    with subprocess.Popen(
        torchrun(2, *arguments, "--out", "cut", options=options), stderr=subprocess.PIPE, text=True
    ) as process:
        os.kill(worker_in_training(process, "cut"), signal.SIGKILL)
        _, told = process.communicate(timeout=200)
    assert process.returncode == 0, told
    assert "lost the connection" in told
    assert "Going on with cut" in told
    whole, cut = (load_file(f"{out}/last/raw.safetensors") for out in ("whole", "cut"))
    torch.testing.assert_close(cut, whole, rtol=0, atol=0)


def test_when_one_process_is_asked_to_stop_all_save_and_stop(preset: str) -> None:
    command = torchrun(2, "train", preset, "--train.images", "1600000", "--out", "cut")
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        os.kill(worker_in_training(process, "cut"), signal.SIGTERM)
        _, told = process.communicate(timeout=200)
    assert "Interrupted; cut holds the training up to" in told  # the first process says this for all of them
    assert "lost the connection" not in told


def test_a_batch_too_small_for_the_processes(preset: str) -> None:
    command = torchrun(2, "train", preset, "--train.batch_size", "1", "--out", "small")
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert "can't be shared by 2 processes" in done.stderr
    assert not Path("small").exists()


def test_alone_nothing_is_exchanged() -> None:
    alone, values = Processes(), np.arange(3.0)
    assert alone.gathered(values, 3) is values
    assert alone.agree({})
    assert [alone.any(value) for value in (False, True)] == [False, True]
    assert alone.parallel(module := torch.nn.Linear(1, 1)) is module
