"""Every rule against what it promises: exact polynomials, nested nodes, weights that are a mean."""

import random
from fractions import Fraction

import numpy as np
import pytest

from saliscope.attribution.quadrature import RULES, cell_widths, doubled, half_weights, rule
from saliscope.core.anytime import spread_order
from tests.reference.definitions import gauss_legendre, polynomial_integral

SIZES = [1, 2, 3, 7, 16, 32]


def integral(name: str, n_steps: int, coefficients: list[Fraction]) -> float:
    nodes, weights = rule(name, n_steps)
    values = [sum(float(c) * node**power for power, c in enumerate(coefficients)) for node in nodes]
    return float(weights @ np.array(values))


def random_polynomial(degree: int) -> list[Fraction]:
    draw = random.Random(degree)
    return [Fraction(draw.randint(-99, 99), 10) for _ in range(degree)] + [Fraction(10)]


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("n_steps", SIZES)
def test_weights_are_a_mean_over_the_path(name, n_steps):
    nodes, weights = rule(name, n_steps)
    assert weights.sum() == pytest.approx(1, abs=1e-14)
    assert (weights > 0).all()
    assert (np.diff(nodes) > 0).all()
    assert nodes[0] >= 0
    assert nodes[-1] <= 1


@pytest.mark.parametrize(("name", "degree"), [("midpoint", 1), ("right", 0), ("trapezoid", 1)])
@pytest.mark.parametrize("n_steps", SIZES)
def test_riemann_rules_are_exact_up_to_their_degree_and_no_further(name, degree, n_steps):
    polynomial = random_polynomial(degree)
    assert integral(name, n_steps, polynomial) == pytest.approx(
        float(polynomial_integral(polynomial)), abs=1e-12
    )
    beyond = random_polynomial(degree + 1)
    assert abs(integral(name, n_steps, beyond) - float(polynomial_integral(beyond))) > 1e-4


def test_riemann_rules_by_hand():
    nodes, weights = rule("midpoint", 2)
    assert (nodes.tolist(), weights.tolist()) == ([0.25, 0.75], [0.5, 0.5])
    nodes, weights = rule("right", 2)
    assert (nodes.tolist(), weights.tolist()) == ([0.5, 1.0], [0.5, 0.5])
    nodes, weights = rule("trapezoid", 2)
    assert (nodes.tolist(), weights.tolist()) == ([0.0, 0.5, 1.0], [0.25, 0.5, 0.25])


@pytest.mark.parametrize("n", [1, 2, 5, 20, 50])
def test_gauss_legendre_nodes_and_weights(n):
    nodes, weights = gauss_legendre(n)
    made = rule("gauss_legendre", n)
    np.testing.assert_allclose(made[0], nodes, atol=1e-14)
    np.testing.assert_allclose(made[1], weights, atol=1e-14)


@pytest.mark.parametrize("n", [1, 2, 3, 8])
def test_gauss_legendre_is_exact_up_to_degree_2n_minus_1(n):
    polynomial = random_polynomial(2 * n - 1)
    expected = float(polynomial_integral(polynomial))
    assert integral("gauss_legendre", n, polynomial) == pytest.approx(expected, abs=1e-13)
    # In Legendre's own basis the first power that is missed: the square of P_n, which vanishes at every node.
    nodes, weights = rule("gauss_legendre", n)
    square = np.prod([(nodes - node) ** 2 for node in gauss_legendre(n)[0]], axis=0)
    assert weights @ square == pytest.approx(0, abs=1e-25)


@pytest.mark.parametrize("m", [1, 2, 3, 8])
def test_kronrod_keeps_the_gauss_nodes_and_is_exact_up_to_degree_3m_plus_1(m):
    nodes, _ = rule("gauss_kronrod", 2 * m)
    np.testing.assert_allclose(nodes[1::2], gauss_legendre(m)[0], atol=1e-14)
    assert len(nodes) == 2 * m + 1
    polynomial = random_polynomial(3 * m + 1)
    expected = float(polynomial_integral(polynomial))
    assert integral("gauss_kronrod", 2 * m, polynomial) == pytest.approx(expected, abs=1e-12)


def test_kronrod_of_seven_nodes_by_the_book():
    """The 7-15 pair of QUADPACK."""
    nodes, weights = rule("gauss_kronrod", 14)
    assert 2 * nodes[-1] - 1 == pytest.approx(0.991455371120812639206, abs=1e-14)
    assert 2 * weights[-1] == pytest.approx(0.022935322010529224964, abs=1e-14)
    assert 2 * weights[7] == pytest.approx(0.209482141084727828013, abs=1e-14)


@pytest.mark.parametrize("name", ["midpoint", "right", "trapezoid", "gauss_legendre"])
@pytest.mark.parametrize("n_steps", SIZES)
def test_doubling_keeps_every_node(name, n_steps):
    nodes, _ = rule(name, n_steps)
    finer, _ = rule(*doubled(name, n_steps))
    assert np.abs(nodes[:, None] - finer[None, :]).min(1).max() < 1e-12
    assert len(finer) <= 2 * len(nodes) + 1


def test_doubling_twice_the_steps():
    assert doubled("midpoint", 8) == ("trapezoid", 16)
    assert doubled("right", 8) == ("right", 16)
    assert doubled("trapezoid", 8) == ("trapezoid", 16)
    assert doubled("gauss_legendre", 8) == ("gauss_kronrod", 16)
    assert doubled("gauss_kronrod", 8) == ("gauss_kronrod", 16)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("n_steps", [2, 3, 8, 32])
def test_half_of_the_nodes_make_a_rule(name, n_steps):
    nodes, _ = rule(name, n_steps)
    half = half_weights(name, nodes)
    assert half is not None
    assert half.sum() == pytest.approx(1, abs=1e-13)
    assert abs(np.count_nonzero(half) - len(nodes) / 2) <= 1


@pytest.mark.parametrize(
    ("name", "coarser"),
    [("right", "right"), ("trapezoid", "trapezoid"), ("gauss_kronrod", "gauss_legendre")],
)
def test_the_half_rule_is_the_rule_of_half_the_steps(name, coarser):
    nodes, _ = rule(name, 8)
    half = half_weights(name, nodes)
    assert half is not None
    expected_nodes, expected_weights = rule(coarser, 4)
    np.testing.assert_allclose(nodes[half > 0], expected_nodes, atol=1e-14)
    np.testing.assert_allclose(half[half > 0], expected_weights, atol=1e-14)


@pytest.mark.parametrize("name", RULES)
def test_a_single_node_has_no_half(name):
    assert half_weights(name, np.array([0.5])) is None


def test_cells_partition_the_path_around_their_nodes():
    np.testing.assert_allclose(cell_widths(np.array([0.5, 0.1, 0.9])), [0.4, 0.3, 0.3])
    assert cell_widths(np.array([0.3])).tolist() == [1.0]


@pytest.mark.parametrize("n", [1, 2, 5, 32, 33])
def test_any_beginning_of_the_order_covers_the_path(n):
    order = spread_order(n)
    assert sorted(order) == list(range(n))
    nodes = rule("midpoint", n)[0]
    for k in range(1, n + 1):
        assert cell_widths(nodes[order[:k]]).max() <= 3 / k
