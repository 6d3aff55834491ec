"""Every statistic of a summary against SciPy, or against its definition written out in NumPy (stats_oracle)."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats

from tests.oracle.compare import assert_close

sys.path.insert(0, str(Path(__file__).parent))
from stats_oracle import (
    Floats,
    StatsProbe,
    cells,
    edge_statistic,
    flip_statistics,
    floats,
    step_down,
    studentised_interval,
)

# Sums of at most 1,000 float64 terms near 1, in another order: 1000 * 2**-52, and a factor 10 for what is made of them.
TOLERANCE = 2.3e-12


@pytest.fixture(scope="module")
def probe() -> Iterator[StatsProbe]:
    with StatsProbe() as probe:
        yield probe


def correlated(rng: np.random.Generator, n: int, entries: int, rho: float = 0.6) -> Floats:
    """[n, E], standard normal, every two entries with correlation rho."""
    shared = rng.standard_normal((n, 1))
    return np.sqrt(rho) * shared + np.sqrt(1 - rho) * rng.standard_normal((n, entries))


def summarize(probe: StatsProbe, delta: Floats, templates: list[str] | None = None, **question: Any) -> dict[str, Any]:
    """Of delta [P, E]. Columns come as arrays."""
    options = question.pop("options", {})
    answer = probe.ask(
        "summary",
        templates=templates or [""] * len(delta),
        n_entries=delta.shape[1],
        delta=cells(delta),
        options=options,
        **question,
    )
    return {name: floats(v) if isinstance(v, list) and name != "rank_agreement" else v for name, v in answer.items()}


def cluster_means(delta: Floats, templates: list[str]) -> Floats:
    """[C, E]"""
    names = list(dict.fromkeys(templates))
    rows = [delta[[t == name for t in templates]] for name in names]
    return np.array([np.nanmean(row, axis=0) for row in rows])


def binomial_bounds(rate: float, n: int, sigmas: float = 4.0) -> tuple[float, float]:
    """Where a fair test's rejection rate lies but for one time in 16,000."""
    half = sigmas * np.sqrt(rate * (1 - rate) / n)
    return rate - half, rate + half


# --- Means, shares, ratios, ranks.


def test_moments_of_clusters(probe: StatsProbe) -> None:
    rng = np.random.default_rng(1)
    templates = [f"t{k}" for k in rng.integers(0, 9, 60)]
    delta = rng.standard_normal((60, 5)) + rng.standard_normal(5)
    delta[3:9, 2] = np.nan
    found = summarize(probe, delta, templates)
    means = cluster_means(delta, templates)
    assert_close(found["mean"], means.mean(axis=0), TOLERANCE, "mean")
    assert_close(found["std"], means.std(axis=0, ddof=1), TOLERANCE, "std")
    assert_close(found["sem"], scipy.stats.sem(means), TOLERANCE, "sem")
    assert (found["n_clusters"], found["n_prompts"], found["assumes_iid"]) == (9, 60, False)


def test_prompts_without_template_are_their_own_clusters(probe: StatsProbe) -> None:
    delta = np.random.default_rng(2).standard_normal((6, 2))
    alone = summarize(probe, delta)
    assert (alone["n_clusters"], alone["assumes_iid"]) == (6, True)
    assert_close(alone["sem"], scipy.stats.sem(delta), TOLERANCE, "sem")
    mixed = summarize(probe, delta, ["a", "", "a", "", "b", "b"])
    assert (mixed["n_clusters"], mixed["assumes_iid"]) == (4, False)


def test_shares(probe: StatsProbe) -> None:
    rng = np.random.default_rng(3)
    delta = rng.standard_normal((40, 6)) + 0.2
    top1 = rng.integers(0, 2, (40, 6))
    found = summarize(probe, delta, top1_preserved=top1.ravel().tolist())
    assert_close(found["sign_share"], (np.sign(delta) == np.sign(delta.mean(axis=0))).mean(axis=0), TOLERANCE, "sign")
    assert_close(found["top1_share"], top1.mean(axis=0), TOLERANCE, "top-1")
    assert np.isnan(summarize(probe, delta)["top1_share"]).all()


