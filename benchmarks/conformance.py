"""How far are glowflow's numbers from the original's? tests/test_conformance.py sets limits for the same cases.

This prints the table of docs/conformance.md and writes its figures, from the repository's root:

    python -m benchmarks.conformance results/conformance/conformance.json
"""

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from glowflow.provenance import provenance
from tests.reference import CASES, Recording, recording
from tests.test_conformance import fresh, movement_errors, statistics, trained

ROWS = {
    "bits": "bits_x, bits_y, loss, before and after training",
    "latents": "latents of all levels, before and after training",
    "decoded": "decoded images that differ, of the latents and of their halves",
    "initialization": "data-dependent initialisation: bias and logs of every actnorm",
    "training_bits": "bits_x of each of 16 training steps",
    "movement": "tensors after training, relative to their movement",
}


@torch.no_grad()
def measure(original: Recording) -> dict[str, float]:
    """The largest differences of a case."""
    found: dict[str, list[float]] = {name: [] for name in ROWS}
    for when in ("init", "final"):
        model = original.model(when)
        found["bits"].append(_largest(statistics(model, original), original[f"{when}/stats"]))
        latents, y = model(*original.x(0))[0], original.x(0)[1]
        theirs = [original.images(f"{when}/eps{level}") for level in range(len(latents))]
        found["latents"] += map(_largest, latents, theirs)
        for scale, name in ((1.0, "decoded"), (0.5, "decoded_half")):
            decoded = model.decode(scale * model.flatten(theirs), y)
            found["decoded"].append(float((decoded != original.images(f"{when}/{name}")).flatten(1).any(1).sum()))
    initialised, expected = fresh(original).state_dict(), original.model("init").state_dict()
    found["initialization"] += [_largest(initialised[name], expected[name]) for name in expected]
    with torch.enable_grad():
        model, bits = trained(original)
    found["training_bits"].append(_largest(bits[:, 1], original["train/stats"][:, 1]))
    found["movement"] += movement_errors(model, original).values()
    return {name: max(values) for name, values in found.items()}


def _largest(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return float((ours.double() - theirs.double()).abs().max())


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    cases: dict[str, Any] = {case: measure(recording(case)) for case in CASES}
    options.out.write_text(json.dumps({"cases": cases, **provenance()}, indent=2) + "\n")
    print("| largest difference | " + " | ".join(f"`{case}`" for case in CASES) + " |")
    print("|---|" + "---|" * len(CASES))
    for name, what in ROWS.items():
        print(f"| {what} | " + " | ".join(f"{cases[case][name]:.1g}" for case in CASES) + " |")


if __name__ == "__main__":
    main()
