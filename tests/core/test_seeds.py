"""Noise belongs to its seed and its place, not to the process."""

import numpy as np
import torch

from saliscope.core.seeds import NoiseSource, preserved_rng

LIKE = torch.zeros((), dtype=torch.float64)


def test_a_sample_does_not_depend_on_how_it_is_drawn():
    source = NoiseSource(5, (2, 3))
    together = source.draw(0, 6, LIKE)
    assert together.shape == (6, 2, 3)
    assert torch.equal(source.draw(4, 6, LIKE), together[4:])
    assert torch.equal(torch.cat([source.draw(i, i + 1, LIKE) for i in range(6)]), together)
    assert torch.equal(source.draw(0, 6, LIKE.bfloat16()), together.bfloat16())


def test_samples_and_seeds_differ():
    a, b = NoiseSource(0, (4,)).draw(0, 50, LIKE), NoiseSource(1, (4,)).draw(0, 50, LIKE)
    assert len(torch.cat([a, b]).flatten().unique()) == 400


def test_the_distribution_is_standard_normal():
    sample = NoiseSource(3, (50,)).draw(0, 400, LIKE)
    count = sample.numel()
    assert abs(sample.mean()) * count**0.5 < 4
    assert abs(sample.square().mean() - 1) * (count / 2) ** 0.5 < 4
    neighbours = (sample[1:] * sample[:-1]).mean()
    assert abs(neighbours) * (count - 50) ** 0.5 < 4


def test_drawing_touches_no_global_generator():
    before = torch.get_rng_state(), np.random.get_state()[2]  # noqa: NPY002
    NoiseSource(3, (50,)).draw(0, 4, LIKE)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[2] == before[1]  # noqa: NPY002


def test_torch_goes_on_as_if_nothing_had_been_drawn():
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    with preserved_rng():
        torch.rand(100)
        torch.manual_seed(0)
    assert torch.equal(torch.rand(3), expected)
