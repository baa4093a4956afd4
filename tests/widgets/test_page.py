"""What the page says and hears: requests, changed traits, hostile values, arrays."""

import json

import numpy as np
import pytest
import torch

from saliscope import baselines as bl
from tests.sessions.tools import Watched, photo
from tests.widgets.tools import IG, NOISE, Explorer, Page

OWN = ("method", "params", "n_steps", "baseline", "layer", "target", "output", "index")
LOOKS = ("alpha", "opacity", "threshold", "sign", "overlay", "scale", "colormap", "theme")


@pytest.fixture(scope="module")
def shared():
    return Explorer(labels=list("abcde"), n_steps=4).ready()


@pytest.fixture
def explorer(shared):
    """One explorer for all tests: each finds it as it was made, its first answer on screen."""
    made = {name: getattr(shared, name) for name in (*OWN, *LOOKS)}
    yield shared
    for name, value in made.items():
        setattr(shared, name, value)
    shared.scale.release()
    shared.ready()
    shared.sent.clear()


@pytest.fixture
def page(explorer):
    return Page(explorer)


class TestHello:
    def test_it_brings_everything_and_then_the_answer(self, explorer, page):
        assert page.ask("hello", have=[]) == {"answer": page.messages[-1]["answer"], "status": "ok"}
        (info,), (result,), (state,) = page.events("info"), page.events("result"), page.events("state")
        assert info["models"][0]["labels"] == list("abcde")
        assert state["phase"] == "done"
        named = {*info["luts"].values(), result["picture"], result["map"]}
        named |= {result["path"]["stack"], result["path"]["baseline"]}
        assert set(page.arrays) == named
        order = [message.get("event", "answer") for message in page.messages]
        assert order.index("info") < order.index("result") < order.index("state") < order.index("answer")

    def test_arrays_come_before_what_names_them(self):
        # From the very first message on: a page may listen from the start.
        explorer = Explorer(n_steps=4).ready()
        page = Page(explorer)
        page._start = 0
        explorer.baseline = "white"
        explorer.ready()
        have = set()
        for message in page.messages:
            if message.get("event") == "blob":
                have.add(message["hash"])
            elif message.get("event") == "result":
                result = message["result"]
                path = result["path"] or {"stack": result["map"], "baseline": result["map"]}
                assert {result["picture"], result["map"], path["stack"], path["baseline"]} <= have
            elif message.get("event") == "info":
                assert set(message["info"]["luts"].values()) <= have

    def test_a_page_that_has_arrays_gets_the_others_only(self, explorer):
        first = Page(explorer)
        first.ask("hello", have=[])
        again = Page(explorer)
        again.ask("hello", have=list(first.arrays))
        assert again.arrays == {}
        assert len(again.events("result")) == 1
        reloaded = Page(explorer)
        reloaded.ask("hello", have=[])
        assert reloaded.arrays == first.arrays

    def test_the_arrays_are_the_picture_and_the_map(self, explorer, page):
        page.ask("hello", have=[])
        (result,) = page.events("result")
        assert page.arrays[result["picture"]] == photo().tobytes()
        header = next(m for m in page.messages if m.get("hash") == result["map"])
        raw = np.frombuffer(page.arrays[result["map"]], "<f2").astype(float).reshape(header["shape"])
        exact = explorer.attribution.map[0]
        np.testing.assert_allclose(raw * header["scale"], exact, atol=1e-3 * float(exact.abs().max()))

    def test_before_anything_is_known(self):
        model = Watched()
        model.board.hold()
        explorer = Explorer(model)
        assert model.board.reached()
        page = Page(explorer)
        assert page.ask("hello", have=[])["status"] == "ok"
        assert page.events("info")[0]["models"][0]["labels"] == []
        assert page.events("result") == []
        assert page.events("state")[0]["phase"] == "running"
        model.board.open.set()
        explorer.ready()
        assert len(page.events("info")[-1]["models"][0]["labels"]) == 5
        assert page.events("result")[-1]["stage"] == "final"


