"""The result of scoring images: how their bits/dim are distributed, and which ones are the most unusual."""

from collections.abc import Mapping

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
LEVEL = 0.05
"""The report says how many images have a lower p-value."""
ROOM = 0.5
"""The histogram ends this share of the middle range below and above it. Images that are farther away are in its last
bars, because single images may be very far away."""


def distribution(dataset: Dataset, table: Mapping[str, Floats], *, by: str, when: str) -> Result:
    """The result of scoring a data set.

    Args:
        dataset: The images.
        table: Their scores (N,), by name: the bits/dim, the score that ranks them, and its p-value if it's known.
        by: The name of the score that ranks them.
        when: See `Result`.
    """
    values, scores = table["bits_per_dim"], table[by]
    order = most_unusual([scores], SHOWN)[:, 1].tolist()
    finite = values[np.isfinite(values)] if np.isfinite(values).any() else np.zeros(1)
    low, median, high = np.percentile(finite, (1, 50, 99))
    limits = float(low - ROOM * (high - low)), float(high + ROOM * (high - low))
    counts, _ = np.histogram(finite.clip(*limits), BINS, limits)
    by_name = "" if by == "unusual" else f" by {by}"
    names = ", ".join(f"{dataset.describe(row)} ({scores[row]:.3f})" for row in order[:NAMED])
    rows = {
        "images": f"{len(values):,}",
        "bits/dim": f"{median:.3f} in the middle, {low:.3f} to {high:.3f} for 98 of 100 images",
        "most unusual": names,
    }
    if "p_value" in table:
        alarms = float((table["p_value"] < LEVEL).mean())
        rows[f"p-value below {LEVEL:g}"] = f"{alarms:.1%} of the images, where {LEVEL:.0%} of usual images have one"
    return Result(
        "score",
        dataset.title,
        rows,
        when,
        counts.tolist(),
        limits,
        thumbnails([as_picture(dataset.images[row]) for row in order]),
        f"The most unusual images{by_name}, most unusual first",
    )
