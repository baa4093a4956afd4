"""What a sentence says of a map, and that it follows from the numbers."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from saliscope.faithfulness import Protocol, trial
from saliscope.faithfulness.controls import against_random, blurred
from saliscope.faithfulness.verdict import Evidence, verdict

GOOD = Evidence(
    beaten=1.0,
    ties=0,
    n_random=20,
    area=0.1,
    random=0.3,
    blurred=0.2,
    whole=0.9,
    emptied=0.0,
    lowest=0.0,
    highest=0.9,
    probability=True,
    replacement="mean",
)
BAD = replace(GOOD, beaten=0.4, area=0.3, random=0.2, blurred=0.3)
RISES = replace(GOOD, area=0.8, blurred=0.5)
WORST = replace(GOOD, beaten=0.0, area=0.5, blurred=0.5)
SLIGHT = replace(GOOD, area=0.572, random=0.574, blurred=0.5)
NAN = replace(GOOD, beaten=float("nan"), area=float("nan"))


def test_passes():
    text = verdict("A", {"deletion": GOOD, "insertion": RISES}, [0.1, 0.7])
    counts = "20 of 20 random orders in deletion and 20 of 20 in insertion (hidden pixels: mean)."
    assert text.startswith(f"A passes: it beats {counts}")
    assert "better than its blurred copy" in text
    assert "depends on what was learnt" in text


def test_every_replacement_is_named():
    text = verdict("A", {"deletion": GOOD, "insertion": replace(RISES, replacement="blur")})
    assert "(hidden pixels: mean, blur)" in text


def test_passes_in_part():
    text = verdict("A", {"deletion": GOOD, "insertion": BAD})
    assert text.startswith("A passes in part")


@pytest.mark.parametrize("beaten", [0.0, 0.1])
def test_measures_that_contradict_each_other_are_said_to(beaten):
    text = verdict("A", {"deletion": replace(WORST, beaten=beaten), "insertion": RISES})
    numbers = f"{20 * beaten:g} of 20 random orders in deletion and 20 of 20"
    assert text.startswith(f"A is contradicted: it beats {numbers}")
    assert "passes" not in text


def test_what_is_next_to_nothing_neither_passes_nor_contradicts():
    text = verdict("A", {"deletion": SLIGHT, "insertion": SLIGHT})
    assert text.startswith("A does not pass: it beats 20 of 20")
    assert "by next to nothing in deletion and insertion" in text
    text = verdict("A", {"deletion": GOOD, "insertion": SLIGHT})
    assert text.startswith("A passes in part")
    assert "by next to nothing in insertion." in text
    text = verdict("A", {"deletion": GOOD, "insertion": replace(SLIGHT, beaten=0.0)})
    assert text.startswith("A passes in part")
    text = verdict("A", {"deletion": replace(SLIGHT, beaten=0.0)})
    assert "worse than chance" not in text


def test_a_score_that_stands_still_judges_nothing():
    still = replace(GOOD, lowest=0.97, highest=0.99, beaten=0.5, ties=20)
    text = verdict("A", {"deletion": still})
    assert text.startswith("A cannot be judged here: the score stands still, from 0.97 to 0.99,")
    assert "it beats 10 of 20 random orders in deletion (hidden pixels: mean; ties count half)" in text
    logit = replace(still, probability=False)
    assert "stands still" not in verdict("A", {"deletion": logit})
    assert "stands still" in verdict("A", {"deletion": replace(logit, highest=0.97)})
    assert "stands still" not in verdict("A", {"deletion": still, "insertion": RISES})


def test_few_random_orders_are_no_judges():
    few = replace(GOOD, n_random=3)
    text = verdict("A", {"deletion": few, "insertion": replace(RISES, n_random=3)}, [0.1])
    assert text.startswith(
        "A beats 3 of 3 random orders in deletion and 3 of 3 in insertion (hidden pixels: mean);"
    )
    assert "a verdict takes 20 random orders" in text
    assert "pass" not in text
    assert "depends on what was learnt" in text


def test_fails():
    assert verdict("A", {"deletion": BAD}).startswith("A does not pass: it beats only 8 of 20")
    text = verdict("A", {"deletion": WORST, "insertion": WORST})
    assert "worse than chance" in text
    assert "the place counts" not in text, "of what does not pass nothing counts"


def test_a_picture_that_scores_more_when_it_is_gone_is_a_caution():
    rising = replace(GOOD, whole=0.55, emptied=0.62)
    text = verdict("A", {"deletion": rising, "insertion": replace(rising, beaten=0.98)})
    assert text.count("Mind that the emptied picture scores 0.62, no less than the whole one (0.55).") == 1
    text = verdict("A", {"deletion": GOOD, "insertion": replace(RISES, emptied=0.9)})
    assert "the emptied picture scores 0.9, no less than the whole one (0.9)." in text
    assert "Mind" not in verdict("A", {"deletion": GOOD, "insertion": RISES})
    last_bit = replace(RISES, whole=0.55 + 1e-9, emptied=0.62 - 1e-9)
    text = verdict("A", {"deletion": rising, "insertion": last_bit})
    assert text.count("0.62") == 1


def test_a_map_that_outlives_the_weights_is_no_evidence():
    assert "even when the whole network" in verdict("A", {"deletion": GOOD}, [0.9, 0.8])


def test_a_course_is_not_hidden_in_a_mean():
    text = verdict("A", {"deletion": GOOD}, [1.0, 0.95, 0.35, 0.31, -0.01])
    assert "until more than 2 of 5 blocks are randomised (rank correlation 0.95, then 0.35)" in text
    assert "(rank correlation −0.30)" in verdict("A", {"deletion": GOOD}, [-0.3, 0.7])
    assert "rank" not in verdict("A", {"deletion": GOOD}, [float("nan"), 0.7])


def test_a_blurred_copy_that_does_as_well_is_said():
    assert "the place counts" in verdict("A", {"deletion": replace(GOOD, area=0.2)})
    lower = replace(GOOD, area=0.2, blurred=0.1)
    assert "the place counts" in verdict("A", {"deletion": lower})
    assert "the place counts" not in verdict("A", {"insertion": replace(lower, area=0.8, random=0.5)})


def test_not_defined():
    assert "no area is defined" in verdict("A", {"deletion": NAN, "insertion": NAN})


class Line(nn.Module):
    """Its gradient times input is the whole truth, whatever is added."""

    def __init__(self, bias: float) -> None:
        super().__init__()
        weights = torch.randn(3 * 8 * 8, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
        self.weights, self.bias = nn.Parameter(weights + 0.5, requires_grad=False), bias

    def forward(self, x):
        return (x.flatten(1) @ self.weights + self.bias)[:, None]


def _judged(bias: float) -> tuple[dict[str, Evidence], list]:
    net = Line(bias)
    x = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    truth = (net.weights.reshape(1, 3, 8, 8) * x).sum(1)
    maps = {"map": truth, "blurred": blurred(truth, x)}
    protocols = (Protocol("deletion", n_steps=16), Protocol("insertion", n_steps=16))
    found = trial(net, x, maps, lambda out: out[:, 0], protocols=protocols, n_random=20)
    beside = [against_random(found, "map", p) for p in range(2)]
    return {one.protocol.kind: Evidence.of(one, found, p) for p, one in enumerate(beside)}, beside


@pytest.mark.parametrize("bias", [-500.0, -1.0, 0.0, 500.0])
def test_a_constant_that_is_added_to_the_score_changes_no_verdict(bias):
    measured, beside = _judged(bias)
    assert verdict("A", measured) == verdict("A", _judged(0.0)[0])
    assert verdict("A", measured).startswith("A passes: it beats 20 of 20")
    for one in beside if abs(bias) == 500 else ():
        assert bool(one.ratio.isnan()) == (bias < 0)
        assert ("negative somewhere" in " ".join(one.notes)) == (bias < 0)


def test_which_picture_is_whole_and_which_is_emptied():
    measured, _ = _judged(3.0)
    x = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for one in measured.values():
        assert one.whole == pytest.approx(float(Line(3.0)(x)))
        assert one.emptied == pytest.approx(3.0)
        assert one.lowest <= one.area <= one.highest
