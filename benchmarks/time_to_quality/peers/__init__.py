"""The other code bases as contenders, each with the recipe that its own documentation gives.

Each is there twice: as documented, for GPUs, and `small`, with the steps K, width and batch size of glowflow's preset
for the task, all else as documented, since a documented size may be far too large for two cores. Common to all:

- They learn p(x) without labels, as everyone here; where a recipe has class-conditional latents (normflows), the same
  without classes takes their place.
- Images are quantised to the task's bits, and their noise is uniform in a quantised level.
- Levels are as many as documented, where the side can be halved so often: 2 for 28x28 digits.
- Digits are not mirrored, whatever the recipe does with its photographs.
- Evaluation mode and raw weights: none of the recipes averages them.
"""

from pathlib import Path

from benchmarks.time_to_quality.contender import Task
from benchmarks.time_to_quality.peers.base import Peer
from benchmarks.time_to_quality.peers.freia import Freia
from benchmarks.time_to_quality.peers.nflows import Nflows
from benchmarks.time_to_quality.peers.normflows import Normflows
from benchmarks.time_to_quality.peers.rosinality import Rosinality
from benchmarks.time_to_quality.peers.y0ast import Y0ast
from glowflow.errors import InputError

PACKAGES: dict[str, type[Peer]] = {"normflows": Normflows, "FrEIA": Freia, "nflows": Nflows}
CHECKOUTS: dict[str, type[Rosinality] | type[Y0ast]] = {"rosinality": Rosinality, "y0ast": Y0ast}
CODES = (*PACKAGES, *CHECKOUTS)
"""The code bases."""
SMALL = "-small"
NAMES = [code + suffix for code in CODES for suffix in ("", SMALL)]


def peer(name: str, task: Task, checkouts: dict[str, Path]) -> Peer:
    """The contender of a name among `NAMES`.

    Raises:
        InputError: If its code isn't there.
    """
    code, small = name.removesuffix(SMALL), name.endswith(SMALL)
    if code in PACKAGES:
        return PACKAGES[code](task, small=small)
    if code not in checkouts:
        raise InputError(f"{name} needs a checkout of its code: give --{code} PATH.")
    return CHECKOUTS[code](task, small=small, checkout=checkouts[code])
