"""Samples are judged by KID, precision and recall, on features of a classifier that is trained on training images."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from glowflow import InputError
from glowflow.cli import main
from glowflow.config import RunConfig
from glowflow.data import Dataset, Split
from glowflow.judging import Judge, training
from glowflow.judging.classifier import LEAST_SPREAD, Classifier
from glowflow.judging.kid import kid
from glowflow.judging.precision_recall import precision_recall
from glowflow.judging.real_images import RealImages
from glowflow.judging.task import Task, accuracy, turned
from glowflow.judging.training import classifier_for
from glowflow.training import train


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(training, "TRAINING_IMAGES", 2048)
    monkeypatch.setenv("GLOWFLOW_CACHE", str(tmp_path / "cache"))


def cloud(num: int, at: float = 0.0, seed: int = 0) -> Tensor:
    return at + torch.randn(num, 3, generator=torch.Generator().manual_seed(seed))


def test_kid_is_its_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = torch.randn(5, 3, dtype=torch.float64), torch.rand(4, 3, dtype=torch.float64)

    def k(a: Tensor, b: Tensor) -> float:
        return float((sum(p * q for p, q in zip(a, b, strict=True)) / 3 + 1) ** 3)

    same_x = np.mean([k(x[i], x[j]) for i in range(5) for j in range(5) if i != j])
    same_y = np.mean([k(y[i], y[j]) for i in range(4) for j in range(4) if i != j])
    across = np.mean([k(a, b) for a in x for b in y])
    assert kid(x, y) == pytest.approx(same_x + same_y - 2 * across)
    monkeypatch.setattr("glowflow.judging.kid.ROWS", 2)  # in parts
    assert kid(x, y) == pytest.approx(same_x + same_y - 2 * across)


def test_kid_is_unbiased() -> None:
    generator = torch.Generator().manual_seed(0)
    draws = [kid(*torch.randn(2, 10, 4, generator=generator)) for _ in range(2000)]
    error = np.std(draws) / np.sqrt(len(draws))
    assert abs(np.mean(draws)) < 4 * error
    assert kid(torch.randn(50, 4, generator=generator), 1 + torch.randn(50, 4, generator=generator)) > 10 * error


def test_a_set_covers_itself_and_nothing_far_away() -> None:
    points = cloud(40)
    assert precision_recall(points, points) == (1.0, 1.0)
    assert precision_recall(points, cloud(40, at=1e3)) == (0.0, 0.0)


def test_samples_of_one_of_two_kinds_are_precise_and_have_half_the_recall() -> None:
    images = torch.cat([cloud(40), cloud(40, at=1e3)])
    assert precision_recall(images[:40], images) == (1.0, 0.5)
    assert precision_recall(images, images[:40]) == (0.5, 1.0)


def test_a_point_on_the_edge_of_a_ball_is_inside() -> None:
    line = torch.arange(4.0)[:, None]  # with one neighbour, the balls of 0, 1, 2, 3 have the radius 1
    beyond = torch.tensor([[4.0], [4.25], [9.0], [9.25]])  # and those of these points 0.25
    assert precision_recall(beyond, line, neighbours=1) == (0.25, 0.0)


def test_equal_points_have_balls_without_size() -> None:
    same, near = torch.ones(6, 2), torch.ones(6, 2) + 1e-6
    assert precision_recall(same, same, neighbours=5) == (1.0, 1.0)
    assert precision_recall(same, near, neighbours=5) == (0.0, 0.0)


def test_precision_and_recall_are_their_definitions(monkeypatch: pytest.MonkeyPatch) -> None:
    samples, images = cloud(23), cloud(17, at=2.5, seed=1)

    def share(points: Tensor, others: Tensor, k: int) -> float:
        radii = [sorted(float((a - b).norm()) for b in others)[k] for a in others]
        return float(np.mean([any((p - o).norm() <= r for o, r in zip(others, radii, strict=True)) for p in points]))

    expected = [(share(samples, images, k), share(images, samples, k)) for k in (1, 3, 5)]
    assert [precision_recall(samples, images, k) for k in (1, 3, 5)] == expected
    assert 0 < expected[0][0] < expected[-1][0] < 1
    monkeypatch.setattr("glowflow.judging.precision_recall.ROWS", 4)
    assert [precision_recall(samples, images, k) for k in (1, 3, 5)] == expected


def test_neighbours_need_more_points() -> None:
    with pytest.raises(InputError, match="at least 6 samples and as many images; there are 5 samples and 9 images"):
        precision_recall(cloud(5), cloud(9))
    with pytest.raises(InputError, match="there are 9 samples and 5 images"):
        precision_recall(cloud(9), cloud(5))
    assert precision_recall(cloud(6), cloud(6)) == (1.0, 1.0)


def slopes(num: int = 120, **columns: object) -> Dataset:
    """Images that are dark on the left and bright on the right."""
    noise = np.random.default_rng(0).integers(0, 60, (num, 8, 8, 1))
    images = (noise + np.linspace(0, 190, 8)[:, None]).astype(np.uint8)
    return Dataset("slopes", "train", images, **columns)  # type: ignore[arg-type]


def test_images_without_labels_are_turned() -> None:
    images = torch.arange(6 * 2 * 4 * 4, dtype=torch.uint8).reshape(6, 2, 4, 4)
    found, turns = turned(images)
    assert turns.tolist() == [0, 1, 2, 3, 0, 1]
    for image, square, turn in zip(images.numpy(), found.numpy(), turns.tolist(), strict=True):
        np.testing.assert_array_equal(square, np.rot90(image, turn, (1, 2)))
    wide = torch.nn.functional.pad(images, (1, 1))
    torch.testing.assert_close(turned(wide)[0], found)
    torch.testing.assert_close(turned(torch.nn.functional.pad(images, (0, 0, 2, 2)))[0], found)


def test_a_classifier_learns_how_images_are_turned() -> None:
    assert classifier_for(Task(slopes(), num_bits=8)).accuracy > 0.9


def test_a_task_takes_labels_then_attributes_then_rotations() -> None:
    labels, attributes = np.arange(120) % 3, np.ones((120, 2), bool)
    known = slopes(attributes=attributes, attribute_names=tuple("de"))
    both = Task(replace(known, labels=labels, class_names=tuple("abc")), 8)
    rows = both.seen[:10]
    assert (both.kind, both.num_outputs) == ("labels", 3)
    assert both.examples(rows)[1].tolist() == labels[rows].tolist()
    alone = Task(known, 8)
    assert (alone.kind, alone.num_outputs) == ("attributes", 2)
    assert alone.examples(rows)[1].tolist() == [[1.0, 1.0]] * 10
    for without in (slopes(), slopes(labels=np.zeros(120, np.int64), class_names=("a",))):  # one class teaches nothing
        assert (Task(without, 8).kind, Task(without, 8).num_outputs) == ("rotations", 4)


def test_the_order_of_classes_does_not_matter() -> None:
    labels = np.arange(120) % 2
    one = Task(slopes(labels=labels, class_names=("a", "b")), 8)
    other = Task(slopes(labels=1 - labels, class_names=("b", "a")), 8)
    torch.testing.assert_close(one.examples(one.seen), other.examples(other.seen))


def test_a_tenth_of_the_images_of_each_class_is_kept_aside() -> None:
    """Images of a folder are in the order of their classes."""
    task = Task(slopes(labels=np.arange(120) // 60), 8)
    assert sorted([*task.seen, *task.rest]) == list(range(120))
    assert len(task.rest) == 12
    assert len(np.unique(task.rest // 60)) == 2


def test_what_is_right() -> None:
    assert accuracy(torch.ones(4, 3), torch.ones(4, 3)) == 1.0
    assert accuracy(torch.tensor([[0.0, 1.0], [1.0, 0.0]]), torch.tensor([1, 1])) == 0.5


def test_a_classifier_is_trained_once_and_always_in_the_same_way(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    task = Task(slopes(), 8)
    first = classifier_for(task).state_dict()
    monkeypatch.setenv("GLOWFLOW_CACHE", str(tmp_path / "another"))
    torch.manual_seed(5)
    torch.testing.assert_close(classifier_for(task).state_dict(), first, rtol=0, atol=0)
    monkeypatch.setattr(training, "loss", None)  # a training would fail now
    torch.testing.assert_close(classifier_for(task).state_dict(), first, rtol=0, atol=0)
    for other in (Task(slopes(), 5), Task(slopes(num=119), 8), Task(slopes(attributes=np.ones((120, 2), bool)), 8)):
        with pytest.raises(TypeError):
            classifier_for(other)


def test_a_damaged_classifier_is_trained_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GLOWFLOW_CACHE", str(tmp_path))
    task = Task(slopes(), 8)
    first = classifier_for(task).state_dict()
    [file] = (tmp_path / "classifiers").glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:100])
    torch.testing.assert_close(classifier_for(task).state_dict(), first, rtol=0, atol=0)
    assert "The classifier is trained again." in capsys.readouterr().err


def test_features_of_equal_images_are_finite() -> None:
    classifier = Classifier((1, 8, 8), 2).eval()
    equal = torch.full((20, 1, 8, 8), 7, dtype=torch.uint8)
    classifier.standardize(equal)
    assert classifier.features(equal).isfinite().all()


def test_features_that_hardly_differ_are_not_blown_up() -> None:
    classifier = Classifier((1, 8, 8), 2).eval()
    torch.nn.init.zeros_(classifier.hidden.weight[0])
    torch.nn.init.zeros_(classifier.hidden.bias[:1])  # the first feature is 0 on these images
    images = torch.randint(0, 256, (50, 1, 8, 8), dtype=torch.uint8)
    classifier.standardize(images)
    assert classifier.features(images).std(0).max() <= 1.001
    torch.nn.init.ones_(classifier.hidden.bias[:1])  # and 1 on others
    torch.testing.assert_close(classifier.features(images)[0, 0], 1 / (LEAST_SPREAD * classifier.std.max()))


def test_large_images_are_reduced() -> None:
    classifier = Classifier((1, 256, 256), 2).eval()
    images = torch.randint(0, 256, (1, 1, 256, 256), dtype=torch.uint8)
    mirrored = images.unflatten(3, (64, 4)).flip(4).flatten(3)  # within blocks of four columns
    torch.testing.assert_close(classifier.features(mirrored), classifier.features(images))


def test_real_images_are_better_than_noise() -> None:
    task = Task(slopes(), 8)
    judge = Judge.of(task, task.images(task.seen), "training images")
    real = judge.quality(task.images(task.rest))
    generator = torch.Generator().manual_seed(0)
    noise = judge.quality(torch.randint(0, 256, (12, 1, 8, 8), dtype=torch.uint8, generator=generator))
    assert real.kid < noise.kid
    assert real.precision > 0.5
    assert noise.precision == 0.0


@pytest.fixture(name="labelled")
def _labelled(config: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model of labelled images in run."""
    monkeypatch.chdir(tmp_path)
    train(config, Path("run"))