class TestRequests:
    def test_refine(self, explorer, page):
        assert page.ask("refine")["status"] == "ok"
        explorer.ready()
        assert page.events("result")[-1]["steps"] == 8
        assert (page.updates["n_steps"], page.updates["params"]) == (8, IG | {"tolerance": 0.025})

    def test_refine_without_something_to_refine(self, explorer, page):
        page.change(method="grad_cam")
        explorer.ready()
        answer = page.ask("refine")
        assert answer["status"] == "error"
        assert answer["error"]["type"] == "MethodError"
        assert answer["error"]["message"].startswith(
            "`method`: got 'grad_cam'; expected a method that goes on"
        )

    def test_cancel(self):
        model = Watched()
        explorer = Explorer(model).ready()
        page = Page(explorer)
        model.board.hold()
        page.change(n_steps=100)
        assert model.board.reached()
        assert page.ask("cancel")["status"] == "ok"
        model.board.open.set()
        explorer.ready()
        assert [state["phase"] for state in page.events("state")] == ["running", "cancelled"]
        assert page.events("result") == []

    def test_run_again(self, explorer, page):
        assert page.ask("run")["status"] == "ok"
        explorer.ready()
        assert [result["stage"] for result in page.events("result")] == ["final"]
        assert page.arrays == {}

    def test_lost_arrays(self, explorer, page):
        result = explorer._panels.lead.result
        lost = [result.map, result.path.stack, next(iter(explorer._panels.info()[0].luts.values()))]
        assert page.ask("blobs", hashes=lost)["status"] == "ok"
        assert set(page.arrays) == set(lost)

    @pytest.mark.parametrize("request_", ["dance", None, 3, "close", "__del__"])
    def test_anything_else_is_refused(self, request_, page):
        answer = page.ask(request_)
        assert answer["status"] == "error"
        assert "expected one of blobs, hello, bye," in answer["error"]["message"]

    @pytest.mark.parametrize("content", [None, 3, "hello", [], {}, {"id": None, "request": "cancel"}])
    def test_nonsense_does_no_harm(self, content, explorer, page):
        page.deliver(content)
        assert page.messages == []
        assert page.ask("hello", have=[])["status"] == "ok"


class TestControls:
    def test_a_look_asks_nothing_and_is_not_sent_back(self, explorer, page):
        looks = {"alpha": 0.5, "opacity": 0.3, "threshold": 0.2, "sign": "positive", "overlay": "map"}
        page.change(**looks, theme="dark")
        assert page.messages == []
        assert {name: getattr(explorer, name) for name in looks} == looks
        assert all(message["method"] != "update" for message, _ in explorer.sent[page._start :])

    def test_the_page_moves_the_scale_that_there_is(self, explorer, page):
        scale, job = explorer.scale, explorer.status.job
        page.change(scale={"mode": "fixed", "limits": {"*": 2.5}})
        assert explorer.scale is scale
        assert scale.limits == {"*": 2.5}
        assert (page.messages, explorer.status.job) == ([], job)

    @pytest.mark.parametrize(
        ("sent", "kept"),
        [
            ({"baseline": {"kind": "blur", "sigma": 3}}, {"baseline": bl.Blur(3.0)}),
            ({"n_steps": 6}, {"n_steps": 6}),
            ({"target": 2}, {"target": 2}),
            ({"target": "c"}, {"target": 2}),
            ({"params": {"rule": "right"}}, {"params": IG | {"rule": "right"}}),
            ({"output": "margin"}, {"output": "margin"}),
            (
                {"method": "smooth_grad", "params": {"n_samples": 3}},
                {"params": NOISE | {"n_samples": 3}},
            ),
            ({"params": {"absolute": False}, "method": "saliency"}, {"params": {"absolute": False}}),
        ],
        ids=str,
    )
    def test_a_question_is_answered(self, sent, kept, explorer, page):
        page.change(**sent)
        explorer.ready()
        assert {name: getattr(explorer, name) for name in kept} == kept
        assert page.events("result")[-1]["stage"] == "final"
        for name in kept:
            page_knows = page.updates.get(name, sent.get(name))
            assert page_knows == explorer.get_state(name)[name]

    def test_a_method_alone_brings_its_parameters(self, explorer, page):
        page.change(method="var_grad")
        explorer.ready()
        assert page.updates["params"] == NOISE
        assert page.events("result")[-1]["method"] == "var_grad"

    def test_what_the_page_cannot_make_it_can_only_leave(self, explorer, page):
        def first(outputs):
            return outputs[:, 0]

        explorer.target, explorer.baseline = first, torch.zeros(3, 8, 10)
        explorer.ready()
        baseline = explorer.baseline
        state = explorer.get_state(["target", "baseline"])
        assert state == {"target": {"callable": "first"}, "baseline": {"kind": "custom"}}
        page.change(**state)
        page.change(target={"callable": "eval"}, baseline={"kind": "custom", "tensor": [1]})
        assert explorer.target is first
        assert explorer.baseline is baseline
        assert page.events("state")[-1]["phase"] == "done"  # nothing was refused, nothing was asked
        explorer.baseline = ("black", "white")
        both = {"kind": "average", "of": [{"kind": "black"}, {"kind": "white"}]}
        assert explorer.get_state("baseline") == {"baseline": both}

    def test_further_than_the_slider_goes_python_only(self, explorer, page):
        explorer.baseline = bl.Blur(sigma=80)
        page.change(baseline={"kind": "blur", "sigma": 80})
        assert page.events("state")[-1]["phase"] != "error"
        page.change(baseline={"kind": "blur", "sigma": 81})
        assert (
            "`sigma`: got 81.0; expected a number from 0 to 50"
            in page.events("state")[-1]["error"]["message"]
        )
        assert explorer.baseline == bl.Blur(sigma=80)


