"""How unusual are usual photographs of other scenes than the reference's, scene by scene?

    python -m benchmarks.scenes results/scores/scenes.jsonl runs/photos32 runs/scenes32

For each test scene: the share of its images with a p-value below 0.05, and the AUROC of the combined score for its
images against the same images after each change of the experiment `unusual`. The reference is that of all validation
images. The file keeps the lines that it has.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.lines import Line, complete
from glowflow import Glow
from glowflow.data import Dataset, load
from glowflow.evaluate import Floats
from glowflow.experiments.changes import CHANGES
from glowflow.experiments.unusual import LEVEL
from glowflow.scoring.codecs import standard
from glowflow.scoring.reference import Reference
from glowflow.scoring.separation import Scored, auroc
from glowflow.scoring.statistics import statistics
from glowflow.stored import StoredModel
from glowflow.training.run import read_config

AT_ONCE = 1000
"""Images of all scenes together."""


def measure(run: str) -> Line:
    """Score the test images of a run, as they are and changed."""
    glow, data = Glow.from_pretrained(StoredModel.open(run)).freeze(), str(read_config(Path(run))["train"]["data"])
    usual = load(data, glow.config.image_shape, "validation")
    reference = Reference.of(statistics(glow, usual, standard()), standard(), usual.name)

    def scored(dataset: Dataset) -> Floats:
        return reference.scores(statistics(glow, dataset, standard()))["unusual"]

    test = load(data, glow.config.image_shape, "test").thinned(AT_ONCE)
    scenes, found = np.asarray(test.groups), scored(test)
    changed = {name: scored(replace(test, images=change(np.asarray(test.images)))) for name, change in CHANGES.items()}
    lines = []
    for scene in np.unique(scenes):
        mine = scenes == scene
        lines.append(
            {
                "images": int(mine.sum()),
                "false_alarms": float((reference.p_value("unusual", found[mine]) < LEVEL).mean()),
                "auroc": {
                    name: auroc(Scored(found[mine]).sorted, Scored(each[mine]).sorted) for name, each in changed.items()
                },
            }
        )
    return {"reference_scenes": len(np.unique(np.asarray(usual.groups))), "scenes": lines}


def main() -> None:
    """Measure what the output file lacks, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("runs", nargs="+")
    options = parser.parse_args()
    for line in complete(options.out, measure, [{"run": run} for run in options.runs]):
        for number, scene in enumerate(line["scenes"], 1):
            told = ", ".join(f"{name} {value:.2f}" for name, value in scene["auroc"].items())
            print(f"{line['run']}, scene {number}: {scene['false_alarms']:.1%} false alarms; AUROC: {told}")


if __name__ == "__main__":
    main()
