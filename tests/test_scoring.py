"""Scores of images: what is usual is learned from usual images, and their p-values are evenly distributed."""

import csv
import json
import shutil
import threading
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from numpy.typing import NDArray
from PIL import Image

from glowflow import Glow, GlowConfig, InputError, evaluate
from glowflow.cli import main
from glowflow.commands import comparing, sheet
from glowflow.commands.groups import write_groups
from glowflow.data import Dataset
from glowflow.data.own_splits import has_own_splits
from glowflow.data.whole import whole
from glowflow.evaluate import Floats, scores
from glowflow.scoring.codecs import ALL, PNG, WEBP, Codec, begun, fewest_bits, named, standard
from glowflow.scoring.columns import BY_COMPRESSORS, UNUSUALNESS_BY_COMPRESSORS, columns, scored, unusualness
from glowflow.scoring.gaussian import FOLDS, Gaussian
from glowflow.scoring.groups import group_scores
from glowflow.scoring.ranking import most_unusual
from glowflow.scoring.reference import PARTS, Reference
from glowflow.scoring.separation import Scored, separation
from glowflow.scoring.statistics import Statistics, statistics
from glowflow.stored import StoredModel
from glowflow.weights import REFERENCE, load_facts, load_tensors, save_tensors
from tests.helpers import randomize, reference_with, sentence

BOTH = (PNG, WEBP)
INSTALLED = [codec for codec in ALL if codec.is_installed]


@pytest.fixture(name="model", scope="module")
def _model() -> Glow:
    torch.manual_seed(0)
    return randomize(Glow(GlowConfig((3, 8, 8), levels=2, steps=2, width=8, num_bits=5)), 0.1)


def smooth(num: int, seed: int = 0) -> Dataset:
    """Images that brighten downwards, each from another value on."""
    rng = np.random.default_rng(seed)
    images = (
        8 * np.arange(8)[None, :, None, None]
        + rng.integers(0, 90, (num, 1, 1, 3))
        + rng.integers(0, 20, (num, 8, 8, 3))
    )
    return Dataset("smooth", "validation", images.astype(np.uint8))


@pytest.fixture(name="reference", scope="module")
def _reference(model: Glow) -> Reference:
    return Reference.of(statistics(model, smooth(600), BOTH), BOTH, "smooth")


# Compressors


def test_a_compressor_takes_few_bits_for_what_is_plain() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    plain = np.zeros(noise.shape, np.uint8)
    for codec in INSTALLED:
        assert (fewest_bits(plain, 8, [codec]) < 0.5).all()
        assert (fewest_bits(noise, 8, [codec]) > 7.9).all()
    both = np.concatenate([plain, noise])
    apart = [fewest_bits(both, 8, [codec]) for codec in INSTALLED]
    np.testing.assert_array_equal(fewest_bits(both, 8, INSTALLED), np.min(apart, axis=0))


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_only_the_bits_that_a_model_sees_are_compressed(channels: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 16, 16, channels), dtype=np.uint8)
    np.testing.assert_array_equal(fewest_bits(images, 3, BOTH), fewest_bits(images & np.uint8(0xE0), 3, BOTH))
    assert (fewest_bits(images, 3, BOTH) < fewest_bits(images, 8, BOTH) - 3).all()


def test_compressors_work_in_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(0).integers(0, 256, (9, 16, 16, 3), dtype=np.uint8)
    alone = fewest_bits(images, 5, BOTH)
    monkeypatch.setattr("glowflow.scoring.codecs.in_use", lambda: 3)
    np.testing.assert_array_equal(begun(images, 5, BOTH)(), alone)


def test_one_thread_compresses_meanwhile_if_the_processor_is_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    began = threading.Event()

    class Noting(Codec):
        def bits(self, image: NDArray[np.uint8]) -> int:
            began.set()
            return image.size

    monkeypatch.setattr("glowflow.scoring.codecs.in_use", lambda: 1)
    images, noting = np.zeros((2, 4, 4, 1), np.uint8), Noting("noting", 0, "none")
    later = begun(images, 8, [noting])
    assert not began.is_set()
    at_once = begun(images, 8, [noting], is_idle=True)
    assert began.wait(timeout=30)
    assert later().tolist() == at_once().tolist() == [1, 1]


def test_webp_is_what_other_machines_have_too(monkeypatch: pytest.MonkeyPatch) -> None:
    assert standard() == (WEBP,)
    monkeypatch.setattr("glowflow.scoring.codecs.WEBP", replace(WEBP, library="no such library", plugin="not_there"))
    assert standard() == (PNG,)
    assert named(["webp", "PNG", "png"]) == (WEBP, PNG)
    with pytest.raises(InputError, match="There is no compressor 'zip'; there are png, webp, jxl"):
        named(["webp", "zip"])


# The Gaussian


@pytest.mark.parametrize(("num", "count"), [(60, 4), (40, 90), (300, 20)])
def test_an_example_is_left_out_as_if_it_were_not_there(num: int, count: int) -> None:
    """With more examples than folds, a few others are left out with it."""
    values = np.random.default_rng(0).normal(size=(num, count)) @ np.random.default_rng(1).normal(size=(count, count))
    _, left_out = Gaussian.fit(values)
    refitted = [Gaussian.of(np.delete(values, row, 0)).distance(values[row : row + 1])[0] for row in range(num)]
    np.testing.assert_allclose(left_out, refitted, atol=1e-9 if num <= FOLDS else 0.1)
    inside = Gaussian.fit(values)[0].distance(values)
    assert np.abs(left_out - refitted).mean() < 0.3 * np.abs(inside - refitted).mean()


@pytest.mark.parametrize("num", [100, 300])
def test_few_usual_examples_are_as_far_away_as_new_ones(num: int) -> None:
    """Also if some numbers are nearly always the same, as the corners of digits are."""
    rng = np.random.default_rng(0)

    def examples(count: int) -> Floats:
        values = rng.normal(size=(count, 40)) @ np.random.default_rng(1).normal(size=(40, 40))
        return np.concatenate([values, rng.exponential(size=(count, 40)) * (rng.random((count, 40)) < 0.02)], axis=1)

    shares = []
    for _ in range(20):
        gaussian, usual = Gaussian.fit(examples(num))
        shares.append((gaussian.distance(examples(1000)) > np.quantile(usual, 0.95)).mean())
    assert np.mean(shares) == pytest.approx(0.05, abs=0.02)


