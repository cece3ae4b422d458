"""Too little memory gives one sentence that says what takes less, and no checkpoint is lost."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from glowflow import Glow, GlowConfig, InputError, cli, pictures
from glowflow.config import RunConfig
from glowflow.training import loop
from glowflow.training.gradient import Gradient
from glowflow.training.objective import Objective
from glowflow.training.record import Record
from glowflow.training.run import as_plain
from glowflow.training.state import TrainingState
from tests.helpers import assert_same

ERRORS: dict[str, Callable[[], Exception]] = {
    "CPU": lambda: RuntimeError(
        "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
        "allocate 9216000000 bytes. Error code 12 (Cannot allocate memory)"
    ),
    "Windows": lambda: RuntimeError("[enforce fail] data. DefaultCPUAllocator: not enough memory: you tried to ..."),
    "CUDA": lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has ..."),
    "cuBLAS": lambda: RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    "MPS": lambda: RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
    "Python": MemoryError,
    "system": lambda: OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)),
}


def failing(error: Exception) -> Callable[..., object]:
    def fail(*_: object, **__: object) -> object:
        raise error

    return fail


@pytest.fixture(name="preset")
def _preset(config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(yaml.safe_dump(as_plain(config)))
    return "tiny.yaml"


@pytest.mark.parametrize("kind", ERRORS)
def test_a_training_says_what_takes_less_memory_and_goes_on_from_its_checkpoint(
    preset: str, config: RunConfig, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    train = ["train", preset, "--precision", "float32", "--out"]
    assert cli.main([*train, "whole"]) == 0
    with monkeypatch.context() as patch:
        original, steps = Objective.forward, iter(range(1000))
        at_last = failing(ERRORS[kind]())
        patch.setattr(Objective, "forward", lambda *args: original(*args) if next(steps) < 12 else at_last())
        assert cli.main([*train, "cut"]) == 1
    told = capsys.readouterr().err.splitlines()[-1]
    for option in ("--micro-batch", "--memory reversible", "--train.batch-size", "last checkpoint is as it was"):
        assert option in told
    assert "Traceback" not in told
    assert cli.main([*train, "cut"]) == 0
    whole, cut = (TrainingState.new(config, "cpu") for _ in range(2))
    whole.restore(Path("whole"))
    cut.restore(Path("cut"))
    assert_same(cut, whole)


@pytest.mark.parametrize(
    ("owner", "name"), [(loop, "scores"), (Record, "draw"), (loop, "find_failure"), (TrainingState, "save_model")]
)
def test_so_it_does_wherever_in_the_training_the_memory_is_exhausted(
    preset: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], owner: object, name: str
) -> None:
    monkeypatch.setattr(owner, name, failing(ERRORS["CPU"]()))
    if name == "find_failure":
        original = Gradient.accumulate
        monkeypatch.setattr(Gradient, "accumulate", lambda *args: original(*args) + float("inf"))
    assert cli.main(["train", preset, "--out", "run"]) == 1
    assert "(the last request was for 8.6 GiB more). To take less, give --micro-batch" in capsys.readouterr().err
    Glow.from_pretrained("run/last")


@pytest.mark.parametrize(
    ("command", "advice"),
    [
        ("sample model", "a smaller --num"),
        ("reconstruct model a.png", "To take less, give fewer images at a time."),
        ("vary model a.png", "To take less, give a smaller --num or fewer images at a time."),
        ("evaluate model --data images.npz", "End other programs"),
    ],
)
def test_other_commands_say_what_they_have_for_it(
    config: RunConfig,
    preset: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    advice: str,
) -> None:
    assert preset
    Glow(config.model).save_pretrained("model")
    Image.fromarray(np.zeros((8, 8), np.uint8)).save("a.png")
    monkeypatch.setattr(Glow, "forward", failing(ERRORS["CPU"]()))
    monkeypatch.setattr(Glow, "inverse", failing(ERRORS["CPU"]()))
    assert cli.main(command.split()) == 1
    assert advice in capsys.readouterr().err


def test_sizes_that_no_memory_has_are_refused_as_such(
    config: RunConfig, preset: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["train", preset, "--model.width", str(10**18), "--out", "wide"]) == 1
    assert "There isn't enough memory" in capsys.readouterr().err
    assert cli.main(["train", preset, "--train.batch_size", str(10**12), "--out", "large"]) == 2
    assert "batch_size is 1000000000000" in capsys.readouterr().err
    assert config.model.width == 8


def test_other_errors_stay_what_they_are(preset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "scores", failing(RuntimeError("a fault of ours")))
    with pytest.raises(RuntimeError, match="a fault of ours"):
        cli.main(["train", preset, "--out", "run"])


@pytest.mark.parametrize(
    "command",
    [
        "sample model --num 1000000000",
        "sample model --num 20 --columns 100000000",
        "sample model --num 4000 --temperature [0,0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9]",
        "decode model latents.safetensors --columns 100000000",
        "vary model a.png --num 100000000",
        "interpolate model a.png a.png --num 100000000",
        "data show many.npz --image_shape [1,8,8] --num 1000000000",
        "evaluate model --data images.npz --draws 1000000000000",
        "interpolate model a.png a.png --num 900 --enlarge 64",
        "interpolate model a.png a.png --num 900 --enlarge 64 --out a.webp",
        "vary model a.png --num 900 --enlarge 64",
        "score model --data images.npz --draws 1000000000000",
        "experiment ablation --seeds 1000000000",
    ],
)
def test_what_no_picture_or_result_can_hold_is_refused_before_the_work(
    config: RunConfig, preset: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert preset
    Glow(config.model).save_pretrained("model")
    Image.fromarray(np.zeros((8, 8), np.uint8)).save("a.png")
    np.savez("many.npz", images=np.zeros((50_000, 8, 8, 1), np.uint8))
    monkeypatch.setattr(Glow, "encode", failing(AssertionError("work")))
    monkeypatch.setattr(Glow, "decode", failing(AssertionError("work")))
    assert cli.main(command.split()) == 2
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert told.count(". ") == 0
    assert any(words in told for words in ("takes a whole number from", "holds at most", "would have"))


def test_the_largest_picture_can_be_drawn_and_opened() -> None:
    config = GlowConfig((3, 256, 256), steps=1, width=8)
    most = pictures.MOST_PIXELS // 258**2
    pictures.check_count(most, config.image_shape)
    with pytest.raises(InputError, match=f"holds at most {most:,} images of 3x256x256, and this one would have"):
        pictures.check_count(most + 1, config.image_shape)
    assert Image.MAX_IMAGE_PIXELS is not None
    assert pictures.MOST_PIXELS <= 2 * Image.MAX_IMAGE_PIXELS


def test_many_files_go_through_the_model_a_batch_at_a_time(
    config: RunConfig, preset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert preset
    Glow(config.model).save_pretrained("model")
    names = [f"{index}.png" for index in range(7)]
    for index, name in enumerate(names):
        Image.fromarray(np.full((8, 8), 30 * index, np.uint8)).save(name)
    sizes, original = [], Glow.encode

    def encode(self: Glow, images: torch.Tensor, *args: object) -> torch.Tensor:
        sizes.append(len(images))
        return original(self, images, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Glow, "encode", encode)
    monkeypatch.setattr("glowflow.evaluate.LARGEST_BATCH", 3)
    assert cli.main(["reconstruct", "model", *names]) == 0
    assert cli.main(["vary", "model", *names, "--num", "1"]) == 0
    assert sizes == [3, 3, 1, 3, 3, 1]
