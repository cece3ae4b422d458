"""Every preset is a model of the published size."""

import pytest

from glowflow import Glow, GlowConfig, InputError
from glowflow.presets import load, names, read
from glowflow.presets.size import size

PUBLISHED_MILLIONS = {
    "cifar10": 44.60,
    "imagenet32": 66.86,
    "imagenet64": 112.38,
    "lsun64-bedroom": 66.86,
    "lsun64-tower": 66.86,
    "lsun64-church": 66.86,
    "celebahq256": 175.10,
    "lsun96": 200.43,
    "lsun128": 200.43,
    "cifar10-conditional": 38.40,
    "imagenet32-conditional": 57.70,
    "celeba32": 14.00,
}


@pytest.mark.parametrize(("name", "millions"), PUBLISHED_MILLIONS.items())
def test_sizes_are_the_published_ones(name: str, millions: float) -> None:
    assert round(load(name).about.parameters / 1e6, 2) == millions


@pytest.mark.parametrize("name", names())
def test_every_preset_is_valid(name: str) -> None:
    preset = load(name)
    assert preset.about.description.endswith(".")
    assert preset.run.train.images >= preset.run.train.batch_size


@pytest.mark.parametrize("gpus", [8, 40])
def test_the_originals_settings_follow_its_rules(gpus: int) -> None:
    presets = [preset for preset in map(load, names()) if preset.about.gpus == gpus]
    assert presets
    for preset in presets:
        train, (_, _, side) = preset.run.train, preset.run.model.image_shape
        per_gpu = 64 * 32**2 // side**2
        steps_per_epoch = -(-50_000 // (64 * gpus))
        assert train.batch_size == per_gpu * gpus
        assert train.init_batch_size == 256 * 32**2 // side**2
        assert train.beta2 == pytest.approx(1 - 1 / steps_per_epoch, abs=1e-8)
        assert train.warmup_images == round(500_000 * train.batch_size / (64 * gpus))


@pytest.mark.parametrize("name", names())
def test_presets_say_their_size(name: str) -> None:
    preset = load(name)
    found = size(preset.run.model)
    assert preset.about.parameters == found.parameters
    assert preset.about.flops == pytest.approx(found.flops, rel=0.001)


def test_size_is_extrapolated_exactly() -> None:
    config = GlowConfig((3, 16, 16), 2, 5, 24, num_classes=3, classifier=True)
    assert size(config).parameters == sum(parameter.numel() for parameter in Glow(config).parameters())


def test_flops_are_those_of_the_convolutions() -> None:
    config = GlowConfig((3, 32, 32), 3, 32)
    per_pixel = {level: 9 * c * 512 // 2 + 512 * 512 + 9 * 512 * c for level, c in enumerate((12, 24, 48))}
    multiplications = sum(32 * pixels * per_pixel[level] for level, pixels in enumerate((256, 64, 16)))
    assert size(config).flops == pytest.approx(2 * multiplications, rel=0.03)  # the rest: 1x1, priors


def test_mistakes_are_explained(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("presets")
    with pytest.raises(InputError, match="perhaps 'digits' is meant"):
        read("digit")
    for text, sentence in {
        "model: {image_shape: [1, 8, 8], stepz: 3}": "perhaps 'steps' is meant",
        "modell: {}": "perhaps 'model' is meant",
        "train: {}": "lacks model.image_shape",
        "model: [": "isn't YAML",
        "- 3": "should hold keys",
    }.items():
        (folder / "mine.yaml").write_text(text)
        with pytest.raises(InputError, match=sentence):
            read(str(folder / "mine.yaml"))
    with pytest.raises(InputError, match="No such file"):
        read(str(folder / "absent.yaml"))
