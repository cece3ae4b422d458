"""How `evaluate` compares samples with real images."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from glowflow.checks import check_whole
from glowflow.errors import InputError
from glowflow.judging import Judge
from glowflow.judging.precision_recall import NEIGHBOURS
from glowflow.judging.real_images import RealImages
from glowflow.progress import progress, say

if TYPE_CHECKING:
    from glowflow.model import Glow

MOST_SAMPLES = 10_000
"""Samples. KID compares each with each."""


@dataclass(frozen=True)
class Comparison:
    """Samples that are to be compared with as many images.

    Training images that the classifier hasn't seen are compared in the same way. They show what real images reach.

    Attributes:
        asked: The number of samples that the user asks for.
        real: The images.
    """

    asked: int
    real: RealImages

    def __post_init__(self) -> None:
        check_whole("--samples", self.asked, NEIGHBOURS + 1, MOST_SAMPLES)
        if self.real.dataset.split == "train":
            raise InputError(
                "The classifier that compares samples is trained on the training images, so samples can't be compared "
                "with these: give --split test or validation."
            )
        if self.num <= NEIGHBOURS:
            raise InputError(f"{self._there}; --samples needs at least {NEIGHBOURS + 1} of each.")

    @property
    def num(self) -> int:
        """The number of samples that are compared: the number asked for, or fewer if there are too few images."""
        return min(self.asked, self.real.most)

    def judged(self, glow: "Glow", temperatures: tuple[float, ...], seed: int) -> dict[str, Any]:
        """Draw the samples, and measure their quality at each temperature."""
        from glowflow.evaluate import sample

        if self.num < self.asked:
            say(f"{self._there}, so {self.num} samples are drawn instead of {self.asked}.")
        judge, found = Judge.of(self.real.task, self.real.compared(self.num), self.real.about), {}
        once = dict.fromkeys(temperatures)
        with progress("Samples", self.num * len(once)) as advance:
            for each in once:
                found[f"{each:g}"] = asdict(judge.quality(sample(glow, self.num, each, seed=seed)))
                advance(self.num)
        real = asdict(judge.quality(self.real.others(self.num)))
        return {"num": self.num, "neighbours": NEIGHBOURS, **judge.about, "temperatures": found, "real_images": real}

    @property
    def _there(self) -> str:
        data, rest = self.real.dataset, f"{len(self.real.task.rest)} training images that the classifier won't see"
        if self.real.are_of_other_groups:
            return f"{data.name} has {rest}, and half of them are compared with the other half"
        return f"{data.name} has {len(data)} {data.split} images, and {rest}"


def report(judged: dict[str, Any]) -> dict[str, str]:
    """Describe what `Comparison.judged` measured."""
    compared = {f"temperature {each}": found for each, found in judged["temperatures"].items()}
    compared["real images"] = judged["real_images"]
    about = {
        "samples": f"{judged['num']} at each temperature",
        "compared with": f"as many {judged['reference']}",
        "classifier": f"of {judged['classifies']}, {judged['accuracy']:.1%} right for {judged['kept']}",
    }
    return about | {
        name: f"KID {found['kid']:.4f}, precision {found['precision']:.3f}, recall {found['recall']:.3f}"
        for name, found in compared.items()
    }
