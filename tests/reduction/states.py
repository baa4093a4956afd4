"""What a computation must leave as it was."""

import numpy as np
import torch


def generators():
    """The global random states of torch and numpy. (Python's own is used by the check of annotations.)"""
    return torch.get_rng_state().tolist(), repr(np.random.get_state())  # noqa: NPY002
