"""The whole model: exact inverses, exact density, and its behaviour at the edges."""

import json
from copy import deepcopy
from dataclasses import asdict, replace
from math import log
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from glowflow import Glow, GlowConfig, InputError
from glowflow.execution import Execution
from glowflow.images import dequantize, quantize
from tests.helpers import jacobian_log_det, randomize

COUPLINGS = ("affine", "affine-exp", "affine-tanh", "additive", "mixture")
PERMUTATIONS = ("conv1x1", "conv1x1-lu", "shuffle", "reverse")
SMALL = GlowConfig((3, 16, 16), steps=2, width=16)


def build(config: GlowConfig, std: float = 0.05) -> Glow:
    torch.manual_seed(0)
    return randomize(Glow(config), std)


def images_of(config: GlowConfig, num: int = 4) -> Tensor:
    return torch.randint(256, (num, *config.image_shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def labels_of(config: GlowConfig, num: int) -> Tensor | None:
    return torch.arange(num) % config.num_classes if config.num_classes else None


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("levels", [1, 2])
@pytest.mark.parametrize("coupling", COUPLINGS)
@pytest.mark.parametrize("permutation", PERMUTATIONS)
def test_log_det_is_that_of_the_jacobian(channels: int, levels: int, coupling: str, permutation: str) -> None:
    config = GlowConfig((channels, 4, 4), levels, 2, 8, coupling, permutation)
    model = build(config, std=0.1).double()
    x = torch.rand(2, *config.image_shape, dtype=torch.float64) - 0.5
    expected = jacobian_log_det(lambda batch: model.flatten(model(batch)[0]), x)
    torch.testing.assert_close(model(x)[1], expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("levels", [1, 2])
@pytest.mark.parametrize("logit", [True, False])
def test_realnvps_log_det_is_that_of_the_jacobian(channels: int, levels: int, *, logit: bool) -> None:
    config = GlowConfig(
        image_shape=(channels, 4, 4),
        levels=levels,
        steps=2,
        width=4,
        coupling="affine-tanh",
        permutation="reverse",
        learn_top=False,
        layout={"kind": "realnvp", "logit": logit},
        conditioner={"kind": "residual", "blocks": 1},
    )
    model = build(config, std=0.1).double()
    x = torch.rand(2, *config.image_shape, dtype=torch.float64) - 0.5
    expected = jacobian_log_det(lambda batch: model.flatten(model(batch)[0]), x)
    torch.testing.assert_close(model(x)[1], expected, rtol=0, atol=1e-8)


def test_conditional_log_det_is_that_of_the_jacobian() -> None:
    model = build(GlowConfig((1, 4, 4), 2, 2, 8, num_classes=3, classifier=True), std=0.1).double()
    x, y = torch.rand(2, 1, 4, 4, dtype=torch.float64) - 0.5, torch.tensor([2, 0])
    expected = jacobian_log_det(lambda batch: model.flatten(model(batch, y)[0]), x)
    torch.testing.assert_close(model(x, y)[1], expected, rtol=0, atol=1e-8)


def test_log_prob_is_a_density() -> None:
    """The density of a two-pixel model, summed over a fine grid, is 1."""
    model = build(GlowConfig((1, 2, 2), 1, 2, 8), std=0.1).double()
    axis = torch.linspace(-10, 10, 25, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis, axis, axis).view(-1, 1, 2, 2)
    with torch.no_grad():
        total = torch.cat([model.log_prob(part) for part in grid.split(50_000)]).exp().sum() * (axis[1] - axis[0]) ** 4
    torch.testing.assert_close(total, torch.ones((), dtype=torch.float64), rtol=1e-2, atol=0)


def test_log_prob_follows_change_of_variables() -> None:
    model, x = build(SMALL).double(), torch.rand(2, 3, 16, 16, dtype=torch.float64) - 0.5
    latents, log_det = model(x)
    z = model.flatten(latents)
    normal = torch.distributions.Normal(torch.zeros((), dtype=torch.float64), 1.0)
    torch.testing.assert_close(model.log_prob(x), normal.log_prob(z).sum(1) + log_det)


@pytest.mark.parametrize(
    "shape", [(1, 28, 28), (3, 32, 48), (4, 8, 8), (2, 6, 10), (3, 96, 128), (5, 2, 2), (1, 2, 64)]
)
@pytest.mark.parametrize("num_classes", [0, 3])
def test_any_shape_encodes_and_decodes_exactly(shape: tuple[int, int, int], num_classes: int) -> None:
    config = GlowConfig(shape, steps=1, width=8, num_classes=num_classes)
    model, images, y = build(config), images_of(config, 2), labels_of(config, 2)
    z = model.encode(images, y)
    assert z.shape == (2, config.num_dims)
    assert torch.equal(model.decode(z, y), images)
    assert model.sample(2, y=y).shape == images.shape


@pytest.mark.parametrize("num_bits", range(1, 9))
def test_decoding_gives_the_quantised_images(num_bits: int) -> None:
    config = replace(SMALL, num_bits=num_bits)
    images = images_of(config)
    assert torch.equal(build(config).decode(build(config).encode(images)), quantize(images, num_bits))


@pytest.mark.parametrize("coupling", COUPLINGS)
@pytest.mark.parametrize("permutation", PERMUTATIONS)
def test_fresh_models_are_exact_inverses_after_initialisation(coupling: str, permutation: str) -> None:
    config = replace(SMALL, coupling=coupling, permutation=permutation)
    model, images = Glow(config), images_of(config, 16)
    model.initialize(dequantize(images, 8))
    assert torch.equal(model.decode(model.encode(images)), images)


def test_encoding_is_exact_where_float32_is_not() -> None:
    model, images = Glow(SMALL), images_of(SMALL)
    model.get_parameter("levels.0.1.0.bias").data.fill_(1e5)  # of x + 1e5, float32 keeps two digits behind the point
    x = dequantize(images, 8)
    with torch.no_grad():
        assert (model.inverse(model(x)[0]) - x).abs().max() > 1 / 256
    for form in (model, model.freeze()):
        assert torch.equal(form.decode(form.encode(images)), images)
    assert model.dtype == torch.float32


def test_encoding_with_noise_draws_it_from_the_generator() -> None:
    model, images = build(SMALL), images_of(SMALL)
    first, second, other = (model.encode(images, generator=torch.Generator().manual_seed(s)) for s in (0, 0, 1))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_flat_latents_are_in_the_originals_order() -> None:
    model = build(SMALL)
    latents = model(dequantize(images_of(SMALL), 8))[0]
    z = model.flatten(latents)
    assert torch.equal(z[:, : latents[0][0].numel()], latents[0].permute(0, 2, 3, 1).flatten(1))
    for first, second in zip(model.unflatten(z), latents, strict=True):
        assert torch.equal(first, second)


def test_latent_shapes_are_as_configured() -> None:
    config = GlowConfig((3, 32, 64), steps=1, width=8)
    latents, _ = build(config)(dequantize(images_of(config), 8))
    assert [tuple(eps.shape[1:]) for eps in latents] == list(config.latent_shapes)


def test_initialisation_standardises_every_step_and_sees_the_steps_before() -> None:
    model = Glow(SMALL).double()
    x = dequantize(images_of(SMALL, 64), 8).double() * 0.1
    model.initialize(x)
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    squeeze, step, *_ = list(model.levels[0].children())
    normed = next(step.children())(squeeze(x)[0])[0]
    torch.testing.assert_close(normed.std((0, 2, 3)), torch.ones(12, dtype=torch.float64), rtol=0, atol=1e-3)


@pytest.mark.parametrize("value", [0, 255])
@pytest.mark.parametrize("num", [1, 8])
def test_uniform_images_give_finite_gradients(value: int, num: int) -> None:
    model = Glow(SMALL)
    x = dequantize(torch.full((num, 3, 16, 16), value, dtype=torch.uint8), 8)
    model.initialize(x)
    loss = -model.log_prob(x).mean()
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    assert model.log_prob(dequantize(images_of(SMALL), 8)).isfinite().all()  # and on other images


@pytest.mark.parametrize("shape", [(1, 4, 4), (1, 2, 2), (3, 8, 8)])
def test_one_image_is_enough_to_initialise(shape: tuple[int, int, int]) -> None:
    model = Glow(GlowConfig(shape, steps=8, width=8))
    for image in (torch.zeros(1, *shape), torch.rand(1, *shape) - 0.5):
        model.initialize(image)
        assert model.log_prob(torch.rand(5, *shape) - 0.5).isfinite().all()
        assert model.sample(4).float().std() > 0


def test_sampling_is_reproducible_and_temperature_scales_each_image() -> None:
    model = build(SMALL)
    first, second = (model.sample(3, 0.7, generator=torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(first, second)
    mixed = model.sample(3, torch.tensor([0.0, 0.7, 1.0]), generator=torch.Generator().manual_seed(5))
    assert torch.equal(mixed[1], first[1])
    assert torch.equal(mixed[0], model.decode(torch.zeros(1, SMALL.num_dims))[0])


@pytest.mark.parametrize("shape", [(1, 2, 2), (3, 2, 2), (1, 6, 10), (3, 16, 16)])
def test_the_first_images_do_not_depend_on_how_many_there_are(shape: tuple[int, int, int]) -> None:
    config = GlowConfig(shape, steps=2, width=8)
    model, images = build(config), images_of(config, 5)
    two, five = (model.sample(num, generator=torch.Generator().manual_seed(0)) for num in (2, 5))
    assert torch.equal(two, five[:2])
    two, five = (model.encode(batch, generator=torch.Generator().manual_seed(0)) for batch in (images[:2], images))
    torch.testing.assert_close(two, five[:2])


def test_a_frozen_model_stays_what_it_is() -> None:
    frozen = Glow(GlowConfig((3, 8, 8), 2, 1, 8)).freeze()
    assert frozen.freeze() is frozen


def test_bits_of_a_model_in_float64_and_noise_of_another_shape() -> None:
    model, images = Glow(GlowConfig((3, 8, 8), 2, 1, 8)), torch.zeros(2, 3, 8, 8, dtype=torch.uint8)
    noise = torch.rand(images.shape)
    found = model.bits_per_dim(images, noise)
    torch.testing.assert_close(deepcopy(model).double().bits_per_dim(images, noise), found.double(), rtol=0, atol=1e-4)
    with pytest.raises(ValueError, match="noise has shape"):
        model.bits_per_dim(images, noise[:1])


def test_the_frozen_model_is_the_same() -> None:
    config = replace(SMALL, permutation="conv1x1-lu")
    model, images = build(config), images_of(config)
    frozen = model.freeze()
    torch.testing.assert_close(frozen.encode(images), model.encode(images), rtol=0, atol=1e-5)
    z = model.encode(images)
    assert torch.equal(frozen.decode(z), model.decode(z))
    assert not any(parameter.requires_grad for parameter in frozen.parameters())
    assert all(parameter.requires_grad for parameter in model.parameters())
    with pytest.raises(ValueError, match="frozen"):
        frozen.save_pretrained("nowhere")
    with pytest.raises(ValueError, match="frozen"):
        frozen.initialize(torch.zeros(1, 3, 16, 16))
    with pytest.raises(ValueError, match="frozen"):
        frozen.execute(Execution("reversible"))


@pytest.mark.filterwarnings("error")
def test_arrays_of_numpy_are_tensors(tmp_path: Path) -> None:
    model = Glow(replace(SMALL, num_classes=2), np.array(["cat", "dog"]))  # type: ignore[arg-type]
    model.save_pretrained(tmp_path)
    assert Glow.from_pretrained(tmp_path).class_names == ["cat", "dog"]
    images, y = images_of(SMALL, 2), torch.tensor([1, 0])
    pixels = images.numpy()
    pixels.setflags(write=False)
    z = model.encode(pixels, y.numpy())
    assert torch.equal(z, model.encode(images, y))
    assert torch.equal(model.decode(z.numpy(), y.numpy()), images)
    assert torch.equal(model.encode(pixels[:, ::-1], y.numpy()), model.encode(images.flip(1), y))
    x = dequantize(pixels, 8)
    assert torch.equal(model.log_prob(x, y.numpy()), model.log_prob(x, y))
    assert model.sample(np.int64(2), np.array([0.5, 1.0]), y.numpy()).shape == images.shape  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="encode takes uint8 images"):
        model.encode(x.numpy(), y.numpy())


REALNVP, ONE_BLOCK = {"kind": "realnvp", "logit": True}, {"kind": "residual", "blocks": 1}
EMPTIED = (
    SMALL,
    replace(SMALL, num_classes=3, classifier=True),
    replace(SMALL, num_classes=3, coupling="additive", permutation="conv1x1-lu"),
    replace(SMALL, layout=REALNVP, coupling="affine-tanh", conditioner=ONE_BLOCK, permutation="reverse"),
)


@pytest.mark.parametrize("config", EMPTIED)
@pytest.mark.parametrize("memory", ["store", "checkpoint", "reversible"])
def test_no_images_are_images(config: GlowConfig, memory: str) -> None:
    model, images, y = build(config), images_of(config, 0), labels_of(config, 0)
    model.execute(Execution(memory))
    x = dequantize(images, 8)
    model.initialize(x)
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    model.log_prob(x, y).sum().backward()
    for form in (model, model.freeze()):
        z = form.encode(images, y, torch.Generator())
        assert z.shape == (0, config.num_dims)
        for decoded in (form.decode(z, y), form.decode(z, y, exact=False), form.sample(0, y=y)):
            assert decoded.shape == images.shape
        if config.num_classes:
            assert form.classify(x).shape == (0, 3)
            assert form.log_prob_and_logits(x, y)[1].shape == (0, 3)


@pytest.mark.parametrize("coupling", COUPLINGS)
def test_a_frozen_model_knows_its_type(coupling: str) -> None:
    """This holds even if every number of the model is a constant."""
    model = build(replace(SMALL, coupling=coupling, learn_top=False))
    images = images_of(SMALL)
    assert torch.equal(model.freeze().decode(model.freeze().encode(images)), images)
    assert model.double().freeze().dtype == torch.float64


def test_labels_are_asked_for_and_refused() -> None:
    images = images_of(SMALL)
    with pytest.raises(ValueError, match="takes no labels"):
        build(SMALL).encode(images, torch.zeros(4, dtype=torch.int64))
    conditional = build(replace(SMALL, num_classes=3))
    with pytest.raises(ValueError, match="give labels"):
        conditional.encode(images)
    with pytest.raises(ValueError, match="one per image"):
        conditional.encode(images, torch.zeros(3, dtype=torch.int64))
    for wrong in (
        torch.tensor([0, 1, 2, 3]),
        torch.tensor([0, 1, 2, -1]),
        torch.zeros(4),
        torch.zeros(4, dtype=torch.int32),
    ):
        with pytest.raises(ValueError, match="Labels"):
            conditional.encode(images, wrong)
    with pytest.raises(ValueError, match="can't classify"):
        build(SMALL).classify(dequantize(images, 8))


def test_without_a_classifier_the_likelihoods_classify() -> None:
    config = replace(SMALL, num_classes=3)
    model, x = build(config, 0.1), dequantize(images_of(config), 8)
    expected = torch.stack([model.log_prob(x, torch.full((4,), label)) for label in range(3)], dim=1).log_softmax(1)
    torch.testing.assert_close(model.classify(x).log_softmax(1), expected, rtol=0, atol=2e-3)


def test_class_names_are_kept(tmp_path: Path) -> None:
    config = replace(SMALL, num_classes=2)
    assert Glow(config).class_names == ["0", "1"]
    model = Glow(config, ["cat", "dog"])
    model.save_pretrained(tmp_path)
    assert Glow.from_pretrained(tmp_path).class_names == model.freeze().class_names == ["cat", "dog"]
    with pytest.raises(InputError, match="1 names for 2 classes"):
        Glow(config, ["cat"])
    for wrong, sentence in {'"cats"': "list of names", '["cat"]': "1 names for 2"}.items():
        content = json.loads((tmp_path / "config.json").read_text())
        (tmp_path / "config.json").write_text(json.dumps(content | {"class_names": json.loads(wrong)}))
        with pytest.raises(InputError, match=sentence):
            Glow.from_pretrained(tmp_path)


def test_classifier_is_a_linear_map_of_the_top_latents_mean() -> None:
    config = replace(SMALL, num_classes=3, classifier=True)
    model, y = build(config), torch.tensor([0, 1, 2, 0])
    x = dequantize(images_of(config), 8)
    log_prob, logits = model.log_prob_and_logits(x, y)
    torch.testing.assert_close(log_prob, model.log_prob(x, y))
    torch.testing.assert_close(logits, model.classify(x))
    top = model.prior.inverse(model(x, y)[0][-1], y)
    assert model.classifier is not None
    torch.testing.assert_close(logits, model.classifier(top.mean((2, 3))), rtol=1e-4, atol=1e-5)


def test_wrong_images_are_refused() -> None:
    model = build(SMALL)
    with pytest.raises(ValueError, match=r"\(1, 16, 16\)"):
        model.log_prob(torch.zeros(2, 1, 16, 16))
    with pytest.raises(ValueError, match="continuous"):
        model.log_prob(images_of(SMALL))
    with pytest.raises(ValueError, match="5 temperatures for 1 images"):
        model.sample(1, torch.ones(5))
    with pytest.raises(ValueError, match="uint8"):
        model.encode(torch.zeros(2, 3, 16, 16))
    with pytest.raises(ValueError, match="bits_per_dim takes uint8 images"):
        model.bits_per_dim(torch.zeros(2, 3, 16, 16), torch.zeros(2, 3, 16, 16))
    with pytest.raises(ValueError, match="768"):
        model.decode(torch.zeros(2, 5))


def test_save_and_load(tmp_path: Path) -> None:
    config = replace(SMALL, permutation="shuffle", num_classes=2)
    model = build(config).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    model.save_pretrained(tmp_path / "model")
    loaded = Glow.from_pretrained(tmp_path / "model")
    assert loaded.config == replace(config)
    torch.testing.assert_close(loaded.state_dict(), model.state_dict(), rtol=0, atol=0)
    assert json.loads((tmp_path / "model" / "config.json").read_text())["model"]["steps"] == 2


def test_saving_leaves_other_files_and_no_temporary_ones(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    build(SMALL).save_pretrained(tmp_path)
    build(SMALL).save_pretrained(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
        "notes.txt",
    ]


def test_loading_says_what_is_wrong(tmp_path: Path) -> None:
    model = build(SMALL)
    with pytest.raises(InputError, match="No model in"):
        Glow.from_pretrained(tmp_path)
    model.save_pretrained(tmp_path)
    other = asdict(replace(SMALL, width=24))
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "model": other}))
    with pytest.raises(InputError, match="different architecture"):
        Glow.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({**config, "format_version": 99}))
    with pytest.raises(InputError, match="format version 99"):
        Glow.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(config))
    content = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="damaged"):
        Glow.from_pretrained(tmp_path)


