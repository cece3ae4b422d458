"""All scores of images, by name, as tables have them."""

from collections.abc import Callable, Collection, Sequence

import numpy as np

from glowflow.data import Dataset
from glowflow.evaluate import Floats
from glowflow.model import Glow
from glowflow.processes import ALONE, Processes
from glowflow.scoring.codecs import Codec
from glowflow.scoring.reference import PARTS, Reference, plain
from glowflow.scoring.statistics import Statistics, in_batches

Table = dict[str, Floats]
"""Scores (N,) of images, by name."""
BY_COMPRESSORS = frozenset({"unusual", "p_value", "p_bits", "complexity_corrected_rank", "p_complexity_corrected"})
"""Those of `columns` that compare the bits of a compressor with the bits that it takes for usual images."""
UNUSUALNESS_BY_COMPRESSORS = frozenset({"combined", "bits"})
"""Those of `unusualness`."""


def scored(  # noqa: PLR0913 (as `statistics`)
    model: Glow,
    dataset: Dataset,
    table: Callable[[Statistics], Table],
    codecs: Sequence[Codec] = (),
    *,
    seed: int = 0,
    processes: Processes = ALONE,
) -> Table:
    """A table of a data set's images, such as `columns`, from their `statistics`, of which only a batch is held.

    >>> from glowflow import Glow, GlowConfig, load
    >>> model = Glow(GlowConfig((1, 28, 28), levels=1, steps=1, width=8))
    >>> found = scored(model, load("digits", (1, 28, 28), "test").thinned(10), columns)
    >>> found["bits_per_dim"].shape
    (10,)
    """
    tables = processes.attempted(lambda: list(map(table, in_batches(model, dataset, codecs, seed, processes))))
    rows = processes.share(len(dataset))
    together = {name: np.concatenate([each[name] for each in tables])[: len(rows)] for name in tables[0]}
    return {name: processes.gathered(values, len(dataset)) for name, values in together.items()}


def columns(found: Statistics, reference: Reference | None = None) -> Table:
    """The scores (N,) of images. Without a reference, the scores that compare with usual images are left out.

    If the reference's compressors aren't here, BY_COMPRESSORS are left out.

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


def unusualness(found: Statistics, reference: Reference | None = None) -> Table:
    """The scores (N,) of images that can be compared with each other. More is more unusual for each of them.

    `combined` is the column `unusual`, and `bits`, `latents` and `layout` are its parts. `typicality` is the distance
    of the bits/dim from the usual ones' median. If the reference's compressors aren't here, UNUSUALNESS_BY_COMPRESSORS
    are left out.
    """
    if reference is None:
        return plain(found)
    scores = reference.scores(found)
    median = np.median(reference.usual["bits_per_dim"])
    table = {
        "combined": scores["unusual"],
        **{part: scores[part] for part in PARTS},
        **plain(found),
        "typicality": np.abs(found.bits_per_dim - median),
    }
    return _without(UNUSUALNESS_BY_COMPRESSORS if reference.problem else (), table)


def _compared(found: Statistics, reference: Reference) -> Table:
    """The scores, each followed by its rank or p-value."""
    scores = reference.scores(found)
    bits, corrected = scores["bits_per_dim"], scores["complexity_corrected"]
    table = {
        "unusual": scores["unusual"],
        "p_value": reference.p_value("unusual", scores["unusual"]),
        **{f"p_{part}": reference.p_value(part, scores[part]) for part in PARTS},
        "bits_per_dim": bits,
        "bits_per_dim_rank": reference.rank("bits_per_dim", bits),
        "p_typical": reference.p_two_sided("bits_per_dim", bits),
        "complexity_corrected": corrected,
        "complexity_corrected_rank": reference.rank("complexity_corrected", corrected),
        "p_complexity_corrected": reference.p_value("complexity_corrected", corrected),
    }
    return _without(BY_COMPRESSORS if reference.problem else (), table)


def _without(names: Collection[str], table: Table) -> Table:
    return {name: values for name, values in table.items() if name not in names}
