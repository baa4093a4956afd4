"""What all tests of this room share."""

import pytest
import torch


@pytest.fixture(autouse=True)
def same_weights_every_time():
    torch.manual_seed(0)
