"""The original's checkpoints: read, written back bit by bit, and refused where they aren't what they should be."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from glowflow import Glow, GlowConfig
from glowflow.cli import main
from glowflow.errors import InputError
from glowflow.importers import openai, tensorflow_checkpoint
from tests.reference import CASES, FOLDER, recording

SIZE = (16, 16)


def checkpoint(case: str) -> Path:
    return FOLDER / case / "model.ckpt"


@pytest.mark.parametrize("case", CASES)
def test_a_checkpoint_holds_the_recorded_variables(case: str) -> None:
    found, expected = tensorflow_checkpoint.read(checkpoint(case)), recording(case).variables("final")
    own = {name for name in found if not openai.OPTIMIZER_SLOT.fullmatch(name)}
    assert own == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in own)
    assert len(found) > 2 * len(own)


@pytest.mark.parametrize("case", CASES)
def test_the_round_trip_is_exact_to_the_bit(case: str, tmp_path: Path) -> None:
    original = tensorflow_checkpoint.read(checkpoint(case))
    model = openai.to_glow(original, SIZE, 8)
    model.save_pretrained(tmp_path / "model")
    variables = openai.from_glow(Glow.from_pretrained(tmp_path / "model"))
    tensorflow_checkpoint.write(tmp_path / "back.ckpt", variables)
    back = tensorflow_checkpoint.read(tmp_path / "back.ckpt")
    assert back.keys() == {name for name in original if not openai.OPTIMIZER_SLOT.fullmatch(name)}
    for name, tensor in back.items():
        assert tensor.dtype == original[name].dtype
        assert tensor.numpy().tobytes() == original[name].numpy().tobytes(), name
    with pytest.raises(InputError, match="exists already"):
        tensorflow_checkpoint.write(tmp_path / "back.ckpt", variables)
    assert {path.name for path in tmp_path.iterdir()} == {
        "model",
        "back.ckpt.index",
        "back.ckpt.data-00000-of-00001",
    }


@pytest.mark.parametrize("case", CASES)
def test_an_export_has_every_variable_that_the_original_restores(case: str) -> None:
    """Its Saver asks for all of its variables, those of its optimiser too."""
    original, variables = tensorflow_checkpoint.read(checkpoint(case)), openai.from_glow(recording(case).model("final"))
    exported = variables | openai.fresh_optimizer(variables)
    assert {name: (tensor.shape, tensor.dtype) for name, tensor in exported.items()} == {
        name: (tensor.shape, tensor.dtype) for name, tensor in original.items()
    }


@pytest.mark.parametrize("case", CASES)
def test_the_architecture_follows_from_names_and_shapes(case: str) -> None:
    theirs, config = recording(case).config, recording(case).model("final").config
    permutation = ("reverse", "shuffle", "conv1x1-lu" if theirs["lu"] else "conv1x1")[theirs["flow_permutation"]]
    assert config == GlowConfig(
        (3, theirs["image_size"], theirs["image_size"]),
        levels=theirs["n_levels"],
        steps=theirs["depth"],
        width=theirs["width"],
        coupling=("additive", "affine")[theirs["flow_coupling"]],
        permutation=permutation,
        num_bits=theirs["n_bits_x"],
        learn_top=theirs["learntop"],
        num_classes=theirs["n_y"] if theirs["ycond"] else 0,
        classifier=theirs["weight_y"] > 0,
    )


def refusal(variables: dict[str, Tensor]) -> str:
    with pytest.raises(InputError) as caught:
        openai.to_glow(variables, SIZE, 8)
    return str(caught.value)


@pytest.mark.parametrize("case", CASES)
def test_every_variable_is_needed_in_its_shape(case: str) -> None:
    variables = recording(case).variables("final")
    for name, tensor in variables.items():
        refusal({other: value for other, value in variables.items() if other != name})
        refusal(variables | {name: torch.cat([tensor, tensor], dim=-1)})


def test_what_is_not_known_is_refused_by_name() -> None:
    variables = recording("affine_1x1").variables("final")
    assert "model/0/0/f1/l_1/new" in refusal(variables | {"model/0/0/f1/l_1/new": torch.zeros(3)})
    assert "global_step" in refusal(variables | {"global_step": torch.zeros(())})
    assert "no variables model/0/0" in refusal({"dense/kernel": torch.zeros(3)})
    assert "aren't finite" in refusal(variables | {"model/pool0/conv/b": torch.full((1, 1, 1, 12), torch.nan)})
    slots = {"Variable": torch.zeros(()), "Variable_17": torch.zeros(2)}
    openai.to_glow(variables | slots, SIZE, 8)


def test_mixings_that_are_none_are_refused() -> None:
    dense, lu = recording("affine_1x1").variables("final"), recording("affine_lu").variables("final")
    shuffle = recording("additive_shuffle_ycond_5bit").variables("final")
    mixing, indices = "model/0/1/invconv", "model/0/1/shuffle/indices"
    assert "isn't invertible" in refusal(dense | {f"{mixing}/W": torch.zeros(12, 12)})
    assert "P isn't a permutation" in refusal(lu | {f"{mixing}/P": torch.zeros(12, 12)})
    assert "P isn't a permutation" in refusal(lu | {f"{mixing}/P": torch.ones(12, 12) / 12})
    assert "a sign isn't 1 or -1" in refusal(lu | {f"{mixing}/sign_S": 3 * lu[f"{mixing}/sign_S"]})
    for wrong in (torch.zeros_like(shuffle[indices]), shuffle[indices] + 100):
        assert "inverse of a permutation" in refusal(shuffle | {indices: wrong})
    assert "torch.float64" in refusal(dense | {f"{mixing}/W": dense[f"{mixing}/W"].double()})


def test_variables_of_a_step_far_away_are_refused_at_once() -> None:
    variables = recording("affine_1x1").variables("final")
    assert "lacks some of them" in refusal(variables | {"model/0/99999/x": torch.zeros(1)})


def test_inverse_indices_must_be_those_of_the_indices() -> None:
    variables = recording("additive_shuffle_ycond_5bit").variables("final")
    name = "model/1/0/shuffle/indices_inverse"
    assert name in refusal(variables | {name: variables[name].roll(1)})


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (
            GlowConfig((3, 8, 8), coupling="affine-exp", steps=1, width=8),
            "coupling is affine-exp, and .* only affine and",
        ),
        (GlowConfig((3, 8, 8), layout="realnvp", steps=1, width=8), "its layout is realnvp, and"),
        (GlowConfig((3, 8, 8), conditioner="residual", steps=1, width=8), "its conditioner is residual, and"),
        (
            GlowConfig((3, 8, 8), conditioner={"kind": "conv", "last": 1}, steps=1, width=8),
            "its conditioner is {kind: conv, last: 1}, and",
        ),
        (
            GlowConfig((3, 8, 8), layout={"kind": "glow", "logit": True}, steps=1, width=8),
            "is {kind: glow, logit",
        ),
        (GlowConfig((3, 8, 8), levels=2, steps=(1, 2), width=8), "its levels differ in steps"),
        (GlowConfig((1, 8, 8), steps=1, width=8), "three channels"),
        (GlowConfig((3, 8, 12), steps=1, width=8), "square"),
    ],
)
def test_what_the_original_cannot_express_is_not_exported(config: GlowConfig, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        openai.from_glow(Glow(config))


def fails(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    capsys.readouterr()
    assert main([str(argument) for argument in arguments]) == 2
    return capsys.readouterr().err.strip()


def test_a_user_imports_evaluates_samples_and_exports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GLOWFLOW_CACHE", str(tmp_path / "cache"))
    for number, pixels in enumerate(recording("affine_lu").images("x_init").permute(0, 2, 3, 1).numpy()):
        Path("pictures").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(f"pictures/{number}.png")
    index = Path(f"{checkpoint('affine_lu')}.index")  # one of the files stands for the prefix
    assert main(["import", "openai", str(index), "model", "--image-size", "16", "--bits", "8"]) == 0
    printed = capsys.readouterr().out
    assert "L = 2, K = 2, width 8, affine coupling, conv1x1-lu, learned top" in printed
    assert "of its optimiser left out" in printed
    assert main(["evaluate", "model", "--data", "pictures", "--split", "train"]) == 0
    assert "exact: largest difference 0" in capsys.readouterr().out
    assert main(["sample", "model", "--num", "4"]) == 0
    assert main(["export", "openai", "model", "back.ckpt"]) == 0
    assert Path("back.ckpt.index").is_file()


def test_files_that_are_wrong_are_refused_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    sizes = ("--image_size", "16", "--bits", "8")
    assert "index is missing" in fails(capsys, "import", "openai", tmp_path / "none.ckpt", out, *sizes)
    for suffix in (".index", ".data-00000-of-00001"):
        for name in ("model", "cut", "foreign"):
            shutil.copy(FOLDER / "affine_1x1" / f"model.ckpt{suffix}", tmp_path / f"{name}.ckpt{suffix}")
    data = tmp_path / "cut.ckpt.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:5000])
    assert "cut.ckpt is damaged" in fails(capsys, "import", "openai", tmp_path / "cut.ckpt", out, *sizes)
    (tmp_path / "foreign.ckpt.index").write_text("not a table")
    assert "foreign.ckpt is damaged" in fails(capsys, "import", "openai", tmp_path / "foreign.ckpt", out, *sizes)
    tensorflow_checkpoint.write(tmp_path / "other.ckpt", {"dense/kernel": torch.zeros(3)})
    assert "isn't a checkpoint" in fails(capsys, "import", "openai", tmp_path / "other.ckpt", out, *sizes)
    assert "size" in fails(capsys, "import", "openai", tmp_path / "model.ckpt", out)
    assert "--bits" in fails(capsys, "import", "openai", tmp_path / "model.ckpt", out, *sizes[:2])
    model = ("import", "openai", tmp_path / "model.ckpt")
    assert "squeezed" in fails(capsys, *model, out, "--image_size", "7", "--bits", "8")
    assert "HEIGHTxWIDTH" in fails(capsys, *model, out, "--image_size", "abc", "--bits", "8")
    assert "should be PREFIX" in fails(capsys, "import", "openai", "/", out, *sizes)
    assert "no folder" in fails(capsys, *model, tmp_path / "absent" / "deep", *sizes)
    assert "exists already" in fails(capsys, *model, ".", *sizes)
    assert not out.exists()
    out.mkdir()
    (out / "mine.txt").write_text("precious")
    assert "exists already" in fails(capsys, "import", "openai", tmp_path / "model.ckpt", out, *sizes)
    assert [path.name for path in out.iterdir()] == ["mine.txt"]


def test_damage_anywhere_in_the_data_is_noticed(tmp_path: Path) -> None:
    for suffix in (".index", ".data-00000-of-00001"):
        shutil.copy(FOLDER / "affine_1x1" / f"model.ckpt{suffix}", tmp_path / f"m.ckpt{suffix}")
    data = tmp_path / "m.ckpt.data-00000-of-00001"
    whole = data.read_bytes()
    for position in np.random.default_rng(0).integers(0, len(whole), 20):
        broken = bytearray(whole)
        broken[position] ^= 0x40
        data.write_bytes(broken)
        with pytest.raises(InputError, match="damaged"):
            tensorflow_checkpoint.read(tmp_path / "m.ckpt")
