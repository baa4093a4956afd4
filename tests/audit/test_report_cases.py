"""What the maps of a report explain: the model's own class, the label's, or a function of the output."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import saliscope as sp
from saliscope.audit import MEASURES, measure
from saliscope.audit import report_data as page_data
from saliscope.core.targets import Target
from saliscope.errors import TargetError
from saliscope.faithfulness import InfidelityProtocol
from tests.audit.tools import METHODS, NAMES, N, Net, audit, brightness, pictures, quick, rows

# --- a class ---------------------------------------------------------------------------------------------


def test_the_label_is_explained_where_that_is_asked_for_by_number_or_name(done):
    _, labels, _ = pictures()
    named = audit(labels=[NAMES[label] for label in labels], explain="label")
    assert [case.target for case in named.cases] == [NAMES[label] for label in labels]
    np.testing.assert_equal(
        named.measures.values("Product", "deletion").numpy(),
        done.measures.values("Product", "deletion").numpy(),
    )
    wrong = audit(labels=np.array(labels)[::-1].copy(), explain="label")
    assert [case.target for case in wrong.cases] == [NAMES[label] for label in labels[::-1]]
    assert any(f"on {N} of {N} pictures not the one the model says" in each for each in wrong.caveats)


def test_labels_tell_where_the_model_is_wrong_and_its_own_class_is_explained(done):
    images, labels, _ = pictures()
    found = audit(labels=[1 - labels[0], *labels[1:]])
    assert [case.target for case in found.cases] == [case.predicted for case in found.cases]
    assert [case.wrong for case in found.cases] == [True] + [False] * (N - 1)
    assert f"The model is wrong on 1 of {N} pictures: 1." in found.caveats
    assert f"Net on {N} pictures, right on {N - 1} of them;" in found.what
    assert "right on" not in audit(images=images, measures=["seconds"]).what
    np.testing.assert_equal(
        found.measures.values("Product", "deletion").numpy(),
        done.measures.values("Product", "deletion").numpy(),
    )
    captions = page_data.script_words(found, page_data.Arrays())["captions"]
    assert captions[0]["note"].endswith(f"which is wrong: the label is {NAMES[1 - labels[0]]}.")
    assert captions[1]["note"].endswith("which is right.")


def test_without_labels_the_top_class_is_explained():
    images, labels, _ = pictures()
    found = audit(images=list(images), measures=quick()[:1])
    assert [case.predicted for case in found.cases] == [case.target for case in found.cases]
    assert [case.target for case in found.cases] == [NAMES[label] for label in labels]
    assert all(case.truth is None for case in found.cases)
    assert "on the object" in " ".join(found.sentences)


def test_one_output_is_told_and_a_map_of_scores_refused():
    class One(Net):
        def forward(self, x):
            return super().forward(x)[:, :1]

    images, _, _ = pictures()
    note = "The model has one output"
    found = audit(One(), images, measures=quick()[:1])
    assert any(note in each for each in found.caveats)
    assert not any(case.other for case in found.cases)
    assert not any(note in each for each in audit(Net(), images[:1], measures=quick()[:1]).caveats)
    with pytest.raises(TargetError, match=r"`model`: got one whose output has shape.*target=lambda out: out"):
        audit(nn.Conv2d(3, 2, 3), images)


def test_classes_are_told_apart_by_index_where_they_share_a_name():
    """ImageNet has two cranes."""
    _, labels, _ = pictures()
    twice = sp.borrow(Net(), labels=["crane", "crane", "heron"])
    other = [1 - label for label in labels]
    options = {"images": pictures()[0], "measures": ["seconds"]}
    found = audit(twice, labels=other, explain="label", **options)
    assert all(case.wrong and case.other for case in found.cases)
    assert "right on 0 of them;" in found.what
    assert found.cases[0].truth == f"crane (class {other[0]})"
    note = page_data.script_words(audit(twice, labels=other, **options), page_data.Arrays())["captions"][0]
    assert note["note"].endswith(f"which is wrong: the label is crane (class {other[0]}).")
    right = audit(twice, labels=labels, **options)
    assert not any(case.wrong or case.other for case in right.cases)


def test_labels_may_be_numbers_of_numpy_or_torch(done):
    _, labels, _ = pictures()
    for given in ([np.int64(one) for one in labels], list(torch.tensor(labels)), torch.tensor(labels)):
        found = audit(labels=given, measures=["seconds"])
        assert [case.truth for case in found.cases] == [case.truth for case in done.cases]


def test_labels_of_a_model_with_one_output_are_refused_with_a_way_out():
    class One(Net):
        def forward(self, x):
            return super().forward(x)[:, :1]

    class Two(One):
        def forward(self, x):
            out = super().forward(x)
            return torch.cat([torch.zeros_like(out), out], 1)

    images, labels, _ = pictures()
    for given in (labels, [0] * N):  # of which the first class would be right whatever the model says
        with pytest.raises(TargetError, match=r"`labels`: .*one output.*torch\.cat\(\[torch\.zeros_like"):
            audit(One(), images, given)
    found = audit(Two(), images, [1 - label for label in labels], measures=["seconds"])  # class 1 is the left
    assert not any(case.wrong for case in found.cases)
    alone = audit(One(), images, measures=["seconds"])
    assert found.cases[0].probability == pytest.approx(alone.cases[0].score)


# --- a function ------------------------------------------------------------------------------------------


def test_a_function_that_gives_a_probability_is_measured_as_its_class_is():
    images, _, _ = pictures()
    options = {"methods": {"Rows": rows}, "measures": quick()[:3]}
    own = audit(images=images, labels=[1] * N, explain="label", **options)
    found = audit(images=images, target=lambda out: out.softmax(1)[:, 1], **options)
    assert [case.score for case in found.cases] == pytest.approx([case.score for case in own.cases])
    for name in ("Rows", "Edges of the picture"):
        for key in ("deletion", "insertion", "road"):
            expected, values = (one.measures.values(name, key) for one in (own, found))
            known = expected.isfinite()  # where a probability is too small, it is not
            assert known.any()
            torch.testing.assert_close(values[known], expected[known], rtol=1e-6, atol=1e-6)


@pytest.fixture(scope="module")
def function():
    images, _, masks = pictures()
    few = replace(MEASURES["infidelity"], protocol=InfidelityProtocol(scaled=True, n_samples=4))
    measures = [*quick(), few, "randomisation"]
    return audit(images=images, masks=masks, methods=METHODS, measures=measures, target=brightness)


def test_maps_of_a_function_are_measured_without_a_class(function):
    assert [case.target for case in function.cases] == ["<i>brightness</i>"] * N
    assert all(case.predicted is case.probability is case.truth is None for case in function.cases)
    assert not any(case.wrong or case.other for case in function.cases)
    images, _, _ = pictures()
    inputs = torch.as_tensor(images).permute(0, 3, 1, 2) / 255
    expected = brightness(Net()(inputs)).tolist()
    assert [case.score for case in function.cases] == pytest.approx(expected, rel=1e-4)
    found = measure(Net(), inputs, METHODS, brightness, measures=quick()[:3], random_orders=4)
    for key in ("deletion", "insertion", "road"):
        ours = function.measures.values("Product", key)
        assert ours.isfinite().all()
        torch.testing.assert_close(ours, found.values("Product", key), rtol=1e-4, atol=1e-4)
    assert all(number.n == N for key, number in function.table["Product"].items())


def test_nothing_is_said_of_a_class_where_a_function_is_explained(function, tmp_path):
    said = " ".join([str(function), *function.caveats, *function.protocol.values(), function.to_json()])
    for word in ("The model says", "own top class", "wrong on", "; probability", "probability below"):
        assert word not in said, word
    assert "<i>brightness</i> is explained" in function.what
    assert function.caveats[0].startswith("Maps explain <i>brightness</i>, which has no class")
    assert any("are in units of <i>brightness</i>" in each for each in function.caveats)
    assert {card.unit for card in function.measures.cards if card.key == "road"} == {"score"}
    assert json.loads(function.to_json())["pictures"][0]["predicted"] is None
    words = page_data.script_words(function, page_data.Arrays())
    assert words["curves"][0]["score"] == "<i>brightness</i>"
    assert words["captions"][0]["note"] == f"Its value there is {function.cases[0].score:.4g}."
    text = function.to_html(tmp_path / "r.html").read_text()
    assert "<i>brightness" not in text
    assert "&lt;i&gt;brightness&lt;/i&gt; is explained" in text
    assert "probability of the class" not in text


def test_a_model_without_classes_is_audited_by_a_function_and_by_a_unit_of_a_layer():
    images, _, _ = pictures()
    model = nn.Sequential(nn.Conv2d(3, 2, 3))
    with torch.no_grad():
        model[0].weight.copy_(Net().conv.weight)
    options = {"methods": METHODS, "measures": quick()[:2]}
    found = audit(model, images, target=lambda out: out[:, 1].mean((1, 2)), **options)
    unit = audit(model, images, target=Target(1, layer="0"), **options)
    assert {case.target for case in found.cases} == {"the given function"}
    assert {case.target for case in unit.cases} == {"mean of channel 1 of 0"}
    for key in ("deletion", "insertion"):
        assert found.table["Product"][key].n == N
        ours, same = (one.measures.values("Product", key) for one in (found, unit))
        torch.testing.assert_close(ours, same)
