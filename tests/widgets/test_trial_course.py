"""A trial that is stopped, fails, or is asked otherwise: what is known stays, what failed is tried again."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from saliscope import (
    BaselineError,
    FaithfulnessPanel,
    InputError,
    MethodError,
    ModelError,
    OutOfMemoryError,
    TargetError,
)
from saliscope.faithfulness import trial
from saliscope.faithfulness.protocol import Protocol
from saliscope.sessions import trials
from saliscope.sessions.trial_settings import REPLACEMENTS, TrialSettings
from tests.sessions.tools import PATIENCE, Watched, photo, tiny
from tests.widgets.test_trial import FEW, Panel, opened, shown
from tests.widgets.tools import Explorer, Page

LONG = {"steps": 20, "random": 10}


def watched() -> Watched:
    return Watched(tiny().eval())


def rows_of(model: Watched) -> int:
    return sum(model.board.rows)


def stopped(page: Page, model: Watched, calls: int, **settings: Any) -> None:
    """A trial that was stopped after so many calls of the model."""
    model.board.hold(calls)
    page.explorer.trial = {**LONG, **settings}
    assert model.board.reached()
    assert page.ask("cancel", what="trial")["status"] == "ok"
    model.board.open.set()
    assert page.explorer.wait(PATIENCE)
    assert page.events("trialstate")[-1]["phase"] == "cancelled"


@pytest.fixture(scope="module")
def undisturbed() -> tuple[int, dict]:
    """Rows of a trial that nobody stops, and what the page is told."""
    model = watched()
    explorer, page = opened(model=model, chunk_size=8)
    explorer.ready()
    before = rows_of(model)
    explorer.trial = LONG
    explorer.ready()
    told = shown(page)
    explorer.close()
    return rows_of(model) - before, told


class TestGoingOn:
    @pytest.mark.parametrize("calls", [3, 30], ids=["in the curves", "in the random orders"])
    def test_a_stopped_trial_goes_on_where_it_was(self, calls, undisturbed):
        total, whole = undisturbed
        model = watched()
        explorer, page = opened(model=model, chunk_size=8)
        explorer.ready()
        before = rows_of(model)
        stopped(page, model, calls)
        assert page.ask("run", what="trial")["status"] == "ok"
        explorer.ready()
        assert rows_of(model) - before == total
        assert shown(page)["stage"] == "final"
        assert shown(page)["curves"] == whole["curves"]
        assert not explorer._trials._courses, "nothing is suspended any more"

    @pytest.mark.parametrize("stop", [True, False], ids=["stopped", "running"])
    def test_asking_for_randomised_weights_meanwhile_begins_no_curve_again(self, stop, undisturbed):
        total, whole = undisturbed
        model = watched()
        explorer, page = opened(model=model, chunk_size=8)
        explorer.ready()
        before = rows_of(model)
        if stop:
            stopped(page, model, 30)
        else:
            model.board.hold(30)
            explorer.trial = LONG
            assert model.board.reached()
        page.change(trial={**explorer.trial.to_json(), "randomise": True})
        model.board.open.set()
        with pytest.raises(ModelError, match="copy"):
            explorer.wait(PATIENCE)
        assert shown(page)["curves"] == whole["curves"]
        assert rows_of(model) - before < 1.1 * total, "the method itself has asked a little"

    def test_another_method_goes_on_with_the_same_random_orders(self, undisturbed):
        total, whole = undisturbed
        model = watched()
        explorer, page = opened(model=model, chunk_size=8)
        explorer.ready()
        stopped(page, model, 50)
        before = rows_of(model)
        explorer.method = "input_x_gradient"
        explorer.ready()
        assert shown(page)["curves"][0]["random"] == whole["curves"][0]["random"]
        assert rows_of(model) - before < total / 2

    def test_randomised_weights_go_on_where_they_were(self, monkeypatch):
        explorer, page = opened(trial=FEW)
        explorer.ready()
        begun, made = [], trials.randomisation_stream

        def stream(*args: Any, **options: Any) -> Any:
            begun.append(args)
            for step in made(*args, **options):
                if step.done == 2 and len(begun) == 1:
                    explorer._trials.cancel()
                yield step

        monkeypatch.setattr(trials, "randomisation_stream", stream)
        explorer.trial = {**FEW, "randomise": True}
        assert explorer.wait(PATIENCE)
        assert page.events("trialstate")[-1]["phase"] == "cancelled"
        page.ask("run", what="trial")
        explorer.ready()
        strip = shown(page)["randomisation"]
        assert strip["done"] == strip["total"]
        assert len(begun) == 1

    def test_a_model_that_has_changed_meanwhile_is_not_gone_on_with(self):
        model = watched()
        explorer, page = opened(model=model, chunk_size=8)
        explorer.ready()
        stopped(page, model, 3)
        with torch.no_grad():
            model.net[0].weight.mul_(1.5)
        page.ask("run", what="trial")
        with pytest.raises(ModelError, match="has changed since"):
            explorer.wait(PATIENCE)
        explorer.run()
        explorer.ready()
        again, other = opened(model=Watched(model.net), trial=LONG, chunk_size=8)
        again.ready()
        assert shown(page)["curves"] == shown(other)["curves"], "no row is of the model before"

    def test_ending_a_trial_lets_go_of_what_was_left(self):
        model = watched()
        explorer, page = opened(model=model, chunk_size=8)
        explorer.ready()
        stopped(page, model, 3)
        assert explorer._trials._courses
        explorer.trial = False
        assert explorer.trial is None
        assert not explorer._trials._courses


@pytest.mark.parametrize("replacement", ["mean", "blur"])
def test_what_was_judged_is_not_judged_again(replacement):
    model = watched()
    explorer, page = opened(model=model, trial={**FEW, "replacement": replacement})
    explorer.ready()
    before, curves = rows_of(model), shown(page)["curves"]
    page.change(trial=None)
    page.change(trial=TrialSettings(replacement, **FEW).to_json())
    explorer.ready()
    assert rows_of(model) == before
    assert shown(page)["curves"] == curves


class OneAtATime(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = tiny().eval()

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > 1:
            raise RuntimeError("one at a time")
        return self.net(x)


def test_chunks_are_those_of_the_explorer_in_every_part():
    explorer = Explorer(OneAtATime(), method="smooth_grad", chunk_size=1, trial={**FEW, "randomise": True})
    page = Page(explorer)
    page.ask("hello", have=[])
    explorer.ready()
    assert shown(page)["randomisation"]["mean"] is not None


def test_curves_of_a_model_are_not_set_beside_random_orders_of_another():
    model = watched()
    explorer, page = opened(model=model, chunk_size=8)
    explorer.ready()
    stopped(page, model, 30)
    with torch.no_grad():
        model.net[0].weight.mul_(1.5)
    explorer.compare = ["input_x_gradient"]  # begins anew with the model as it is now
    with pytest.raises(ModelError, match="has changed since"):
        explorer.wait(PATIENCE)
    assert shown(page, 0)["stage"] == "error"
    assert shown(page, 1)["stage"] == "final"
    assert len({key[1] for key in explorer._trials._courses}) <= 1, "what nobody goes on with is let go"
    explorer.run()
    explorer.ready()
    assert shown(page, 0)["stage"] == "final"


class TestLettingGo:
    def test_of_copies_when_nobody_wants_randomised_weights(self, monkeypatch):
        explorer, _ = opened(trial=FEW)
        explorer.ready()
        made = trials.randomisation_stream

        def left(*args: Any, **options: Any) -> Any:
            for step in made(*args, **options):
                yield step
                explorer._trials.cancel()

        monkeypatch.setattr(trials, "randomisation_stream", left)
        explorer.trial = {**FEW, "randomise": True}
        explorer.wait(PATIENCE)
        for method in ("input_x_gradient", "grad_cam"):
            explorer.method = method
            explorer.wait(PATIENCE)
        kinds = [key[0] for key in explorer._trials._courses]
        assert kinds.count("randomised weights") == 1
        explorer.trial = FEW
        explorer.wait(PATIENCE)
        assert "randomised weights" not in [key[0] for key in explorer._trials._courses]

    @pytest.mark.parametrize("end", ["trial", "close"])
    def test_when_it_ends_just_as_a_stream_begins(self, end, monkeypatch):
        explorer, _ = opened()
        explorer.ready()
        made = trials.trial_stream

        def late(*args: Any, **options: Any) -> Any:
            if end == "close":
                explorer.close()
            else:
                explorer.trial = None
            return made(*args, **options)

        monkeypatch.setattr(trials, "trial_stream", late)
        explorer.trial = FEW
        explorer._trials.wait(PATIENCE)
        assert explorer._trials.settings is None
        assert not explorer._trials._courses


def test_a_page_that_asks_between_two_news_hears_what_is_known():
    explorer, _ = opened(trial=FEW)
    explorer.ready()
    known = explorer._trials._shown
    explorer._trials._news = {}
    assert known
    assert explorer._trials.told == ((), {})


class TestTryingAgain:
    def failed(self) -> tuple[Any, Page, Watched]:
        model = watched()
        explorer, page = opened(model=model)
        explorer.ready()
        model.board.error = MemoryError()
        explorer.trial = FEW
        with pytest.raises(OutOfMemoryError):
            explorer.wait(PATIENCE)
        assert shown(page)["stage"] == "error"
        model.board.error = None
        return explorer, page, model

    def test_on_request(self):
        explorer, page, _ = self.failed()
        assert page.ask("run", what="trial")["status"] == "ok"
        explorer.ready()
        assert shown(page)["stage"] == "final"

    def test_when_it_is_put_on_trial_again(self):
        explorer, page, _ = self.failed()
        page.change(trial=None)
        page.change(trial=TrialSettings(**FEW).to_json())
        explorer.ready()
        assert shown(page)["stage"] == "final"

    def test_with_other_settings_and_those_of_before(self):
        explorer, page, _ = self.failed()
        explorer.trial = {**FEW, "replacement": "white"}
        explorer.ready()
        explorer.trial = FEW
        explorer.ready()
        assert shown(page)["stage"] == "final"
        assert "mean" in shown(page)["curves"][0]["protocol"]

    def test_when_its_map_comes_back(self):
        explorer, page, _ = self.failed()
        explorer.method = "input_x_gradient"
        explorer.ready()
        explorer.method = "saliency"
        explorer.ready()
        assert shown(page)["title"] == "Saliency (gradient)"
        assert shown(page)["stage"] == "final"

    def test_but_not_by_itself(self):
        explorer, page, model = self.failed()
        before = rows_of(model)
        explorer.compare = ["input_x_gradient"]
        with pytest.raises(OutOfMemoryError):
            explorer.wait(PATIENCE)
        assert shown(page, 0)["stage"] == "error"
        assert shown(page, 1)["stage"] == "final"
        assert rows_of(model) > before

    def test_weights_that_could_not_be_randomised(self, monkeypatch):
        made = trials.randomisation_stream

        def fails(*args: Any, **options: Any) -> Any:
            raise MemoryError

        monkeypatch.setattr(trials, "randomisation_stream", fails)
        explorer, page = opened(trial={**FEW, "randomise": True})
        with pytest.raises(OutOfMemoryError):
            explorer.wait(PATIENCE)
        curves = shown(page)["curves"]
        monkeypatch.setattr(trials, "randomisation_stream", made)
        page.ask("run", what="trial")
        explorer.ready()
        assert shown(page)["randomisation"]["stages"]
        assert shown(page)["curves"] == curves


def test_areas_of_random_orders_are_told_when_they_are_known(monkeypatch):
    monkeypatch.setattr(trials, "STATE_SECONDS", -1.0)  # every step is told
    explorer, page = opened(trial={"steps": 16, "random": 4}, chunk_size=8)
    explorer.ready()
    told = [each["curves"][0]["random"] for each in page.events("trial") if each["curves"]]
    partial = [band for band in told if band is not None and len(band["fractions"]) < 17]
    assert len(partial) > 3
    for band in partial:
        assert [band[name] for name in ("auc", "auc_low", "auc_high")] == [None] * 3
        assert len(band["mean"]) == len(band["fractions"])
    assert told[-1]["auc_low"] <= told[-1]["auc"] <= told[-1]["auc_high"]


class TestScore:
    def test_it_can_be_chosen_and_is_what_is_measured(self):
        explorer, page = opened(trial={"output": "logit", **FEW})
        explorer.ready()
        whole = explorer.attribution.inputs
        with torch.no_grad():
            logits = explorer._panels.subjects[0].borrowed.module.eval()(whole)[0]
        told = shown(page)
        assert told["output"] == "logit"
        assert told["curves"][0]["scores"][0] == pytest.approx(float(logits[told["target"]]), abs=1e-5)
        page.change(trial={**explorer.trial.to_json(), "output": "probability"})
        explorer.ready()
        p = float(logits.softmax(0)[told["target"]])
        assert shown(page)["curves"][0]["scores"][0] == pytest.approx(p, abs=1e-5)
        assert shown(page)["curves"][0]["random"] != told["curves"][0]["random"]

    def test_its_class_is_named_as_it_is_scored(self):
        explorer, page = opened(trial={"output": "margin", **FEW})
        explorer.ready()
        assert " over " in shown(page)["target_label"]
        explorer.output, explorer.trial = "margin", FEW
        explorer.ready()
        assert shown(page)["target_label"] == f"class {shown(page)['target']}"

    def test_both_protocols_say_it(self):
        assert [p.output for p in TrialSettings(output="margin").protocols] == ["margin"] * 2
        assert TrialSettings.of(TrialSettings(output="margin").to_json()).output == "margin"
        assert TrialSettings(output="margin").changes == {"output": "margin"}

    def test_an_unknown_one_is_refused(self):
        with pytest.raises(MethodError, match="`output`: got 'score'; expected one of logit, probability"):
            TrialSettings(output="score")


class TestSeveralModels:
    @staticmethod
    def panel(methods: Any, n: int = 2, **options: Any) -> FaithfulnessPanel:
        models = [tiny(seed=i).eval() for i in range(n)]
        return FaithfulnessPanel(models, photo(), methods, trial=FEW, **options)

    def test_every_method_is_judged_for_every_model(self):
        panel = self.panel(["saliency", "grad_cam"])
        assert panel.wait(PATIENCE)
        asked = [(session.model, session.asked.method.key) for session in panel._panels.sessions]
        assert asked == [(0, "saliency"), (1, "saliency"), (0, "grad_cam"), (1, "grad_cam")]
        areas = [float(one.trial.curves["map"][0].auc) for one in panel.trials]
        assert len({round(area, 9) for area in areas}) > 2

    def test_one_method_too(self):
        panel = self.panel("saliency", 3)
        assert [entry["model"] for entry in panel.compare] == [1, 2]

    def test_without_a_choice_there_are_as_many_as_there_is_room_for(self):
        models = [tiny(seed=i).eval() for i in range(3)]
        panel = FaithfulnessPanel(models, photo(), trial=FEW)
        assert [entry.get("method") for entry in panel.compare] == [panel.method] * 2 + ["grad_cam"] * 3
        with pytest.raises(InputError, match="`model`: got 0 models"):
            FaithfulnessPanel([], photo())

    def test_entries_that_say_their_model_are_the_panels(self):
        panel = self.panel(["saliency", {"method": "grad_cam", "model": 1}, {"difference": [0, 1]}])
        assert panel.compare == ({"method": "grad_cam", "model": 1}, {"difference": [0, 1]})
        with pytest.raises(InputError, match="methods"):
            self.panel([{"method": "saliency", "model": 1}])

    def test_too_many_are_refused_by_their_argument(self):
        with pytest.raises(InputError, match="`methods`: got 4 methods of 2 models, which are 8 panels"):
            self.panel(["saliency"] * 4)
        with pytest.raises(InputError, match="`methods`: got 7 methods; expected at most 6 panels"):
            self.panel(["saliency"] * 7, 1)


class Fails(nn.Module):
    """NaN for a picture that is nearly empty."""

    def forward(self, x: Tensor) -> Tensor:
        share = (x != 0).double().mean((1, 2, 3))
        scores = torch.stack([share, 1 - share], 1)
        return torch.where(share[:, None] < 0.2, torch.nan, scores)


class Alone(nn.Module):
    """Takes one picture at a time."""

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > 1:
            raise ValueError("one at a time, please")
        return x.mean((2, 3))


class Drops(nn.Module):
    """Dropout that nothing turns off."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.dropout(x, self.share, training=True).mean((2, 3))


