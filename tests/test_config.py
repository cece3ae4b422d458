"""Configurations that can't be built are refused before any work, in a sentence with what is possible."""

import json
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
import yaml

from glowflow import GlowConfig, InputError, TrainConfig
from glowflow.shapes import default_levels


@pytest.mark.parametrize(
    ("shape", "levels"),
    [((3, 32, 32), 3), ((3, 64, 64), 4), ((3, 256, 256), 6), ((1, 28, 28), 2), ((3, 32, 48), 3), ((3, 96, 128), 4)],
)
def test_default_levels_leave_a_top_of_at_least_four_by_four(shape: tuple[int, int, int], levels: int) -> None:
    assert default_levels(shape) == levels


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"image_shape": (3, 28, 28), "levels": 3}, "An image of 28x28 can't have 3 levels; it can have 1, 2."),
        ({"image_shape": (3, 33, 28)}, "the nearest possible size is 34x28"),
        ({"image_shape": (3, 32)}, "three positive numbers"),
        ({"image_shape": (0, 32, 32)}, "three positive numbers"),
        ({"image_shape": (3, 32, 32), "num_bits": 9}, "num_bits is 9; it takes a whole number from 1 to 8."),
        ({"image_shape": (3, 32, 32), "num_bits": 7.5}, "num_bits is 7.5; it takes a whole number from 1 to 8."),
        ({"image_shape": 5}, "three positive numbers"),
        ({"image_shape": (3, 32, 32), "width": "8"}, "width is 8; it takes a whole number"),
        ({"image_shape": (3, 32, 32), "levels": 1.0}, "it can have 1, 2, 3, 4, 5"),
        ({"image_shape": (3, 32, 32), "steps": True}, "steps is True; it takes a whole number"),
        ({"image_shape": (3, 32, 32), "steps": 0}, "steps is 0; it takes a whole number of at least 1."),
        (
            {"image_shape": (3, 32, 32), "coupling": "afine"},
            "'afine': perhaps affine is meant; it takes one of",
        ),
        ({"image_shape": (3, 32, 32), "coupling": "foo"}, "coupling is 'foo'; it takes one of affine, affine-exp, "),
        (
            {"image_shape": (3, 32, 32), "coupling": ["affine", "additive"]},
            "coupling is affine,additive; it takes one value for all levels.",
        ),
        (
            {"image_shape": (3, 32, 32), "steps": [1, 2]},
            "steps has 2 values for 3 levels: give one for each level, or one",
        ),
        (
            {
                "image_shape": (3, 32, 32),
                "width": 6,
                "conditioner": ["conv", "conv", {"kind": "attention", "heads": 4}],
            },
            "In level 3 of 3, heads is 4; it takes a divisor of the width, 6.",
        ),
        ({"image_shape": (3, 32, 32), "permutation": "conv"}, "one of conv1x1, conv1x1-lu, shuffle, reverse"),
        ({"image_shape": (3, 32, 32), "classifier": True}, "needs num_classes"),
    ],
)
def test_impossible_models_are_refused(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError) as error:
        GlowConfig(**fields)
    assert sentence in str(error.value)


def test_one_value_means_the_same_as_a_list_of_equal_ones() -> None:
    listed = GlowConfig((3, 8, 8), levels=2, steps=[3, 3], width=[8, 8], conditioner=["conv", {"kind": "conv"}])  # type: ignore[arg-type]
    assert listed == GlowConfig((3, 8, 8), levels=2, steps=3, width=8)
    doubled = GlowConfig((3, 8, 8), levels=2, width=8, layout="realnvp")
    assert replace(doubled, width=(8, 8)) != doubled  # the layout doubles only a single width
    assert [replace(doubled, width=(8, 8)).at(1).width, doubled.at(1).width] == [8, 16]


def test_networks_are_checked_with_the_width_and_size_that_the_layout_gives_them() -> None:
    board = {"kind": "transformer", "heads": 2, "patch": 4}  # the top of RealNVP has no squeezed images
    config = GlowConfig((1, 8, 8), levels=2, width=8, layout="realnvp", conditioner=("conv", board))
    assert [config.networks(level) for level in (0, 1)] == [[(8, (8, 8)), (16, (4, 4))], [(16, (4, 4))]]
    assert replace(config, layout="glow", conditioner="conv").networks(1) == [(8, (2, 2))]
    with pytest.raises(InputError, match="In level 2 of 2, patch is 4"):
        replace(config, layout="glow")


def test_configurations_with_options_are_hashed_and_keep_what_they_were_given() -> None:
    given: dict[str, Any] = {"kind": "residual", "blocks": 1}
    config, same = (GlowConfig((3, 8, 8), levels=2, conditioner=(part, "conv")) for part in (given, dict(given)))
    assert {config: 1, same: 2} == {config: 2}
    others = [GlowConfig((3, 8, 8), levels=2, conditioner=part) for part in ("conv", "residual", given)]
    assert len({config, *others}) == 4
    given["blocks"] = 9
    assert config == same


def test_numbers_of_numpy_are_numbers() -> None:
    """NumPy's numbers are stored as Python's, which JSON and YAML can write."""
    numbers: dict[str, Any] = {"levels": 2, "steps": 4, "width": 8, "num_bits": 5, "num_classes": 2, "classifier": True}
    same = GlowConfig(np.array([3, 32, 32]), **{name: np.array(value)[()] for name, value in numbers.items()})  # type: ignore[arg-type]
    assert json.dumps(asdict(same)) == json.dumps(asdict(GlowConfig((3, 32, 32), **numbers)))
    training = TrainConfig(images=np.int64(100), lr=np.float32(0.5), averaging=np.float64(0.5))  # type: ignore[arg-type]
    assert yaml.safe_load(yaml.safe_dump(asdict(training))) == asdict(TrainConfig(images=100, lr=0.5, averaging=0.5))
    with pytest.raises(InputError, match="three positive numbers"):
        GlowConfig(np.array([3.0, 32.0, 32.0]))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="three positive numbers"):
        GlowConfig(np.zeros((3, 3)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "fields",
    [
        {"batch_size": 0},
        {"lr": -1},
        {"averaging": 1.5},
        {"grad_clip": 0},
        {"optimizer": "sgd"},
        {"seed": -1},
        {"lr": float("inf")},
    ],
)
def test_impossible_trainings_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        TrainConfig(**fields)
