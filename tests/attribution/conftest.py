"""What all tests of this room share."""

import pytest
import torch

from saliscope.attribution.registry import forget, methods


@pytest.fixture(autouse=True)
def same_weights_every_time():
    torch.manual_seed(0)


@pytest.fixture
def registry_as_before():
    """Methods that a test defines are gone after it."""
    before = set(methods())
    yield
    for key in set(methods()) - before:
        forget(key)