HOSTILE = [
    ({"alpha": 2}, "InputError", "`alpha`: got 2; expected a number from 0 to 1."),
    ({"alpha": None}, "InputError", "`alpha`: got None;"),
    ({"alpha": float("nan")}, "InputError", "`alpha`: got nan;"),
    ({"alpha": "<img src=x onerror=alert(1)>"}, "InputError", "`alpha`: got '<img src=x onerror=alert(1)>';"),
    ({"scale": 10**400}, "InputError", "`scale`: got 1000"),
    ({"opacity": 0.5, "threshold": 0}, "InputError", "`threshold`: got 0;"),
    ({"method": "__class__"}, "InputError", "`method`: got '__class__';"),
    ({"method": "saliency", "opacity": 7}, "InputError", "`opacity`: got 7;"),
    ({"params": {"absolute": "x"}, "method": "saliency"}, "MethodError", "`absolute`: got 'x';"),
    (
        {"params": {"n_samples": 10**9}, "method": "smooth_grad"},
        "MethodError",
        "`n_samples`: got 1000000000;",
    ),
    ({"params": {"__init__": 1}}, "MethodError", "`params`: got '__init__';"),
    ({"params": []}, "MethodError", "`params`: got [];"),
    ({"params": None}, "MethodError", "`params`: got None;"),
    ({"n_steps": 10**9}, "InputError", "`n_steps`: got 1000000000; expected an integer from 1 to 1024."),
    ({"baseline": {"kind": "noise", "seed": "0; import os"}}, "BaselineError", "`seed`: got '0; import os';"),
    ({"baseline": {"kind": "grey", "level": -1}}, "BaselineError", "`level`: got -1.0;"),
    ({"baseline": {"kind": "__class__"}}, "BaselineError", "`baseline`: got '__class__';"),
    ({"baseline": {}}, "BaselineError", "`baseline`: got None;"),
    ({"baseline": [[1]]}, "BaselineError", "`baseline`: got an object of type list;"),
    ({"layer": "../../etc"}, "LayerError", "`layer`: got '../../etc';"),
    ({"layer": {"a": 1}}, "LayerError", "`layer`: got {'a': 1};"),
    ({"target": 99}, "TargetError", "`target`: got 99;"),
    ({"target": "zzz"}, "TargetError", "`target`: got 'zzz';"),
    ({"target": [0]}, "TargetError", "`target`: got [0];"),
    ({"index": 1, "alpha": 0.5}, "InputError", "`index`: got 1; expected a picture from 0 to 0."),
    ({"output": "loss", "target": 1}, "InputError", "`output`: got 'loss';"),
    ({"tooltip": 3}, "TraitError", "'tooltip' trait"),
]


@pytest.mark.parametrize(("sent", "kind", "text"), HOSTILE, ids=lambda case: str(case)[:40])
def test_hostile_values_are_refused_all_together_and_it_is_said(sent, kind, text, explorer, page):
    before = {name: getattr(explorer, name) for name in (*OWN, *LOOKS)}
    watched = []
    note = watched.append
    explorer.observe(note, list(before))
    page.change(**sent)
    explorer.unobserve(note, list(before))
    assert {name: getattr(explorer, name) for name in before} == before
    assert watched == []
    (state,) = page.events("state")
    assert (state["phase"], state["text"], state["job"]) == ("error", "Refused.", explorer.status.job)
    assert state["error"]["type"] == kind
    assert text in state["error"]["message"]
    json.dumps(page.messages, allow_nan=False)
    assert page.events("result") == []
    assert {name: page.updates[name] for name in sent} == explorer.get_state(list(sent))
    assert explorer.status.phase == "done"
    page.change(n_steps=5)  # and it works as before
    explorer.ready()
    assert page.events("result")[-1]["steps"] == 5


def test_a_page_cannot_replace_the_code_of_the_widget(explorer, page):
    before = explorer.get_state()
    page.change(
        _esm="alert(1)",
        _css="x",
        _view_name="y",
        _model_module="evil",
        _view_module="evil",
        bogus=1,
        comm=None,
    )
    assert explorer.get_state() == before
    page.change(_esm="alert(1)", alpha=0.5)
    assert explorer.alpha == 0.5
    assert explorer._esm == before["_esm"]
