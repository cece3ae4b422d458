"""A training step as a CUDA graph, with a stand-in for CUDA whose graphs only count their replays."""

import gc
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from unittest.mock import MagicMock

import pytest
import torch
from torch import Tensor

from glowflow import GlowConfig, TrainConfig
from glowflow.config import RunConfig
from glowflow.training import Batch, Options, TrainingState
from glowflow.training.captured import WARM_UP, Captured


class StandIn:
    """A graph that counts its replays."""

    def __init__(self) -> None:
        self.replays = 0

    def replay(self) -> None:
        """Count."""
        self.replays += 1


@pytest.fixture
def graph(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    found = StandIn()

    @contextmanager
    def capturing(_: object) -> Iterator[None]:
        try:
            yield
        except RuntimeError:
            raise RuntimeError("operation failed due to a previous error during capture")  # noqa: B904 (as torch's)

    for name in ("Stream", "current_stream", "set_stream"):
        monkeypatch.setattr(torch.cuda, name, MagicMock())
    monkeypatch.setattr(torch.cuda, "stream", lambda _: nullcontext())
    monkeypatch.setattr(torch.cuda, "device", lambda _: nullcontext())
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: found)
    monkeypatch.setattr(torch.cuda, "graph", capturing)
    return found


def batch(value: int, size: int = 2) -> Batch:
    return Batch(torch.full((size, 1, 2, 2), value, dtype=torch.uint8), torch.zeros(size, 1, 2, 2), None)


def total(images: Batch) -> Tensor:
    return images.images.sum()[None].float()


def test_a_function_is_captured_after_some_calls_and_replayed_for_each_batch(graph: StandIn) -> None:
    captured = Captured()
    assert [float(captured(total, batch(value))) for value in range(WARM_UP)] == [
        8.0 * value for value in range(WARM_UP)
    ]
    assert captured.graph is None
    captured(total, batch(5))
    captured(total, batch(6))
    assert graph.replays == 2
    assert captured.graph is not None
    assert captured.graph.batch.images.unique().item() == 6  # the graph reads the batch of each call


def test_a_batch_of_another_form_is_not_replayed(graph: StandIn) -> None:
    captured = Captured()
    for _ in range(WARM_UP + 1):
        captured(total, batch(1))
    assert float(captured(total, batch(1, size=1))) == 4  # copied into the graph's batch, it would count twice
    assert graph.replays == 1


def test_a_failed_capture_says_why_and_the_function_runs_as_it_is(
    graph: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = 0

    def read(images: Batch) -> Tensor:
        nonlocal calls
        calls += 1
        if calls == WARM_UP + 1:
            raise RuntimeError("a value is read\nand more")
        return total(images)

    captured = Captured()
    for _ in range(WARM_UP + 2):
        assert float(captured(read, batch(1))) == 8
    error = capsys.readouterr().err
    assert error.count("isn't captured as a CUDA graph, which changes nothing but the speed: a value is read\n") == 1
    assert graph.replays == 0
    torch.cuda.set_stream.assert_called_once()  # type: ignore[attr-defined]


def test_running_out_of_memory_while_capturing_is_not_hidden(graph: StandIn) -> None:
    captured = Captured()
    for _ in range(WARM_UP):
        captured(total, batch(1))

    def hungry(_: Batch) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        captured(hungry, batch(1))
    assert graph.replays == 0


@pytest.mark.usefixtures("graph")
def test_a_restored_state_forgets_its_graph(tmp_path: Path) -> None:
    config = RunConfig(GlowConfig((1, 2, 2), levels=1, steps=1, width=2), TrainConfig(batch_size=2))
    state = TrainingState.new(config, "cpu", options=Options())
    assert state.captured is None  # there is no CUDA
    state.captured = Captured()
    for _ in range(WARM_UP + 1):
        state.step(batch(1))
    assert state.captured.graph is not None
    state.save(tmp_path)
    state.restore(tmp_path)
    assert state.captured.graph is None


@pytest.mark.usefixtures("graph")
def test_a_state_is_freed_with_its_graph() -> None:
    config = RunConfig(GlowConfig((1, 2, 2), levels=1, steps=1, width=2), TrainConfig(batch_size=2))
    state = TrainingState.new(config, "cpu")
    state.captured = Captured()
    for _ in range(WARM_UP + 1):
        state.step(batch(1))
    freed = weakref.ref(state.captured)
    gc.disable()
    try:
        del state
        assert freed() is None
    finally:
        gc.enable()
