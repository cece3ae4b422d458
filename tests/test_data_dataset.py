from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from glowflow import load
from glowflow.data.dataset import Dataset
from glowflow.data.identity import digest_of
from glowflow.errors import InputError


@pytest.fixture
def dataset() -> Dataset:
    images = np.arange(5 * 2 * 3 * 3, dtype=np.uint8).reshape(5, 2, 3, 3)
    images.setflags(write=False)  # as a read-only map is
    return Dataset("tiny", "train", images, labels=np.array([4, 3, 2, 1, 0]))


def test_the_digest_is_of_images_and_names_of_classes_whatever_their_order() -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 2, 2, 1)).astype(np.uint8)
    first = Dataset("a", "train", images, np.array([0, 1, 2, 0]), ("10", "2", "a"))
    renumbered = Dataset("b", "train", images.copy(), np.array([1, 0, 2, 1]), ("2", "10", "a"))
    relabelled = Dataset("a", "train", images, np.array([0, 1, 2, 1]), ("10", "2", "a"))
    digests = [digest_of({"train": dataset}) for dataset in (first, renumbered, relabelled)]
    assert digests[0] == digests[1] != digests[2]
    assert digest_of({"train": first}) != digest_of({"test": first})


def test_a_batch_is_channels_first_in_channels_last_memory(dataset: Dataset) -> None:
    images, labels = dataset.batch([3, 0])
    assert images.shape == (2, 3, 2, 3)
    assert images.dtype == torch.uint8
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert labels is not None
    assert labels.dtype == torch.int64
    assert labels.tolist() == [1, 4]
    assert images[0, 1, 1, 2] == dataset.images[3, 1, 2, 1]
    images.zero_()  # a copy: the data set stays as it is
    assert dataset.images[3].any()


def test_a_batch_without_labels(dataset: Dataset) -> None:
    assert Dataset("tiny", "train", dataset.images).batch(np.array([1]))[1] is None


def test_length_shape_and_description(dataset: Dataset) -> None:
    assert len(dataset) == 5
    assert dataset.image_shape == (3, 2, 3)
    assert dataset.describe(4) == "4"


def _mapped(dataset: Dataset, mine: list[str], its: list[str]) -> dict[str, str]:
    """The model's class for each class of a data set."""
    mapped = replace(dataset, labels=np.arange(len(mine)), class_names=tuple(mine)).with_classes(its)
    assert mapped.labels is not None
    return {name: its[label] for name, label in zip(mine, mapped.labels, strict=True)}


@pytest.mark.parametrize(
    ("mine", "its"),
    [
        (["0", "1", "10", "2"], ["0", "1", "2", "10"]),
        (["0", "1", "2", "10"], ["0", "1", "10", "2"]),
        (["1", "0"], ["0", "1"]),
        (["3", "1"], ["0", "1", "2", "3"]),
    ],
)
def test_names_decide_and_not_the_order_that_they_are_in(
    mine: list[str], its: list[str], dataset: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _mapped(dataset, mine, its) == {name: name for name in mine}
    assert not capsys.readouterr().err


def test_numbers_match_however_they_are_written(dataset: Dataset) -> None:
    assert _mapped(dataset, ["00", "01", "10"], ["10", "1", "0"]) == {"00": "0", "01": "1", "10": "10"}
    assert _mapped(dataset, ["01", "1"], ["1", "01"]) == {"01": "01", "1": "1"}


def test_numbers_that_differ_are_never_matched_by_position(dataset: Dataset) -> None:
    with pytest.raises(InputError, match="the class 3, which the model doesn't have; the model's are 0, 1, 2"):
        _mapped(dataset, ["1", "2", "3"], ["0", "1", "2"])


def test_a_model_without_classes_takes_images_without_labels(dataset: Dataset) -> None:
    assert replace(dataset, labels=None).with_classes([]).labels is None


def test_classes_are_matched_by_name(dataset: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    named = replace(dataset, labels=np.array([0, 1, 0, 1, 1]), class_names=("dog", "cat"))
    mapped = named.with_classes(["cat", "cow", "dog"])
    assert mapped.labels is not None
    assert mapped.labels.tolist() == [2, 0, 2, 0, 0]
    assert mapped.class_names == ("cat", "cow", "dog")
    numbered = named.with_classes(["0", "1"])
    assert numbered.labels is not None
    assert numbered.labels.tolist() == [0, 1, 0, 1, 1]
    assert "matched by position: dog is 0, cat is 1." in capsys.readouterr().err
    with pytest.raises(InputError, match="the class dog, which the model doesn't have; the model's are cat, cow"):
        named.with_classes(["cat", "cow"])
    with pytest.raises(InputError, match="the class dog"):
        named.with_classes(["0", "1", "2"])
    with pytest.raises(InputError, match="no labels"):
        replace(dataset, labels=None).with_classes(["cat"])


def test_a_data_set_works_in_a_data_loader() -> None:
    images, labels = np.arange(5 * 48, dtype=np.uint8).reshape(5, 4, 4, 3), np.arange(5) % 2
    plain = Dataset("made", "train", images)
    labelled = Dataset("made", "train", images, labels, ("a", "b"))
    (batch,) = DataLoader(plain, batch_size=5)  # type: ignore[arg-type]
    assert torch.equal(batch, torch.from_numpy(images).permute(0, 3, 1, 2))
    batches = list(DataLoader(labelled, batch_size=2))  # type: ignore[arg-type]
    assert [len(some) for some, _ in batches] == [2, 2, 1]
    assert torch.equal(torch.cat([some for _, some in batches]), torch.from_numpy(labels))


def test_accents_match_in_either_form() -> None:
    """The same name, with accents as macOS and as Linux write them."""
    images, labels = np.zeros((2, 4, 4, 3), np.uint8), np.array([0, 1])
    named = Dataset("made", "train", images, labels, ("cafe\u0301", "tea"))
    matched = named.with_classes(["tea", "caf\u00e9"])
    assert matched.labels is not None
    assert matched.labels.tolist() == [1, 0]


def test_load_of_a_model_points_to_the_function_for_models() -> None:
    with pytest.raises(InputError, match=r"'runs/digits' is a model, load it by Glow\.from_pretrained"):
        load("runs/digits")


def test_a_data_set_prints_as_one_line(dataset: Dataset) -> None:
    assert repr(dataset) == "Dataset(tiny, train: 5 images 3x2x3)"
    named = replace(dataset, class_names=tuple("abcde"), attribute_names=("red",))
    assert repr(named) == "Dataset(tiny, train: 5 images 3x2x3, 5 classes, 1 attribute)"
