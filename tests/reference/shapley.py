"""Shapley values from their definition (Shapley 1953): over all orders, and over all subsets."""

from collections.abc import Callable
from itertools import combinations, permutations
from math import factorial

import numpy as np


def over_orders(value: Callable[[frozenset[int]], float], m: int) -> np.ndarray:
    """Mean over all orders of what a player adds when it comes; `value` is a function of a frozenset."""
    phi = np.zeros(m)
    for order in permutations(range(m)):
        there: set[int] = set()
        for player in order:
            before = value(frozenset(there))
            there.add(player)
            phi[player] += value(frozenset(there)) - before
    return phi / factorial(m)


def over_subsets(value: Callable[[frozenset[int]], float], m: int) -> np.ndarray:
    """The same with orders that differ only before or only after a player counted together."""
    known: dict[frozenset[int], float] = {}

    def v(there: frozenset[int]) -> float:
        if there not in known:
            known[there] = value(there)
        return known[there]

    phi = np.zeros(m)
    for player in range(m):
        others = [j for j in range(m) if j != player]
        for size in range(m):
            weight = factorial(size) * factorial(m - size - 1) / factorial(m)
            for there in map(frozenset, combinations(others, size)):
                phi[player] += weight * (v(there | {player}) - v(there))
    return phi
