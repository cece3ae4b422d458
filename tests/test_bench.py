"""Memory is counted right, reversible training's doesn't grow with depth, and `glowflow bench` tells it."""

import json
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from glowflow import GlowConfig
from glowflow.bench import measure as bench
from glowflow.bench.allocations import activation_bytes
from glowflow.bench.apart import apart
from glowflow.bench.floor import are_floor, convolution_calls
from glowflow.bench.memory import activations
from glowflow.bench.operations import count
from glowflow.bench.peer import is_shared, normflows_glow
from glowflow.cli import main
from glowflow.config import RunConfig, TrainConfig
from glowflow.errors import InputError
from glowflow.execution import Execution


def test_activation_bytes_are_those_of_the_tensors_alive_at_once() -> None:
    x = torch.ones(1000)
    w = torch.ones(1000, requires_grad=True)

    def loss() -> torch.Tensor:
        kept = (x * w).exp()  # 4,000 bytes for the product, while the exponential is made; 4,000 stay
        return kept.sum()  # 4

    # Backward: the gradient of exp (4,000) beside what it is made from; the gradient of w stays and doesn't count.
    assert 8_000 <= activation_bytes(loss, [w]) <= 12_100
    assert w.grad is not None


def test_gradients_that_stay_are_not_counted() -> None:
    weights = [torch.ones(1_000_000, requires_grad=True) for _ in range(5)]
    held = activation_bytes(lambda: torch.stack([w.sum() for w in weights]).sum(), weights)
    assert held < 1_000


def test_memory_of_reversible_training_does_not_grow_with_depth() -> None:
    config = GlowConfig((3, 16, 16), 1, 2, 512)
    rows = activations(config, [8, 64], None, torch.rand(16, 3, 16, 16) - 0.5)
    held = {(row["steps"], row["memory"]): int(row["bytes"]) for row in rows}
    assert held[64, "reversible"] < 1.1 * held[8, "reversible"]
    assert held[64, "store"] > 7 * held[8, "store"]
    grown = {memory: held[64, memory] - held[8, memory] for memory in ("reversible", "store")}
    assert grown["reversible"] < grown["store"] / 100
    assert held[64, "reversible"] < held[64, "store"] / 7  # kernels for eight steps are more than activations here


def test_work_apart_is_done_when_it_is_asked_for(tmp_path: Path) -> None:
    done = tmp_path / "done"
    with apart(partial(partial, done.mkdir)) as work:
        assert not done.exists()
        work()
        assert done.is_dir()


def test_work_apart_that_fails_is_an_input_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="ended"), apart(partial(int, "no number")):  # type: ignore[arg-type]
        pass
    assert "no number" in capfd.readouterr().err


@pytest.mark.parametrize("batch_size", [1, 3])
def test_the_floor_has_the_networks_convolutions_and_no_border(batch_size: int) -> None:
    calls = convolution_calls(GlowConfig((3, 8, 8), 2, 4, 8), torch.zeros(batch_size, 3, 8, 8))
    assert len(calls) == 2 * 4 * 3 + 1  # three for each coupling, one for the split's prior
    assert {call.inputs[0] for call in calls} == {batch_size}


@pytest.mark.parametrize(
    ("conditioner", "expected"), [("conv", True), ("residual", True), ("attention", False), ("transformer", False)]
)
def test_convolutions_are_no_floor_for_networks_with_attention(conditioner: str, expected: bool) -> None:  # noqa: FBT001
    config = GlowConfig((1, 8, 8), 1, 1, 8, conditioner=conditioner)
    assert are_floor(config, torch.zeros(2, 1, 8, 8)) is expected


@pytest.mark.parametrize("are_floor", [True, False])
def test_bench_gives_no_ratio_where_it_would_mean_nothing(
    are_floor: bool,  # noqa: FBT001
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    row = {"name": "store", "images_per_second": 2.5, "ratio": 7.25, "first_seconds": 0.5}
    figures = {"training": [row], "sampling": [], "operations": [], "activations": []}
    monkeypatch.setattr(bench, "measure", lambda *_: figures | {"convolutions_are_floor": are_floor})
    preset = tmp_path / "mine.yaml"
    preset.write_text("model: {image_shape: [1, 8, 8], levels: 1, steps: 1, width: 8}\n")
    assert main(["bench", "--preset", str(preset), "--batch", "2"]) == 0
    assert ("7.25" in capsys.readouterr().out) == are_floor


@pytest.mark.parametrize(
    "changes",
    [
        {"conditioner": {"kind": "conv", "last": 1}},
        {"conditioner": "residual"},
        {"coupling": {"kind": "mixture", "components": 2}},
        {"layout": "realnvp"},
    ],
)
def test_normflows_is_not_compared_with_layers_that_it_lacks(changes: dict[str, Any]) -> None:
    same = GlowConfig((1, 8, 8), 1, 1, 8)
    assert is_shared(same)
    assert is_shared(replace(same, coupling="additive"))
    assert not is_shared(replace(same, **changes))
    assert normflows_glow(replace(same, **changes), torch.zeros(2, 1, 8, 8)) is None


def test_bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    settings = "{image_shape: [1, 28, 28], levels: 2, steps: 2, width: 8}"
    Path("mine.yaml").write_text(f"model: {settings}\ntrain: {{optimizer: muon}}\n")
    arguments = ["--preset", "mine.yaml", "--batch", "2", "--rounds", "1", "--depths", "1", "--json", "bench.json"]
    assert main(["bench", *arguments]) == 0
    figures = json.loads(Path("bench.json").read_text())
    names = [row["name"] for row in figures["training"]]
    assert names[:5] == ["bare convolutions", "store, without the update", "store", "checkpoint", "reversible"]
    assert ("normflows" in names) == (find_spec("normflows") is not None)
    assert all(row["seconds"] > 0 for row in figures["training"] + figures["sampling"])
    assert "bare convolutions" in capsys.readouterr().out
    assert main(["bench", "--batch", "0"]) == 2


@pytest.mark.parametrize(("memory", "most"), [("store", (40, 45)), ("reversible", (65, 65))])
def test_a_step_of_flow_runs_few_operations(memory: str, most: tuple[int, int]) -> None:
    """Fewer operations make small models faster, and all models on a graphics card."""
    run = RunConfig(GlowConfig((3, 16, 16), 2, 16, 8), TrainConfig())
    for precision, bound in zip((None, torch.bfloat16), most, strict=True):
        counted = count(run, Execution(memory, precision))
        assert counted["per_step_of_flow"] <= bound
        parts = ("forward", "backward", "update", "averages")
        assert counted["step"] == sum(counted[part] for part in parts)
        assert counted["update"] + counted["averages"] < 60