def test_a_distance_is_that_of_mahalanobis() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(5000, 3)) @ np.array([[3, 0, 0], [1, 1, 0], [0, 2, 0.5]]) + 7
    gaussian = Gaussian.of(values)
    others, covariance = values[:9] + 3, np.cov(values.T, bias=True)
    far = others - values.mean(0)
    exact = np.einsum("ni,ij,nj->n", far, np.linalg.inv(covariance), far)
    np.testing.assert_allclose(np.exp(gaussian.distance(others)), exact, rtol=0.05)


def test_numbers_that_never_vary_and_numbers_that_are_not_finite() -> None:
    values = np.random.default_rng(0).normal(size=(200, 3))
    values[:, 1] = 5
    gaussian, left_out = Gaussian.fit(values)
    assert np.isfinite(left_out).all()
    strange = np.array([[0.0, 6, 0], [np.inf, 5, 0], [0, np.nan, 0], [0, 5, 0]])
    far = gaussian.distance(strange)
    assert far[0] > left_out.max()
    assert list(far[1:3]) == [np.inf, np.inf]
    assert far[3] < left_out.mean()
    assert np.isfinite(Gaussian.fit(np.ones((200, 3)))[1]).all()


def test_one_broken_image_hides_nothing() -> None:
    """One usual image has one number that is far off. The others are as sharp as before."""
    values = np.random.default_rng(0).normal(size=(300, 20))
    values[0, 0] = 1e6
    unusual = np.zeros((1, 20))
    unusual[0, 1:] = 4
    gaussian, left_out = Gaussian.fit(values)
    assert gaussian.distance(unusual)[0] > np.quantile(left_out, 0.99)


# Statistics


def test_statistics_have_the_bits_of_evaluate(model: Glow) -> None:
    images = smooth(23)
    np.testing.assert_allclose(statistics(model, images, seed=3).bits_per_dim, scores(model, images, 1, 3), rtol=1e-5)


