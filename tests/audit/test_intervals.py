"""Means with intervals, paired differences, and rankings that group what cannot be told apart."""

import numpy as np
import pytest

from saliscope import InputError, MethodError
from saliscope.audit.intervals import difference, interval, ranking
from saliscope.faithfulness.localisation import wilson

scipy_stats = pytest.importorskip("scipy.stats")


def drawn(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_interval_over_pictures_is_that_of_a_t_test():
    values = drawn(0).normal(2, 3, 12)
    found = interval(values, level=0.9)
    low, high = scipy_stats.ttest_1samp(values, 0).confidence_interval(0.9)
    np.testing.assert_allclose([found.value, found.low, found.high], [values.mean(), low, high], rtol=1e-12)
    assert (found.n, found.per) == (12, "picture")


def test_interval_over_seeds_is_that_of_their_means():
    values, seeds = drawn(1).normal(0, 1, (5, 7)), np.repeat(np.arange(5), 7)
    found = interval(values.ravel(), seeds)
    low, high = scipy_stats.ttest_1samp(values.mean(1), 0).confidence_interval(0.95)
    np.testing.assert_allclose([found.low, found.high], [low, high], rtol=1e-12)
    assert (found.n, found.per) == (5, "seed")


def test_every_seed_counts_the_same_however_many_of_its_values_are_defined():
    found = interval([1.0, np.nan, np.nan, 0.2, 0.2, 0.2], [0, 0, 0, 1, 1, 1])
    assert found.value == pytest.approx(0.6)


@pytest.mark.parametrize("n", [3, 40])
def test_interval_over_seeds_covers_the_true_mean_and_pictures_alone_do_not(n):
    """Networks differ (standard deviation 1), and so do the n pictures of each (standard deviation 2)."""
    trials, draw, seeds = 600, drawn(2), np.repeat(np.arange(5), n)
    over_seeds = over_pictures = 0
    for _ in range(trials):
        values = (draw.normal(0, 1, (5, 1)) + draw.normal(0, 2, (5, n))).ravel()
        one, other = interval(values, seeds), interval(values)
        over_seeds += one.low <= 0 <= one.high
        over_pictures += other.low <= 0 <= other.high
    assert abs(over_seeds / trials - 0.95) < 4 * (0.95 * 0.05 / trials) ** 0.5
    assert n == 3 or over_pictures / trials < 0.75


def test_hits_only_still_have_a_width():
    found = interval(np.ones(20), hits=True)
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(wilson(1.0, 20, scipy_stats.norm.ppf(0.975))[0])


def test_hits_of_seeds_that_differ_get_the_wider_interval():
    values, seeds = np.r_[np.ones(50), np.zeros(50)], np.repeat([0, 1], 50)
    found = interval(values, seeds, hits=True)
    assert found.low < wilson(0.5, 100, 1.96)[0]


@pytest.mark.parametrize(("values", "n"), [([], 0), ([np.nan], 0), ([0.3], 1)])
def test_too_few_values_have_no_interval(values, n):
    found = interval(values)
    assert found.n == n
    assert np.isnan(found.low)
    assert found.noise


def test_paired_differences_are_finer_than_unpaired_ones():
    draw = drawn(3)
    hard = draw.normal(0, 5, 30)
    a, b = hard + 0.5 + draw.normal(0, 0.3, 30), hard + draw.normal(0, 0.3, 30)
    found = difference(a, b)
    low, high = scipy_stats.ttest_rel(a, b).confidence_interval(0.95)
    np.testing.assert_allclose([found.low, found.high], [low, high], rtol=1e-9)
    assert not found.noise
    assert interval(a).low < interval(b).value < interval(a).high


def test_difference_leaves_out_pictures_that_one_of_them_has_no_value_for():
    assert difference([1.0, 2.0, np.nan], [0.5, np.nan, 0.0]).value == 0.5


def test_three_hits_against_three_misses_may_be_noise():
    assert difference(np.ones(3), np.zeros(3), level=0.99, hits=True).noise
    assert not difference(np.ones(20), np.zeros(20), level=0.99, hits=True).noise


def test_differences_of_hits_follow_agresti_and_min():
    a, b = np.r_[np.ones(8), np.zeros(4)], np.r_[np.ones(6), np.zeros(6)]
    found, n, z = difference(a, b, hits=True), 14, scipy_stats.norm.ppf(0.975)
    mean = 2 / n
    assert found.low <= mean - z * ((3 / n - mean**2) / n) ** 0.5 + 1e-12


def test_ranking_merges_equals_and_separates_what_is_clear():
    draw = drawn(4)
    hard = draw.normal(0, 1, 40)
    values = {
        "bad": hard - 3 + draw.normal(0, 0.2, 40),
        "good": hard + draw.normal(0, 0.2, 40),
        "just as good": hard + draw.normal(0, 0.2, 40),
        "no value": np.full(40, np.nan),
    }
    found = ranking(values)
    assert set(found.order[:2]) == {"good", "just as good"}
    assert found.places == {"good": (1, 2), "just as good": (1, 2), "bad": (3, 3)}
    assert found.apart("bad", "good")
    assert not found.apart("just as good", "good")
    assert found.undefined == ("no value",)
    first, second = found.order[:2]
    assert f"{first} has the best mean; {second} cannot be told apart from it." in found.words
    assert "2 of 3 pairs differ by more than noise: paired differences over 40 pictures" in found.words
    assert "Without a value: no value." in found.words
    turned = ranking(values, better="low")
    assert turned.order == found.order[::-1]
    assert all(pair.value > 0 for made in (found, turned) for pair in made.pairs.values())


def test_a_method_between_two_others_may_have_the_place_of_either():
    draw = drawn(5)
    noise = [draw.normal(0, 1, 60) for _ in range(3)]
    values = {name: shift + one for name, shift, one in zip("abc", (0.8, 0.4, 0.0), noise, strict=True)}
    found = ranking(values)
    assert found.places == {"a": (1, 2), "b": (1, 3), "c": (2, 3)}
    assert found.apart("a", "c")


def test_places_hold_the_true_ones():
    draw, missed = drawn(7), 0
    for _ in range(200):
        found = ranking({str(i): i / 2 + draw.normal(0, 1, 25) for i in range(4)}, better="low")
        missed += any(not first <= int(name) + 1 <= last for name, (first, last) in found.places.items())
    assert missed / 200 < 0.05 + 4 * (0.05 * 0.95 / 200) ** 0.5


def test_shares_that_are_one_throughout_are_no_hits():
    assert interval(np.ones(9)).low == 1.0
    assert ranking({"a": np.ones(9), "b": np.zeros(9)}).pairs["a", "b"].low == 1.0


def test_many_comparisons_of_equals_seldom_find_a_difference():
    draw, wrong = drawn(6), 0
    for _ in range(200):
        found = ranking({str(i): draw.normal(0, 1, 25) for i in range(6)})
        wrong += set(found.places.values()) != {(1, 6)}
    assert wrong / 200 < 0.05 + 4 * (0.05 * 0.95 / 200) ** 0.5


def test_words_of_a_clear_order_and_of_none():
    far = {name: shift + drawn(i).normal(0, 0.1, 9) for i, (name, shift) in enumerate((("a", 9), ("b", 0)))}
    assert ranking(far).words.startswith("a is ahead of every other one.")
    same = {name: drawn(i).normal(0, 1, 9) for i, name in enumerate("ab")}
    assert ranking(same).words.startswith("No order: ")
    assert "Nothing can be ranked" in ranking({"a": [np.nan]}).words


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: interval([1.0, 2.0], [0]), InputError),
        (lambda: interval([[1.0]]), InputError),
        (lambda: interval([1.0], level=1), MethodError),
        (lambda: difference([1.0], [1.0, 2.0]), InputError),
        (lambda: ranking({"a": [1.0]}, better="up"), MethodError),
    ],
)
def test_bad_input(call, error):
    with pytest.raises(error):
        call()
