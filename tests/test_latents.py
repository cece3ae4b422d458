"""Work with latents: the ends of paths, the levels that are kept, and the directions that examples give."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from glowflow import Glow, GlowConfig, InputError, weights
from glowflow.data import Dataset
from glowflow.evaluate import dequantized
from glowflow.latents import (
    Directions,
    Seen,
    Usual,
    directions_of,
    fit,
    interpolate,
    look,
    ranged,
    reaching,
    redraw,
)
from glowflow.latents.fitting import Means
from glowflow.stored import StoredModel
from tests.helpers import randomize


@pytest.fixture(name="model")
def _model() -> Glow:
    torch.manual_seed(0)
    return randomize(Glow(GlowConfig((3, 8, 8), levels=2, steps=2, width=8, num_bits=5)), 0.1)


@pytest.fixture(name="dataset")
def _dataset() -> Dataset:
    """Images that are brighter with the first attribute, and redder with the second."""
    rng = np.random.default_rng(0)
    attributes = rng.random((200, 3)) < [0.5, 0.3, 0.0]
    images = rng.integers(60, 120, (200, 8, 8, 3))
    images += 60 * attributes[:, 0, None, None, None] + 60 * attributes[:, 1, None, None, None] * np.array([1, 0, 0])
    names = ("Bright", "Red", "Never")
    return Dataset("made", "train", images.astype(np.uint8), attributes=attributes, attribute_names=names)


@pytest.mark.parametrize("path", ["linear", "spherical"])
def test_a_path_ends_at_its_ends(path: str) -> None:
    first, last = torch.randn(2, 12, dtype=torch.float64)
    points = interpolate(first, last, 5, path)  # type: ignore[arg-type]
    assert torch.equal(points[0], first)
    assert torch.equal(points[-1], last)
    steps = points.diff(dim=0)
    assert steps.norm(dim=1).max() < 2 * steps.norm(dim=1).min()


def test_a_spherical_path_turns_evenly() -> None:
    points = interpolate(torch.randn(12).double(), torch.randn(12).double(), 6, "spherical")
    directions = points / points.norm(dim=1, keepdim=True)
    cosines = (directions[1:] * directions[:-1]).sum(1)
    torch.testing.assert_close(cosines, cosines[:1].expand(5))
    torch.testing.assert_close(points.norm(dim=1).diff(n=2), torch.zeros(4, dtype=points.dtype))


@pytest.mark.parametrize("last", [[0.0, 0.0], [2.0, 4.0], [-1.0, -2.0]])
def test_a_spherical_path_without_a_turn_is_straight(last: list[float]) -> None:
    first = torch.tensor([1.0, 2.0])
    points = interpolate(first, torch.tensor(last), 4, "spherical")
    torch.testing.assert_close(points, interpolate(first, torch.tensor(last), 4))


def test_a_path_needs_two_points() -> None:
    with pytest.raises(ValueError, match="2 points or more"):
        interpolate(torch.zeros(3), torch.zeros(3), 1)


def test_redrawing_does_not_depend_on_how_many_there_are() -> None:
    model = Glow(GlowConfig((3, 6, 10), steps=1, width=8))
    z = torch.zeros(5, model.config.num_dims, dtype=torch.float64)
    two, five = (redraw(model, part, keep=0, generator=torch.Generator().manual_seed(0)) for part in (z[:2], z))
    assert torch.equal(two, five[:2])


def test_redrawing_keeps_the_coarse_levels(model: Glow) -> None:
    z = torch.randn(2, model.config.num_dims)
    kept = redraw(model, z, keep=1, generator=torch.Generator().manual_seed(0))
    (old_fine, old_top), (fine, top) = model.unflatten(z), model.unflatten(kept)
    assert torch.equal(top, old_top)
    assert not (fine == old_fine).any()
    assert torch.equal(redraw(model, z, keep=2), z)
    assert redraw(model, z, keep=0, temperature=0.0).abs().max() == 0
    assert not (redraw(model, z, keep=0) == z).any()
    with pytest.raises(ValueError, match="has 2 levels"):
        redraw(model, z, keep=3)


def test_means_are_those_of_all_at_once() -> None:
    z, has = torch.randn(50, 7), torch.rand(50, 2) > 0.4
    means = Means(2, 7)
    for part in range(0, 50, 13):
        means.add(z[part : part + 13], has[part : part + 13])
    expected = torch.stack([z[mask].mean(0) - z[~mask].mean(0) for mask in has.T])
    torch.testing.assert_close(means.differences, expected)


@pytest.mark.parametrize("method", ["means", "logistic"])
def test_a_direction_changes_its_attribute(model: Glow, dataset: Dataset, method: str) -> None:
    found = fit(model, dataset, method=method)  # type: ignore[arg-type]
    assert found.names == ("Bright", "Red")  # of the third there is no example
    assert found.about[1]["with"] == int(np.asarray(dataset.attributes)[:, 1].sum())
    without = np.flatnonzero(~np.asarray(dataset.attributes)[:, :2].any(1))[:10]
    images = dataset.batch(without)[0]
    z = model.encode(images)
    brighter, redder = (_shift(model, z, found, name, images) for name in found.names)
    assert np.mean(brighter) > 20  # the regression leaves to red what red tells
    assert redder[0] > 20
    assert redder[0] > 3 * redder[2]


def _shift(model: Glow, z: Tensor, found: Directions, name: str, images: Tensor) -> list[float]:
    """The growth of each channel."""
    return (model.decode(found.edit(z, {name: 1.0})).float() - images.float()).mean((0, 2, 3)).tolist()


def test_a_regression_keeps_apart_what_comes_together(model: Glow) -> None:
    """The regression minimises what scikit-learn's does, and is compared with it."""
    linear_model = pytest.importorskip("sklearn.linear_model")
    random = np.random.default_rng(0)
    first = random.random(400) < 0.3
    has = np.stack([first, np.where(random.random(400) < 0.8, first, ~first)], axis=1)
    images = random.integers(60, 120, (400, 8, 8, 3)) + (has @ random.integers(0, 60, (2, 192))).reshape(-1, 8, 8, 3)
    data = Dataset("made", "train", images.astype(np.uint8), attributes=has, attribute_names=("first", "like it"))
    latents = [model.flatten(model(x, y)[0]).half() for _, x, y in dequantized(model, data, range(400))]
    z = torch.cat(latents).double().detach().numpy()
    for ours, truth in zip(fit(model, data, method="logistic").vectors.numpy(), has.T, strict=True):
        theirs = linear_model.LogisticRegression(class_weight="balanced", max_iter=1000, tol=1e-6)
        other = theirs.fit(z, truth).coef_[0]
        assert ours @ other > 0.999 * np.linalg.norm(ours) * np.linalg.norm(other)


