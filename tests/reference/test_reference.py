"""The references are on trial too: by differences, by completeness, and by each other's means."""

import numpy as np
import pytest
import torch

from tests.reference import definitions
from tests.reference.networks import small_network

KINDS = ["relu", "leaky", "max_pool"]
X = np.random.default_rng(1).random((1, 8, 8))
BASELINE = np.random.default_rng(2).random((1, 8, 8)) - 0.5


@pytest.mark.parametrize("kind", [*KINDS, "smooth"])
def test_backward_by_hand_agrees_with_differences(kind):
    network = small_network(kind)
    for target in range(3):
        by_hand = network.gradient(X, target)
        np.testing.assert_allclose(definitions.finite_difference(network, X, target), by_hand, atol=1e-7)


@pytest.mark.parametrize("kind", [*KINDS, "smooth"])
def test_the_torch_twin_is_the_same_function(kind):
    network = small_network(kind)
    outputs = network.module()(torch.as_tensor(X)[None])[0].detach().numpy()
    np.testing.assert_allclose(outputs, network.run(X)[0][-1], rtol=1e-13)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_exact_integrated_gradients_are_complete(kind, seed):
    network = small_network(kind, seed)
    assert len(definitions.breakpoints(network, X, BASELINE)) > 10
    values = definitions.exact_integrated_gradients(network, X, BASELINE, 1)
    change = network.score(X, 1) - network.score(BASELINE, 1)
    assert values.sum() == pytest.approx(change, abs=1e-12)


def test_enlarging_keeps_constants_and_ramps():
    np.testing.assert_allclose(definitions.enlarged(np.ones((3, 2)), 7, 5), 1)
    ramp = definitions.enlarged(np.arange(4.0)[:, None] + np.zeros((1, 2)), 8, 2)[:, 0]
    np.testing.assert_allclose(ramp[1:-1], np.arange(0.25, 3, 0.5))
