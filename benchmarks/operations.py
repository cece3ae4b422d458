"""How many operations does a training step take, by preset, memory mode and precision?

They are counted on tensors without values, so the numbers are the same on every machine (`bench/operations.py`).

    python -m benchmarks.operations results/fewer-operations/operations.jsonl digits faces32 cifar10 celebahq256
"""

import argparse
import json
from itertools import product
from pathlib import Path

import torch

from glowflow.bench.operations import count
from glowflow.execution import Execution
from glowflow.parts import MEMORIES
from glowflow.presets import load
from glowflow.provenance import provenance


def main() -> None:
    """Add a line for each preset, memory mode and precision to a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("presets", nargs="+")
    args = parser.parse_args()
    args.file.parent.mkdir(parents=True, exist_ok=True)
    with args.file.open("a", encoding="utf-8") as file:
        for name, memory, precision in product(args.presets, MEMORIES.names, ("float32", "bfloat16")):
            kind = None if precision == "float32" else torch.bfloat16
            counted = count(load(name).run, Execution(memory, kind))
            row = {"preset": name, "memory": memory, "precision": precision, **counted, **provenance()}
            print(json.dumps(row), file=file, flush=True)


if __name__ == "__main__":
    main()
