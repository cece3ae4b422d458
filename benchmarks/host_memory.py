"""Host memory: does it stay flat over many steps, and does the largest preset fit?

`flat` trains a preset on random images in every memory mode and records the process's resident memory meanwhile.
`large` takes a training step of a preset and draws images, in the reversible mode, and records time and peak memory.
It needs Linux (/proc). Each measurement is a process of its own and a line of the output file.

    python -m benchmarks.host_memory flat results/speed/host-memory.jsonl --preset digits --steps 1000
    python -m benchmarks.host_memory large results/speed/host-memory.jsonl --preset celebahq256
"""

import argparse
import json
import multiprocessing
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from glowflow.allocator import keep_freed_memory
from glowflow.bench.timing import Work
from glowflow.bench.work import sampling, training
from glowflow.execution import Execution
from glowflow.parts import MEMORIES
from glowflow.presets import load
from glowflow.provenance import provenance

PAGE = resource.getpagesize()


def resident_megabytes() -> float:
    """The present resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / 1e6


def peak_megabytes() -> float:
    """The peak resident memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def flat(preset: str, memory: str, steps: int, batch: int) -> dict[str, Any]:
    """Resident memory at eleven moments, from a tenth of the steps on."""
    keep_freed_memory()
    config = load(preset).run.model
    step = training(config, Execution(memory), torch.rand(batch, *config.image_shape) - 0.5)
    noted = []
    for index in range(1, steps + 1):
        step()
        if index % (steps // 10) == 0:
            noted.append(round(resident_megabytes(), 1))
    return {"what": "flat", "preset": preset, "memory": memory, "steps": steps, "batch": batch, "resident_mb": noted}


def large(preset: str, memory: str, _steps: int, batch: int) -> dict[str, Any]:
    """The time and peak memory of the second training step, and of drawing images."""
    keep_freed_memory()
    config = load(preset).run.model
    x = torch.rand(batch, *config.image_shape) - 0.5
    noted: dict[str, float] = {}
    works: dict[str, Callable[[], Work]] = {
        "step": lambda: training(config, Execution(memory), x),
        "sample": lambda: sampling(config, Execution(), x),
    }
    for name, build in works.items():
        work = build()
        work()
        began = time.perf_counter()
        work()
        noted |= {f"{name}_seconds": time.perf_counter() - began, f"{name}_peak_mb": round(peak_megabytes(), 1)}
        del work
    return {"what": "large", "preset": preset, "memory": memory, "batch": batch, **noted}


def main() -> None:
    """Measure each in a process of its own, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["flat", "large"])
    parser.add_argument("out", type=Path)
    parser.add_argument("--preset", default="digits")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=1)
    options = parser.parse_args()
    measure, modes = (flat, MEMORIES.names) if options.what == "flat" else (large, ("reversible",))
    for memory in modes:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            line = pool.apply(measure, (options.preset, memory, options.steps, options.batch))
        with options.out.open("a") as file:
            file.write(json.dumps(line | provenance()) + "\n")
        print(line)


if __name__ == "__main__":
    main()
