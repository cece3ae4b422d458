"""All scores of images, by name, as tables have them."""

import numpy as np

from glowflow.evaluate import Floats
from glowflow.scoring.reference import PARTS, Reference, plain
from glowflow.scoring.statistics import Statistics


def columns(found: Statistics, reference: Reference | None = None) -> dict[str, Floats]:
    """The scores (N,) of images. Without a reference those are left out that say what is usual.

    >>> from glowflow import Glow, GlowConfig, load
    >>> from glowflow.scoring.statistics import statistics
    >>> model = Glow(GlowConfig((1, 28, 28), levels=1, steps=1, width=8))
    >>> digits = load("digits", (1, 28, 28), "test").thinned(10)
    >>> list(columns(statistics(model, digits)))
    ['bits_per_dim', 'bits_level_0', 'latent_bits_level_0', 'log_det_bits_level_0']
    """
    table = _compared(found, reference) if reference else plain(found)
    for level in range(found.latent_bits.shape[1]):
        table[f"bits_level_{level}"] = found.level_bits[:, level]
        table[f"latent_bits_level_{level}"] = found.latent_bits[:, level]
        table[f"log_det_bits_level_{level}"] = found.log_det_bits[:, level]
    return table


def unusualness(found: Statistics, reference: Reference | None = None) -> dict[str, Floats]:
    """The scores (N,) of images that can be compared with each other. More is more unusual for each of them.

    `combined` is the column `unusual`, and `bits`, `latents` and `layout` are its parts. `typicality` is the distance
    of the bits/dim from the usual ones' median.
    """
    if reference is None:
        return plain(found)
    scores = reference.scores(found)
    median = np.median(reference.usual["bits_per_dim"])
    return {
        "combined": scores["unusual"],
        **{part: scores[part] for part in PARTS},
        **plain(found),
        "typicality": np.abs(found.bits_per_dim - median),
    }


def _compared(found: Statistics, reference: Reference) -> dict[str, Floats]:
    """The scores, each followed by its rank or p-value."""
    scores = reference.scores(found)
    bits, corrected = scores["bits_per_dim"], scores["complexity_corrected"]
    return {
        "unusual": scores["unusual"],
        "p_value": reference.p_value("unusual", scores["unusual"]),
        **{f"p_{part}": reference.p_value(part, scores[part]) for part in PARTS},
        "bits_per_dim": bits,
        "rank": reference.rank("bits_per_dim", bits),
        "p_typical": reference.p_two_sided("bits_per_dim", bits),
        "complexity_corrected": corrected,
        "complexity_corrected_rank": reference.rank("complexity_corrected", corrected),
        "p_complexity_corrected": reference.p_value("complexity_corrected", corrected),
    }