def test_a_folder_called_like_a_bundled_model(monkeypatch: pytest.MonkeyPatch, model: Glow, tmp_path: Path) -> None:
    monkeypatch.setattr(weights, "BUNDLED", tmp_path / "models")
    model.save_pretrained(tmp_path / "models" / "faces")
    (tmp_path / "faces").mkdir()
    monkeypatch.chdir(tmp_path)
    assert StoredModel.open("faces").home == tmp_path / "models" / "faces"
    model.save_pretrained("faces/best")
    assert StoredModel.open("faces").home == Path("faces")
    monkeypatch.chdir("faces")
    assert StoredModel.open(".").home == Path()


def test_directions_of_two_times_are_refused(model: Glow, dataset: Dataset, tmp_path: Path) -> None:
    """The machine stopped after one file was written and before the other."""
    model.save_pretrained(tmp_path)
    found = fit(model, dataset)
    found.save(tmp_path)
    about = (tmp_path / "directions.json").read_text()
    replace(found, vectors=2 * found.vectors).save(tmp_path)
    (tmp_path / "directions.json").write_text(about)
    with pytest.raises(InputError, match="damaged"):
        directions_of(tmp_path)


def test_strength_zero_gives_the_image_back(model: Glow, dataset: Dataset) -> None:
    found, images = fit(model, dataset), dataset.batch(range(4))[0]
    z = model.encode(images)
    assert found.edit(z, {"Bright": 0.0, "Red": 0}) is z
    assert torch.equal(model.decode(z), images & 0b11111000)


def test_scales_count_from_what_was_found() -> None:
    found = Directions(("a", "b"), torch.tensor([[1.0], [2.0]]), ({}, {"n": 1})).scaled([2.0, 3.0]).scaled([4.0, 1.5])
    assert found.vectors.flatten().tolist() == [4.0, 3.0]
    assert found.about == ({"scale": 4.0}, {"n": 1, "scale": 1.5})


