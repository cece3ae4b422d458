"""The result of scoring images: how their bits/dim are distributed, and which ones are the most unusual."""

import numpy as np

from glowflow.data import Dataset
from glowflow.evaluate import Floats
from glowflow.pictures import as_picture
from glowflow.reports.results import Result
from glowflow.reports.thumbnails import thumbnails
from glowflow.scoring.ranking import most_unusual

BINS = 40
SHOWN = 20
NAMED = 5
ROOM = 0.5
"""The histogram ends this share of the middle range below and above it. Images that are farther away are in its last
bars, because single images may be very far away."""


def distribution(dataset: Dataset, values: Floats, scores: Floats, *, by: str, when: str) -> Result:
    """The result of scoring a data set, from the bits/dim (N,) of its images.

    Args:
        dataset: The images.
        values: Their bits/dim.
        scores: The score (N,) that ranks them.
        by: Its name.
        when: See `Result`.
    """
    order = most_unusual([scores], SHOWN)[:, 1].tolist()
    finite = values[np.isfinite(values)] if np.isfinite(values).any() else np.zeros(1)
    low, median, high = np.percentile(finite, (1, 50, 99))
    limits = float(low - ROOM * (high - low)), float(high + ROOM * (high - low))
    counts, _ = np.histogram(finite.clip(*limits), BINS, limits)
    names = ", ".join(f"{dataset.describe(row)} ({scores[row]:.3f})" for row in order[:NAMED])
    return Result(
        "score",
        f"{dataset.name}, {dataset.split} split",
        {
            "images": f"{len(values):,}",
            "bits/dim": f"{median:.3f} in the middle, {low:.3f} to {high:.3f} for 98 of 100 images",
            "most unusual": names,
        },
        when,
        counts.tolist(),
        limits,
        thumbnails([as_picture(dataset.images[row]) for row in order]),
        f"The most unusual images by {by}, the most unusual one first",
    )
