"""A checkpoint holds everything that a training needs to go on, and what isn't fit to go on from is refused."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from glowflow import Glow, GlowConfig, InputError
from glowflow.config import RunConfig, TrainConfig
from glowflow.durable import load_json
from glowflow.execution import Execution
from glowflow.stored import StoredModel
from glowflow.training import Options, TrainingState
from glowflow.training.batches import Batch
from glowflow.training.checkpoints import set_aside_damaged
from glowflow.weights import load_tensors, save_tensors
from tests.helpers import assert_same, reference_with

CONFIG = RunConfig(GlowConfig((1, 4, 4), levels=1, steps=1, width=4), TrainConfig(averaging=0.9, batch_size=2))
CONDITIONAL = replace(CONFIG, model=replace(CONFIG.model, num_classes=2))
NOT_AVERAGED = replace(CONFIG, train=replace(CONFIG.train, averaging=None))

RESULT = {"data": "noise", "split": "validation", "bits_per_dim": 2.5, "standard_error": 0.1, "num_images": 20}


def trained(config: RunConfig = CONFIG, updates: int = 3, class_names: Sequence[str] = ()) -> TrainingState:
    """A state in the middle of a training."""
    state = TrainingState.new(config, "cpu", class_names)
    for _ in range(updates):
        advance(state)
    return state


def advance(state: TrainingState) -> None:
    generator = torch.Generator().manual_seed(state.progress.position)
    images = torch.randint(256, (2, 1, 4, 4), dtype=torch.uint8, generator=generator)
    labels = torch.arange(2) if state.model.config.num_classes else None
    state.step(Batch(images, torch.rand(2, 1, 4, 4, generator=generator), labels))


def weights_of(state: TrainingState) -> Tensor:
    return torch.cat([w.detach().flatten() for w in state.model.parameters()])


def test_a_step_moves_the_weights_as_far_as_its_learning_rate_says() -> None:
    moved: dict[float, float] = {}
    for warmup_images in (0, 100):
        settings = replace(CONFIG.train, warmup_images=warmup_images, lr=0.01)
        state = TrainingState.new(replace(CONFIG, train=settings), "cpu")
        before = weights_of(state)
        state.progress.position = 50
        batch = Batch(torch.full((2, 1, 4, 4), 7, dtype=torch.uint8), torch.zeros(2, 1, 4, 4))
        lr = state.step(batch).lr
        moved[lr] = float((weights_of(state) - before).norm())
    (high, far), (low, near) = moved.items()
    assert low < high == 0.01
    assert near / far == pytest.approx(low / high, rel=1e-3)
    assert near > 0


def test_gradients_are_clipped_where_that_is_asked_for() -> None:
    batch = Batch(torch.full((2, 1, 4, 4), 7, dtype=torch.uint8), torch.zeros(2, 1, 4, 4))
    for clip, expected in ((1.5, 1.5), (1e6, None), (None, None)):
        state = TrainingState.new(replace(CONFIG, train=replace(CONFIG.train, grad_clip=clip)), "cpu")
        before = state.step(batch).grad_norm
        after = float(torch.cat([w.grad.flatten() for w in state.model.parameters() if w.grad is not None]).norm())
        assert before > 1.5
        assert after == pytest.approx(expected or before, rel=1e-4)


@pytest.mark.parametrize("optimizer", ["glow-adamax", "muon", "adam"])
def test_first_steps_without_a_finite_loss_change_no_weights_and_are_counted(optimizer: Any) -> None:  # noqa: ANN401
    state = TrainingState.new(replace(CONFIG, train=replace(CONFIG.train, optimizer=optimizer)), "cpu")
    before = weights_of(state)
    images, noise = torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.zeros(2, 1, 4, 4)
    for times in (1, 2):
        state.step(Batch(images, torch.full_like(noise, torch.nan)))
        assert (state.progress.updates, state.progress.skipped, state.skipped_in_a_row) == (0, times, times)
    assert torch.equal(weights_of(state), before)
    assert not any(moments.any() for entry in state.optimizer.state.values() for moments in entry.values())
    state.step(Batch(images, noise))
    assert (state.progress.updates, state.progress.skipped, state.skipped_in_a_row) == (1, 2, 0)
    assert weights_of(state).isfinite().all()
    assert not torch.equal(weights_of(state), before)


@pytest.mark.parametrize("config", [CONFIG, NOT_AVERAGED], ids=["averaged", "raw"])
def test_a_training_goes_on_from_what_was_saved(tmp_path: Path, config: RunConfig) -> None:
    state, again = trained(config), TrainingState.new(config, "cpu")
    state.progress.best, state.progress.threads, state.progress.processes = 1.25, 3, 2
    state.save(tmp_path)
    assert again.restore(tmp_path)
    assert_same(again, state)
    for each in (state, again):
        advance(each)
    assert_same(again, state)


def test_without_a_checkpoint_there_is_nothing_to_restore(tmp_path: Path) -> None:
    state = TrainingState.new(CONFIG, "cpu")
    assert not state.restore(tmp_path)
    assert_same(state, TrainingState.new(CONFIG, "cpu"))


def test_the_newest_checkpoint_is_restored_and_the_one_before_kept(tmp_path: Path) -> None:
    first, second, found = trained(updates=1), trained(updates=2), TrainingState.new(CONFIG, "cpu")
    first.save(tmp_path)
    second.save(tmp_path)
    found.restore(tmp_path)
    assert_same(found, second)
    (tmp_path / "last").rename(tmp_path / "away")
    found.restore(tmp_path)
    assert_same(found, first)


def test_what_is_restored_does_not_hang_on_the_file(tmp_path: Path) -> None:
    state = trained()
    state.save(tmp_path)
    state.restore(tmp_path)
    expected = {name: tensor.clone() for name, tensor in state.tensors().items()}
    for path in (tmp_path / "last").iterdir():
        path.write_bytes(bytes(path.stat().st_size))
    torch.testing.assert_close(state.tensors(), expected, rtol=0, atol=0)


def test_a_checkpoint_counts_steps_whose_results_were_not_read_yet(tmp_path: Path) -> None:
    """As on a GPU, whose host stays behind."""
    state, found = TrainingState.new(CONFIG, "cpu"), TrainingState.new(CONFIG, "cpu")
    state.lag = 2
    for updates in (0, 0, 1):
        advance(state)
        assert state.progress.updates == updates
    state.save(tmp_path)
    found.restore(tmp_path)
    assert found.progress.updates == 3


def test_nothing_of_the_steps_after_a_checkpoint_stays_when_it_is_restored(tmp_path: Path) -> None:
    config = replace(CONFIG, train=replace(CONFIG.train, optimizer="adam"))  # it has no momentum before its first step
    state = trained(config, updates=0)
    state.save(tmp_path)
    advance(state)
    state.restore(tmp_path)
    assert_same(state, trained(config, updates=0))


def test_everything_counts_in_a_comparison_between_processes() -> None:
    one = trained()
    changes: tuple[Callable[[TrainingState], object], ...] = (
        lambda state: next(state.model.parameters()).data.add_(1),
        lambda state: next(state.evaluated.parameters()).data.add_(1),
        lambda state: next(iter(state.optimizer.state.values()))["m"].add_(1),
        lambda state: vars(state.progress).update(position=1),
        lambda state: vars(state.progress).update(updates=1),
        lambda state: vars(state.progress).update(skipped=1),
    )
    for change in changes:
        other = trained()
        torch.testing.assert_close(other.tensors(), one.tensors(), rtol=0, atol=0)
        change(other)
        with pytest.raises(AssertionError):
            torch.testing.assert_close(other.tensors(), one.tensors(), rtol=0, atol=0)


def test_weights_begin_as_the_seed_says_and_the_rest_of_the_program_draws_as_before() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = TrainingState.new(CONFIG, "cpu")
    assert torch.equal(torch.rand(3), expected)
    assert_same(TrainingState.new(CONFIG, "cpu"), first)
    other = TrainingState.new(replace(CONFIG, train=replace(CONFIG.train, seed=1)), "cpu")
    assert any(
        not torch.equal(one, two) for one, two in zip(first.model.parameters(), other.model.parameters(), strict=True)
    )


def test_the_trained_model_is_run_as_asked_and_the_average_as_it_is() -> None:
    execution = Execution("checkpoint", torch.bfloat16)
    state = TrainingState.new(CONFIG, "cpu", options=Options(execution))
    assert state.model.execution == execution
    assert state.evaluated.execution == Execution()
    wide = [w for w in state.model.parameters() if w.ndim == 4 and w.shape[1] > 1 and w.shape[2] > 1]
    assert wide
    assert all(w.is_contiguous(memory_format=torch.channels_last) for w in wide)


def test_a_model_is_stored_with_what_is_known_of_it(tmp_path: Path) -> None:
    state = trained()
    state.data, state.value_ranges = "noise", {"16-bit grey": (0, 1000)}
    usual = reference_with(np.arange(201.0))
    state.save_model(tmp_path / "best", usual, RESULT)
    best = tmp_path / "best"
    bits = {"1%": 2.0, "50%": 100.0, "99%": 198.0}
    assert StoredModel.open(best).usual == {"data": "noise", "images": 201, "bits_per_dim": bits}
    assert load_json(best / "value_ranges.json") == {"16-bit grey": [0, 1000]}
    known = load_json(best / "provenance.json")
    assert (known["precision"], known["data"], known["images"]) == ("float32", "noise", 6)
    assert known["validation"] == RESULT
    assert load_json(best / "config.json")["weights"] == "averaged"
    for name, model in (("model", state.evaluated), ("raw", state.model)):
        torch.testing.assert_close(load_tensors(best / f"{name}.safetensors"), dict(model.state_dict()))
    Glow.from_pretrained(best)


def test_what_is_not_known_or_the_same_is_not_stored(tmp_path: Path) -> None:
    state = trained(NOT_AVERAGED)
    state.model.execute(Execution(precision=torch.bfloat16))
    state.save_model(tmp_path, None, RESULT)
    stored = {path.name for path in tmp_path.iterdir()}
    assert stored == {"README.md", "config.json", "digests.json", "model.safetensors", "provenance.json"}
    assert load_json(tmp_path / "provenance.json")["precision"] == "bfloat16"
    assert load_json(tmp_path / "config.json")["weights"] == "raw"


def test_classes_are_counted_as_the_weights_count_them(tmp_path: Path) -> None:
    trained(CONDITIONAL, class_names=("cat", "dog")).save(tmp_path)
    found = TrainingState.new(CONDITIONAL, "cpu", ("dog", "cat"))
    found.restore(tmp_path)
    assert list(found.model.class_names) == list(found.evaluated.class_names) == ["cat", "dog"]
    with pytest.raises(InputError, match=r"The classes of the data are cat, fox now; .* was trained on cat, dog"):
        TrainingState.new(CONDITIONAL, "cpu", ("cat", "fox")).restore(tmp_path)


def test_class_names_of_a_model_without_classes_are_none() -> None:
    assert list(TrainingState.new(CONFIG, "cpu", ("cat", "dog")).model.class_names) == []


def test_counters_that_are_not_those_of_a_training_are_refused(tmp_path: Path) -> None:
    trained().save(tmp_path)
    path = tmp_path / "last" / "training.json"
    path.write_text(json.dumps({"epochs": 3}))
    with pytest.raises(InputError, match=r"training\.json is damaged: it should hold the counters of a training"):
        TrainingState.new(CONFIG, "cpu").restore(tmp_path)


def test_a_checkpoint_from_before_threads_and_processes_were_counted(tmp_path: Path) -> None:
    trained().save(tmp_path)
    path = tmp_path / "last" / "training.json"
    path.write_text(json.dumps({"position": 6, "updates": 3, "skipped": 0, "best": None}))
    state = TrainingState.new(CONFIG, "cpu")
    state.restore(tmp_path)
    assert (state.progress.threads, state.progress.processes) == (None, 1)


def test_the_state_of_an_optimiser_with_other_parameters_is_refused(tmp_path: Path) -> None:
    trained().save(tmp_path)
    path = tmp_path / "last" / "optimizer.safetensors"
    tensors = load_tensors(path)
    save_tensors(path, tensors | {"99.m": torch.zeros(1)})
    state = TrainingState.new(CONFIG, "cpu")
    with pytest.raises(InputError, match=r"optimizer\.safetensors is of another run: it has more parameters"):
        state.restore(tmp_path)


def test_a_training_starts_from_another_model_whose_bits_may_differ(tmp_path: Path) -> None:
    other = trained(CONDITIONAL, class_names=("cat", "dog"))
    other.save_model(tmp_path / "model", None, RESULT)
    fewer_bits = replace(CONDITIONAL, model=replace(CONDITIONAL.model, num_bits=5))
    state = TrainingState.new(fewer_bits, "cpu", ("dog", "cat"))
    state.start_from(str(tmp_path / "model"))
    torch.testing.assert_close(state.model.state_dict(), other.evaluated.state_dict(), rtol=0, atol=0)
    assert list(state.model.class_names) == list(state.evaluated.class_names) == ["cat", "dog"]
    assert state.model.config.num_bits == 5


def test_a_training_does_not_start_from_a_model_that_differs(tmp_path: Path) -> None:
    trained(CONDITIONAL, class_names=("cat", "dog")).save_model(tmp_path / "model", None, RESULT)
    wider = replace(CONDITIONAL, model=replace(CONDITIONAL.model, width=8, num_bits=5))
    state = TrainingState.new(wider, "cpu", ("cat", "fox"))
    with pytest.raises(InputError) as raised:
        state.start_from(str(tmp_path / "model"))
    assert "(model.width: 4 there, 8 here; classes: cat, dog there, cat, fox here)" in str(raised.value)
    same = replace(CONDITIONAL, model=replace(CONDITIONAL.model, levels=CONDITIONAL.model.num_levels))
    TrainingState.new(same, "cpu", ("cat", "dog")).start_from(str(tmp_path / "model"))


def damage(directory: Path) -> None:
    (directory / "training.json").write_text("{")


def test_a_damaged_checkpoint_is_set_aside_and_reported(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    set_aside_damaged(tmp_path)
    first, found = trained(updates=1), TrainingState.new(CONFIG, "cpu")
    for state in (first, trained(updates=2)):
        state.save(tmp_path)
    set_aside_damaged(tmp_path)
    assert not (tmp_path / "damaged").exists()
    assert capfd.readouterr().err == ""
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "older").touch()
    damage(tmp_path / "last")
    set_aside_damaged(tmp_path)
    said = capfd.readouterr().err
    assert "training.json is damaged" in said
    assert f"set aside as {tmp_path / 'damaged'}, and the other one is used" in said
    assert not (tmp_path / "damaged" / "older").exists()
    assert (tmp_path / "damaged" / "training.json").read_text() == "{"
    found.restore(tmp_path)
    assert_same(found, first)


def test_a_damaged_previous_checkpoint_is_set_aside_too(tmp_path: Path) -> None:
    last, found = trained(updates=2), TrainingState.new(CONFIG, "cpu")
    for state in (trained(updates=1), last):
        state.save(tmp_path)
    damage(tmp_path / "previous")
    set_aside_damaged(tmp_path)
    assert not (tmp_path / "previous").exists()
    found.restore(tmp_path)
    assert_same(found, last)


@pytest.mark.parametrize("names", [["last"], ["last", "previous"]])
def test_without_an_undamaged_checkpoint_there_is_nothing_to_go_on_from(tmp_path: Path, names: list[str]) -> None:
    for _ in names:
        trained().save(tmp_path)
    for name in names:
        damage(tmp_path / name)
    with pytest.raises(InputError, match="has no undamaged checkpoint: give another --out to start again"):
        set_aside_damaged(tmp_path)
    assert all((tmp_path / name).exists() for name in names)


def test_an_average_notices_that_the_model_was_cast(config: RunConfig) -> None:
    state = TrainingState.new(config, "cpu")
    state.model.double()
    assert state.averaged is not None
    with pytest.raises(RuntimeError, match="moved or cast"):
        state.averaged.update()
