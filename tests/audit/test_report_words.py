"""What a report says: whom to trust and on what evidence, on made-up numbers and on two small models."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from saliscope.attribution import Saliency
from saliscope.audit import MEASURES, Finding, Measures, Row
from saliscope.audit.intervals import figure, ranking
from saliscope.audit.report_words import answer, best_group, softness, verdicts
from tests.audit.tools import METHODS, SIZE, N, audit, pictures, quick


def test_a_model_that_is_mostly_wrong_is_said_to_be_before_all_but_the_verdict():
    _, labels, _ = pictures()
    swapped = [1 - label for label in labels]
    assert audit(labels=swapped).sentences[1].startswith(f"The model is wrong on {N} of {N} pictures: maps")
    assert not any("wrong" in each for each in audit(labels=[swapped[0], *labels[1:]]).sentences)


class Corner(nn.Module):
    """Says the first class where a corner is bright, whatever else there is."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        seen = 12 * x[..., :3, :3].mean((1, 2, 3))
        return torch.stack([seen, 0 * seen, x.mean((1, 2, 3))], 1)


def test_a_mark_that_the_model_reads_is_told_though_labels_say_another_class():
    images, _, _ = pictures()
    marks = np.zeros((N, SIZE, SIZE), bool)
    marks[:, :3, :3] = True
    images[marks] = 255
    options = {"methods": {"Product": METHODS["Product"]}, "measures": [*quick()[:1], "mark_share"]}
    said = [
        " ".join(audit(Corner(), images, [2] * N, marks=marks, explain=explain, **options).sentences)
        for explain in ("model", "label")
    ]
    assert "The model seems to use the mark" in said[0]
    assert all(f"The model is wrong on {N} of {N} pictures" in each for each in said)
    assert "Trusted maps do not lie on the mark" not in said[1]


def made_up(findings: dict[str, dict[str, list[float]]], blurred=None, chance=None, **more) -> Measures:
    """Measures of methods whose values are given by measure; "~" before a name makes a reference.

    Areas are given with 1 for chance, which is 0.
    """
    keys = list(dict.fromkeys(key for own in findings.values() for key in own))
    rows = tuple(
        Row(
            name.removeprefix("~"),
            Saliency(),
            name.startswith("~"),
            findings={
                key: Finding(
                    torch.tensor(v, dtype=torch.float64) - float(key in ("deletion", "insertion")),
                    blurred=(blurred or {}).get((name, key)),
                    chance=(chance or {}).get(key),
                )
                for key, v in own.items()
            },
        )
        for name, own in findings.items()
    )
    n = len(next(iter(findings.values()))[keys[0]])
    cards = tuple(MEASURES[key] for key in keys)
    return Measures(cards, rows, torch.ones(n, dtype=torch.float64), None, complete=True, **more)


def ranked(measures: Measures):
    methods = [row.name for row in measures.rows if not row.reference]
    return {
        card.key: ranking(
            {n: measures.values(n, card.key).numpy() for n in methods}, better=card.better, hits=card.hits
        )
        for card in measures.cards
    }


def around(mean: float, spread: float = 0.02, n: int = 10) -> list[float]:
    return (mean + spread * np.linspace(-1, 1, n) * np.resize([1, -1, 1], n)).tolist()


def test_the_method_that_is_better_everywhere_is_named_and_the_others_are_not():
    found = made_up({
        "Good": {"deletion": around(0.2), "road": around(-0.6)},
        "Fair": {"deletion": around(0.5), "road": around(-0.3)},
        "Blind": {"deletion": around(1.0, 0.3), "road": around(0.0, 0.2)},
    })  # fmt: skip
    said = answer(found, ranked(found), 10)
    assert said[0].startswith("Trust Good first")
    assert "Fair" not in said[0]
    assert said[1].startswith("Be wary of Blind:")
    assert "Fair" not in said[1]
    assert "knows nothing by Deletion and ROAD" in said[1]
    assert [one.name for one in verdicts(found, ranked(found))] == ["Good", "Fair", "Blind"]


def test_methods_that_differ_by_noise_are_named_together():
    a, b = np.random.default_rng(0).normal(0.4, 0.05, (2, 10))
    found = made_up({
        "A": {"deletion": a.tolist()}, "B": {"deletion": b.tolist()}, "C": {"deletion": around(0.8)}
    })  # fmt: skip
    said = answer(found, ranked(found), 10)
    first = sorted([("A", a.mean()), ("B", b.mean())], key=lambda one: one[1])[0][0]
    assert said[0].startswith(f"Trust {first} and")
    assert (
        f"On average {first} comes first by Deletion (−{1 - min(a.mean(), b.mean()):.2f}; may be noise)."
        in said[0]
    )
    assert "2 of 3 methods by Deletion" in " ".join(said)