@pytest.mark.usefixtures("labelled")
def test_evaluate_compares_samples_with_images(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    examples, splits = Task.examples, set[str]()

    def noted(task: Task, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> tuple[Tensor, Tensor]:
        splits.add(task.dataset.split)
        return examples(task, rows)

    monkeypatch.setattr(Task, "examples", noted)
    words = ["evaluate", "run", "--samples", "7", "--temperature", "0.5,1", "--json", "result.json"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert splits == {"train"}
    judged = json.loads(Path("result.json").read_text())["samples"]
    assert (judged["num"], judged["neighbours"], judged["classifies"]) == (7, 5, "labels")
    assert judged["reference"] == "test images"
    assert "7 at each temperature\n" in out
    assert "as many test images\n" in out
    assert f"of labels, {judged['accuracy']:.1%} right for training images that were kept from it\n" in out
    assert list(judged["temperatures"]) == ["0.5", "1"]
    for name, found in {"temperature 0.5": judged["temperatures"]["0.5"], "real images": judged["real_images"]}.items():
        assert found.keys() == {"kid", "precision", "recall"}
        line = next(line for line in out.splitlines() if line.startswith(name))
        assert f"KID {found['kid']:.4f}, precision {found['precision']:.3f}, recall {found['recall']:.3f}" in line
    assert main(words) == 0
    assert json.loads(Path("result.json").read_text())["samples"] == judged
    assert main(["evaluate", "run", "--json", "plain.json"]) == 0
    assert "samples" not in json.loads(Path("plain.json").read_text())


def scenes(split: Split, group: int) -> Dataset:
    images = np.random.default_rng(group).integers(0, 256, (200, 8, 8, 1), dtype=np.uint8)
    return Dataset("scenes", split, images, groups=np.full(200, group))


def test_images_of_other_scenes_are_no_model_for_samples() -> None:
    task = Task(scenes("train", 0), 8)
    real = RealImages(task, scenes("test", 1))
    assert real.most == 10
    compared, others = real.compared(10), real.others(10)
    assert torch.equal(torch.cat([compared, others]), task.images(task.rest))  # disjoint, and unseen
    assert real.about.startswith("training images, because test images show other scenes; the model has seen them")
    assert task.kept.endswith("scenes that it has seen")
    same = RealImages(task, scenes("test", 0))
    assert (same.most, same.about) == (20, "test images")
    assert torch.equal(same.others(20), task.images(task.rest))
    single = replace(scenes("test", 1), groups=np.arange(1, 201))  # as in data that are joined to scenes
    assert RealImages(task, single).about == "test images"


@pytest.mark.usefixtures("labelled")
def test_training_images_are_no_reference(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "run", "--samples", "7", "--split", "train"]) == 2
    assert "give --split test or validation" in capsys.readouterr().err
    assert main(["evaluate", "run", "--temperature", "0.7"]) == 2
    assert "give their number, too (--samples N)" in capsys.readouterr().err


@pytest.mark.usefixtures("labelled")
def test_evaluate_draws_fewer_samples_if_there_are_few_images(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "run", "--samples", "2000", "--temperature", "1", "--split", "validation"]) == 0
    captured = capsys.readouterr()
    assert "training images that the classifier won't see, so " in captured.err
    assert "validation images\n" in captured.out
