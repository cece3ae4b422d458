import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from subprocess import Popen
from typing import Any

import numpy as np
import pytest

from glowflow.data import Dataset, face_drawing, face_parts, faces
from glowflow.data.cache import prepared
from glowflow.data.dataset import Split

FEW: dict[Split, int] = {"train": 120, "validation": 3, "test": 4}
PLACES: list[tuple[Split, int, int]] = [("train", 0, 0), ("train", 119, 119), ("validation", 2, 122), ("test", 0, 123)]
"""Split and row of a face, and its index in the seed's series."""

VISIBLE_CHANGES = {
    "Smiling": {"mouth": "BIG_SMILE"},
    "Frowning": {"mouth": "SAD"},
    "Eyeglasses": {"accessory": "ROUND"},
    "Sunglasses": {"accessory": "WAYFARERS"},
    "Eyes_Closed": {"eyes": "CLOSED"},
    "Wide_Eyes": {"eyes": "SURPRISED"},
    "Angry_Eyebrows": {"eyebrows": "ANGRY"},
    "Raised_Eyebrows": {"eyebrows": "RAISED_EXCITED"},
    "Beard": {"facial_hair": "BEARD_LIGHT"},
    "Mustache": {"facial_hair": "MOUSTACHE_FANCY"},
    "Bald": {"top": "NONE"},
    "Long_Hair": {"top": "BOB"},
    "Wearing_Hat": {"top": "WINTER_HAT_3"},
    "Wearing_Suit": {"clothes": "BLAZER_SHIRT"},
}


@pytest.fixture(scope="module")
def few_faces(tmp_path_factory: pytest.TempPathFactory) -> dict[Split, Dataset]:
    return prepared(faces.source((3, 16, 16), FEW), tmp_path_factory.mktemp("cache"))


def test_faces_in_the_cache_are_a_function_of_seed_and_index(few_faces: dict[Split, Dataset]) -> None:
    for split, row, index in PLACES:
        stored = few_faces[split]
        assert (stored.images[row] == face_drawing.render(faces.SEED, index, 16)).all()
        expected = face_parts.attributes(face_parts.choose(faces.SEED, index))
        assert stored.attributes is not None
        assert (stored.attributes[row] == expected).all()
    assert few_faces["test"].attribute_names == tuple(face_parts.ATTRIBUTES)


def test_a_face_has_the_same_parts_in_every_studio(tmp_path: Path) -> None:
    """Portraits are the same people, straight and in even light."""
    counts: dict[Split, int] = {"train": 3, "validation": 1, "test": 1}
    stored = prepared(faces.source((3, 16, 16), counts, "portraits"), tmp_path)["train"]
    for index in range(3):
        face, portrait = (face_parts.choose(faces.SEED, index, studio) for studio in ("faces", "portraits"))
        assert all(getattr(face, part) == getattr(portrait, part) for part in (*face_parts.PARTS, "skin", "hair"))
        assert abs(portrait.rotation) <= min(3, abs(face.rotation))
        assert all(min(colour) >= 0.5 for colour in portrait.background)
        assert (stored.images[index] == face_drawing.render(faces.SEED, index, 16, "portraits")).all()
        assert not (stored.images[index] == face_drawing.render(faces.SEED, index, 16)).all()


def test_faces_leave_the_global_generators_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("python_avatars", face_drawing.__name__))]:
        monkeypatch.delitem(sys.modules, name)  # importing it draws a random number
    render = import_module(face_drawing.__name__).render
    before, state = random.getstate(), np.random.get_state()[1].copy()  # type: ignore[index]
    first = render(1, 2, 16)
    assert random.getstate() == before
    random.seed(5)
    assert (render(1, 2, 16) == first).all()
    random.setstate(before)
    render(1, 3, 16)
    assert random.getstate() == before
    assert (np.random.get_state()[1] == state).all()  # type: ignore[index]


def test_every_part_exists_and_can_be_drawn() -> None:
    """Each of about 90 names in the tables appears in one of these faces, and a misspelt one would raise."""
    unseen = {(field, name) for field, table in face_parts.PARTS.items() for name in table}
    for index in range(2000):
        face = face_parts.choose(3, index)
        new = {(field, name) for field, name in unseen if getattr(face, field) == name}
        if new:
            opacity = face_drawing.draw(face, 16)[..., 3]
            assert 0.4 < opacity.mean() < 1
            unseen -= new
    assert not unseen


@pytest.mark.parametrize("index", range(5))
def test_attributes_show(index: int) -> None:
    """Changing the part behind an attribute changes the picture: no attribute is hidden."""
    plain = replace(face_parts.choose(4, index), top="SHORT_FLAT", mouth="SERIOUS", eyes="DEFAULT", eyebrows="DEFAULT")
    plain = replace(plain, accessory="NONE", facial_hair="NONE", clothes="SHIRT_CREW_NECK")
    for name, change in VISIBLE_CHANGES.items():
        changed = replace(plain, **change)  # type: ignore[arg-type]
        truth = face_parts.ATTRIBUTES[name](changed), face_parts.ATTRIBUTES[name](plain)
        assert truth == (True, False)
        difference = np.abs(face_drawing.draw(changed, 64) - face_drawing.draw(plain, 64)).max(-1)
        assert (difference > 0.1).sum() > 8, name


def test_attributes_are_neither_rare_nor_common() -> None:
    truths = np.array([face_parts.attributes(face_parts.choose(0, index)) for index in range(1500)])
    assert (truths.mean(0) > 0.05).all()
    assert (truths.mean(0) < 0.62).all()


def test_faces_are_not_flat() -> None:
    """Equal values seldom follow each other for long, because flat regions would give an unbounded likelihood."""
    images = np.stack([face_drawing.render(5, index, 32) for index in range(8)])
    runs = np.lib.stride_tricks.sliding_window_view(images, 6, axis=2)
    assert (np.ptp(runs, axis=-1) == 0).mean() < 0.015
    assert ((images == 0) | (images == 255)).mean() < 0.02


def test_interrupted_faces_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Popen[str]] = []
    done: list[int] = []

    def recorded(*args: Any, **kwargs: Any) -> Popen[str]:  # noqa: ANN401
        started.append(Popen(*args, **kwargs))
        return started[-1]

    @contextmanager
    def interrupting(*_: object, **kwargs: int) -> Iterator[Any]:
        done.append(kwargs["done"])

        def advance(_: int) -> None:
            if len(done) == 1:
                raise KeyboardInterrupt

        yield advance

    monkeypatch.setattr(faces, "Popen", recorded)
    monkeypatch.setattr(faces, "progress", interrupting)
    monkeypatch.setattr(faces, "CHUNK", 5)
    source = faces.source((3, 16, 16), {"train": 20, "validation": 1, "test": 1})
    with pytest.raises(KeyboardInterrupt):
        prepared(source, tmp_path)
    assert all(worker.returncode is not None for worker in started)
    assert not (tmp_path / source.key).exists()
    splits = prepared(source, tmp_path)
    assert done == [0, 5]
    assert (splits["train"].images[19] == face_drawing.render(faces.SEED, 19, 16)).all()
    assert splits["train"].images.any((1, 2, 3)).all()