def test_nobody_is_among_the_best_or_first_where_the_numbers_do_not_say_so():
    found = made_up({
        "Even": {"deletion": around(0.50), "insertion": around(1.50)},
        "Steep": {"deletion": [0.01, 1.6] * 5, "insertion": around(1.49)},
        "Wild": {"deletion": [0.3, 0.75] * 5, "insertion": [0.1, 9.0] * 5},
    })  # fmt: skip
    said = answer(found, ranked(found), 10)
    assert said[0].startswith("Trust Even and Wild first")
    assert all(one.best == () for one in verdicts(found, ranked(found)))
    assert "best group" not in said[0]
    assert "which of them is the best cannot be told from noise" in said[0]
    assert "comes first by Deletion (−0.50; may be noise)." in said[0]
    found = made_up({
        "A": {"deletion": around(0.1), "road": around(-0.2)},
        "B": {"deletion": around(0.3), "road": around(-0.6)},
    })  # fmt: skip
    said = answer(found, ranked(found), 10)
    assert "in the best group by 1 of the 2 tests that have one" in said[0]
    assert "On average A comes first by Deletion (−0.90)." in said[0]


def test_each_lead_says_by_itself_whether_it_may_be_noise():
    found = made_up({
        "A": {"deletion": around(0.10), "road": around(-0.6, 0.1)},
        "B": {"deletion": around(0.30), "road": (-0.58 + np.array([0.1, -0.1] * 5)).tolist()},
    })  # fmt: skip
    said = answer(found, ranked(found), 10)
    assert "On average A comes first by Deletion (−0.90) and ROAD (−0.59; may be noise)." in said[0]


def test_a_number_is_the_same_in_a_sentence_as_in_the_table():
    found = made_up({"A": {"road": [-32827.0] * 10}, "B": {"road": around(-12, 2)}})
    assert "comes first by ROAD (−32827)." in answer(found, ranked(found), 10)[0]
    assert [figure(value) for value in (-32827.4, 0.004, 0.0, 1.5)] == ["−32827", "0.004", "0.00", "1.50"]


def test_nothing_is_recommended_before_the_maps_of_no_model_are_in():
    values = {"A": {"deletion": around(0.5), "road": around(-0.5)}}
    whole = made_up(values | {"~Centre": {"deletion": around(0.4), "road": around(-0.6)}})
    part = replace(whole, rows=whole.rows[:1], complete=False)
    said = answer(part, ranked(part), 10)
    assert said[0].startswith("The audit was stopped before its end: no method is recommended")
    assert not any(each.startswith("Trust") for each in said)
    assert any("A: by no test shown" in each for each in answer(whole, ranked(whole), 10))


def test_a_map_that_stays_when_the_network_forgets_is_not_trusted():
    found = made_up({
        "Edges": {"deletion": around(0.2), "randomisation": around(0.9)},
        "Other": {"deletion": around(0.5), "randomisation": around(0.1)},
    })  # fmt: skip
    said = answer(found, ranked(found), 10)
    assert said[0].startswith("Trust Other first")
    assert "Edges: much the same when the network forgets (rank correlation 0.90)" in said[1]


def test_a_map_that_jumps_is_not_trusted():
    found = made_up({
        "Steady": {"deletion": around(0.3), "sensitivity": around(0.5)},
        "Wild": {"deletion": around(0.3), "sensitivity": [0.1] * 8 + [1.1, 9.0]},
    })  # fmt: skip
    said = answer(found, ranked(found), 10)
    assert said[0].startswith("Trust Steady first")
    assert "Be wary of Wild: changed by more than its own size on 2 of 10 pictures" in " ".join(said)


def test_one_that_scatters_is_not_among_the_best_behind_one_that_is_worse():
    values = {"A": [0.1] * 10, "B": around(0.2), "C": [0.0] * 9 + [9.0]}
    assert best_group(ranking({n: np.array(v) for n, v in values.items()}, better="low")) == ("A",)
    assert best_group(ranking({n: np.array(values["C"]) for n in "AB"}, better="low")) == ()


