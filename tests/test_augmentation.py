"""Augmentations change training images as functions of (seed, position)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from glowflow import InputError, arguments
from glowflow.commands.training import train as command
from glowflow.config import RunConfig, TrainConfig
from glowflow.noise import Stream, uniform_noise
from glowflow.parts import AUGMENTATIONS
from glowflow.presets import load_run
from glowflow.shapes import Shape
from glowflow.training import Augmentation, train
from glowflow.training.augmentation import augment, built, shift
from glowflow.training.run import as_plain


@AUGMENTATIONS.option("inverted")
@dataclass(frozen=True)
class Inverted:
    """Some images inverted."""

    share: float = 0.5


@AUGMENTATIONS.builds("inverted")
class RandomInversion(Augmentation):
    def numbers(self, image_shape: Shape) -> int:
        return 1

    def change(self, images: Tensor, noise: Tensor) -> Tensor:
        return torch.where(noise[:, :, None, None] < self.options.share, 255 - images, images)


def settings(augmentations: object) -> TrainConfig:
    """The settings of a training with augmentations, as a user gives them."""
    return TrainConfig(augment=augmentations)  # type: ignore[arg-type]


def changed(images: Tensor, augmentations: object, position: int, seed: int = 7) -> Tensor:
    """Images changed as a training changes them."""
    return augment(images, built(settings(augmentations)), seed, position)


def some(count: int, *shape: int) -> Tensor:
    """Random images, in the memory order of a training's."""
    images = torch.randint(256, (count, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return images.contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("given", [*AUGMENTATIONS.names, ("flip", "shift", {"kind": "pixels", "share": 0.3}, "flip")])
@pytest.mark.parametrize("shape", [(1, 12, 12), (3, 8, 10)])
def test_augmentation_belongs_to_its_position(given: object, shape: Shape) -> None:
    images = some(32, *shape)
    before = images.clone()
    whole = changed(images, given, 100)
    assert (whole.shape, whole.dtype) == (images.shape, torch.uint8)
    assert torch.equal(images, before)
    divided = [
        changed(part, given, 100 + start) for start, part in ((0, images[:5]), (5, images[5:6]), (6, images[6:]))
    ]
    assert torch.equal(whole, torch.cat(divided))
    assert torch.equal(whole, images) == (given == "none")
    assert torch.equal(whole, changed(images, given, 100, seed=8)) == (given == "none")


def test_the_images_are_those_of_earlier_versions() -> None:
    """So that a training goes on with the next version."""
    images = some(16, 3, 20, 20)
    flipped = [
        not torch.equal(after, before) for after, before in zip(changed(images, "flip", 1000), images, strict=True)
    ]
    assert flipped == [bool(int(digit)) for digit in "1111100100111000"]
    noise = uniform_noise(7, Stream.AUGMENTATION, 1000, 16, (3,))
    assert torch.equal(changed(images, "shift", 1000), shift(images, 0.1 * (2 * noise[:, 1:] - 1)))


@pytest.mark.parametrize(("shape", "angles"), [((3, 6, 6), {0, 1, 2, 3}), ((1, 6, 8), {0, 2})])
def test_turns_are_by_right_angles_and_equally_frequent(shape: Shape, angles: set[int]) -> None:
    images = some(400, *shape)
    counts = dict.fromkeys(range(4), 0)
    for before, after in zip(images, changed(images, "turn", 0), strict=True):
        (angle,) = (each for each in angles if torch.equal(after, before.rot90(each, (1, 2))))
        counts[angle] += 1
    expected = 400 / len(angles)
    assert {angle for angle, count in counts.items() if abs(count - expected) < 5 * expected**0.5} == angles


def test_shift_moves_by_whole_pixels_exactly() -> None:
    images = torch.randint(256, (2, 3, 10, 10), dtype=torch.uint8)
    offset = torch.tensor([[0.1, 0.0], [0.0, -0.2]])
    moved = shift(images, offset)
    assert torch.equal(moved[0, :, :, :-1], images[0, :, :, 1:])
    assert torch.equal(moved[0, :, :, -1], images[0, :, :, -1])  # the border is repeated
    assert torch.equal(moved[1, :, 2:], images[1, :, :-2])


def test_a_larger_shift_moves_further() -> None:
    """Columns that count the pixels from the left show how far each image was moved."""
    images = torch.arange(100, dtype=torch.uint8).expand(200, 1, 100, 100)
    for most in (0.1, 0.3):
        moved = changed(images, {"kind": "shift", "most": most}, 0)[:, 0, 50, 50].int() - 50
        assert 90 * most < moved.abs().max() <= 100 * most


def test_pixels_replaces_each_value_by_itself_by_a_uniform_one() -> None:
    images = torch.full((400, 3, 16, 16), 7, dtype=torch.uint8)
    found = changed(images, {"kind": "pixels", "share": 0.3}, 0)
    new = found != 7  # one in 256 new values is 7, too
    count, expected = images.numel(), 0.3 * 255 / 256
    assert new.float().mean().item() == pytest.approx(expected, abs=5 * (0.21 / count) ** 0.5)
    counts = torch.bincount(found[new].int(), minlength=256).float()
    usual = 0.3 * count / 256
    assert (counts - usual).abs()[torch.arange(256) != 7].max() < 5 * usual**0.5
    places = torch.cat([new.flatten(1)[:, :5], new[:, 1:, 0, 0]], dim=1).float()  # of neighbours, and of one pixel
    others = torch.corrcoef(places.T[[0, 1, 2, 5, 6]]) - torch.eye(5)
    assert others.abs().max() < 0.25
    values = found.float().flatten(1)
    assert torch.corrcoef(torch.stack([values[:, 0], values[:, 256]]))[0, 1].abs() < 0.25


def test_augmentations_follow_each_other_and_share_no_numbers() -> None:
    images = some(40, 1, 6, 6)
    flip, pixels = (AUGMENTATIONS.build(part) for part in ("flip", "pixels"))
    noise = uniform_noise(7, Stream.AUGMENTATION, 3, 40, (1 + 36,))
    expected = pixels.change(flip.change(images, noise[:, :1]), noise[:, 1:])
    assert torch.equal(changed(images, ("flip", "pixels"), 3), expected)
    twice = changed(images, ("flip", "flip"), 3)
    assert 0 < sum(not torch.equal(after, before) for after, before in zip(twice, images, strict=True)) < 40


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ([], "none"),
        (["none"], "none"),
        ({"kind": "shift", "most": 0.1}, "shift"),
        ([{"kind": "pixels", "share": 0.2}], {"kind": "pixels", "share": 0.2}),
        (["flip", "none", {"kind": "pixels"}], ("flip", "pixels")),
    ],
)
def test_equal_augmentations_have_one_form(given: object, kept: object) -> None:
    config = settings(given)
    assert config.augment == kept
    assert {config: 1} == {settings(kept): 1}
    again = as_plain(RunConfig(load_run("digits").model, config))["train"]["augment"]
    assert settings(again) == config