def test_loading_never_initialises_again(tmp_path: Path) -> None:
    model = build(SMALL)
    model.initialize(dequantize(images_of(SMALL), 8))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.save_pretrained(tmp_path)
    loaded = Glow.from_pretrained(tmp_path)
    loaded.train()
    loaded.log_prob(dequantize(images_of(SMALL), 8) * 3)
    loaded.sample(2)
    torch.testing.assert_close(loaded.state_dict(), before, rtol=0, atol=0)


def test_a_standard_normal_model_has_a_known_likelihood() -> None:
    """Without steps that do anything, -log p(x) is the squeezed image's own standard normal."""
    config = GlowConfig((1, 4, 4), 1, 1, 4, "additive", "reverse")
    x = torch.rand(3, 1, 4, 4) - 0.5
    expected = -0.5 * (x.square() + log(2 * torch.pi)).flatten(1).sum(1)
    torch.testing.assert_close(Glow(config).log_prob(x), expected)


def test_what_numpy_has_is_taken() -> None:
    config = replace(SMALL, num_classes=3)
    model, images, y = build(config), images_of(config), labels_of(config, len(images_of(config)))
    assert y is not None
    x = dequantize(images, 8)
    for kind in (np.int32, np.uint8, np.int64):
        assert torch.equal(model.log_prob(x.numpy(), y.numpy().astype(kind)), model.log_prob(x, y))
    with pytest.raises(ValueError, match="-1 images can't be drawn"):
        build(SMALL).sample(-1)