def test_knowing_nothing_is_what_a_random_map_gets_where_it_is_no_constant():
    found = made_up({
        "A": {"infidelity": around(0.2)}, "B": {"infidelity": around(0.7)},
        "~Random map": {"infidelity": around(0.5)},
    })  # fmt: skip
    said = answer(found, ranked(found), 10)
    assert said[0].startswith("Trust A first")
    assert "Be wary of B: not shown to be better than a map that knows nothing by Infidelity." in said


def test_a_method_must_beat_the_maps_of_no_model_by_some_test():
    values = {"A": {"deletion": around(0.5), "road": around(-0.5)}}
    level = {"~Centre": {"deletion": around(0.4), "road": around(-0.6)}}
    worse = {"~Centre": {"deletion": around(0.4), "road": around(-0.3)}}
    said = [answer(one := made_up(values | other), ranked(one), 10) for other in (level, worse)]
    assert "A: by no test shown to be better than every map that looks at no model" in " ".join(said[0])
    assert said[1][0].startswith("Trust A first")


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (
            around(0.4),
            "which has 0.05 of the picture: 1 of 1 trusted methods put more of their mass on it, 0.40 (A)",
        ),
        (around(0.05), "nothing shows that the model uses it"),
        ([0.4] + [np.nan] * 9, "cannot be told from 1 picture with one"),
    ],
)
def test_what_trusted_maps_put_on_the_mark_is_told_of_the_model(share, words):
    flat = torch.full((10,), 0.05, dtype=torch.float64)
    found = made_up({"A": {"deletion": around(0.3), "mark_share": share}}, chance={"mark_share": flat})
    assert words in " ".join(answer(found, ranked(found), 10))


def test_maps_of_a_class_that_the_model_does_not_say_tell_nothing_of_the_mark():
    flat = torch.full((10,), 0.05, dtype=torch.float64)
    found = made_up({"A": {"deletion": around(0.3), "mark_share": around(0.01)}}, chance={"mark_share": flat})
    said = " ".join(answer(found, ranked(found), 10, wrong=9, other=9))
    assert "cannot be told from maps of another class than the one that it says, as here on 9 of 10" in said
    assert "nothing shows that the model uses it" not in said


def test_trusted_maps_beside_the_object_are_told():
    flat = torch.full((10,), 0.2, dtype=torch.float64)
    for mass, told in ((0.1, True), (0.6, False)):
        found = made_up({"A": {"deletion": around(0.3), "mass": around(mass)}}, chance={"mass": flat})
        said = " ".join(answer(found, ranked(found), 10))
        assert ("the model may look at something else" in said) == told


def test_few_pictures_are_a_hint():
    for n, told in ((5, True), (10, False)):
        found = made_up({"A": {"deletion": around(0.3, n=n)}})
        assert ("take it as a hint" in answer(found, ranked(found), n)[0]) == told


def test_where_nothing_beats_chance_nothing_is_trusted():
    found = made_up({"A": {"deletion": around(0.97, 0.3)}, "B": {"deletion": around(1.1, 0.3)}})
    said = answer(found, ranked(found), 10)
    assert said[0].startswith("No method earns trust")
    assert not any(each.startswith("Trust") for each in said)


@pytest.mark.parametrize(
    ("values", "n", "words"),
    [
        ({"A": {"deletion": [0.2]}, "B": {"deletion": [0.4]}}, 1, "nothing can be told"),
        ({"A": {"deletion": [np.nan] * 4}}, 4, "nothing can be told"),
        ({"A": {"seconds": [1.0] * 4}}, 4, "is not known: no test of that was measured"),
        ({"~Random": {"deletion": [1.0] * 4}}, 4, "no method has given maps"),
    ],
)
def test_too_little_is_no_answer(values, n, words):
    found = made_up(values)
    assert words in answer(found, ranked(found), n)[0]


def test_a_copy_that_does_as_well_and_a_map_of_no_model_are_told():
    soft = {("A", "deletion"): torch.tensor(around(0.2), dtype=torch.float64) - 1}
    found = made_up({"A": {"deletion": around(0.3)}, "~Centre": {"deletion": around(0.25)}}, soft)
    assert softness(found, ranked(found)).startswith("A does no better than its own blurred copy")
    assert "are not shown to be better than ‘Centre’ by Deletion:" in " ".join(
        answer(found, ranked(found), 10)
    )
    sharp = {("A", "deletion"): torch.tensor(around(0.6), dtype=torch.float64) - 1}
    found = made_up({"A": {"deletion": around(0.3)}, "~Centre": {"deletion": around(0.7)}}, sharp)
    assert softness(found, ranked(found)) == ""
    assert "‘Centre’" not in " ".join(answer(found, ranked(found), 10))
