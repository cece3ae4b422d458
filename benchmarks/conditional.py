"""Does a class-conditional model of digits draw the digit that is asked for? An independent classifier tells.

A support-vector machine, trained on the training digits, classifies the model's images. The share of right digits is
given per temperature, beside the machine's own error on test digits. This needs the extra `data`.

    python -m benchmarks.conditional runs/digits-conditional results/presets/digits-conditional-samples.json
"""

import argparse
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.svm import SVC

from glowflow import Glow
from glowflow.data import load
from glowflow.evaluate import sample
from glowflow.provenance import provenance

TEMPERATURES = (0.3, 0.5, 0.7, 1.0)


def vectors(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Images as rows of numbers between 0 and 1."""
    return np.asarray(images).reshape(len(images), -1) / 255


def main() -> None:
    """Train the classifier, measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--num", type=int, default=1000, help="images per temperature")
    options = parser.parse_args()
    model = Glow.from_pretrained(options.model).freeze()
    training, test = (load("digits", model.config.image_shape, split) for split in ("train", "test"))
    assert training.labels is not None and test.labels is not None  # noqa: S101, PT018 (for mypy)
    judge = SVC(C=10).fit(vectors(training.images), training.labels)
    error = float((judge.predict(vectors(test.images)) != test.labels).mean())
    asked = np.arange(options.num) % 10
    agreement = {
        temperature: float((judge.predict(vectors(sample(model, options.num, temperature).numpy())) == asked).mean())
        for temperature in TEMPERATURES
    }
    content = {"judge_test_error": error, "num_samples": options.num, "named_as_asked": agreement, **provenance()}
    options.out.write_text(json.dumps(content, indent=2) + "\n")
    print(f"the judge's error on test digits: {error:.1%}")
    for temperature, share in agreement.items():
        print(f"temperature {temperature}: {share:.1%} of {options.num} images are the digit that was asked for")


if __name__ == "__main__":
    main()