def test_statistics_do_not_depend_on_the_batches(model: Glow, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = statistics(model, smooth(23), BOTH)
    monkeypatch.setattr(evaluate, "LARGEST_BATCH", 5)
    parts = statistics(model, smooth(23), BOTH)
    for field in fields(Statistics):
        np.testing.assert_allclose(getattr(parts, field.name), getattr(whole, field.name), rtol=1e-3, atol=1e-5)


def test_tables_are_made_batch_by_batch(model: Glow, reference: Reference, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than a batch's statistics are held, and the table is that of all of them."""
    whole = columns(statistics(model, smooth(23), BOTH), reference)
    monkeypatch.setattr(evaluate, "LARGEST_BATCH", 5)
    sizes: list[int] = []

    def counted(found: Statistics) -> dict[str, Floats]:
        sizes.append(len(found.layout))
        return columns(found, reference)

    table = scored(model, smooth(23), counted, BOTH)
    assert sizes == [5, 5, 5, 5, 3]
    for name, values in whole.items():
        np.testing.assert_allclose(table[name], values, rtol=1e-2, atol=1e-2, err_msg=name)


def test_what_is_known_of_latents(model: Glow) -> None:
    images = torch.from_numpy(smooth(4).images).permute(0, 3, 1, 2)
    noise = torch.rand(images.shape)
    found, (latents, _) = Statistics.of(model, images, noise), model(model.dequantized(images, noise)[0])
    top = latents[-1].detach().double().numpy()
    assert top.shape[1:] == (24, 2, 2)
    of_top = found.latents[:, -30:]  # 24 channels, two products, 2x2 places
    np.testing.assert_allclose(of_top[:, :24], (top**2).mean((2, 3)), rtol=1e-4)
    np.testing.assert_allclose(of_top[:, 24], (top[..., 0] * top[..., 1]).sum((1, 2)) / top[0].size, atol=1e-5)
    np.testing.assert_allclose(of_top[:, 25], (top[..., 0, :] * top[..., 1, :]).sum((1, 2)) / top[0].size, atol=1e-5)
    np.testing.assert_allclose(of_top[:, 26:], (top**2).mean(1).reshape(4, 4), rtol=1e-4)
    np.testing.assert_allclose(found.layout, (images & 0xF8).flatten(1) / 255, rtol=1e-6)


def test_images_without_space_have_statistics_too() -> None:
    model = Glow(GlowConfig((1, 2, 4), levels=1, steps=1, width=8))
    found = statistics(model, Dataset("tiny", "test", np.zeros((3, 2, 4, 1), np.uint8)))
    assert np.isfinite(found.latents).all()


# The reference


def test_p_values_of_usual_images_are_evenly_distributed(model: Glow, reference: Reference) -> None:
    found = statistics(model, smooth(2000, seed=1), BOTH)
    table = columns(found, reference)
    for name in ("p_value", "p_typical", "p_complexity_corrected", *(f"p_{part}" for part in PARTS)):
        assert (table[name] < 0.05).mean() == pytest.approx(0.05, abs=0.03), name
        assert table[name].mean() == pytest.approx(0.5, abs=0.05), name
    assert table["bits_per_dim_rank"].mean() == pytest.approx(0.5, abs=0.05)


def changed(images: Dataset, kind: str) -> Dataset:
    """Images of which something is unusual."""
    x = images.images
    kinds = {
        "noise": np.random.default_rng(0).integers(0, 256, x.shape, dtype=np.uint8),
        "plain": np.full_like(x, 100),
        "upside down": x[:, ::-1],
    }
    return replace(images, images=kinds[kind])


@pytest.mark.parametrize("kind", ["noise", "plain", "upside down"])
def test_images_of_another_kind_are_unusual(model: Glow, reference: Reference, kind: str) -> None:
    table = columns(statistics(model, changed(smooth(100, seed=2), kind), BOTH), reference)
    assert (table["p_value"] < 0.01).mean() > 0.95


def test_scores_go_on_where_p_values_end(model: Glow, reference: Reference) -> None:
    """All are further away than every usual image, so that only the score can rank them."""
    found = statistics(model, smooth(3), BOTH)
    far = [replace(found, latents=found.latents + far) for far in (50.0, 500.0, 5e4)]
    unusual = [columns(each, reference)["unusual"] for each in far]
    assert (unusual[0] < unusual[1]).all()
    assert (unusual[1] < unusual[2]).all()
    assert (columns(far[0], reference)["p_value"] == 1 / 601).all()
    strange = columns(replace(found, latents=found.latents * np.nan), reference)
    assert (strange["unusual"] == np.inf).all()
    assert (strange["p_value"] == 1 / 601).all()


def test_a_rank_counts_usual_images(reference: Reference) -> None:
    usual = replace(reference, usual={"a": np.arange(9.0)})
    values = np.array([-1.0, 0.0, 4.0, 8.0, 9.0])
    np.testing.assert_allclose(usual.rank("a", values), np.array([0, 0, 4, 8, 9]) / 9)
    np.testing.assert_allclose(usual.p_value("a", values), np.array([10, 10, 6, 2, 1]) / 10)
    np.testing.assert_allclose(usual.p_two_sided("a", values), [0.2, 0.4, 1, 0.4, 0.2])


def test_one_broken_usual_image_takes_no_weight_from_its_part(model: Glow, reference: Reference) -> None:
    found = statistics(model, smooth(600), BOTH)
    latents = found.latents.copy()
    latents[0, 0] = 1e9
    broken = Reference.of(replace(found, latents=latents), BOTH, "smooth")
    np.testing.assert_allclose(broken.spread, reference.spread, rtol=0.1)
    np.testing.assert_allclose(broken.centre, reference.centre, atol=0.1)


@pytest.mark.parametrize(("total", "level"), [(100, 0.1), (300, 0.05), (500, 0.02), (1000, 0.01), (5000, 0.01)])
def test_a_threshold_leaves_ten_usual_images(total: int, level: float) -> None:
    assert reference_with(np.arange(float(total))).threshold == level


def test_a_reference_knows_its_images(model: Glow, tmp_path: Path) -> None:
    usual = replace(smooth(120), split="validation", digest="of usual images")
    learned = Reference.learned(model, usual, BOTH)
    model.save_pretrained(tmp_path / "model")
    learned.save(tmp_path / "model", StoredModel.open(tmp_path / "model").digest)
    loaded = Reference.load(StoredModel.open(tmp_path / "model"))
    for each in (learned, loaded):
        assert each is not None
        assert each.has_seen(usual)
        assert each.has_seen(replace(usual, split="all"))
        assert not each.has_seen(replace(usual, split="test"))
        assert not each.has_seen(replace(usual, digest="of others"))
        assert not replace(each, images="").has_seen(replace(usual, digest=""))


def test_too_few_images_or_infinite_ones_make_no_reference(model: Glow) -> None:
    found = statistics(model, smooth(120), BOTH)
    with pytest.raises(InputError, match="smooth has 99 images to tell what is usual; it takes at least 100"):
        Reference.of(statistics(model, smooth(99), BOTH), BOTH, "smooth")
    with pytest.raises(InputError, match="doesn't give finite numbers"):
        Reference.of(replace(found, latents=found.latents * np.inf), BOTH, "smooth")


@pytest.fixture(name="stored")
def _stored(model: Glow, reference: Reference, tmp_path: Path) -> StoredModel:
    model.save_pretrained(tmp_path / "model")
    stored = StoredModel.open(tmp_path / "model")
    reference.save(tmp_path / "model", stored.digest)
    return stored


def test_a_stored_reference_gives_the_same_scores(model: Glow, reference: Reference, stored: StoredModel) -> None:
    found, loaded = statistics(model, smooth(50, seed=3), BOTH), Reference.load(stored)
    assert loaded is not None
    assert loaded.codecs == BOTH
    for name, values in columns(found, reference).items():
        np.testing.assert_allclose(columns(found, loaded)[name], values, rtol=1e-3, atol=0.01, err_msg=name)
    bits = stored.usual["bits_per_dim"]
    assert (stored.usual["data"], stored.usual["images"]) == ("smooth", 600)
    assert bits["50%"] == pytest.approx(np.median(reference.usual["bits_per_dim"]), rel=1e-5)


def test_a_reference_for_other_weights_is_not_used(
    stored: StoredModel, reference: Reference, capsys: pytest.CaptureFixture[str]
) -> None:
    reference.save(stored.directory, "another digest")
    other = StoredModel.open(stored.name)
    assert other.usual == {}
    assert Reference.stored(other) is None
    assert "made with other weights of the model. Make another one:" in " ".join(capsys.readouterr().err.split())
    with pytest.raises(
        InputError, match=r"made with other weights of the model\. Make another one: glowflow calibrate"
    ):
        Reference.load(other)


def another_compressor(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on, PNG gives other sizes."""
    monkeypatch.setattr("glowflow.scoring.reference.ALL", (replace(PNG, options={"compress_level": 1}), WEBP))


def test_a_reference_by_other_compressors_is_refused(stored: StoredModel, monkeypatch: pytest.MonkeyPatch) -> None:
    another_compressor(monkeypatch)
    with pytest.raises(InputError, match=r"reference was made with PNG \(zlib .*\), which codes images differently"):
        Reference.load(stored)
    monkeypatch.setattr("glowflow.scoring.reference.ALL", (PNG, replace(WEBP, plugin="not_there")))
    with pytest.raises(InputError, match=r"was made with WEBP \(webp .*\), which isn't installed here"):
        Reference.load(stored)


def test_scores_without_compressors_do_without_theirs(
    model: Glow, reference: Reference, stored: StoredModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    another_compressor(monkeypatch)
    found, other = statistics(model, smooth(9, seed=3), BOTH), Reference.stored(stored)
    assert other is not None
    for table, lacks in ((columns, BY_COMPRESSORS), (unusualness, UNUSUALNESS_BY_COMPRESSORS)):
        whole, part = table(found, reference), table(found, other)
        assert lacks < whole.keys()
        assert part.keys() == whole.keys() - lacks
        part.pop("complexity_corrected")  # by another compressor
        for name, values in part.items():
            np.testing.assert_allclose(values, whole[name], rtol=1e-3, atol=0.01, err_msg=name)


def test_the_way_out_of_a_model_that_is_not_yours(monkeypatch: pytest.MonkeyPatch) -> None:
    another_compressor(monkeypatch)
    monkeypatch.setattr("glowflow.scoring.reference.ALL", (PNG, replace(WEBP, options={"lossless": True})))
    with pytest.raises(InputError, match=r"Copy .*faces into a folder of your own, and make another one: glowflow cal"):
        Reference.load(StoredModel.open("faces"))


@pytest.mark.parametrize("fault", ["a tensor is missing", "another version", "not safetensors", "no header"])
def test_a_damaged_reference_is_refused(stored: StoredModel, fault: str) -> None:
    path = stored.directory / REFERENCE
    tensors, about = load_tensors(path), load_facts(path)
    if fault == "a tensor is missing":
        del tensors["layout.mean"]
        save_tensors(path, tensors, about)
    elif fault == "another version":
        save_tensors(path, tensors, about | {"format_version": "99"})
    elif fault == "no header":
        path.write_bytes(b"\xff" * 40)
    else:
        path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"is damaged.*ake another one: glowflow calibrate"):
        Reference.load(stored)


def test_a_reference_without_bits_says_so(stored: StoredModel) -> None:
    path = stored.directory / REFERENCE
    tensors, about = load_tensors(path), load_facts(path)
    del tensors["usual.bits_per_dim"]
    save_tensors(path, tensors, about)
    with pytest.raises(InputError, match="should hold the bits/dim of usual images"):
        print(stored.usual)


def test_a_reference_holds_the_usual_bits_of_pixels(model: Glow, stored: StoredModel) -> None:
    learned = Reference.learned(model, smooth(120), BOTH)
    learned.save(stored.directory, stored.digest)
    loaded = Reference.load(stored)
    assert loaded is not None
    assert loaded.where is not None
    assert learned.where is not None
    np.testing.assert_allclose(loaded.where.mean, learned.where.mean, rtol=1e-6)
    np.testing.assert_allclose(loaded.where.deviation, learned.where.deviation, rtol=1e-6)


# The order


def test_what_is_not_a_number_is_the_most_unusual() -> None:
    scores = [np.array([1.0, np.nan, -np.inf]), np.empty(0), np.array([np.inf, 2.0])]
    order = most_unusual(scores)
    assert order.tolist() == [[0, 1], [2, 0], [2, 1], [0, 0], [0, 2]]
    np.testing.assert_array_equal(most_unusual(scores, 2), order[:2])
    assert most_unusual([]).shape == (0, 2)


# The commands


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def column(path: Path, name: str) -> Floats:
    return np.array([float(row[name]) for row in rows_of(path)])


def test_score_without_a_reference_says_so(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "run", "--out", "scores.csv"]) == 0
    told = " ".join(capsys.readouterr().err.split())
    assert "run has no reference that tells what is usual" in told
    assert "A reference takes at least 100 usual images: the training's validation images" in told
    assert "Make one: glowflow calibrate run" in told
    (first, *_) = rows_of(home / "scores.csv")
    assert list(first)[:5] == ["image", "split", "label", "bits_per_dim", "complexity_corrected"]
    levels = sum(float(value) for name, value in first.items() if name.startswith("bits_level"))
    assert levels + 5 == pytest.approx(float(first["bits_per_dim"]), abs=1e-3)
    assert (np.diff(column(home / "scores.csv", "complexity_corrected")) <= 0).all()  # the most unusual is the first


@pytest.fixture(name="many")
def _many(home: Path) -> Path:
    """200 pictures like those of the run, in one file."""
    rng = np.random.default_rng(5)
    np.save(home / "many.npy", rng.integers(0, 256, (200, 8, 8, 3), dtype=np.uint8))
    return home / "many.npy"


@pytest.mark.usefixtures("many")
def test_calibrate_makes_what_score_needs(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calibrate", "run", "--data", "many.npy", "--num-images", "120"]) == 0
    out = capsys.readouterr().out
    assert "120 of many.npy, all images" in out
    assert "WEBP (webp" in out
    assert "PNG" not in out
    assert main(["score", "run", "--data", "many.npy", "--out", "scores.csv"]) == 0
    told = " ".join(capsys.readouterr().err.split())
    assert "Images are compared with 120 usual images of many.npy." in told
    assert "The reference was made of images of many.npy, all images, so they look too usual." in told
    alarms = int((column(home / "scores.csv", "p_value") < 0.1).sum())
    assert f"200 images scored in scores.csv. {alarms} have a p-value below 0.1, where about 20 of 200 usual" in told
    assert {row["split"] for row in rows_of(home / "scores.csv")} == {"all"}
    np.save("one.npy", np.zeros((1, *np.load("many.npy").shape[1:]), np.uint8))
    assert main(["score", "run", "--data", "one.npy", "--out", "one.csv"]) == 0
    told = " ".join(capsys.readouterr().err.split())
    assert "1 has a p-value below 0.1, where 10% of usual images would." in told
    first = list(rows_of(home / "scores.csv")[0])
    assert first[3:9] == ["unusual", "p_value", "p_bits", "p_latents", "p_layout", "bits_per_dim"]
    p_values = column(home / "scores.csv", "p_value")
    assert 0 < p_values.min() < p_values.max() <= 1
    assert (np.diff(column(home / "scores.csv", "unusual")) <= 0).all()
    assert (np.diff(p_values) >= 0).all()


def test_calibrate_takes_what_the_training_has_not_seen(
    home: Path, many: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All images of other data; the validation split of data that has one, or that the model was trained on."""
    np.savez(home / "split.npz", train=np.load(many)[:20], validation=np.load(many)[20:])
    assert main(["calibrate", "run", "--data", "split.npz"]) == 0
    assert "180 of split.npz, validation split" in capsys.readouterr().out
    assert main(["calibrate", "run", "--data", "many.npy"]) == 0
    assert "200 of many.npy, all images" in capsys.readouterr().out
    assert "pictures, validation split: 8 images" in sentence(capsys, "calibrate", "run", "--data", "pictures")
    for split in ("all", "train"):
        refused = sentence(capsys, "calibrate", "run", "--split", split)
        assert f"--split is {split}, and run was trained on images of pictures, so they look too usual" in refused
    assert main(["calibrate", "run", "--data", "split.npz", "--split", "all"]) == 0
    assert "200 of split.npz, all images" in capsys.readouterr().out
    trained_here(home)
    for split in ("all", "test", "validation"):
        refused = sentence(capsys, "calibrate", "run", "--data", "pictures/dark", "--split", split)
        assert f"may hold images of {home / 'pictures'}, which run was trained on" in refused


def test_score_takes_test_images_of_what_the_model_was_trained_on(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Others look too usual, which a line reports if they are asked for."""
    for words in ([], ["--data", "pictures"]):
        assert main(["score", "run", *words]) == 0
        assert {row["split"] for row in rows_of(home / "scores.csv")} == {"test"}
        assert "too usual" not in capsys.readouterr().err
    for split, count in (("all", 60), ("train", 45)):
        assert main(["score", "run", "--split", split]) == 0
        assert len(rows_of(home / "scores.csv")) == count
        told = " ".join(capsys.readouterr().err.split())
        assert "run was trained on 45 images of these, so they look too usual." in told


@pytest.mark.parametrize("model", ["run/best", "run/last", "copy", "run/best without images.json"])
def test_a_checkpoint_knows_its_training_images(home: Path, model: str, capsys: pytest.CaptureFixture[str]) -> None:
    """By the settings of its run, or by the digest that is stored with it; the images may have moved."""
    shutil.copytree("run/best", "copy")
    if "without" in model:
        model = "run/best"
        (home / "run" / "best" / "images.json").unlink()
        (home / "run" / "best" / "digests.json").unlink()
    shutil.copytree("pictures", "moved")
    for data in ("pictures", "moved"):
        assert main(["compare", model, "--data", data, "--against", data, "--json", "apart.json"]) == 0
        found = json.loads((home / "apart.json").read_text())
        assert (found["split"], found["images"]) == ("test", 7)
    assert "doesn't record" not in capsys.readouterr().err
    assert "validation split: 8 images" in sentence(capsys, "calibrate", model, "--data", "moved")


def test_a_model_that_records_nothing_says_so(home: Path, many: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Glow.from_pretrained("run").save_pretrained(home / "plain")
    assert main(["calibrate", "plain", "--data", many.name]) == 0
    told = " ".join(capsys.readouterr().err.split())
    assert "plain doesn't record its training images, so all images of many.npy count as unseen." in told
    assert "plain doesn't record what it was trained on: give --data" in sentence(capsys, "evaluate", "plain")


def trained_here(home: Path) -> None:
    """Note that the run was trained on home's own pictures, and not on those of which they are a copy."""
    settings = yaml.safe_load((home / "run" / "config.yaml").read_text())
    settings["train"]["data"] = str(home / "pictures")
    (home / "run" / "config.yaml").write_text(yaml.safe_dump(settings))


def test_a_part_of_the_training_folder_is_not_new(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trained_here(home)
    for data in ("pictures/dark", "."):
        for command in ("calibrate", "compare"):
            words = (command, "run", "--data", data, *(["--against", "pictures"] if command == "compare" else []))
            assert f"{data} may hold images of {home / 'pictures'}, which run" in sentence(capsys, *words)
    assert main(["score", "run", "--data", "pictures/dark"]) == 0
    told = " ".join(capsys.readouterr().err.split())
    assert "which run was trained on. These look too usual." in told
    assert {row["split"] for row in rows_of(home / "scores.csv")} == {"all"}


def test_a_split_of_the_training_folder_is_new(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trained_here(home)
    shutil.move("pictures", "all")
    for split, kind in (("train", "bright"), ("test", "dark")):
        shutil.copytree(f"all/{kind}", f"pictures/{split}")
    assert main(["compare", "run", "--against", "pictures/test", "--json", "apart.json"]) == 0
    found = json.loads((home / "apart.json").read_text())
    assert (found["against_split"], found["against_images"]) == ("all", 30)
    assert "may hold images of" in sentence(capsys, "compare", "run", "--against", "pictures/train")


def test_new_images_are_one_data_set(home: Path) -> None:
    """Their splits, which other commands make, mean nothing here. Maps, the sheet and the report have one, too."""
    shutil.copytree("pictures", "new")
    (home / "new" / "dark" / "0.png").unlink()
    assert main(["score", "run", "--data", "new", "--maps", "maps", "--maps-num", "2"]) == 0
    rows = rows_of(home / "scores.csv")
    assert (len(rows), {row["split"] for row in rows}) == (59, {"all"})
    assert {(row["image"].split("/")[0], row["label"]) for row in rows} == {("bright", "bright"), ("dark", "dark")}
    assert all(path.name[1:].startswith("-all-") for path in (home / "maps").iterdir())
    (result,) = json.loads((home / "run" / "results.json").read_text())["results"]
    assert result["subject"] == "new, all images"
    assert main(["score", "run", "--data", "new", "--split", "test"]) == 0
    assert {row["split"] for row in rows_of(home / "scores.csv")} == {"test"}


def test_an_image_has_the_same_scores_wherever_it_stands(home: Path, many: Path) -> None:
    assert main(["calibrate", "run", "--data", "many.npy"]) == 0
    np.save("others.npy", np.load(many)[150:20:-1])
    scores = {}
    for name in ("many", "others"):
        assert main(["score", "run", "--data", f"{name}.npy", "--out", f"{name}.csv"]) == 0
        scores[name] = {int(row["image"]): float(row["bits_per_dim"]) for row in rows_of(home / f"{name}.csv")}
    assert len(scores["others"]) == 130
    for row, bits in scores["others"].items():
        assert bits == pytest.approx(scores["many"][150 - row], abs=1e-4)


def test_parts_of_a_data_set_are_joined_in_the_order_of_their_names() -> None:
    names = np.array([b"10.png", b"9.png", b"2.png", b"1.png", b"300.png"])
    images = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1) * np.ones((5, 2, 3, 1), np.uint8)
    everything = Dataset("mine", "train", images, labels=np.arange(5), sources=names, groups=np.arange(5))
    parts = [everything.chosen(np.array([0, 1, 4])), replace(everything.chosen(np.array([2, 3])), groups=None)]
    joined = whole(parts)
    assert [joined.describe(row) for row in range(5)] == ["1.png", "2.png", "9.png", "10.png", "300.png"]
    assert joined.images[:, 0, 0, 0].tolist() == [3, 2, 1, 0, 4]
    np.testing.assert_array_equal(joined.labels, [3, 2, 1, 0, 4])
    assert (joined.split, joined.groups, joined.title) == ("all", None, "mine, all images")


@pytest.mark.usefixtures("many")
def test_calibrate_takes_other_compressors(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calibrate", "run", "--data", "many.npy", "--compressors", "png,webp"]) == 0
    assert "PNG (zlib" in capsys.readouterr().out
    found = Reference.load(StoredModel.open(home / "run"))
    assert found is not None
    assert found.codecs == BOTH
    assert "There is no compressor 'zip'" in sentence(capsys, "calibrate", "run", "--compressors", "zip")


@pytest.mark.usefixtures("many")
def test_a_sealed_directory_stays_undamaged(home: Path) -> None:
    assert main(["calibrate", "run/best", "--data", "many.npy"]) == 0
    assert (home / "run" / "best" / REFERENCE).is_file()
    assert main(["evaluate", "run/best", "--data", "pictures"]) == 0
    digests = home / "run" / "best" / "digests.json"
    assert REFERENCE not in json.loads(digests.read_text())
    older = json.loads(digests.read_text()) | {REFERENCE: "the digest of another one"}
    digests.write_text(json.dumps(older, indent=2) + "\n")
    assert main(["evaluate", "run/best", "--data", "pictures"]) == 0


@pytest.mark.usefixtures("many")
def test_a_reference_for_former_weights_is_not_used_silently(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calibrate", "run/best", "--data", "many.npy"]) == 0
    shutil.copy(home / "run" / "best" / REFERENCE, home / "run" / REFERENCE)
    former = load_tensors(home / "run" / REFERENCE), load_facts(home / "run" / REFERENCE)
    save_tensors(home / "run" / REFERENCE, former[0], former[1] | {"model": "former weights"})
    capsys.readouterr()
    assert main(["score", "run", "--data", "pictures", "--out", "s.csv"]) == 0
    told = " ".join(capsys.readouterr().err.split())
    assert f"The reference run/{REFERENCE} was made with other weights of the model, so run/best/{REFERENCE} is" in told
    assert "unusual" in rows_of(home / "s.csv")[0]


@pytest.mark.usefixtures("many")
def test_score_and_compare_go_on_without_the_compressors(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["calibrate", "run", "--data", "many.npy", "--compressors", "png,webp"]) == 0
    another_compressor(monkeypatch)
    assert main(["score", "run", "--data", "pictures", "--out", "s.csv", "--groups", "folder"]) == 0
    told = " ".join(capsys.readouterr().err.split())
    assert "so complexity_corrected is the main score. The reference was made with PNG (zlib" in told
    assert "Make another one: glowflow calibrate run" in told
    first = rows_of(home / "s.csv")[0]
    assert {"bits_per_dim_rank", "p_typical", "p_latents", "p_layout", "complexity_corrected"} <= first.keys()
    assert (np.diff(column(home / "s.csv", "complexity_corrected")) <= 0).all()
    assert not first.keys() & BY_COMPRESSORS
    groups = rows_of(home / "s-groups.csv")
    assert list(groups[0]) == ["group", "split", "images", "bits_per_dim", "p_typical"]
    assert (np.diff([float(row["p_typical"]) for row in groups]) >= 0).all()
    assert main(["compare", "run", "--data", "pictures", "--against", "many.npy"]) == 0
    assert "combined" not in capsys.readouterr().out


@pytest.mark.usefixtures("many")
def test_draws_change_only_the_bits_that_are_compared_with_nothing(home: Path) -> None:
    """The reference has one draw. Means of several draws vary less, so p-values of them would be too large."""
    assert main(["calibrate", "run", "--data", "many.npy"]) == 0
    for draws in ("1", "5"):
        assert main(["score", "run", "--data", "pictures", "--draws", draws, "--out", f"{draws}.csv"]) == 0
    one, five = (rows_of(home / f"{draws}.csv") for draws in ("1", "5"))
    differing = {name for a, b in zip(one, five, strict=True) for name in a if a[name] != b[name]}
    assert differing == {"bits_per_dim"}


def test_what_calibrate_refuses(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "A reference takes at least 100" in sentence(capsys, "calibrate", "run")
    assert "--num-images is 7; it takes" in sentence(capsys, "calibrate", "run", "--num-images", "7")
    assert "which isn't yours to change" in sentence(capsys, "calibrate", "faces", "--data", "pictures")
    assert not (home / "run" / REFERENCE).exists()


def test_scores_beside_a_background_model(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "run", "--background", "run", "--out", "same.csv"]) == 0
    np.testing.assert_allclose(column(home / "same.csv", "background_corrected"), 0, atol=1e-4)
    assert main(["score", "run", "--background", "run/last", "--out", "other.csv"]) == 0
    assert "--background is faces; it takes a model" in sentence(capsys, "score", "run", "--background", "faces")
    config = StoredModel.open("run").config
    Glow(replace(config, dequantizer="variational")).save_pretrained("learned")
    assert "can't be compared: give a background" in sentence(capsys, "score", "run", "--background", "learned")


# How well scores tell images apart


def test_measures_of_separation_are_those_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    usual, other = rng.normal(size=200).round(1), rng.normal(size=70).round(1) + 0.5  # with ties
    labels, values = np.repeat([0, 1], [200, 70]), np.concatenate([usual, other])
    found = separation(Scored(usual), Scored(other))
    assert found["auroc"] == pytest.approx(metrics.roc_auc_score(labels, values))
    assert found["average_precision"] == pytest.approx(metrics.average_precision_score(labels, values))
    for name in ("auroc", "average_precision", "detection"):
        low, high = found[f"{name}_95"]
        assert low < found[name] < high < low + 0.3


def test_few_groups_leave_a_wide_interval() -> None:
    rng = np.random.default_rng(0)
    scene = np.arange(200) // 20
    usual, other = rng.normal(size=10)[scene] + 0.1 * rng.normal(size=200), rng.normal(size=50) + 1
    alone, together = (separation(Scored(usual, groups), Scored(other))["auroc_95"] for groups in (None, scene))
    assert together[1] - together[0] > 1.5 * (alone[1] - alone[0])
    strange = separation(Scored(np.array([0.0, 1.0])), Scored(np.array([np.nan, np.inf])))
    assert strange["auroc"] == 1


def test_clusters_are_drawn_as_a_loop_would_draw_them() -> None:
    values, groups = np.arange(12.0), np.array([7, 3, 7, 7, 5, 3, 9, 9, 9, 9, 5, 1])
    drawn = Scored(values, groups).resampled(np.random.default_rng(4)).values
    names = np.unique(groups)
    chosen = names[np.random.default_rng(4).integers(len(names), size=len(names))]
    np.testing.assert_array_equal(drawn, np.concatenate([values[groups == name] for name in chosen]))


def test_a_single_scene_gives_no_interval() -> None:
    rng = np.random.default_rng(0)
    found = separation(Scored(rng.normal(size=50), np.zeros(50, np.int64)), Scored(rng.normal(size=50)))
    assert 0 < found["auroc"] < 1
    assert {found[name] for name in found if name.endswith("_95")} == {None}


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("num", "scenes", "effect"),
    [
        (40, 1, "come from 1 scene, so there are no intervals"),
        (40, 2, "come from 2 scenes, so the intervals are too narrow"),
        (1, None, "are only 1, so there are no intervals"),
        (20, None, "are only 20, so the intervals are too narrow"),
    ],
)
def test_compare_reports_few_scenes_or_images(
    num: int, scenes: int | None, effect: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = replace(smooth(num), groups=None if scenes is None else np.arange(num) % scenes)
    monkeypatch.setattr(comparing, "unseen_of", lambda _, data, *__: photos if data else smooth(40))
    assert main(["compare", "run", "--against", "photos"]) == 0
    told = " ".join(capsys.readouterr().err.split())
    assert f"The unusual images {effect}." in told
    assert "The usual images" not in told


def test_compare_takes_no_training_images(home: Path, many: Path) -> None:
    assert main(["compare", "run", "--data", "pictures", "--against", "many.npy", "--json", "apart.json"]) == 0
    found = json.loads((home / "apart.json").read_text())
    assert (found["data"], found["split"], found["images"]) == ("pictures", "test", 7)
    assert (found["against_split"], found["against_images"]) == ("all", 200)
    assert main(["compare", "run", "--against", str(many), "--json", "apart.json"]) == 0
    assert json.loads((home / "apart.json").read_text())["data"] == "pictures"


def test_data_that_is_joined_with_a_data_set_has_its_splits(home: Path) -> None:
    assert has_own_splits("photos+many.npy")
    assert not has_own_splits("pictures+many.npy")
    for name, content in (("broken.npz", b"PK\x03\x04 broken"), ("text.npz", b"text"), ("empty.npz", b"")):
        (home / name).write_bytes(content)
        assert not has_own_splits(str(home / name))
    np.save(home / "array.npy", np.zeros(3))
    (home / "array.npy").rename(home / "array.npz")
    assert not has_own_splits(str(home / "array.npz"))


@pytest.mark.usefixtures("many")
def test_compare_reports_that_images_are_compared_with_themselves(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for data in ("many.npy", "pictures"):
        assert main(["compare", "run", "--data", data, "--against", data]) == 0
        assert "--against names the usual images themselves" in capsys.readouterr().err
    assert main(["compare", "run", "--against", "many.npy"]) == 0
    assert "themselves" not in capsys.readouterr().err


def test_compare_explains_a_broken_file(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "broken.npz").write_bytes(b"PK\x03\x04 broken")
    assert "can't be read as a NumPy file" in sentence(capsys, "compare", "run", "--against", "broken.npz")


def test_compare_writes_what_it_measures(home: Path, many: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calibrate", "run", "--data", "many.npy"]) == 0
    shutil.copytree("pictures", "others")
    (home / "others" / "dark" / "0.png").unlink()  # otherwise they are the training's images
    assert "give the unusual images by --against" in sentence(capsys, "compare", "run")
    noise = ["--against", "many.npy", "--json", "apart.json", "--out", "apart.png"]
    assert main(["compare", "run", "--data", "others", *noise]) == 0
    told = capsys.readouterr()
    assert "combined              AUROC " in told.out
    assert f"{'usual images':20}  59 of others, all images" in told.out
    assert f"{'unusual images':20}  200 of many.npy, all images" in told.out
    err = " ".join(told.err.split())
    assert "Images are compared with 200 usual images of many.npy." in err
    assert err.count("so they look too usual") == 1
    found = json.loads((home / "apart.json").read_text())
    assert (found["images"], found["against_images"]) == (59, 200)
    names = {"combined", "bits", "latents", "layout", "bits_per_dim", "complexity_corrected", "typicality"}
    assert found["scores"].keys() == names
    assert found["scores"]["combined"]["auroc"] < 0.1  # noise is what is usual here
    with Image.open(home / "apart.png") as picture:
        assert picture.width == 760
    np.savez(home / "split.npz", train=np.load(many)[:150], test=np.load(many)[150:])
    assert main(["compare", "run", "--data", "split.npz", "--against", "others", "--json", "apart.json"]) == 0
    found = json.loads((home / "apart.json").read_text())
    assert (found["images"], found["against_images"]) == (50, 59)
    assert found["scores"]["combined"]["auroc"] > 0.9


# Groups and sheets


@pytest.mark.parametrize("size", [1, 10, 50, 3000])
def test_p_values_of_usual_groups_are_evenly_distributed(size: int) -> None:
    """Although scores may have heavy tails, so that a group holds one far above all of the reference."""
    rng = np.random.default_rng(0)
    p_values = []
    for _ in range(40 if size > 100 else 400):
        usual = {name: np.sort(rng.standard_t(2, size=300)) for name in ("unusual", "bits_per_dim")}
        found = {name: rng.standard_t(2, size=size) for name in usual}
        reference = replace(reference_with(np.zeros(1)), usual=usual)
        (row,) = group_scores([np.arange(size)], found, reference)
        p_values.append((row["p_value"], row["p_typical"]))
    for each in np.array(p_values).T:
        spread = 3 / len(each) ** 0.5  # of shares, in standard deviations of at most 1/2
        assert each.mean() == pytest.approx(0.5, abs=spread)
        assert (each < 0.05).mean() == pytest.approx(0.05, abs=0.5 * spread)
        assert (each < 0.01).mean() <= 0.01 + 0.2 * spread


def test_a_group_of_one_has_the_p_value_of_its_image() -> None:
    usual = np.sort(np.random.default_rng(0).normal(size=300))
    reference = replace(reference_with(usual), usual={"unusual": usual, "bits_per_dim": usual})
    for value in (-9.0, 0.0, 1.5, 9.0):
        scores = {"unusual": np.array([value]), "bits_per_dim": np.array([value])}
        (row,) = group_scores([np.arange(1)], scores, reference)
        assert row["p_value"] == pytest.approx(reference.p_value("unusual", scores["unusual"])[0], abs=0.02)
        assert row["p_value"] > 0.001


def test_a_group_is_sharper_than_its_images() -> None:
    usual = np.sort(np.random.default_rng(0).normal(size=1000))
    reference = replace(reference_with(usual), usual={"unusual": usual, "bits_per_dim": usual})
    shifted = {"unusual": np.full(30, 1.0), "bits_per_dim": np.full(30, -1.0)}
    one, many = group_scores([np.arange(1), np.arange(30)], shifted, reference)
    for name in ("p_value", "p_typical"):
        assert one[name] > 0.1
        assert many[name] < 0.001


@pytest.mark.usefixtures("many")
def test_score_writes_groups_and_a_sheet(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree("pictures", "others")
    (home / "others" / "dark" / "0.png").unlink()  # otherwise they are the training's images
    score = ["score", "run", "--data", "others", "--split", "all", "--out", "s.csv"]
    said = sentence(capsys, *score, "--groups", "folder")
    assert "--groups compares with usual images. Make a reference: glowflow calibrate run" in said
    assert main(["calibrate", "run", "--data", "many.npy"]) == 0
    assert main([*score, "--groups", "folder", "--sheet", "sheet.png"]) == 0
    rows = rows_of(home / "s-groups.csv")
    assert {(Path(row["group"]).name, row["split"], row["images"]) for row in rows} == {
        ("bright", "all", "30"),
        ("dark", "all", "29"),
    }
    assert (np.diff([float(row["p_value"]) for row in rows]) >= 0).all()  # the most unusual group is the first
    mean = np.mean(column(home / "s.csv", "unusual"))
    weights = [int(row["images"]) for row in rows]
    assert np.average(column(home / "s-groups.csv", "unusual"), weights=weights) == pytest.approx(mean, rel=1e-4)
    with Image.open(home / "sheet.png") as picture:
        assert min(picture.size) > 600
    inside = sentence(capsys, *score, "--maps", "others/maps")
    assert inside.endswith("others/maps lies in others, whose images are read: give --maps a place outside.")
    assert "--groups is 0; it takes" in sentence(capsys, *score, "--groups", "0")
    twice = sentence(capsys, *score[:-1], "same.png", "--sheet", "same.png")
    assert twice.endswith("same.png can't be written for both --out and --sheet: give one of them another name.")
    assert "leave out --draws" in sentence(capsys, *score, "--groups", "7", "--draws", "2")
    flat = ("score", "run", "--data", "many.npy", "--groups", "folder", "--out", "flat.csv")
    assert "many.npy has none, so give a number instead" in sentence(capsys, *flat)
    assert not (home / "flat.csv").exists()


@pytest.mark.parametrize("has_reference", [True, False])
def test_groups_with_equal_p_values_are_ordered_by_how_unusual_they_are(tmp_path: Path, *, has_reference: bool) -> None:
    """Groups beyond all usual ones have equal p-values."""
    usual = np.sort(np.random.default_rng(0).normal(size=300))
    reference = replace(reference_with(usual), usual={"unusual": usual, "bits_per_dim": usual})
    last = 70 if has_reference else -70  # too few bits count as much as too many
    values = np.array([50.0, 50, 90, 90, last, last])
    columns = {"bits_per_dim": values} | ({"unusual": values} if has_reference else {})
    write_groups(tmp_path / "s.csv", 2, [(smooth(6), columns)], reference)
    assert [row["group"] for row in rows_of(tmp_path / "s-groups.csv")] == ["2 to 3", "4 to 5", "0 to 1"]


@pytest.mark.usefixtures("many")
def test_images_that_follow_one_another_are_grouped(home: Path) -> None:
    """Data without splits of its own is grouped in the order of its names, and other data within each split."""
    assert main(["calibrate", "run", "--data", "many.npy"]) == 0
    shutil.copytree("pictures", "others")
    (home / "others" / "dark" / "0.png").unlink()  # otherwise they are the training's images
    assert main(["score", "run", "--data", "others", "--groups", "7", "--out", "s.csv"]) == 0
    rows = rows_of(home / "s-groups.csv")
    assert sorted(row["images"] for row in rows) == ["3"] + ["7"] * 8
    assert "bright/1.png to bright/13.png" in {row["group"] for row in rows}  # 1, 3, 5, ..., not 1, 11, 13
    assert main(["score", "run", "--data", "many.npy", "--groups", "50", "--out", "s.csv"]) == 0
    assert {row["group"] for row in rows_of(home / "s-groups.csv")} == {
        f"{start} to {start + 49}" for start in (0, 50, 100, 150)
    }
    many = np.load("many.npy")
    np.savez("split.npz", train=many[:15], validation=many[15:25], test=many[25:40])
    assert main(["score", "run", "--data", "split.npz", "--groups", "10", "--out", "s.csv"]) == 0
    found = sorted((row["split"], row["images"]) for row in rows_of(home / "s-groups.csv"))
    assert found == [("test", "10"), ("test", "5"), ("train", "10"), ("train", "5"), ("validation", "10")]


def test_groups_of_one_size_are_compared_with_the_same_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = np.sort(np.random.default_rng(0).normal(size=200))
    reference = replace(reference_with(usual), usual={"unusual": usual, "bits_per_dim": usual})
    drawn: list[int] = []
    generator = np.random.default_rng

    def counted(seed: int) -> np.random.Generator:
        drawn.append(seed)
        return generator(seed)

    monkeypatch.setattr(np.random, "default_rng", counted)
    scores = {"unusual": usual, "bits_per_dim": usual}
    group_scores([np.arange(start, start + 20) for start in range(0, 180, 20)], scores, reference)
    assert len(drawn) == 1


def test_each_image_is_in_one_half_of_a_sheet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []

    def captioned(picture: Image.Image, captions: Sequence[tuple[str, str]]) -> Image.Image:
        shown.extend(name for _, name in captions)
        return picture

    monkeypatch.setattr("glowflow.captions.captioned", captioned)
    for count in (1, 3, 50, 100):
        shown.clear()
        sheet.draw_sheet(tmp_path / "sheet.png", "unusual", [(smooth(count), np.arange(float(count)))])
        assert len(set(shown)) == len(shown) == min(count, 80)
        assert shown[0] == str(count - 1)


def test_an_interruption_leaves_no_maps(home: Path, many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the same command starts again."""
    saved: list[Path] = []

    def save(_picture: object, path: Path) -> None:
        saved.append(path)
        path.touch()
        if len(saved) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr("glowflow.pictures.save", save)
    command = ["score", "run", "--data", str(many), "--maps", "maps", "--maps-num", "5"]
    assert main(command) == 130
    assert not (home / "maps").exists()
    assert main(command) == 0
    assert len(list((home / "maps").iterdir())) == 5


def test_an_unknown_compressor_has_no_size() -> None:
    assert not Codec("XYZ", 0, "no such library", plugin="no_such_module").is_installed
