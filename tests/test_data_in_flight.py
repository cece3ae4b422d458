"""The pixels decoded at once are bounded, for any number of threads."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from glowflow.data import image_file, prepare
from glowflow.data.in_flight import InFlight


class Watched(InFlight):
    """Records the largest number of pixels in flight."""

    largest = 0

    @contextmanager
    def room(self, pixels: int) -> Iterator[None]:
        with super().room(pixels):
            self.largest = max(self.largest, self.pixels)
            yield


def test_no_more_pixels_than_there_is_room_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    monkeypatch.setattr(image_file, "IN_FLIGHT", room := Watched(5000))
    (tmp_path / "pictures").mkdir()
    for index in range(40):
        side = 100 if index == 20 else 40  # one is larger than all the room
        Image.new("L", (side, side), index).save(tmp_path / "pictures" / f"{index}.png")
    splits = prepare(tmp_path / "pictures", (1, 8, 8), tmp_path / "cache")
    assert sum(map(len, splits.values())) == 40
    assert 1600 <= room.largest <= 10_000
    assert room.largest % 1600 == 0 or room.largest == 10_000  # the large one was alone
    assert room.pixels == 0


def test_a_large_image_waits_for_the_others_and_the_others_for_it() -> None:
    room, entered, leave = InFlight(100), threading.Event(), threading.Event()

    def large() -> None:
        with room.room(1000):
            entered.set()
            assert leave.wait(10)

    thread = threading.Thread(target=large)
    with room.room(60), room.room(40):
        thread.start()
        assert not entered.wait(0.2)
    assert entered.wait(10)
    small = threading.Thread(target=lambda: room.room(1).__enter__())
    small.start()
    small.join(0.2)
    assert small.is_alive()
    leave.set()
    small.join(10)
    thread.join(10)
    assert not small.is_alive()
