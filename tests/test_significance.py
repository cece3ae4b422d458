"""What counts as a difference between two variations, and what as equality."""

from math import sqrt

import numpy as np
import pytest

from glowflow.experiments.significance import MARGIN, STANDARD_ERRORS, Gap, gap, mean_and_spread


def test_a_gap_counts_by_its_seeds() -> None:
    base = {0: 1.0, 1: 1.1, 2: 1.2}
    clear = gap(base, {seed: value + 0.5 + 0.01 * seed for seed, value in base.items()})
    assert clear is not None
    assert clear.mean == pytest.approx(0.51)
    assert clear.standard_error == pytest.approx(0.01 / sqrt(3))
    assert clear.verdict == "as claimed"
    reverse, noisy = gap({0: 2.0, 1: 2.1}, {0: 1.0, 1: 1.1}), gap(base, {0: 2.0, 1: 1.0, 2: 1.3})
    assert reverse is not None
    assert reverse.verdict == "the reverse"
    assert noisy is not None
    assert noisy.verdict == "not resolved"
    assert gap(base, {}) is None
    assert getattr(gap({0: 1.0}, {0: 2.0}), "verdict", None) == "one seed: as claimed"
    for other, verdict in {
        (1.001, 1.102, 1.2): "equal, as claimed",
        (1.001, 1.15, 1.2): "not resolved",
        (1.02, 1.12, 1.221): "different",
    }.items():
        assert getattr(gap(base, dict(enumerate(other))), "verdict_on_equality", None) == verdict


@pytest.mark.parametrize("num_seeds", range(2, 10))
def test_a_gap_counts_by_a_paired_t_test(num_seeds: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(num_seeds)
    for effect in np.linspace(-2, 2, 9):
        lower, higher = rng.normal(0, 1, num_seeds), rng.normal(effect, 1, num_seeds)
        found = gap(dict(enumerate(lower.tolist())), dict(enumerate(higher.tolist())))
        test = stats.ttest_rel(higher, lower)
        assert found is not None
        assert found.reach == pytest.approx(np.diff(test.confidence_interval(0.9)).item() / 2, rel=3e-3)
        assert (found.verdict == "not resolved") == (test.pvalue >= 0.1)


def test_more_seeds_than_the_table_has_are_judged_a_little_more_strictly() -> None:
    stats = pytest.importorskip("scipy.stats")
    for seeds in range(max(STANDARD_ERRORS) + 1, 30):
        exact = stats.t.ppf(0.95, seeds - 1)
        assert exact < Gap(0.0, 1.0, seeds).reach < exact + 0.2


def test_results_that_are_the_same_at_every_seed_differ_in_nothing() -> None:
    same = gap({0: 1.0, 1: 1.5}, {0: 1.0, 1: 1.5})
    assert same is not None
    assert same.verdict == "not resolved"
    assert same.verdict_on_equality == "equal, as claimed"
    assert Gap(0.0, None, 1).verdict != "one seed: as claimed"


def test_the_margin_of_equality_and_the_reach_of_chance_belong_to_what_they_bound() -> None:
    assert Gap(MARGIN, 0.0, 3).verdict_on_equality == "equal, as claimed"
    assert Gap(STANDARD_ERRORS[3], 1.0, 3).verdict == "not resolved"
    assert Gap(-STANDARD_ERRORS[3], 1.0, 3).verdict_on_equality == "not resolved"
    assert Gap(MARGIN, None, 1).verdict_on_equality == "one seed"


def test_a_seed_that_only_one_variation_has_is_left_out() -> None:
    assert gap({0: 1.0, 7: 9.0}, {0: 2.0, 8: 9.0}) == Gap(1.0, None, 1)


def test_a_table_has_as_many_digits_as_it_asks_for() -> None:
    assert mean_and_spread([1.0, 2.0]) == "1.500 ± 0.707"
    assert mean_and_spread([1.0, 2.0], 4) == "1.5000 ± 0.7071"