@pytest.mark.parametrize("levels", [1000, 4])
def test_spearman(probe: StatsProbe, levels: int) -> None:
    rng = np.random.default_rng(levels)
    first = rng.integers(0, levels, 144).astype(float)
    second = np.round(first + rng.integers(0, levels, 144))
    found = probe.ask("spearman", first=cells(first), second=cells(second))["spearman"]
    assert found == pytest.approx(scipy.stats.spearmanr(first, second).statistic, abs=1e-13)
    reverse = probe.ask("spearman", first=cells(first), second=cells(-first))["spearman"]
    assert reverse == pytest.approx(-1.0, abs=1e-15)
    assert probe.ask("spearman", first=cells(first), second=cells(np.ones(144)))["spearman"] is None


def test_rank_agreement_of_families(probe: StatsProbe) -> None:
    delta = np.random.default_rng(4).standard_normal((25, 30))
    found = summarize(probe, delta, n_families=3)["rank_agreement"]
    means = delta.mean(axis=0).reshape(3, 10)
    assert [(a, b) for a, b, _ in found] == [(0, 1), (0, 2), (1, 2)]
    for a, b, spearman in found:
        assert spearman == pytest.approx(scipy.stats.spearmanr(means[a], means[b]).statistic, abs=1e-13)


def test_ratios_are_of_means(probe: StatsProbe) -> None:
    rng = np.random.default_rng(5)
    gap = rng.normal(2.0, 1.0, (30, 2))
    delta = rng.standard_normal((30, 4))
    ratios = [[0, False, -1], [1, False, 3], [1, True, -1], [-1, False, -1]]
    found = summarize(probe, delta, gap=cells(gap), ratios=ratios)
    mean, mean_gap = delta.mean(axis=0), gap.mean(axis=0)
    patched = [1 + mean[0] / mean_gap[0], 1 + mean[1] / mean_gap[1], mean[2] / mean_gap[1]]
    assert_close(found["normalized"][:3], patched, TOLERANCE, "normalized")
    assert np.isnan(found["normalized"][3])
    assert abs(mean[3]) > 0.1  # else the next is refused
    assert found["faithfulness"][1] == pytest.approx((mean[1] - mean[3]) / -mean[3], abs=TOLERANCE)
    assert np.isnan(found["faithfulness"][[0, 2, 3]]).all()


def test_a_ratio_with_a_small_denominator_is_refused(probe: StatsProbe) -> None:
    question: dict[str, Any] = {"numerator": [1.0, 2.0], "denominator": [1.0, -0.9], "min_denominator": 0.1}
    assert probe.ask("ratio", **question)["ratio"] is None
    assert probe.ask("ratio", **question | {"min_denominator": 0.04})["ratio"] == pytest.approx(30.0)


# --- Adjusted p values and the t test.


def test_false_discovery_control(probe: StatsProbe) -> None:
    rng = np.random.default_rng(6)
    p = np.concatenate([rng.random(80), rng.random(20) ** 6, [0.5, 0.5, 1.0]])
    found = probe.ask("adjust", p=cells(p))
    for name in ("bh", "by"):
        expected = scipy.stats.false_discovery_control(p, method=name)
        assert_close(floats(found[name]), expected, TOLERANCE, name)


def test_holm_is_closed_testing_of_bonferroni(probe: StatsProbe) -> None:
    p = np.random.default_rng(7).random(7) ** 3
    found = floats(probe.ask("adjust", p=cells(p))["holm"])
    subsets = [set(s) for size in range(1, 8) for s in itertools.combinations(range(7), size)]
    for i in range(7):
        expected = max(min(1.0, len(s) * min(p[j] for j in s)) for s in subsets if i in s)
        assert found[i] == pytest.approx(expected, abs=1e-14)


def test_a_missing_p_does_not_count(probe: StatsProbe) -> None:
    p = np.array([0.01, np.nan, 0.04])
    found = probe.ask("adjust", p=cells(p))
    for name in ("holm", "bh", "by"):
        assert np.isnan(floats(found[name])[1])
        without = floats(probe.ask("adjust", p=cells(p[[0, 2]]))[name])
        assert floats(found[name])[[0, 2]].tolist() == without.tolist()


