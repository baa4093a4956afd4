"""How measures were taken, in words: what differs between methods is told apart."""

import re
from dataclasses import replace

import torch

from saliscope.attribution import Saliency
from saliscope.audit import MEASURES, Finding, Measures, Row
from saliscope.audit.report_protocol import mixed, protocol_words
from saliscope.core.baselines import Baseline, Custom, Mean, Painted
from saliscope.core.targets import ResolvedTarget

CARD = MEASURES["infidelity"]
PICTURE = torch.linspace(0, 1, 48).reshape(1, 3, 4, 4)


def replaced(*baselines: Baseline) -> Measures:
    """Infidelities of methods that differ in what replaces a pixel."""
    values = torch.zeros(2, dtype=torch.float64)
    protocols = [replace(CARD.protocol, replacement=one) for one in baselines]
    found = [Finding(values, protocol=one) for one in protocols]
    rows = [Row(f"M{i}", Saliency(), findings={CARD.key: one}) for i, one in enumerate(found)]
    target = ResolvedTarget("logit", torch.zeros(2, dtype=torch.long), None, None, ("a", "b"))
    return Measures((CARD,), tuple(rows), values, target)


def test_tensors_that_replace_are_told_apart_by_what_is_in_them():
    same = replaced(Custom(PICTURE), Custom(PICTURE.clone()))
    assert not mixed(same)
    (name,) = re.findall(r"replacement: custom (#\w{8});", protocol_words(same, CARD))
    other = replaced(Custom(PICTURE), Custom(1 - PICTURE))
    assert mixed(other) == ["Infidelity"]
    words = protocol_words(other, CARD)
    assert name in words
    assert len(set(re.findall(r"custom #\w{8} \(", words))) == 2
    assert mixed(replaced(Mean(PICTURE), Mean(1 - PICTURE))) == ["Infidelity"]
    assert not mixed(replaced(Mean(), Mean()))


def test_a_painted_tensor_is_told_by_its_content_too():
    regions = [Painted((0, 0, 2, 2), tensor) for tensor in (PICTURE, 1 - PICTURE)]
    found = replaced(*regions)
    assert mixed(found) == ["Infidelity"]
    assert re.search(r"replacement: painted \(.*\) #\w{8} \(", protocol_words(found, CARD))