def test_orthogonal_directions() -> None:
    vectors = torch.tensor([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 1.0]])
    found = Directions(("a", "b", "c"), vectors, ({}, {}, {})).orthogonal_to(["b"])
    assert found.vectors.tolist() == [[2.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 2.0]]
    torch.testing.assert_close((found.vectors * vectors).sum(1), vectors.square().sum(1))
    assert found.about[0] == {"orthogonal_to": ["b"]}
    same = Directions(("a", "b"), vectors[[0, 0]], ({}, {}))
    with pytest.raises(InputError, match="Nothing remains of the direction for a without those for b"):
        same.orthogonal_to(["b"])


def test_directions_are_saved_for_a_models_weights(model: Glow, dataset: Dataset, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="has no directions"):
        directions_of(tmp_path)
    found = fit(model, dataset)
    found.save(tmp_path)
    loaded = directions_of(tmp_path)
    assert torch.equal(loaded.vectors, found.vectors)
    assert (loaded.names, loaded.about) == (found.names, found.about)
    with pytest.raises(InputError, match="no direction for 'Blue'; there is one for Bright, Red"):
        loaded.edit(torch.zeros(1, 192), {"Blue": 1.0})
    randomize(model).save_pretrained(tmp_path)
    with pytest.raises(InputError, match="found before"):
        directions_of(tmp_path)


def test_edits_go_as_far_as_pictures_stay_usual(model: Glow, dataset: Dataset, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    found = fit(model, dataset)
    chosen = reaching(model, dataset, found)
    outcomes = [facts["tried"] for facts in chosen.about]
    assert all(outcome["stay"] >= 0.9 and outcome["fall"] == 0 and outcome["rise"] <= 0.4 for outcome in outcomes)
    for facts, vector, plain in zip(chosen.about, chosen.vectors, found.vectors, strict=True):
        torch.testing.assert_close(vector, facts["scale"] * plain)
    further = reaching(model, dataset, found, 2 * chosen.about[0]["scale"]).about[0]
    assert further["scale"] == 2 * chosen.about[0]["scale"]
    outcome = further["tried"]
    assert further["scale"] > 4 or outcome["stay"] < 0.9 or outcome["fall"] > 0 or outcome["rise"] > 0.4
    far = reaching(model, dataset, found, 1000.0)
    assert [(facts["tried"]["stay"], facts["tried"]["fall"]) for facts in far.about] == [(0.0, 1.0), (0.0, 1.0)]
    chosen.save(tmp_path)
    assert directions_of(tmp_path).usual == chosen.usual


def test_where_edits_stay_usual(model: Glow, dataset: Dataset) -> None:
    """Each end is the furthest of four strengths at which nine images in ten stay usual, whatever they had before."""
    assert dataset.attributes is not None
    bright = dataset.attributes[:, 0]
    rows = np.concatenate([np.flatnonzero(side)[:50] for side in (bright, ~bright)])
    images = dataset.batch(rows)[0]
    before, z = look(model, images), model.encode(images)
    found, inner = fit(model, dataset), 0
    for scale in (0.001, 1.0, 2.0, 4.0, 8.0, 1000.0):
        chosen = reaching(model, dataset, found, scale)
        assert chosen.about[0]["range"] == ranged(model, dataset, chosen).about[0]["range"]
        for sign, end in zip((-1, 1), chosen.about[0]["range"], strict=True):
            stays = {}
            for strength in (0.1, 0.25, 0.5, 0.75, 1.0):
                after = look(model, model.decode(chosen.edit(z, {"Bright": sign * strength}), exact=False))
                assert chosen.usual
                stays[strength] = np.mean([not chosen.usual.left(*pair) for pair in zip(before, after, strict=True)])
            assert abs(end) == max((strength for strength in stays if stays[strength] >= 0.9), default=0.0)
            inner += 0 < abs(end) < 1
    assert inner


NEWER = {"coupling": {"kind": "mixture", "components": 2}, "conditioner": "attention", "dequantizer": "variational"}


@pytest.mark.parametrize("part", NEWER)
def test_edits_of_models_with_newer_parts(part: str, dataset: Dataset) -> None:
    torch.manual_seed(0)
    config = GlowConfig((3, 8, 8), levels=2, steps=2, width=8, num_bits=5)
    model = randomize(Glow(replace(config, **{part: NEWER[part]})), 0.05)  # type: ignore[arg-type]
    found = fit(model, dataset)
    chosen = reaching(model, dataset, found)
    assert all(0.1 < facts["scale"] <= 4 for facts in chosen.about)
    images = dataset.batch(np.flatnonzero(~np.asarray(dataset.attributes)[:, :2].any(1))[:10])[0]
    z = model.encode(images)
    assert torch.equal(model.decode(chosen.edit(z, {"Bright": 0.0})), images & 0b11111000)
    assert np.mean(_shift(model, z, found, "Bright", images)) > 20


def test_how_far_edits_of_classes_go() -> None:
    """A class-conditional model's edits keep to the image's class."""
    torch.manual_seed(0)
    model = randomize(Glow(GlowConfig((3, 8, 8), levels=2, steps=2, width=8, num_bits=5, num_classes=2)), 0.1)
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 60)
    images = (rng.integers(60, 120, (60, 8, 8, 3)) + 60 * labels[:, None, None, None]).astype(np.uint8)
    made = Dataset("made", "validation", images, labels=labels, class_names=("dark", "bright"))
    chosen = reaching(model, made, fit(model, made))
    assert chosen.usual is not None
    assert [0.1 < facts["scale"] <= 4 for facts in chosen.about] == [True, True]


