from dataclasses import replace

import numpy as np
import pytest
import torch

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


def test_classes_are_matched_by_name(dataset: Dataset) -> None:
    named = replace(dataset, labels=np.array([0, 1, 0, 1, 1]), class_names=("dog", "cat"))
    mapped = named.with_classes(["cat", "cow", "dog"])
    assert mapped.labels is not None
    assert mapped.labels.tolist() == [2, 0, 2, 0, 0]
    assert mapped.class_names == ("cat", "cow", "dog")
    numbered = named.with_classes(["0", "1"])
    assert numbered.labels is not None
    assert numbered.labels.tolist() == [0, 1, 0, 1, 1]
    with pytest.raises(InputError, match="the class dog, which the model doesn't have; its are cat, cow"):
        named.with_classes(["cat", "cow"])
    with pytest.raises(InputError, match="the class dog"):
        named.with_classes(["0", "1", "2"])
    with pytest.raises(InputError, match="no labels"):
        replace(dataset, labels=None).with_classes(["cat"])
