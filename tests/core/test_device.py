"""The model decides where and in which precision things are computed."""

import pytest
import torch
from torch import nn

from saliscope.core.device import as_like, exact, placement, plain_arithmetic, wide


def test_a_model_is_where_its_first_floating_weight_is():
    model = nn.Sequential(nn.Embedding(3, 2), nn.Linear(2, 2)).to(torch.bfloat16)
    assert placement(model) == (torch.device("cpu"), torch.bfloat16)
    assert placement(nn.Linear(2, 2, device="meta")) == (torch.device("meta"), torch.float32)


def test_buffers_count_where_there_are_no_parameters():
    model = nn.Module()
    assert placement(model) == (None, None)
    model.register_buffer("index", torch.zeros(2, dtype=torch.long))
    assert placement(model) == (torch.device("cpu"), None)
    model.register_buffer("scale", torch.zeros(2, dtype=torch.float64))
    assert placement(model) == (torch.device("cpu"), torch.float64)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [(torch.float16, torch.float32), (torch.bfloat16, torch.float32), (torch.float64, torch.float64)],
)
def test_sums_are_at_least_in_single_precision(dtype, expected):
    assert wide(dtype) == expected


def test_between_the_precisions():
    assert as_like([0.1], torch.zeros(1, dtype=torch.bfloat16)).dtype == torch.bfloat16
    third = torch.tensor([1 / 3], requires_grad=True)
    assert exact(third).dtype == torch.float64
    assert not exact(third).requires_grad


def test_plain_arithmetic_inside_and_the_callers_modes_after():
    a = torch.rand(8, 8)
    expected = a @ a
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.inference_mode():
        assert (a @ a).dtype == torch.bfloat16
        with plain_arithmetic():
            made = a @ a
        assert (a @ a).dtype == torch.bfloat16
        assert torch.is_inference_mode_enabled()
    assert torch.equal(made, expected)
    assert not made.is_inference()
    with torch.enable_grad(), plain_arithmetic():
        assert not torch.is_grad_enabled()
