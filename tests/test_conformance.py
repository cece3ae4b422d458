"""glowflow computes what the original (openai/glow) did in its recorded runs; docs/conformance.md has the figures."""

import pytest
import torch

from glowflow import Glow
from glowflow.bijections import ActNorm
from glowflow.images import dequantize, to_uint8
from glowflow.importers import openai
from glowflow.training.objective import Objective
from glowflow.training.optimizer import GlowAdamax
from tests.reference import CASES, Recording, recording


@pytest.fixture(params=CASES, name="original")
def _original(request: pytest.FixtureRequest) -> Recording:
    return recording(request.param)


@pytest.fixture(params=["init", "final"], name="when")
def _when(request: pytest.FixtureRequest) -> str:
    return request.param


@torch.no_grad()
def statistics(model: Glow, original: Recording, step: int = 0) -> torch.Tensor:
    """[loss, bits_x, bits_y, classification error] of a training batch, as the recordings have them."""
    x, y = original.x(step)
    loss = Objective(model, original.config["weight_y"])(*original.batch(step))
    wrong = torch.tensor(1.0) if y is None else (model.classify(x).argmax(1) != y).float().mean()
    return torch.stack([loss.total, loss.bits_per_dim, loss.bits_y, wrong])


def test_losses(original: Recording, when: str) -> None:
    found = statistics(original.model(when), original)
    torch.testing.assert_close(found, original[f"{when}/stats"], rtol=0, atol=1e-5)


@torch.no_grad()
def test_latents(original: Recording, when: str) -> None:
    latents, _ = original.model(when)(*original.x(0))
    for level, eps in enumerate(latents):
        torch.testing.assert_close(eps, original.images(f"{when}/eps{level}"), rtol=0, atol=1e-4)


@pytest.mark.parametrize(("scale", "name"), [(1.0, "decoded"), (0.5, "decoded_half")])
def test_decoded_images(original: Recording, when: str, scale: float, name: str) -> None:
    model = original.model(when)
    latents = [scale * original.images(f"{when}/eps{level}") for level in range(model.config.num_levels)]
    y = original.x(0)[1]
    assert torch.equal(model.decode(model.flatten(latents), y), original.images(f"{when}/{name}"))


@torch.no_grad()
def test_the_inverse_that_sampling_uses(original: Recording, when: str) -> None:
    """The model in float32, frozen."""
    model, y = original.model(when), original.x(0)[1]
    latents = [original.images(f"{when}/eps{level}") for level in range(model.config.num_levels)]
    images = to_uint8(model.freeze().inverse(latents, y), model.config.num_bits)
    assert torch.equal(images, original.images(f"{when}/decoded"))


def fresh(original: Recording) -> Glow:
    """The model with the original's kernels, after our data-dependent initialisation on its batch."""
    model = original.model("init")
    for module in model.modules():
        if isinstance(module, ActNorm):
            module.bias.data.fill_(7.0)
            module.logs.data.fill_(-0.5)
    model.initialize(dequantize(original.images("x_init"), original.config["n_bits_x"], 0.0))
    return model


def test_data_dependent_initialisation(original: Recording) -> None:
    expected = original.model("init").state_dict()
    torch.testing.assert_close(fresh(original).state_dict(), expected, rtol=0, atol=1e-5)


def trained(original: Recording) -> tuple[Glow, torch.Tensor]:
    """The original's initialised model after its recorded steps with our optimiser, and each step's statistics."""
    model, statistics_of_steps = original.model("init"), []
    beta2 = 1 - 1 / (original.config["train_its"] * original.config["polyak_epochs"])
    optimizer = GlowAdamax(model.parameters(), betas=(original.config["beta1"], beta2), first_t=2)
    objective = Objective(model, original.config["weight_y"])
    for step, lr in enumerate(original["train/lr"].tolist()):
        statistics_of_steps.append(statistics(model, original, step))
        optimizer.param_groups[0]["lr"] = lr
        optimizer.zero_grad()
        objective(*original.batch(step)).total.backward()
        optimizer.step()
    return model, torch.stack(statistics_of_steps)


def test_training(original: Recording) -> None:
    model, found = trained(original)
    torch.testing.assert_close(found, original["train/stats"], rtol=0, atol=1e-4)
    for name, distance in movement_errors(model, original).items():
        assert distance < 0.01, name


def movement_errors(model: Glow, original: Recording) -> dict[str, float]:
    """||ours - theirs|| / ||theirs - init|| of each variable that moved."""
    ours, theirs, init = openai.from_glow(model), original.variables("final"), original.variables("init")
    moved = {name: (theirs[name].double() - init[name].double()).norm() for name in theirs}
    return {
        name: float((ours[name].double() - theirs[name].double()).norm() / distance)
        for name, distance in moved.items()
        if distance > 0
    }


def test_what_did_not_move_there_does_not_move_here(original: Recording) -> None:
    theirs, init = original.variables("final"), original.variables("init")
    still = [name for name in theirs if torch.equal(theirs[name], init[name])]
    fixed = ("shuffle/indices", "shuffle/indices_inverse", "invconv/P", "invconv/sign_S")
    assert all(name.endswith(fixed) for name in still), still
