"""The report of an audit: what is explained, what goes on when something fails, and what a stop leaves."""

import gc
import json
import weakref

import pytest
import torch

import saliscope as sp
from saliscope.audit import report_stream
from saliscope.core.anytime import Cancelled, CancelToken
from tests.audit.tools import METHODS, NAMES, N, Net, audit, pictures, quick


def test_what_is_true_of_the_model_comes_out(done):
    product = done.table["Product"]
    assert product["mass"].mean > 0.9 > done.table["Centre of the picture"]["mass"].mean
    assert product["deletion"].high < 0 < product["insertion"].low


def test_the_model_comes_back_and_is_let_go():
    model = Net().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = audit(model)
    assert model.training
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None
    assert found.model == "Net"


def test_a_method_that_fails_says_why_and_the_others_go_on(poor, tmp_path):
    assert "it <i>broke</i>" in poor.measures.row("Broken").error
    assert {one.name for one in poor.ranking} == {*METHODS, "Flat"}
    assert poor.ranking[-1].name == "Flat"  # of which nothing is defined
    assert "Broken, which failed" in poor.sentences[-1]
    text = poor.to_html(tmp_path / "r.html").read_text()
    assert "it &lt;i&gt;broke&lt;/i&gt;" in text
    assert "<i>broke" not in text


def test_a_cancelled_audit_gives_and_writes_what_it_has(tmp_path):
    token, file = CancelToken(), tmp_path / "r.html"

    def progress(step):
        if len(step.result.measures.rows) == 2:
            token.cancel()

    with pytest.raises(Cancelled) as stop:
        audit(cancel=token, progress=progress, out=file)
    part = stop.value.result
    assert not part.complete
    assert "stopped before its end" in part.sentences[0]
    assert part.table["Gradient"]["deletion"].n == N
    assert "stopped before its end" in file.read_text()


def test_it_is_written_in_the_way_that_the_name_says(tmp_path):
    audit(measures=["seconds"], out=tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_text())["complete"]
    audit(measures=["seconds"], out=tmp_path / "r.html")
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")


def test_an_interrupt_from_the_keyboard_gives_what_is_known():
    def interrupted(model, inputs, target):
        raise KeyboardInterrupt

    part = audit(methods={"Gradient": METHODS["Gradient"], "Later": interrupted})
    assert not part.complete
    assert part.table["Gradient"]["deletion"].n == N


def test_every_step_of_the_stream_is_a_report(done):
    images, labels, masks = pictures()
    options = {"methods": METHODS, "masks": masks, "measures": quick(), "random_orders": 4}
    steps = list(report_stream(sp.borrow(Net(), labels=NAMES), images, labels, **options))
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert [step.complete for step in steps] == [False] * (len(steps) - 1) + [True]
    for step in steps[:: len(steps) // 5]:
        assert step.result.sentences
        assert step.result.to_json()
    assert steps[-1].result.table["Product"]["road"] == done.table["Product"]["road"]


def test_progress_is_told_in_one_line(capsys):
    audit(progress=True, measures=["seconds"])
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.endswith("\n")
    assert "audit: 100 %" in said.err
    assert said.err.count("\n") == 1