@pytest.mark.parametrize("min_effect", [0.0, 0.3])
def test_t_test(probe: StatsProbe, min_effect: float) -> None:
    rng = np.random.default_rng(8)
    delta = rng.standard_normal((30, 50)) + rng.normal(0, 1, 50)
    found = summarize(probe, delta, options={"t_test": True, "min_effect": min_effect})
    towards = delta * np.sign(delta.mean(axis=0))
    # Both ways of being beyond the edge.
    p = sum(scipy.stats.ttest_1samp(towards, edge, alternative="greater").pvalue for edge in (min_effect, -min_effect))
    if min_effect == 0.0:
        assert_close(p, scipy.stats.ttest_1samp(delta, 0.0).pvalue, TOLERANCE, "both tails")
    assert np.abs(found["p"] / p - 1).max() < 1e-10  # to the last of the small ones
    assert found["sign_flips"] == 0
    adjusted = probe.ask("adjust", p=cells(p))
    for name, adjustment in (("p_fwer", "holm"), ("q_bh", "bh"), ("q_by", "by")):
        assert_close(found[name], floats(adjusted[adjustment]), 1e-10, name)


# --- Sign flips.


def scipy_sign_flips(values: Floats, **options: Any) -> float:
    """Of one entry |t| rises with |mean|."""
    return scipy.stats.permutation_test(
        (values,),
        lambda x, axis: np.abs(x.mean(axis=axis)),
        permutation_type="samples",
        alternative="greater",
        vectorized=True,
        **options,
    ).pvalue


@pytest.mark.parametrize("ties", [False, True])
def test_exact_flips_equal_scipy(probe: StatsProbe, ties: bool) -> None:
    rng = np.random.default_rng(9)
    values = rng.normal(0.4, 1.0, 11)
    if ties:
        values = np.array([0.3, -0.1, 0.2, 0.3, 0.5, -0.2, 0.1, 0.3, 0.1, 0.4, -0.3])
    found = probe.flip_test(values[:, None], min_clusters=2, flips=10_000)
    expected = scipy_sign_flips(values, n_resamples=np.inf)
    assert (found["exact"], found["flips"]) == (True, 2**11)
    assert found["p"][0] == pytest.approx(expected, abs=1e-15)
    assert found["p_fwer"][0] == found["p"][0]


def test_random_flips_equal_scipy_within_monte_carlo_error(probe: StatsProbe) -> None:
    values = np.random.default_rng(10).normal(0.35, 1.0, 25)
    found = probe.flip_test(values[:, None], flips=100_000, seed=3)["p"][0]
    expected = scipy_sign_flips(values, n_resamples=100_000, rng=np.random.default_rng(11))
    assert abs(found - expected) < 4 * np.sqrt(2 * expected * (1 - expected) / 100_000)


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("min_effect", [0.0, 0.05, 0.4])
def test_westfall_young_on_the_same_flips(probe: StatsProbe, min_effect: float, missing: bool) -> None:
    """Counts equal those of replicates that are written out one by one. Three panels; clusters no multiple of 8."""
    rng = np.random.default_rng(12)
    means = correlated(rng, 27, 37) + rng.normal(0, 0.6, 37)
    if missing:
        means[rng.random(means.shape) < 0.15] = np.nan
    found = probe.flip_test(means, flips=3000, seed=5, min_effect=min_effect, min_clusters=10)
    observed, replicates = flip_statistics(means, probe.signs(27, 3000, 5), min_effect)
    p, p_fwer = step_down(observed, replicates, plus=1)
    assert found["p"].tolist() == p.tolist()
    assert found["p_fwer"].tolist() == p_fwer.tolist()
    assert (p_fwer < 0.05).any() and (p_fwer > 0.05).any()  # else too little would be compared


def test_flips_are_fair_independent_and_shared(probe: StatsProbe) -> None:
    signs = probe.signs(70, 4000, 1)
    bound = 5 / np.sqrt(4000)  # five standard errors, of 70 means and 2,415 correlations
    assert np.abs(signs.mean(axis=0)).max() < bound
    correlation = signs.T @ signs / 4000 - np.eye(70)
    assert np.abs(correlation).max() < bound
    assert len({tuple(row) for row in signs}) == 4000
    assert not np.array_equal(signs, probe.signs(70, 4000, 2))
    # What an entry's p is does not depend on the entries beside it.
    means = np.random.default_rng(13).standard_normal((24, 40))
    together = probe.flip_test(means, flips=500)["p"]
    assert together[7] == probe.flip_test(means[:, [7]], flips=500)["p"][0]


def test_an_entry_of_zeros_has_p_one(probe: StatsProbe) -> None:
    means = np.zeros((24, 2))
    means[:, 1] = 1.0
    found = probe.flip_test(means, flips=500)
    assert found["p"][0] == found["p_fwer"][0] == 1.0
    assert found["p"][1] < 0.05


