"""How many operations does a training step take, by preset, memory mode and precision?

They are counted on tensors without values, so the numbers are the same on every machine (`bench/operations.py`).

    python -m benchmarks.operations results/fewer-operations/operations.jsonl digits faces32 cifar10 celebahq256
"""

import argparse
from itertools import product
from pathlib import Path

import torch

from benchmarks.lines import Line, complete
from glowflow.bench.operations import count
from glowflow.execution import Execution
from glowflow.parts import MEMORIES
from glowflow.presets import load

PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16}


def measure(preset: str, memory: str, precision: str) -> Line:
    """The operations in each part of a training step."""
    return count(load(preset).run, Execution(memory, PRECISIONS[precision]))


def main() -> None:
    """Count what the output file lacks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("presets", nargs="+")
    options = parser.parse_args()
    wanted = [
        {"preset": preset, "memory": memory, "precision": precision}
        for preset, memory, precision in product(options.presets, MEMORIES.names, PRECISIONS)
    ]
    complete(options.out, measure, wanted)


if __name__ == "__main__":
    main()
