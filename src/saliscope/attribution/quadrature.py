"""Quadrature rules on [0, 1]: nodes, weights, the rule in half of the nodes, the rule with twice as many."""

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
from numpy.polynomial import legendre

Rule = Literal["midpoint", "right", "trapezoid", "gauss_legendre", "gauss_kronrod"]
RULES: tuple[str, ...] = get_args(Rule)
Array = np.ndarray


def rule(name: str, n_steps: int) -> tuple[Array, Array]:
    """Nodes and weights of a rule.

    Parameters
    ----------
    name : {"midpoint", "right", "trapezoid", "gauss_legendre", "gauss_kronrod"}
    n_steps : int
        Number of intervals; the trapezoid rule has one node more, Gauss-Kronrod ``2 * (n_steps // 2) + 1``.

    Returns
    -------
    nodes, weights : ndarray of float64
        Ascending nodes in [0, 1]; the weights sum to one.
    """
    return _MAKERS[name](n_steps)


def doubled(name: str, n_steps: int) -> tuple[str, int]:
    """The rule with twice the steps that keeps the nodes computed so far, as far as there is one.

    Midpoints are not among the midpoints of half intervals; together with the interval ends they are the
    nodes of the trapezoid rule with twice the intervals. The Kronrod extension keeps all Gauss-Legendre
    nodes. Beyond Kronrod nothing nests: all nodes are new.
    """
    if name == "midpoint":
        return "trapezoid", 2 * n_steps
    if name == "gauss_legendre":
        return "gauss_kronrod", 2 * n_steps
    return name, 2 * n_steps


def half_weights(name: str, nodes: Array) -> Array | None:
    """Weights of the rule that every second node makes by itself, zero at the others.

    The difference of its map to the full one is what the last doubling of the steps has changed.
    None where half of the nodes make no rule.
    """
    n = len(nodes)
    if n < 2:
        return None
    keep = np.zeros(n, dtype=bool)
    if name == "right":
        keep[::-1][::2] = True
        part = np.diff(nodes[keep], prepend=0.0)
    elif name in ("midpoint", "trapezoid"):
        keep[::2] = True
        keep[-1] |= name == "trapezoid"
        part = cell_widths(nodes[keep])
    else:
        keep[int(name == "gauss_kronrod") :: 2] = True
        part = _interpolatory(nodes[keep])
    weights = np.zeros(n)
    weights[keep] = part
    return weights


def cell_widths(nodes: Array) -> Array:
    """Width of the part of [0, 1] that is nearest to each node: weights for any set of distinct nodes."""
    order = np.argsort(nodes)
    middle = (nodes[order][1:] + nodes[order][:-1]) / 2
    widths = np.empty(len(nodes))
    widths[order] = np.diff(middle, prepend=0.0, append=1.0)
    return widths


def _midpoint(n: int) -> tuple[Array, Array]:
    return (np.arange(n) + 0.5) / n, np.full(n, 1.0 / n)


def _right(n: int) -> tuple[Array, Array]:
    return np.arange(1, n + 1) / n, np.full(n, 1.0 / n)


def _trapezoid(n: int) -> tuple[Array, Array]:
    nodes = np.arange(n + 1) / n
    return nodes, cell_widths(nodes)


def _gauss_legendre(n: int) -> tuple[Array, Array]:
    nodes, weights = legendre.leggauss(n)
    return (nodes + 1) / 2, weights / 2


def _gauss_kronrod(n: int) -> tuple[Array, Array]:
    # The added nodes are the zeros of the Stieltjes polynomial E of degree m + 1: P_m E is orthogonal to all
    # polynomials of degree <= m.
    m = max(1, n // 2)
    gauss = legendre.leggauss(m)[0]
    x, w = legendre.leggauss(2 * m + 2)
    basis = legendre.legvander(x, m + 1)
    products = (basis[:, : m + 1] * (w * basis[:, m])[:, None]).T @ basis
    coefficients = np.linalg.lstsq(products[:, : m + 1], -products[:, m + 1], rcond=None)[0]
    added = legendre.legroots(np.append(coefficients, 1.0)).real
    nodes = (np.sort(np.concatenate([gauss, added])) + 1) / 2
    return nodes, _interpolatory(nodes)


def _interpolatory(nodes: Array) -> Array:
    # The weights that integrate every polynomial of degree < n exactly; in Legendre polynomials the system is
    # well conditioned.
    vandermonde = legendre.legvander(2 * nodes - 1, len(nodes) - 1)
    moments = np.zeros(len(nodes))
    moments[0] = 1.0
    return np.linalg.solve(vandermonde.T, moments)


_MAKERS: dict[str, Callable[[int], tuple[Array, Array]]] = {
    "midpoint": _midpoint,
    "right": _right,
    "trapezoid": _trapezoid,
    "gauss_legendre": _gauss_legendre,
    "gauss_kronrod": _gauss_kronrod,
}
