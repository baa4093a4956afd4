"""Maps on trial in the explorer: what the page is told is what the model was fed and said."""

import gc
import io
import json
from itertools import combinations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from saliscope import (
    FaithfulnessPanel,
    InputError,
    MethodError,
    ModelError,
    NotDefinedError,
    SaliscopeError,
    baselines,
)
from saliscope.attribution import InputXGradient, Saliency
from saliscope.render.colormaps import lut
from saliscope.render.overlay import compose
from saliscope.render.typeset import number
from saliscope.sessions import trials
from saliscope.sessions.trial_settings import REPLACEMENTS, TrialSettings
from tests.sessions.tools import PATIENCE, Watched, fingerprint, photo, tiny
from tests.widgets.tools import Explorer, Page

FEW = {"steps": 5, "random": 3}


class Panel(Explorer, FaithfulnessPanel):
    """A panel that keeps what it would have sent."""


def shown(page: Page, panel: int = 0) -> dict:
    """What the page knows of a panel's trial."""
    return [each for each in page.events("trial") if each["panel"] == panel][-1]


def array(page: Page, name: str, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    return np.frombuffer(page.arrays[name], dtype=dtype).reshape(shape)


def opened(**traits) -> tuple[Explorer, Page]:
    explorer = Explorer(method="saliency", **traits)
    page = Page(explorer)
    page.ask("hello", have=[])
    return explorer, page


class Recorder(nn.Module):
    """Keeps what it is fed outside of itself: what a forward pass writes into a borrowed model is undone."""

    def __init__(self, fed: list[Tensor]) -> None:
        super().__init__()
        self.net, self.note = tiny().eval(), fed.append

    def forward(self, x: Tensor) -> Tensor:
        self.note(x.detach().clone())
        return self.net(x)


@pytest.mark.parametrize("replacement", ["zero", "blur", "noise", "mean", "black"])
@pytest.mark.parametrize("kind", [0, 1], ids=["deletion", "insertion"])
def test_the_page_can_make_every_picture_that_was_scored(replacement, kind):
    rows: list[Tensor] = []
    explorer, page = opened(model=Recorder(rows), trial={"replacement": replacement, **FEW})
    explorer.ready()
    trial, (height, width) = shown(page), explorer.picture_size
    codes = array(page, trial["ranks"], "<u2", (height, width))
    picture = array(page, explorer._panels.lead.result.picture, "u1", (height, width, 3))
    replaced = array(page, trial["curves"][kind]["replaced"], "u1", (height, width, 3))
    assert trial["at"] == list(range(6))
    fed = torch.cat(rows)
    for k, score in zip(trial["at"], trial["curves"][kind]["scores"], strict=True):
        hidden = (codes <= k) if kind == 0 else (codes > k)
        made = torch.from_numpy(np.where(hidden[..., None], replaced, picture) / 255).permute(2, 0, 1)
        # The page has eight bits of what the model was fed.
        same = (fed - made).abs().amax((1, 2, 3)) < 0.51 / 255
        assert same.any()
        with torch.no_grad():
            p = explorer._panels.subjects[0].borrowed.module.net(fed[same][:1]).softmax(1)[0]
        assert score == pytest.approx(float(p[trial["target"]]), abs=1e-6)


def test_the_order_is_that_of_the_map_on_screen():
    explorer, page = opened(trial=FEW)
    explorer.ready()
    trial, (height, width) = shown(page), explorer.picture_size
    codes = array(page, trial["ranks"], "<u2", (height, width))
    values = explorer.attribution.map[0].numpy()
    for k in range(1, 5):
        taken = codes <= k
        assert taken.sum() == round(trial["fractions"][k] * taken.size)
        assert values[taken].min() >= values[~taken].max()


def test_infilled_pictures_come_as_they_were_fed():
    explorer, page = opened(trial={"replacement": "road", **FEW})
    explorer.ready()
    trial, (height, width) = shown(page), explorer.picture_size
    picture = array(page, explorer._panels.lead.result.picture, "u1", (height, width, 3))
    for curve, whole in zip(trial["curves"], (0, -1), strict=True):
        assert curve["replaced"] is None
        fed = array(page, curve["pictures"], "u1", (6, height, width, 3))
        np.testing.assert_array_equal(fed[whole], picture)
        codes = array(page, trial["ranks"], "<u2", (height, width))
        kept = codes > 2 if curve["kind"] == "deletion" else codes <= 2
        np.testing.assert_array_equal(fed[2][kept], picture[kept])
        assert (fed[2][~kept] != picture[~kept]).any()


def test_numbers_are_those_of_the_engine():
    explorer, page = opened(trial=FEW)
    explorer.ready()
    (judged,) = explorer.trials
    trial = shown(page)
    assert trial["stage"] == "final"
    assert trial["sentence"] == judged.sentence
    for p, curve in enumerate(trial["curves"]):
        own, soft = (judged.trial.curves[name][p] for name in ("map", "blurred"))
        areas = torch.stack([one[p].auc[0] for one in judged.trial.random])
        assert curve["scores"] == own.scores[0].tolist()
        assert curve["auc"] == float(own.auc)
        assert curve["blurred"]["auc"] == float(soft.auc)
        assert curve["random"]["n"] == 3
        assert curve["random"]["auc"] == pytest.approx(float(areas.mean()), abs=1e-12)
        assert curve["ratio"] == pytest.approx(float(own.auc[0] / areas.mean()), rel=1e-12)
        assert curve["protocol"].startswith(curve["kind"])
        assert "mean" in curve["protocol"]


def test_nothing_is_tried_before_it_is_asked_for_and_nothing_after():
    model = Watched(tiny().eval())
    explorer, page = opened(model=model)
    explorer.ready()
    calls = len(model.board.rows)
    assert explorer.trials == (None,)
    page.change(
        trial={"replacement": {"kind": "grey", "level": 0.3}, "steps": 5, "random": 3, "randomise": False}
    )
    explorer.ready()
    assert shown(page)["stage"] == "final"
    assert explorer.trial.replacement == baselines.Grey(0.3)
    tried = len(model.board.rows)
    assert tried > calls
    page.change(trial=None)
    explorer.method = "input_x_gradient"
    explorer.ready()
    assert shown(page)["title"] == Saliency.title
    assert explorer.trials == (None,)


def test_a_map_is_tried_once_and_random_orders_once_for_all_methods():
    model = Watched(tiny().eval())
    explorer, page = opened(model=model, trial=FEW)
    explorer.ready()
    first, before = shown(page), sum(model.board.rows)
    explorer.method = "input_x_gradient"
    explorer.ready()
    assert shown(page)["title"] == InputXGradient.title
    assert shown(page)["curves"][0]["random"] == first["curves"][0]["random"]
    # Two orders at four inner points and the two ends, for both curves, and the map itself.
    assert sum(model.board.rows) - before < 30
    before = sum(model.board.rows)
    explorer.undo()
    explorer.ready()
    again = shown(page)
    assert again["title"] == Saliency.title
    assert again["curves"] == first["curves"]
    assert again["job"] > first["job"]
    assert sum(model.board.rows) == before


def test_several_methods_are_tried_and_one_that_fails_leaves_the_others():
    panel = Panel(methods=["saliency", {"target": 2}, {"method": "grad_cam"}], trial=FEW)
    page = Page(panel)
    page.ask("hello", have=[])
    panel.ready()
    trials = [shown(page, i) for i in range(3)]
    assert [one["title"] for one in trials] == ["Saliency (gradient)", "Saliency (gradient)", "Grad-CAM"]
    assert [one["stage"] for one in trials] == ["final"] * 3
    assert trials[1]["target"] == 2
    # Another class has random orders of its own.
    assert trials[1]["curves"][0]["random"] != trials[0]["curves"][0]["random"]
    assert panel.mode == "trial"


def test_a_class_without_a_score_is_not_judged():
    net = tiny().eval()
    with torch.no_grad():
        net[-1].bias[:] = torch.tensor([90.0, 0, 0, 0, 0])
    explorer, page = opened(model=net, target=3, trial=FEW)
    explorer.ready()
    trial = shown(page)
    assert [curve["auc"] for curve in trial["curves"]] == [None, None]
    assert [curve["ratio"] for curve in trial["curves"]] == [None, None]
    assert [curve["random"] for curve in trial["curves"]] == [None, None], "no areas beside it either"
    assert trial["stage"] == "final"
    assert "below 1e-06" in " ".join(trial["notes"])
    assert "no area is defined" in trial["sentence"]


def test_a_model_that_has_changed_since_is_an_error_of_the_trial_and_run_mends_it():
    net = tiny().eval()
    explorer, page = opened(model=net)
    explorer.ready()
    with torch.no_grad():
        net[0].weight.mul_(1.5)
    explorer.trial = FEW
    with pytest.raises(ModelError, match="has changed since"):
        explorer.wait(PATIENCE)
    assert shown(page)["stage"] == "error"
    assert "changed" in shown(page)["error"]["message"]
    assert explorer.attribution is not None
    explorer.run()
    explorer.ready()
    assert shown(page)["stage"] == "final"


def test_a_trial_is_cancelled_alone_and_what_is_known_stays():
    model = Watched(tiny().eval())
    explorer, page = opened(model=model)
    explorer.ready()
    model.board.hold(1)
    explorer.trial = {"steps": 40, "random": 20}
    assert model.board.reached()
    assert page.ask("cancel", what="trial")["status"] == "ok"
    model.board.open.set()
    assert explorer.wait(PATIENCE)
    assert page.events("trialstate")[-1]["phase"] == "cancelled"
    assert explorer.status.phase == "done"
    stopped = shown(page) if page.events("trial") else {"stage": "partial"}
    assert stopped["stage"] == "partial"
    assert page.ask("run", what="trial")["status"] == "ok"
    explorer.ready()
    assert shown(page)["stage"] == "final", "it goes on"
    explorer.trial = FEW
    explorer.ready()
    assert shown(page)["stage"] == "final"


@pytest.mark.parametrize("chunk_size", [3, 6, 7])
def test_curves_come_coarse_first_and_both_know_the_same_points(chunk_size, monkeypatch):
    monkeypatch.setattr(trials, "STATE_SECONDS", -1.0)  # every step is told
    explorer, page = opened(chunk_size=chunk_size, trial={"steps": 16, "random": 4})
    explorer.ready()
    seen = [each for each in page.events("trial") if each["curves"]]
    whole = seen[-1]
    assert whole["at"] == list(range(17))
    counts = [len(each["at"]) for each in seen]
    assert counts == sorted(counts)
    assert len(set(counts)) > 5
    for each in seen:
        assert each["at"] == sorted(each["at"])
        assert each["fractions"] == [whole["fractions"][k] for k in each["at"]]
        for own, last in zip(each["curves"], whole["curves"], strict=True):
            for name in ("scores", "top"):
                assert own[name] == [last[name][k] for k in each["at"]]
            assert own["blurred"]["scores"] == [last["blurred"]["scores"][k] for k in each["at"]]


def test_going_back_to_settings_of_before_tells_what_was_found_then():
    explorer, page = opened(trial={"replacement": "zero", **FEW})
    explorer.ready()
    first = shown(page)
    explorer.trial = {"replacement": "white", **FEW}
    explorer.ready()
    assert shown(page)["curves"] != first["curves"]
    explorer.trial = {"replacement": "zero", **FEW}
    explorer.ready()
    assert shown(page)["curves"] == first["curves"]
    assert [told.curves[0].protocol for told in explorer._trials.told[0]] == [first["curves"][0]["protocol"]]

    n = len(page.events("trial"))
    explorer.trial = None
    explorer.trial = {"replacement": "zero", **FEW}
    explorer.ready()
    assert len(page.events("trial")) > n, "a fold that was closed is empty"


def test_a_trial_keeps_no_map_alive_that_everybody_else_has_forgotten():
    """The answers that an explorer remembers have a limit in bytes; paths are most of them."""
    explorer, _ = opened(trial=FEW)
    explorer.method = "integrated_gradients"
    explorer.ready()
    (case,) = (one for one in explorer._trials._cases if one.attribution.method.key == explorer.method)
    assert explorer.attribution.path is not None
    assert case.attribution.path is None
    explorer.run()  # forgets all answers
    explorer.ready()
    gc.collect()
    assert case.whose() is None


def test_a_file_that_is_made_meanwhile_has_no_numbers_of_other_settings():
    explorer, _ = opened(trial={"replacement": "zero", **FEW})
    explorer.ready()
    explorer._trials._submit = lambda job: None  # nobody works any more
    explorer.trial = {"replacement": "white", **FEW}
    assert explorer._trials.told == ((), {})
    assert explorer._trials.blobs == []


def test_the_strip_shows_the_map_as_the_network_forgets():
    explorer, page = opened(trial={**FEW, "randomise": True})
    explorer.ready()
    strip, judged = shown(page)["randomisation"], explorer.trials[0]
    assert strip["done"] == strip["total"] == len(strip["stages"]) > 1
    assert strip["mean"] == pytest.approx(float(judged.randomisation.mean("signed")[0]))
    height, width = explorer.picture_size
    trained = array(page, strip["map"], "<f2", (height, width)).astype(float)
    assert np.corrcoef(trained.ravel(), explorer.attribution.map[0].numpy().ravel())[0, 1] > 0.999
    last = array(page, strip["stages"][-1]["map"], "<f2", (height, width)).astype(float)
    assert not np.allclose(last, trained)
    assert "randomised" in judged.sentence
    explorer.trial = FEW
    explorer.ready()
    assert shown(page)["randomisation"] is None


def test_weights_that_cannot_be_randomised_leave_the_curves():
    explorer, page = opened(model=Watched(tiny().eval()), trial={**FEW, "randomise": True})
    with pytest.raises(ModelError, match="copy"):
        explorer.wait(PATIENCE)
    trial = shown(page)
    assert trial["stage"] == "final"
    assert trial["sentence"] == explorer.trials[0].sentence != ""
    assert trial["randomisation"] is None
    assert "weights could not be randomised" in trial["notes"][-1]


def test_the_model_is_as_it_was():
    model = tiny().train()
    before = fingerprint(model)
    explorer = Explorer(model, method="saliency", trial={**FEW, "randomise": True})
    explorer.ready()
    assert explorer.trials[0].randomisation.complete
    assert fingerprint(model) == before


def test_a_score_of_the_users_own_has_no_classes():
    explorer, page = opened(target=lambda out: out[:, 0] - out[:, 1], trial=FEW)
    explorer.ready()
    trial = shown(page)
    assert trial["output"] == "score"
    assert set(trial["curves"][0]["top"]) == {-1}
    assert trial["labels"] == {}


def test_whoever_comes_late_is_told_and_gets_the_arrays():
    explorer, _ = opened(trial={**FEW, "randomise": True})
    explorer.ready()
    page = Page(explorer)
    page.ask("hello", have=[])
    trial = shown(page)
    names = {trial["ranks"], trial["randomisation"]["map"]} | {c["replaced"] for c in trial["curves"]}
    assert names <= set(page.arrays)
    assert page.events("trialstate")[-1]["phase"] == "done"
    assert page.ask("blobs", hashes=[trial["ranks"]])["status"] == "ok"


def test_an_occluded_picture_is_tried_as_it_was_fed():
    hidden = {"region": (0, 0, 5, 8), "fill": "black"}
    explorer, page = opened(occlusion=hidden, trial={"replacement": "white", **FEW})
    explorer.ready()
    whole = shown(page)["curves"][0]["scores"][0]
    p = {each["index"]: each["p"] for each in page.events("result")[-1]["probabilities"]}
    assert whole == pytest.approx(p[shown(page)["target"]], rel=1e-4)


def test_the_exported_page_holds_the_trial(tmp_path):
    explorer, _ = opened(trial={**FEW, "randomise": True})
    explorer.ready()
    text = explorer.to_html(tmp_path / "trial.html").read_text()
    data = json.loads(text.split('id="saliscope-data">')[1].split("</script>")[0])
    (trial,) = [each["trial"] for each in data["events"] if each["event"] == "trial"]
    assert {trial["ranks"], *(curve["replaced"] for curve in trial["curves"])} <= set(data["blobs"])
    assert "order of pixels" in text
    assert data["traits"]["trial"]["steps"] == 5


class TestFigure:
    def test_lines_are_the_curves_and_the_words_are_those_of_the_page(self):
        explorer, page = opened(compare=["grad_cam", "input_x_gradient"], trial=FEW)
        explorer.ready()
        figure = explorer.trial_figure()
        titled = {text.get_text(): text for text in figure.texts}
        for kind, axes in enumerate(figure.axes[:2]):
            lines = [np.asarray(line.get_ydata()) for line in axes.get_lines()]
            for panel in range(3):
                curve = shown(page, panel)["curves"][kind]
                for scores in (curve["scores"], curve["blurred"]["scores"], curve["random"]["mean"]):
                    assert any(len(one) == len(scores) and np.allclose(one, scores) for one in lines)
                assert _area(curve["auc"]) in titled
        told = " ".join(titled)
        assert shown(page)["sentence"].split(".")[0] in told
        assert "1 Saliency (gradient)" in titled
        assert "2 Grad-CAM" in titled

    def test_panels_of_one_method_are_told_apart_and_each_question_has_its_random_orders(self):
        explorer, page = opened(compare=[{"target": 2}, {"method": "grad_cam", "target": 2}], trial=FEW)
        explorer.ready()
        words = [text.get_text() for text in explorer.trial_figure(width=9).texts]
        trials = [shown(page, panel) for panel in range(3)]
        for i, trial in enumerate(trials):
            assert f"{i + 1} {trial['title']}, {trial['target_label']}" in words
            assert any(word.startswith(f"{i + 1} {trial['sentence'][:30]}") for word in words)
        assert "3 random orders (1)" in words
        assert "3 random orders (2, 3)" in words
        for trial in trials[:2]:
            assert _area(trial["curves"][0]["random"]["auc"]) in words
        assert trials[0]["curves"][0]["random"] != trials[1]["curves"][0]["random"]

    def test_scores_that_are_no_probabilities_are_written_as_they_are(self):
        net = nn.Sequential(nn.Flatten(), nn.Linear(240, 1)).eval()
        with torch.no_grad():
            net[1].weight.mul_(1e5)
            net[1].bias.fill_(1e6)
        explorer, page = opened(model=net, target=lambda out: out[:, 0], trial=FEW)
        explorer.ready()
        figure = explorer.trial_figure()
        area = shown(page)["curves"][0]["auc"]
        assert number(area) in {text.get_text() for text in figure.texts}
        axes = figure.axes[0]
        figure.canvas.draw()
        assert not axes.yaxis.get_offset_text().get_text()
        assert len(axes.get_yticklabels()) > 2
        for label in axes.get_yticklabels():
            assert label.get_window_extent().x0 >= figure.bbox.x0

    def test_maps_of_the_randomised_network_stand_below(self):
        explorer, page = opened(compare=["grad_cam"], sign="negative", trial={**FEW, "randomise": True})
        explorer.ready()
        drawn = [
            np.asarray(axes.images[0].get_array()) for axes in explorer.trial_figure().axes if axes.images
        ]
        blobs, nothing = explorer._trials.told[1], np.zeros((*explorer.picture_size, 3), np.uint8)
        strips = [shown(page, panel)["randomisation"] for panel in range(2)]
        told = [each for strip in strips for each in (strip, *strip["stages"])]
        made = [
            compose(nothing, blobs[one["map"]].array(), one["limit"], lut(), 1.0, 1.0, "negative", "map")
            for one in told
        ]
        assert len(drawn) == len(made)
        for picture in made:
            assert any(np.array_equal(picture, one) for one in drawn)
        assert len({one.tobytes() for one in drawn}) > 2
        names = {text.get_text() for text in explorer.trial_figure().texts}
        assert {stage["name"] for stage in strips[0]["stages"]} <= names

    def test_words_do_not_lie_upon_each_other(self):
        explorer, _ = opened(compare=["grad_cam", {"target": 2}], trial={**FEW, "randomise": True})
        explorer.ready()
        for width in (3.0, 5.5):
            figure = explorer.trial_figure(width=width)
            boxes = [(text.get_text(), text.get_window_extent()) for text in figure.texts]
            inside = figure.bbox.padded(1)
            for said, one in boxes:
                assert inside.contains(one.x0, one.y0), said
                assert inside.contains(one.x1, one.y1), said
            for (said, one), (beside, other) in combinations(boxes, 2):
                across = min(one.x1, other.x1) - max(one.x0, other.x0)
                down = min(one.y1, other.y1) - max(one.y0, other.y0)
                # Boxes of lines touch; words do not.
                assert across <= 1 or down <= 0.3 * min(one.height, other.height), (said, beside)
        with pytest.raises(InputError, match="width"):
            explorer.trial_figure(width=2)

    def test_the_picture_beside_the_widget_has_the_curves(self):
        explorer, _ = opened()
        explorer.ready()
        before = explorer.png()
        with pytest.raises(NotDefinedError, match="trial=True"):
            explorer.trial_figure()
        explorer.trial = FEW
        explorer.ready()
        (width, height), (maps_width, maps_height) = (_size(one) for one in (explorer.png(), before))
        assert height > maps_height + 400
        assert width >= maps_width


def _area(value: float) -> str:
    return f"{value:.3f}" if value >= 0.01 else number(value)


def _size(png: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(png)) as image:
        return image.size


class TestSettings:
    def test_what_a_page_sends_back_is_what_there_is(self):
        for kind in REPLACEMENTS:
            settings = TrialSettings(kind, 7, 4, True)
            again = TrialSettings.of(settings.to_json())
            assert type(again.replacement) is type(settings.replacement)
            assert again.to_json() == settings.to_json()

    def test_the_same_settings_sent_again_try_nothing_anew(self):
        explorer, page = opened(trial={"replacement": "mean", **FEW})
        explorer.ready()
        before = explorer.trials[0].trial
        page.change(trial={**explorer.trial.to_json(), "randomise": True})
        explorer.ready()
        assert shown(page)["randomisation"]["stages"]
        assert explorer.trials[0].trial.curves is before.curves
        page.change(trial={**explorer.trial.to_json(), "steps": 6})
        explorer.ready()
        assert explorer.trials[0].trial.curves is not before.curves

    def test_a_tensor_of_the_users_own_stays(self):
        own = torch.full((1, 3, 8, 10), 0.25)
        explorer, page = opened(trial={"replacement": own, **FEW})
        explorer.ready()
        page.change(trial={**explorer.trial.to_json(), "steps": 6})
        explorer.ready()
        assert explorer.trial.steps == 6
        assert explorer.trial.replacement.kind == "custom"
        assert shown(page)["points"] == 7

    @pytest.mark.parametrize(
        ("given", "words"),
        [
            ({"steps": 1}, "`steps`: got 1; expected an integer from 2 to 1024"),
            ({"random": 2.5}, "random"),
            ({"random": True}, "random"),
            ({"randomise": 1}, "randomise"),
            ({"replacement": "blurr"}, "Did you mean 'blur'"),
            ({"replacement": {"kind": "average", "of": [{"kind": "black"}]}}, "replacement"),
            ({"pace": 3}, "'pace'"),
            ("yes", "trial"),
        ],
    )
    def test_bad_ones_are_refused_on_their_line(self, given, words):
        explorer = Explorer(method="saliency")
        with pytest.raises(SaliscopeError, match=words.replace("(", r"\(")):
            explorer.trial = given
        assert explorer.trial is None

    def test_undo_takes_a_trial_back(self):
        explorer, _ = opened()
        explorer.trial = FEW
        explorer.undo()
        assert explorer.trial is None


class TestPanel:
    def test_it_needs_a_method(self):
        with pytest.raises(InputError, match="methods"):
            FaithfulnessPanel(tiny(), photo(), [])

    def test_one_method_is_enough_and_settings_can_be_said(self):
        panel = FaithfulnessPanel(tiny(), photo(), Saliency(), trial=FEW, theme="dark")
        assert panel.wait(PATIENCE)
        assert (panel.method, panel.compare, panel.trial.steps) == ("saliency", (), 5)
        assert repr(panel).startswith("FaithfulnessPanel(")

    def test_an_unknown_method_is_refused(self):
        with pytest.raises((InputError, MethodError)):
            FaithfulnessPanel(tiny(), photo(), ["salency"])

    def test_a_model_without_layers_shows_why_and_the_others(self):
        flat = nn.Sequential(nn.Flatten(), nn.Linear(240, 4))
        panel = FaithfulnessPanel(flat, photo(), ["saliency", "grad_cam"], trial=FEW)
        with pytest.raises(SaliscopeError):
            panel.wait(PATIENCE)
        assert panel.trials[0].sentence
