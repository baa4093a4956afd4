"""Average drop and increase: what they say was scored. Their numbers are tested with the curves."""

from typing import Any

import pytest
import torch

from saliscope import MethodError, Target
from saliscope.faithfulness import average_drop
from saliscope.faithfulness.confidence import ConfidenceProtocol
from tests.attribution.helpers import Affine, pictures


def test_the_protocol_says_what_was_scored() -> None:
    model, x, maps = Affine(), pictures(2), torch.rand(2, 4, 4)
    asked: list[tuple[Any, ConfidenceProtocol | None, str | None]] = [
        (1, None, "probability"),
        (Target(1, "margin"), ConfidenceProtocol(output=None), "margin"),
        (lambda out: out[:, 0], None, None),
    ]
    for target, protocol, expected in asked:
        assert average_drop(model, x, maps, target, protocol=protocol).protocol.output == expected


def test_a_share_of_a_logarithm_is_refused() -> None:
    output: Any = "log_probability"
    with pytest.raises(MethodError, match="output"):
        ConfidenceProtocol(output=output)