def test_the_command_line_and_presets_take_them(tmp_path: Path) -> None:
    wanted = ("flip", {"kind": "pixels", "share": 0.2})
    (tmp_path / "mine.yaml").write_text(
        "{model: {image_shape: [1, 8, 8]}, train: {augment: [flip, {kind: pixels, share: 0.2}]}}"
    )
    assert load_run(str(tmp_path / "mine.yaml")).train.augment == wanted
    for word, kept in {
        "flip": "flip",
        "none": "none",
        "[]": "none",
        "flip,shift": ("flip", "shift"),
        "{kind: pixels, share: 0.2}": wanted[1],
        "[flip, {kind: pixels, share: 0.2}]": wanted,
    }.items():
        assert arguments.given("train", command, ["digits", "--train.augment", word])["train"].augment == kept


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("flop", "augmentation is 'flop': perhaps flip is meant; it takes one of none, flip, turn, shift, pixels"),
        ({"kind": "pixels", "part": 0.1}, "The augmentation pixels has no option 'part': it takes share."),
        ({"kind": "pixels", "share": 0}, "share of pixels is 0; it takes a number from 0.001 to below 1."),
        ({"kind": "shift", "most": 1.5}, "most of shift is 1.5; it takes a number from 0 to below 1."),
        (["flip", None], "augmentation is None; it takes one of none, flip"),
    ],
)
def test_impossible_augmentations_are_refused(given: object, sentence: str) -> None:
    with pytest.raises(InputError) as error:
        settings(given)
    assert sentence in str(error.value)


def test_a_run_of_an_earlier_version_keeps_its_augmentation(config: RunConfig, tmp_path: Path) -> None:
    config = replace(config, train=replace(config.train, images=160, augment="flip"))
    train(config, run := tmp_path / "run")
    assert "  augment: flip\n" in (run / "config.yaml").read_text()
    for other in ("none", "shift", ("flip", "shift")):
        with pytest.raises(InputError, match=r"train\.augment: flip there, .* now"):
            train(replace(config, train=replace(config.train, augment=other)), run)


WRONG: dict[str, tuple[Callable[[Tensor, Tensor], object], str]] = {
    "floating": (lambda images, _: images / 2, r"floating gives torch.float32 \(3, 1, 8, 8\); .* torch.uint8 \(3, 1"),
    "narrow": (lambda images, _: images[..., 1:], r"narrow gives torch.uint8 \(3, 1, 8, 7\); it should give"),
    "absent": (lambda *_: None, "absent gives NoneType; it should give"),
    "mixed": (lambda images, _: images.roll(1, 0), "mixed changes an image differently if others stand beside it"),
    "loose": (lambda images, _: images ^ torch.randint(2, images.shape, dtype=torch.uint8), "loose changes an image"),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_augmentation_that_is_not_one_is_refused_before_anything_is_written(
    name: str, config: RunConfig, tmp_path: Path
) -> None:
    change, told = WRONG[name]
    methods = {"numbers": lambda *_: 2, "change": lambda _, images, noise: change(images, noise)}
    if name not in AUGMENTATIONS.names:
        AUGMENTATIONS.option(name)(dataclass(frozen=True)(type(name, (), {"__module__": __name__})))
        AUGMENTATIONS.builds(name)(type(name, (Augmentation,), methods))
    config = replace(config, train=replace(config.train, augment=("flip", name)))
    with pytest.raises(InputError, match=told):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_own_augmentation_changes_the_training(config: RunConfig, tmp_path: Path) -> None:
    config = replace(config, train=replace(config.train, images=32))
    plain, inverted = (
        train(replace(config, train=replace(config.train, augment=each)), tmp_path / each).model.state_dict()
        for each in ("none", "inverted")
    )
    assert any(not torch.equal(weights, inverted[name]) for name, weights in plain.items())