def rejection_rate(probe: StatsProbe, seed: int, runs: int, centre: float, min_effect: float) -> float:
    """Share of runs in which a true null is rejected at 5 %: 24 clusters, 12 correlated entries of unequal spread, with
    means of +-centre, in standard errors of the middle ones."""
    rng = np.random.default_rng(seed)
    sides = np.resize([1.0, -1.0, 1.0], 12)
    spread = np.linspace(0.5, 1.5, 12) * np.sqrt(24)
    rejected = 0
    for run in range(runs):
        means = correlated(rng, 24, 12) * spread + sides * centre
        found = probe.flip_test(means, flips=999, seed=run, min_effect=min_effect)
        rejected += found["p_fwer"].min() <= 0.05
    return rejected / runs


def test_false_positive_rate_is_nominal(probe: StatsProbe) -> None:
    rate = rejection_rate(probe, 14, 4000, centre=0.0, min_effect=0.0)
    low, high = binomial_bounds(0.05, 4000)
    assert low <= rate <= high


# In standard errors: with both edges in reach of a mean, and with one.
@pytest.mark.parametrize("min_effect", [0.5, 1.0, 4.0])
def test_false_positive_rate_at_the_edge_of_the_null(probe: StatsProbe, min_effect: float) -> None:
    rate = rejection_rate(probe, 15, 4000, centre=min_effect, min_effect=min_effect)
    low, high = binomial_bounds(0.05, 4000)
    assert low <= rate <= high


def test_false_positives_are_rarer_inside_the_null(probe: StatsProbe) -> None:
    assert rejection_rate(probe, 16, 1000, centre=0.0, min_effect=2.0) < binomial_bounds(0.05, 1000)[0]


def test_the_error_rate_holds_beside_real_effects(probe: StatsProbe) -> None:
    """Strong control: step-down still counts the true nulls together once real effects are out."""
    rng = np.random.default_rng(17)
    rejected = 0
    for seed in range(800):
        means = correlated(rng, 24, 12)
        means[:, :6] += 2.0
        found = probe.flip_test(means, flips=1000, seed=seed)
        assert found["p_fwer"][:6].max() < 0.05
        rejected += found["p_fwer"][6:].min() <= 0.05
    low, high = binomial_bounds(0.05, 800)
    assert low <= rejected / 800 <= high


# --- Intervals.


@pytest.mark.parametrize("missing", [False, True])
def test_intervals_on_the_same_resamples(probe: StatsProbe, missing: bool) -> None:
    rng = np.random.default_rng(18)
    means = rng.exponential(1.0, (23, 18)) * rng.uniform(0.1, 3.0, 18)
    if missing:
        means[rng.random(means.shape) < 0.2] = np.nan
    low, high = probe.intervals(means, resamples=400, seed=9)
    times = probe.times(23, 400, 9)
    assert (times.sum(axis=1) == 23).all()
    expected = np.array([studentised_interval(means[:, entry], times) for entry in range(18)])
    assert_close(low, expected[:, 0], 1e-10, "low")
    assert_close(high, expected[:, 1], 1e-10, "high")


def test_resamples_are_fair(probe: StatsProbe) -> None:
    times = probe.times(40, 5000, 2)
    # Multinomial: each count has mean 1 and variance 1 - 1 / 40.
    assert np.abs(times.mean(axis=0) - 1).max() < 5 * np.sqrt((1 - 1 / 40) / 5000)
    # Whether a cluster is drawn at all, among 5,000 * 40, weakly dependent.
    missed = (1 - 1 / 40) ** 40
    assert abs((times == 0).mean() - missed) < 5 * np.sqrt(missed * (1 - missed) / 200_000)


def test_intervals_within_monte_carlo_error_of_other_resamples(probe: StatsProbe) -> None:
    rng = np.random.default_rng(19)
    values = rng.exponential(1.0, 30)
    n = 4000
    low, high = probe.intervals(values[:, None], resamples=n, seed=1)
    times = np.array([np.bincount(rng.integers(0, 30, 30), minlength=30) for _ in range(n)])
    expected = studentised_interval(values, times)
    # By how much two quantiles of n values may differ in probability: four standard errors.
    slack = 4 * np.sqrt(2 * 0.025 * 0.975 / n)
    widest = studentised_interval(values, times, coverage=0.95 + 2 * slack)
    narrowest = studentised_interval(values, times, coverage=0.95 - 2 * slack)
    assert widest[0] <= low[0] <= narrowest[0]
    assert narrowest[1] <= high[0] <= widest[1]
    assert widest[0] < expected[0] < narrowest[0]


