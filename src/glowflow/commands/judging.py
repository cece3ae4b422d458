"""How `evaluate` compares samples with real images."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from glowflow.checks import check_whole
from glowflow.errors import InputError
from glowflow.judging import Judge
from glowflow.judging.precision_recall import NEIGHBOURS
from glowflow.judging.task import Task
from glowflow.progress import progress, say

if TYPE_CHECKING:
    from glowflow.data import Dataset
    from glowflow.model import Glow

MOST_SAMPLES = 10_000
"""Samples. KID compares each with each."""


@dataclass(frozen=True)
class Comparison:
    """Samples that are to be compared with as many images.

    Training images that the classifier hasn't seen are compared in the same way. They show what real images reach.

    Attributes:
        asked: The number of samples that the user asks for.
        dataset: The images.
        task: The task of the classifier.
    """

    asked: int
    dataset: "Dataset"
    task: Task

    def __post_init__(self) -> None:
        check_whole("--samples", self.asked, NEIGHBOURS + 1, MOST_SAMPLES)
        if self.num <= NEIGHBOURS:
            raise InputError(f"{self._there}; --samples needs at least {NEIGHBOURS + 1} of each.")

    @property
    def num(self) -> int:
        """The number of samples that are compared: the number asked for, or fewer if there are too few images."""
        return min(self.asked, len(self.dataset), len(self.task.rest))

    def judged(self, glow: "Glow", temperatures: tuple[float, ...], seed: int) -> dict[str, Any]:
        """Draw the samples, and measure their quality at each temperature."""
        from glowflow.evaluate import sample
        from glowflow.images import quantize

        if self.num < self.asked:
            say(f"{self._there}, so {self.num} samples are drawn instead of {self.asked}.")
        images = quantize(self.dataset.thinned(self.num).batch(range(self.num))[0], self.task.num_bits)
        judge, found = Judge.of(self.task, images, f"{self.dataset.split} images"), {}
        with progress("Samples", self.num * len(temperatures)) as advance:
            for each in temperatures:
                found[f"{each:g}"] = asdict(judge.quality(sample(glow, self.num, each, seed=seed)))
                advance(self.num)
        real = asdict(judge.quality(self.task.images(self.task.rest[: self.num])))
        return {"num": self.num, "neighbours": NEIGHBOURS, **judge.about, "temperatures": found, "real_images": real}

    @property
    def _there(self) -> str:
        data, rest = self.dataset, len(self.task.rest)
        return (
            f"{data.name} has {len(data)} {data.split} images, and {rest} training images that the classifier won't see"
        )


def report(judged: dict[str, Any]) -> dict[str, str]:
    """Describe what `Comparison.judged` measured."""
    num = judged["num"]
    about = f"compared with as many {judged['reference']}, by a classifier of {judged['classifies']}"
    compared = {f"temperature {each}": found for each, found in judged["temperatures"].items()}
    compared["real images"] = judged["real_images"]
    return {"samples": f"{num} at each temperature, {about} ({judged['accuracy']:.1%} right)"} | {
        name: f"KID {found['kid']:.4f}, precision {found['precision']:.3f}, recall {found['recall']:.3f}"
        for name, found in compared.items()
    }
