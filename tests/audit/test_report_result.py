"""What an audit found: its numbers, its caveats, its protocols and its files."""

import json
from dataclasses import replace

import numpy as np
import pytest

from saliscope.attribution import Saliency
from saliscope.audit import MEASURES
from saliscope.audit.intervals import interval
from saliscope.faithfulness import InfidelityProtocol, SensitivityProtocol
from tests.audit.tools import METHODS, N, Net, audit, pictures, quick, rows


def test_a_cell_is_the_mean_over_the_pictures_with_its_interval(done):
    for row in done.measures.rows:
        for card in done.measures.cards:
            values, number = done.measures.values(row.name, card.key).numpy(), done.table[row.name][card.key]
            expected = interval(values, hits=card.hits)
            if card.key == "seconds":  # of all pictures at once
                expected = replace(expected, low=np.nan, high=np.nan)
            np.testing.assert_equal((number.mean, number.low, number.high, number.n), (
                expected.value, expected.low, expected.high, expected.n
            ))  # fmt: skip
    soft = done.measures.row("Product").findings["deletion"].blurred
    assert done.table["Product"]["deletion"].blurred == pytest.approx(float(soft.nanmean()))
    assert done.table["Product"]["mass"].chance == pytest.approx(0.5)


def test_references_are_measured_and_not_ranked(done):
    assert [row.name for row in done.rows if row.reference] == [row.name for row in done.rows][2:]
    assert {one.name for one in done.ranking} == set(METHODS)
    assert not any(row["seconds"].best for row in done.table.values())
    assert not any(number.best for row in done.rows[2:] for number in done.table[row.name].values())


def test_where_the_class_has_no_probability_curves_are_doubted(done):
    images, _, _ = pictures()
    found = audit(Net(), images, [2] * N, measures=quick()[:1], explain="label")
    low = sum(case.score < 0.1 for case in found.cases)
    assert low
    assert any(f"On {low} of {N} pictures the class that is explained has" in each for each in found.caveats)
    assert not any("has a probability below" in each for each in done.caveats)


def test_caveats_are_of_what_was_measured(done):
    told = " ".join(audit(measures=["seconds"]).caveats)
    assert not any(word in told for word in ("Sensitivity", "ROAD", "blur", "object", "Altered"))
    assert "Deletion, Insertion and ROAD reward blur" in " ".join(done.caveats)
    assert "most on the object, not most true" in " ".join(done.caveats)


def test_a_protocol_is_told_in_words():
    measures = [*quick()[:1], "infidelity"]
    found = audit(measures=measures).protocol
    assert "deletion: pixels taken away to zero by decreasing value, 4 steps" in found["deletion"]
    assert "random orders: 4" in found["deletion"]
    assert "replacement: zero" in found["infidelity"]
    completeness = audit(measures=["completeness"]).protocol["completeness"]
    assert completeness == "as the method itself has it; score: logit"
    assert "samples: 50" in found["infidelity"]
    assert "None" not in found["infidelity"]


def test_a_protocol_that_differs_is_told_method_by_method():
    """Gradients and contributions foretell a score in two ways; squares have no noise."""
    few = replace(MEASURES["infidelity"], protocol=InfidelityProtocol(scaled=True, n_samples=4))
    found = audit(methods={**METHODS, "Mean": Saliency()}, measures=[few])
    words = found.protocol["infidelity"]
    assert "values: gradient (Gradient and Mean), contribution (all others)" in words
    assert words.endswith("score: logit")
    assert "noise" not in words
    assert any(each.startswith("Infidelity was not taken in one way for all: maps") for each in found.caveats)
    # What random maps get, as contributions, is what gradients are held against.
    gradients = audit(methods={"Gradient": METHODS["Gradient"]}, measures=[few])
    assert any(each.startswith("Infidelity was not taken in one way") for each in gradients.caveats)
    alone = audit(methods={"Product": METHODS["Product"]}, measures=[few])
    assert "values: contribution;" in alone.protocol["infidelity"]
    assert not any("not taken in one way" in each for each in alone.caveats)


def test_the_steadiest_map_is_not_marked_and_one_that_stays_is_no_ideal():
    quick = [
        replace(MEASURES["sensitivity"], protocol=SensitivityProtocol(n_samples=2)),
        MEASURES["randomisation"],
    ]
    found = audit(methods={**METHODS, "Rows": rows}, measures=quick)
    numbers = [row["sensitivity"] for row in found.table.values()]
    assert found.table["Rows"]["sensitivity"].mean == 0 < found.table["Product"]["sensitivity"].low
    assert not any(number.best for number in numbers)
    assert any("Sensitivity" in each and "has no ●" in each for each in found.caveats)
    assert found.table["Random map"]["randomisation"].mean == pytest.approx(1)
    assert np.isnan(found.table["Product"]["randomisation"].chance)


def test_what_is_one_is_told_in_the_singular(done):
    alone = audit(methods={"Product": METHODS["Product"]}, measures=["seconds"])
    assert alone.what.endswith("; 1 method, 1 measure.")
    assert done.what.endswith("; 2 methods, 5 measures.")


def test_json_has_every_number_once_and_is_written(done, tmp_path):
    file = tmp_path / "r.json"
    text = done.to_json(file)
    plain = json.loads(file.read_text(), parse_constant=lambda name: pytest.fail(name))
    assert plain == json.loads(text)
    method = next(one for one in plain["methods"] if one["name"] == "Product")
    assert method["values"]["road"] == done.measures.values("Product", "road").tolist()
    assert plain["sentences"] == list(done.sentences)
    assert plain["seed"] == 0
    assert set(plain["versions"]) >= {"saliscope", "torch", "python"}


def test_saving_goes_by_the_name(done, tmp_path):
    assert done.save(tmp_path / "r.JSON").read_text().startswith("{")
    assert done.save(str(tmp_path / "r.html")).read_text().startswith("<!doctype html>")