@pytest.mark.parametrize("distribution", ["normal", "exponential", "lognormal"])
def test_coverage(probe: StatsProbe, distribution: str) -> None:
    """2,000 simulated samples of 40 clusters. On skewed ones Student's interval covers too rarely; this one less so."""
    rng = np.random.default_rng(20)
    means = getattr(rng, distribution)(size=(40, 2000))
    true_mean = {"normal": 0.0, "exponential": 1.0, "lognormal": np.exp(0.5)}[distribution]
    low, high = probe.intervals(means, resamples=1000, seed=4)
    coverage = ((low <= true_mean) & (true_mean <= high)).mean()
    half = scipy.stats.t.ppf(0.975, 39) * scipy.stats.sem(means)
    students = (np.abs(means.mean(axis=0) - true_mean) <= half).mean()
    least, most = binomial_bounds(0.95, 2000)
    if distribution == "lognormal":
        assert students < least  # the case is hard
        assert abs(coverage - 0.95) < abs(students - 0.95) / 2
    else:
        assert least <= coverage <= most


# --- The whole.


def test_summary_puts_the_parts_together(probe: StatsProbe) -> None:
    rng = np.random.default_rng(21)
    templates = [f"t{k % 22}" for k in range(66)]
    delta = correlated(rng, 66, 24) + rng.normal(0, 0.4, 24)
    options = {"seed": 2**63 + 5, "min_effect": 0.02, "bootstrap_resamples": 300}
    found = summarize(probe, delta, templates, n_families=2, options=options)
    means = cluster_means(delta, templates)
    low, high = probe.intervals(means, resamples=300, seed=2**63 + 5)
    assert_close(found["ci_low"], low, TOLERANCE, "ci_low")
    assert_close(found["ci_high"], high, TOLERANCE, "ci_high")
    for family in (slice(0, 12), slice(12, 24)):
        alone = probe.flip_test(means[:, family], seed=2**63 + 5, min_effect=0.02)
        assert found["p"][family].tolist() == alone["p"].tolist()
        assert found["p_fwer"][family].tolist() == alone["p_fwer"].tolist()
        for name in ("bh", "by"):
            expected = scipy.stats.false_discovery_control(alone["p"], method=name)
            assert_close(found[f"q_{name}"][family], expected, TOLERANCE, name)
    assert (found["sign_flips"], found["bootstrap_resamples"]) == (10_000, 300)


def test_equal_seeds_equal_figures(probe: StatsProbe) -> None:
    delta = np.random.default_rng(22).normal(0.2, 1, (30, 20))
    first, again, other = (summarize(probe, delta, options={"seed": seed}) for seed in (1, 1, 2))
    for name in ("ci_low", "ci_high", "p_fwer"):
        assert first[name].tolist() == again[name].tolist()
        assert first[name].tolist() != other[name].tolist()


@pytest.mark.parametrize("t_test", [False, True])
def test_under_twenty_clusters_there_is_no_p(probe: StatsProbe, t_test: bool) -> None:
    delta = np.random.default_rng(23).normal(1, 1, (20, 3))
    enough = summarize(probe, delta, options={"t_test": t_test})
    few = summarize(probe, delta[:19], options={"t_test": t_test})
    for name in ("p_fwer", "q_bh", "q_by"):
        assert np.isfinite(enough[name]).all()
        assert np.isnan(few[name]).all()
    assert few["sign_flips"] == 0
    assert np.isfinite(few["ci_low"]).all()


def test_one_prompt_has_a_mean_only(probe: StatsProbe) -> None:
    found = summarize(probe, np.array([[2.0, -1.0]]))
    assert found["mean"].tolist() == [2.0, -1.0]
    assert found["sign_share"].tolist() == [1.0, 1.0]
    for name in ("std", "sem", "ci_low", "ci_high", "p_fwer", "q_bh", "q_by"):
        assert np.isnan(found[name]).all()


def test_the_oracle_can_fail() -> None:
    """Its statistic is SciPy's t where the edge is 0."""
    values = np.random.default_rng(24).normal(0.5, 1, 30)
    assert edge_statistic(values, 0.0) == pytest.approx(abs(scipy.stats.ttest_1samp(values, 0.0).statistic), abs=1e-12)
