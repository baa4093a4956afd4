"""Means with intervals, paired comparisons, and rankings that say where differences are noise.

Intervals are Student's, over independent units: pictures, or, where several networks were trained, training
seeds. The values of one seed share their network, so they are no independent draws, however many pictures
there are. They are averaged first, and the interval is over the means. This is exact for normal means of
equally many pictures and needs no estimate of how much of the variance is whose, which five seeds could not
give. Resampling five seeds, the other way, gives intervals that are too narrow: a bootstrap's variance is 4/5
of the one that it should have, and its quantiles are not those of Student's distribution with 4 degrees of
freedom. Where each seed has pictures of its own, as with `saliscope.audit.planted`, the interval
covers the draw of pictures too.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from statistics import NormalDist
from typing import Any

import numpy as np
from jaxtyping import Float

from saliscope.audit.cards import Better
from saliscope.errors import InputError, MethodError
from saliscope.faithfulness.localisation import wilson
from saliscope.faithfulness.protocol import check_choice

_UNITS = {"seed": "training seeds", "picture": "pictures"}


@dataclass(frozen=True)
class Interval:
    """A mean, and where it would be if everything were drawn again.

    Attributes
    ----------
    value : float
        The mean; NaN where nothing is defined.
    low, high : float
        Ends of the interval; NaN of fewer than two units.
    level : float
        Share of such intervals that hold the true mean.
    n : int
        How many independent units it is of.
    per : {"picture", "seed"}
        What the units are.
    """

    value: float
    low: float
    high: float
    level: float
    n: int
    per: str = "picture"

    @property
    def noise(self) -> bool:
        """Of a difference: whether it may be none, since the interval includes 0 or is not known."""
        return not (self.low > 0 or self.high < 0)

    def __str__(self) -> str:
        if np.isnan(self.value):
            return "not defined"
        ends = "no interval" if np.isnan(self.low) else f"{self.low:.3f} to {self.high:.3f}"
        return f"{self.value:.3f} ({ends})"


def interval(values: Any, seeds: Any = None, level: float = 0.95, hits: bool = False) -> Interval:
    """Mean of values with Student's interval, see above.

    Hits get the interval of Wilson (1927), which has a width also where all are hits; over seeds, that of
    Student where it reaches further.

    Parameters
    ----------
    values : array of shape (n,)
        NaN is left out.
    seeds : array of shape (n,), optional
        Training seed of each value; the seeds are the units then. None, or all the same: pictures are.
    level : float
    hits : bool
        Whether each value is a hit, 1, or a miss, 0. It is not guessed: a share may be 0 or 1 too.

    Returns
    -------
    Interval

    Raises
    ------
    InputError
        If values and seeds do not fit each other.
    MethodError
        If the level is no probability.
    """
    given, groups = _known(values, seeds, level)
    found = _student(given, groups, level)
    if not len(given) or not hits:
        return found
    low, high = wilson(float(given.mean()), len(given), _normal(level))
    if found.per == "picture":
        return replace(found, low=low, high=high)
    reaching = _reaching(found, low, high)
    return replace(reaching, low=max(0.0, reaching.low), high=min(1.0, reaching.high))


def difference(
    first: Any, second: Any, seeds: Any = None, level: float = 0.95, hits: bool = False
) -> Interval:
    """Mean of ``first - second`` over the pictures where both are defined; same parameters as `interval`.

    The pictures are the same for both, so what makes one of them hard for every method drops out. For hits
    the interval of Agresti and Min (2005, doi 10.1002/sim.1781) is taken where it reaches further: Student's
    has no width where one method hits always and the other never, be it in three pictures.
    """
    one, other = _known(first, None, level, whole=True)[0], _known(second, None, level, whole=True)[0]
    if one.shape != other.shape:
        raise InputError("second", f"{len(other)} values for {len(one)}", "values of the same pictures")
    change, groups = _known(one - other, seeds, level)
    found = _student(change, groups, level)
    if not len(change) or not hits:
        return found
    n = len(change) + 2  # half a picture more in each of the four cases
    mean = change.sum() / n
    half = _normal(level) * (((change**2).sum() + 1) / n - mean**2) ** 0.5 / n**0.5
    return _reaching(found, mean - half, mean + half)


def _student(values: Float[np.ndarray, " n"], groups: np.ndarray, level: float) -> Interval:
    names = np.unique(groups)
    per = "seed" if len(names) > 1 else "picture"
    units = np.array([values[groups == one].mean() for one in names]) if per == "seed" else values
    n = len(units)
    mean = float(units.mean()) if n else np.nan
    half = np.nan
    if n > 1:
        from scipy.special import stdtrit  # 0.1 s

        half = float(stdtrit(n - 1, (1 + level) / 2) * units.std(ddof=1) / n**0.5)
    return Interval(mean, mean - half, mean + half, level, n, per)


def _reaching(found: Interval, low: float, high: float) -> Interval:
    """The interval with ends that reach as far as these, where they reach further."""
    return replace(found, low=float(np.fmin(found.low, low)), high=float(np.fmax(found.high, high)))


def _normal(level: float) -> float:
    return NormalDist().inv_cdf((1 + level) / 2)


def _known(
    values: Any, seeds: Any, level: float, whole: bool = False
) -> tuple[Float[np.ndarray, " n"], np.ndarray]:
    """The values that are defined, or all, and the seed of each."""
    if not isinstance(level, float) or not 0 < level < 1:
        raise MethodError("level", repr(level), "a probability between 0 and 1, as 0.95")
    given = np.asarray(values, dtype=np.float64)
    if given.ndim != 1:
        raise InputError("values", f"shape {given.shape}", "one value for each picture")
    groups = np.zeros(len(given)) if seeds is None else np.asarray(seeds)
    if groups.shape != given.shape:
        raise InputError("seeds", f"shape {groups.shape}", f"a training seed for each of {len(given)} values")
    kept = np.ones(len(given), bool) if whole else ~np.isnan(given)
    return given[kept], groups[kept]


@dataclass(frozen=True)
class Ranking:
    """Methods in order, and which of them cannot be told apart.

    Attributes
    ----------
    better : {"low", "high"}
        Which end is first.
    order : tuple of str
        The best first; those without a value are left out, see `undefined`.
    means : dict of str to Interval
        Of each method by itself.
    pairs : dict of (str, str) to Interval
        Paired difference of each two, the better one minus the other. Its level is that of a
        comparison among so many (Bonferroni's), so that all of them hold together at `level`.
    undefined : tuple of str
        Methods without any value.
    level : float
        With which all comparisons hold together.
    """

    better: Better
    order: tuple[str, ...]
    means: dict[str, Interval]
    pairs: dict[tuple[str, str], Interval]
    undefined: tuple[str, ...]
    level: float

    def apart(self, first: str, second: str) -> bool:
        """Whether two methods differ by more than noise."""
        pair = self.pairs.get((first, second)) or self.pairs.get((second, first))
        return pair is not None and not pair.noise

    @cached_property
    def places(self) -> dict[str, tuple[int, int]]:
        """Of each method the first and the last place that it may have, where 1 is the best.

        As many are before it for certain, or behind it, as differ from it by more than noise. All places hold
        together at `level` (Al Mohamad, Goeman and van Zwet 2022, Biometrics 78).
        """
        sure = [pair for pair, one in self.pairs.items() if not one.noise]
        before, behind = Counter(b for _, b in sure), Counter(a for a, _ in sure)
        return {name: (1 + before[name], len(self.order) - behind[name]) for name in self.order}

    @property
    def words(self) -> str:
        """What the ranking says, in sentences."""
        if not self.order:
            return "Nothing can be ranked: no method has a value."
        first, *others = self.order
        alike = [name for name in others if not self.apart(first, name)]
        sure = sum(not one.noise for one in self.pairs.values())
        if not others:
            said = [f"{first} is alone."]
        elif not alike:
            said = [f"{first} is ahead of every other one."]
        elif not sure:
            said = [f"No order: {joined([first, *alike])} cannot be told apart."]
        else:
            said = [f"{first} has the best mean; {joined(alike)} cannot be told apart from it."]
        if self.undefined:
            said.append(f"Without a value: {joined(self.undefined)}.")
        if self.pairs:
            n, per = self.means[first].n, self.means[first].per
            said.append(
                f"{sure} of {len(self.pairs)} pairs differ by more than noise: paired differences over {n} "
                f"{_UNITS[per]}, all of which hold together at {100 * self.level:g} %."
            )
        return " ".join(said)


def ranking(
    values: Mapping[str, Any],
    seeds: Any = None,
    better: Better = "high",
    level: float = 0.95,
    hits: bool = False,
) -> Ranking:
    """Order methods by their means, and say which differences are noise.

    Parameters
    ----------
    values : dict of str to array of shape (n,)
        Of each method, on the same pictures.
    better : {"low", "high"}
    level : float
        With which all comparisons hold together.
    seeds, hits
        As of `interval`.

    Returns
    -------
    Ranking
    """
    check_choice("better", better, ("low", "high"))
    means = {name: interval(own, seeds, level, hits) for name, own in values.items()}
    known = [name for name, one in means.items() if not np.isnan(one.value)]
    order = tuple(sorted(known, key=lambda name: means[name].value, reverse=better == "high"))
    every = list(combinations(order, 2))
    each = 1 - (1 - level) / max(1, len(every))
    pairs = {}
    for a, b in every:
        larger, smaller = (a, b) if better == "high" else (b, a)
        pairs[a, b] = difference(values[larger], values[smaller], seeds, each, hits)
    undefined = tuple(name for name in values if name not in known)
    return Ranking(better, order, means, pairs, undefined, level)


def figure(value: float) -> str:
    """A number in a table or a sentence: two decimals, or one digit of what is smaller; a true minus sign."""
    text = f"{value:.2f}" if abs(value) >= 0.01 or value == 0 else f"{value:.1g}"
    text = f"{value:.0f}" if abs(value) >= 1000 else text
    return text.replace("-", "−")


def joined(names: Sequence[str]) -> str:
    """Names in a sentence."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