def test_a_picture_that_fell_apart_is_unusual(model: Glow, dataset: Dataset) -> None:
    images = dataset.batch(range(100))[0]
    usual = Usual.of(look(model, images))
    black, white = torch.zeros_like(images[:1]), torch.full_like(images[:1], 255)
    excess = [usual.excess(seen) for seen in look(model, torch.cat([images[:50], black, white]))]
    assert np.count_nonzero(excess[:50]) <= 1
    assert min(excess[50:]) > 1


def test_an_edit_leaves_the_range_that_its_image_was_in() -> None:
    usual = Usual(middle=1.0, highest=2.0)
    inside, outside, further = Seen(1.5, 0.0), Seen(2.1, 0.0), Seen(2.5, 0.0)
    assert usual.left(inside, outside)
    assert usual.left(outside, further)
    assert not usual.left(outside, outside)
    assert not usual.left(outside, inside)
    assert usual.left(inside, Seen(float("nan"), 0.0))
    assert usual.fell(outside, Seen(3.5, 0.0))
    assert not usual.fell(inside, further)


@pytest.mark.parametrize(
    "content",
    ["{}", '{"format_version": 1, "directions": [{}, {}]}', '{"format_version": 1, "directions": null}', "no json"],
)
def test_damaged_directions_are_refused(model: Glow, dataset: Dataset, tmp_path: Path, content: str) -> None:
    model.save_pretrained(tmp_path)
    fit(model, dataset).save(tmp_path)
    (tmp_path / "directions.json").write_text(content)
    with pytest.raises(InputError, match="is damaged"):
        directions_of(tmp_path)


@pytest.mark.parametrize("usual", [{"middle": 1.0}, [1.0], {"middle": 1, "highest": "a lot", "extremes": 1}])
def test_a_damaged_range_is_refused(model: Glow, dataset: Dataset, tmp_path: Path, usual: object) -> None:
    model.save_pretrained(tmp_path)
    fit(model, dataset).save(tmp_path)
    content = json.loads((tmp_path / "directions.json").read_text())
    (tmp_path / "directions.json").write_text(json.dumps(content | {"usual": usual}))
    with pytest.raises(InputError, match="is damaged"):
        directions_of(tmp_path)


def test_joined_directions_replace_those_of_the_same_name() -> None:
    first = Directions(("a", "b"), torch.tensor([[1.0], [2.0]]), ({"n": 1}, {"n": 2}))
    joined = first.joined(Directions(("a", "c"), torch.tensor([[3.0], [4.0]]), ({"n": 3}, {"n": 4})))
    assert (joined.names, joined.vectors.flatten().tolist()) == (("b", "a", "c"), [2.0, 3.0, 4.0])
    assert joined.about[1] == {"n": 3}


def test_data_that_tells_nothing_is_refused(model: Glow, dataset: Dataset) -> None:
    plain = Dataset("plain", "train", dataset.images)
    with pytest.raises(InputError, match="plain has neither attributes nor labels"):
        fit(model, plain)
    with pytest.raises(InputError, match="has no attribute 'Blue'; it has Bright, Red, Never"):
        fit(model, dataset, ("Blue",))
    with pytest.raises(InputError, match="too few examples for Never"):
        fit(model, dataset, ("Never",))


def test_labels_give_a_direction_each(model: Glow, dataset: Dataset) -> None:
    labels = np.asarray(dataset.attributes)[:, 0].astype(np.int64)
    found = fit(model, Dataset("labelled", "train", dataset.images, labels=labels, class_names=("dark", "bright")))
    assert found.names == ("dark", "bright")
    torch.testing.assert_close(found.vectors[0], -found.vectors[1])
