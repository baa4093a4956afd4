"""A report as a page, in the output of a cell, and as text."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from saliscope.attribution import Saliency
from saliscope.audit import MEASURES
from saliscope.audit.intervals import figure
from saliscope.audit.report_data import Arrays, script_words
from saliscope.audit.report_words import footnote
from saliscope.faithfulness import InfidelityProtocol, PointingProtocol, SensitivityProtocol
from tests.audit.tools import METHODS, N, audit, quick


def test_the_page_asks_for_nothing_and_ends_no_element_early(done, tmp_path):
    text = done.to_html(tmp_path / "r.html", title="<Title> & more").read_text()
    assert "default-src 'none'" in text
    assert "unsafe-eval" not in text
    assert not re.findall(r'(?:src|href)="(?!data:|#)', text)
    assert "&lt;Title&gt; &amp; more" in text
    assert "<b>neither" not in text
    assert text.count("</script>") == 2
    for sentence in done.sentences:
        assert sentence in text


def test_what_is_not_defined_is_no_number_and_has_its_reason(poor, tmp_path):
    number = poor.table["Flat"]["deletion"]
    assert number.n == 0
    assert np.isnan(number.mean)
    assert not number.best
    text = poor.to_html(tmp_path / "r.html").read_text()
    row = re.search(r'<tr data-method="\d+"><th scope="row">Flat.*?</tr>', text).group()
    assert "not defined" in row
    assert "nan" not in row.lower()
    why = re.search(r'not defined<sup><a href="#(reason-\d+)"', row).group(1)
    assert "one value throughout" in re.search(f'id="{why}">(.*?)</li>', text).group(1)
    method = next(one for one in json.loads(poor.to_json())["methods"] if one["name"] == "Flat")
    assert method["numbers"]["deletion"]["mean"] is None
    assert method["values"]["deletion"] == [None] * N
    assert any("one value throughout" in note for note in method["notes"]["deletion"])


def test_a_caveat_stands_beside_a_number_that_is_defined_everywhere(tmp_path):
    few = replace(MEASURES["infidelity"], protocol=InfidelityProtocol(scaled=True, n_samples=4))
    sensitivity = replace(MEASURES["sensitivity"], protocol=SensitivityProtocol(n_samples=2))
    methods = {"Signed": Saliency(absolute=False), "Unsigned": Saliency()}
    found = audit(methods=methods, measures=[few, sensitivity])
    assert found.table["Unsigned"]["infidelity"].n == N
    text = found.to_html(tmp_path / "r.html").read_text()
    reason = re.search(r'<li id="reason-(\d+)">[^<]*The map has no sign', text).group(1)
    cells = {
        name: re.findall(r"<td.*?</td>", re.search(rf'<th scope="row">{name}.*?</tr>', text).group())
        for name in methods
    }
    # No link: the cell becomes a button, in whose words figure and reason stay apart.
    spoken = re.sub(r"<[^>]*>", "", cells["Unsigned"][0])
    assert spoken.startswith(f"{figure(found.table['Unsigned']['infidelity'].mean)} reason {reason}")
    assert "#reason" not in cells["Unsigned"][0]
    assert "<sup>" not in cells["Signed"][0]
    # What is said of every number of a column is said once, at its head.
    bound = re.search(r'<li id="reason-(\d+)">[^<]*a lower bound of the maximum', text).group(1)
    head = re.search(r"<th [^>]*><span class=.name.>Sensitivity.*?</th>", text).group()
    assert f'href="#reason-{bound}"' in head
    assert "<sup>" not in cells["Signed"][1] + cells["Unsigned"][1]


def test_footnotes_count_pictures_from_one_as_the_page_does(tmp_path):
    def flat_at_first(model, inputs, target):
        maps = torch.rand(inputs[:, 0].shape, generator=torch.Generator().manual_seed(0))
        maps[0], maps[3] = 1.0, 1.0
        return maps

    found = audit(methods={"Flat at first": flat_at_first}, measures=quick()[:1])
    told = "Not defined for pictures 1, 4: the map has one value throughout"
    assert told in found.to_html(tmp_path / "r.html").read_text()
    assert told in found.to_json()
    assert footnote("Not defined for input 0: why.") == "Not defined for picture 1: why."
    assert footnote("No ratio for inputs 0, 2: why.") == "No ratio for pictures 1, 3: why."
    twice = "The whole picture scored 0.1 and 0.2 for input {}: the model answers differently each time."
    assert footnote(twice.format(3)) == twice.replace("input", "picture").format(4)


@pytest.mark.parametrize(
    "words",
    ["ValueError: got input 0 of size 4", "RuntimeError: failed for input 0: no size", "`a`: got input 0"],
)
def test_errors_are_not_rewritten(words):
    assert footnote(words) == words
    assert footnote(f"The method failed: {words}") == f"The method failed: {words}"


def test_words_and_units_are_those_of_the_protocol_beside_them(tmp_path):
    plain = {card.key: card for card in quick()[:3:2]}
    curve = replace(plain["deletion"].protocol.curve, output="logit")
    measures = [
        replace(plain["deletion"], protocol=replace(plain["deletion"].protocol, curve=curve)),
        replace(plain["road"], protocol=replace(plain["road"].protocol, output="log_probability")),
        replace(MEASURES["pointing_near"], protocol=PointingProtocol(9)),
        replace(MEASURES["pointing"], protocol=PointingProtocol(1)),
    ]
    found = audit(methods={"Gradient": METHODS["Gradient"]}, measures=measures)
    _, road, near, exact = found.measures.cards
    assert road.unit == "log probability"
    assert "is less than 9 pixels from the object" in near.says
    assert "is less than 1 pixel from the object" in exact.says
    words = script_words(found, Arrays())
    assert words["curves"][0]["score"] == "logit of the class"


def test_text_has_the_answer_and_every_mean(done, poor):
    text = str(done)
    assert all(sentence in text for sentence in done.sentences)
    row = next(line for line in text.splitlines() if line.startswith("Product"))
    cells = re.split(" {2,}", row)[1:]
    for cell, number in zip(cells, done.table["Product"].values(), strict=True):
        assert cell.startswith("● ") == number.best
        shown = float(cell.removeprefix("● ").replace("−", "-"))
        assert shown == pytest.approx(number.mean, rel=0.5 if abs(number.mean) < 0.01 else 0, abs=0.0051)
    assert "failed" in str(poor)
    assert "not defined" in str(poor)


def test_a_notebook_shows_sentences_and_means(done, poor):
    text = done._repr_html_()
    assert all(sentence in text for sentence in done.sentences)
    assert "<script" not in text
    assert f"{done.table['Product']['mass'].mean:.2f}" in text
    assert "failed" in poor._repr_html_()
    assert "not defined" in poor._repr_html_()
    assert "AuditReport(Net on 6 pictures" in repr(done)