class TestWords:
    @staticmethod
    def judged(model: nn.Module, **options: Any) -> Any:
        generator = torch.Generator().manual_seed(0)
        inputs = 0.5 + torch.rand(2, 3, 6, 6, generator=generator, dtype=torch.float64)
        protocols = (Protocol(output="logit"), Protocol("insertion", output="logit"))
        return trial(model, inputs, {"map": inputs.sum(1)}, 0, protocols=protocols, n_random=2, **options)

    def test_a_score_of_an_emptied_picture_that_is_nan_is_said_to_be_of_one(self):
        said = "NaN or infinite, of a picture with 100 % of its pixels replaced by zero"
        with pytest.raises(TargetError, match=said):
            self.judged(Fails())

    def test_a_model_that_takes_one_picture_at_a_time_is_told_how(self):
        with pytest.raises(ModelError, match="chunk_size=1"):
            self.judged(Alone())
        assert self.judged(Alone(), chunk_size=1).complete

    def test_a_model_that_answers_differently_each_time_is_found_out(self):
        for curve in self.judged(Drops(0.5)).curves["map"]:
            assert "answers differently each time" in " ".join(curve.notes)
        for curve in self.judged(Drops(0.0)).curves["map"]:
            assert curve.notes == ()

    def test_the_page_is_told(self):
        explorer, page = opened(model=nn.Sequential(tiny().eval(), _Noisy()), trial=FEW, chunk_size=8)
        explorer.ready()
        (note,) = [one for one in shown(page)["notes"] if "differently" in one]
        assert "for input" not in note

    @pytest.mark.parametrize("given", [None, 7, "blurr", {"kind": "blurr"}, {}])
    def test_a_replacement_that_is_none_names_all_choices(self, given):
        with pytest.raises(BaselineError) as caught:
            TrialSettings(given)
        assert caught.value.argument == "replacement"
        assert all(kind in caught.value.expected for kind in REPLACEMENTS)


class _Noisy(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + torch.randn_like(x)


def test_linked_explorers_are_on_trial_together():
    one, _ = opened(trial=FEW)
    other, _ = opened()
    one.link(other)
    assert other.trial == one.trial
    other.trial = None
    assert one.trial is None


def test_false_ends_a_trial_as_none_does():
    panel = Panel(methods=["saliency"], trial=FEW)
    page = Page(panel)
    page.change(trial=False)
    assert panel.trial is None
