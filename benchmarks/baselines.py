"""NICE, RealNVP and Glow, trained for equally many steps: bits/dim on test images.

Trains the models of one data set's presets, with each seed, and evaluates each on the test split. All three are trained
by the settings of Glow's preset, so that they differ in their layers alone. Each training is a line of the output file;
those already there are not run again, and a training that was interrupted goes on, so the same command can be given at
any time.

    python -m benchmarks.baselines digits results/baselines.jsonl --images 24000
    python -m benchmarks.baselines photos32 results/baselines.jsonl --images 12000
"""

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.lines import Line, complete
from glowflow import Glow
from glowflow.config import RunConfig, TrainConfig
from glowflow.data import load
from glowflow.evaluate import likelihood
from glowflow.presets import load as load_preset
from glowflow.presets.size import size
from glowflow.training import train

LAYERS = {"NICE": "{}-nice", "RealNVP": "{}-realnvp", "Glow": "{}"}


def run(preset: str, seed: int, images: int, training: TrainConfig, folder: Path) -> Line:
    """Train and evaluate once."""
    config = RunConfig(load_preset(preset).run.model, replace(training, seed=seed, images=images))
    out = folder / f"{preset}-{images}-{seed}"
    train(config, out)
    test = load(config.train.data, config.model.image_shape, "test")
    found, cost = likelihood(Glow.from_pretrained(out).freeze(), test), size(config.model)
    return {
        "steps": -(-images // config.train.batch_size),
        "lr": config.train.lr,
        "test_bits_per_dim": found.bits_per_dim,
        "standard_error": found.standard_error,
        "parameters": cost.parameters,
        "forward_flops": cost.flops,
    }


def main() -> None:
    """Run what the output file lacks, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=["digits", "photos32"])
    parser.add_argument("out", type=Path)
    parser.add_argument("--images", type=int, required=True, help="length of each training")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where the trainings are kept")
    options = parser.parse_args()
    presets = {name: template.format(options.data) for name, template in LAYERS.items()}

    wanted = [
        {"preset": preset, "seed": seed, "images": options.images}
        for seed in range(options.seeds)
        for preset in presets.values()
    ]
    training = load_preset(options.data).run.train
    lines = complete(options.out, partial(run, training=training, folder=options.runs), wanted)
    for name, preset in presets.items():
        mine = [line for line in lines if line["preset"] == preset]
        bits = ", ".join(f"{line['test_bits_per_dim']:.3f} +- {line['standard_error']:.3f}" for line in mine)
        print(f"{options.data} {name:8} {mine[0]['parameters'] / 1e6:5.2f} M parameters: {bits}")


if __name__ == "__main__":
    main()
