"""What the tests of records share."""

import copy
import json
from typing import Any

import torch
from torch import Tensor, nn

from saliscope import Record
from saliscope.attribution import Method, Saliency
from saliscope.records import record as module
from tests.attribution.helpers import pictures
from tests.attribution.token_variants import model_of


def model(method: Method = Saliency()) -> nn.Module:  # noqa: B008
    return model_of(method)


def inputs(n: int = 1) -> Tensor:
    return pictures(n, size=6)


def changed(weights: nn.Module) -> nn.Module:
    """The same model, one of its weights a little larger."""
    other = copy.deepcopy(weights)
    with torch.no_grad():
        next(other.parameters()).view(-1)[0] += 0.5
    return other


def recorded(method: Method, net: Any = None, x: Tensor | None = None, target: Any = None) -> Record:
    """The record of what a method says of `net` and `x`, or of the model and the input above."""
    net, x = net or model(method), inputs() if x is None else x
    return Record.of(method.attribute(net, x, target), net)


def forged(record: Record, path: str, value: Any, *, sealed: bool = True) -> dict[str, Any]:
    """A record's JSON with one entry changed ("target.labels.0") and a checksum that fits."""
    data = json.loads(record.to_json())
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place = data
    for part in way:
        place = place[part]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    if sealed:
        data.pop("digest", None)
        data["digest"] = module._digest(data)
    return data
