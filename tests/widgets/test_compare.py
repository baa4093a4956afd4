"""Panels, links, scales and models as an explorer's user and its page see them."""

import gc
import time
import weakref

import pytest
import torch

from saliscope import SaliencyExplorer, Scale
from saliscope.core.baselines import Blur, White
from saliscope.errors import InputError, LayerError, MethodError, SaliscopeError, TargetError
from saliscope.widgets import keeper as keeper_module
from tests.sessions.tools import PATIENCE, Watched, photo, tiny
from tests.widgets.tools import Explorer, Page

BATCH = photo(shape=(2, 8, 10, 3))


@pytest.fixture
def explorer():
    made = Explorer(images=BATCH, labels=list("abcde"), n_steps=2).ready()
    yield made
    made.close()


WRONG = [
    (3, InputError, "`compare`: got 3; expected a list of panels"),
    ([3], InputError, "`compare[0]`: got 3; expected a method's key, or a dict"),
    (["grad_cm"], InputError, "Did you mean 'grad_cam'?"),
    ([{"methd": "saliency"}], InputError, "Did you mean 'method'?"),
    ([{"alpha": 0.5}], InputError, "`compare[0]`: got 'alpha'"),
    ([{"target": "zzz"}], TargetError, "`target`: got 'zzz'"),
    ([{"index": 2}], InputError, "a picture from 0 to 1"),
    ([{"layer": "nowhere"}], LayerError, "`layer`: got 'nowhere'"),
    ([{"model": 1}], InputError, "`compare[0]['model']`: got 1; expected an index below 1"),
    ([{"model": True}], InputError, "got True"),
    ([{"difference": [0]}], InputError, "the numbers of two panels"),
    ([{"difference": [0, 1]}], InputError, "`compare[0]`: got panel 1; expected panels that ask the model"),
    ([{"difference": [0, 7]}], InputError, "got panel 7"),
    ([{"difference": [0, -1]}], InputError, "got panel -1"),
    ([{"average": "all"}], InputError, "two panels or more"),
    (["saliency"] * 6, InputError, "got 6 panels; expected at most 5"),
    ([{"occlusion": 3}], InputError, "`occlusion`: got 3"),
    ([{"occlusion": {"region": (0, 0, 2, 2), "fill": ["black", "white"]}}], InputError, "one baseline"),
]


class TestPanels:
    @pytest.mark.parametrize(("value", "error", "text"), WRONG, ids=lambda case: str(case)[:40])
    def test_nonsense(self, value, error, text, explorer):
        with pytest.raises(error) as caught:
            explorer.compare = value
        assert text in str(caught.value)
        assert explorer.compare == ()

    def test_each_follows_the_lead_but_in_what_is_its_own(self, explorer):
        explorer.compare = ["grad_cam", {"target": "d"}, {"baseline": 0.5, "n_steps": 3}]
        explorer.ready()
        explorer.index = 1
        explorer.ready()
        lead, cam, target, baseline = explorer.attributions
        assert [a.method.key for a in explorer.attributions] == [
            "integrated_gradients",
            "grad_cam",
            *["integrated_gradients"] * 2,
        ]
        assert target.target.labels == ("d",)
        assert (baseline.method.n_steps, target.method.n_steps) == (3, 2)
        for attribution in (cam, target, baseline):
            assert torch.equal(attribution.inputs, lead.inputs)

    def test_it_cannot_be_changed_behind_its_back(self, explorer):
        explorer.compare = ["grad_cam"]
        assert isinstance(explorer.compare, tuple)

    def test_an_impossible_panel_shows_why_and_leaves_the_others(self, explorer):
        explorer.compare = [{"method": "saliency", "params": {"n_samples": 3}}, "saliency"]
        page = Page(explorer)
        with pytest.raises(MethodError, match="n_samples"):
            explorer.wait(PATIENCE)
        page.ask("hello", have=[])
        phases = {state["panel"]: state["phase"] for state in page.events("state")}
        assert phases == {0: "done", 1: "error", 2: "done"}

    def test_the_page_sends_back_what_it_cannot_make(self, explorer):
        def first(outputs):
            return outputs[:, 0]

        tensor = torch.zeros(3, 8, 10)
        explorer.compare = [
            {"target": first},
            {"baseline": tensor},
            {"occlusion": {"region": (1, 1, 2, 2), "fill": "white"}},
        ]
        state = explorer.get_state("compare")["compare"]
        assert state[:2] == [{"target": {"callable": "first"}}, {"baseline": {"kind": "custom"}}]
        page = Page(explorer)
        page.change(compare=[state[1], state[0], {**state[2], "target": 2}])
        by_tensor, by_function, occluded = explorer.compare
        assert by_function["target"] is first
        assert torch.equal(by_tensor["baseline"].tensor, tensor)
        assert (occluded["target"], occluded["occlusion"].fill) == (2, White())
        explorer.ready()

    def test_a_page_is_held_to_its_menus(self, explorer):
        page = Page(explorer)
        for entry in (
            {"baseline": {"kind": "blur", "sigma": 900}},
            {"method": "smooth_grad", "params": {"n_samples": 10**6}},
        ):
            page.change(compare=[entry])
            assert page.events("state")[-1]["phase"] == "error"
            assert explorer.compare == ()
        explorer.compare = [{"baseline": Blur(900)}]  # Python may
        explorer.ready()

    def test_refining_a_panel_changes_that_panel(self, explorer):
        explorer.compare = [{"baseline": "white"}]
        explorer.ready()
        Page(explorer).ask("refine", panel=1)
        explorer.ready()
        assert explorer.n_steps == 2
        assert explorer.compare[0]["n_steps"] == 4
        assert [a.method.n_steps for a in explorer.attributions] == [2, 4]
        job = explorer._panels.session(1).state.job
        explorer.opacity = 0.1
        explorer.target = 1
        explorer.ready()
        assert explorer._panels.session(1).attribution.method.n_steps == 4
        assert explorer._panels.session(1).state.job > job

    @pytest.mark.parametrize("panel", [7, -1, "0", None, True])
    def test_requests_about_no_panel(self, panel, explorer):
        page = Page(explorer)
        assert page.ask("refine", panel=panel)["status"] == "error"


class TestRegion:
    def test_outside_of_the_picture_there_is_none(self, explorer):
        with pytest.raises(InputError, match=r"`region`: .* expected a part of the picture, 10 x 8 pixels"):
            explorer.region = (50, 50, 3, 3)
        explorer.region = (9, 7, 30, 30)  # partly inside
        assert explorer.region.mask(8, 10).sum() == 1


class TestModels:
    def test_two_of_them(self):
        explorer = Explorer([tiny(), tiny(seed=1)], n_steps=2).ready()
        assert explorer.compare == ({"model": 1},)
        one, other = explorer.attributions
        assert not torch.equal(one.values, other.values)
        page = Page(explorer)
        page.ask("hello", have=[])
        assert [m["name"] for m in page.events("info")[-1]["models"]] == ["Sequential", "Sequential"]

    def test_a_layer_that_only_one_has(self):
        explorer = Explorer([tiny(), Watched()], method="grad_cam", layer="5").ready()
        assert explorer.attributions[0].layer == "5"
        assert explorer.attributions[1].layer.startswith("net.")

    def test_different_outputs(self):
        explorer = Explorer([tiny(), tiny(classes=3)], n_steps=2, target=4)
        with pytest.raises(TargetError) as caught:
            explorer.wait(PATIENCE)
        assert caught.value.__notes__ == ["In panel 2, of Sequential. The others are there."]
        with pytest.raises(TargetError) as again:
            explorer.wait(PATIENCE)
        assert len(again.value.__notes__) == 1
        assert explorer.status.phase == "done"
        assert explorer._panels.session(1).state.phase == "error"

    @pytest.mark.parametrize("models", [[], [tiny()] * 7])
    def test_too_few_or_too_many(self, models):
        with pytest.raises(InputError, match="expected 1 to 6 models"):
            SaliencyExplorer(models, photo())


class TestScale:
    def test_shared_between_explorers(self, explorer):
        other = Explorer(images=photo(3) // 8, n_steps=2).ready()
        own = {e: e._panels.lead.result.limit for e in (explorer, other)}
        other.scale = explorer.scale
        unit = explorer._panels.lead.result.unit
        for each in (explorer, other):
            assert each.get_state("scale")["scale"] == {"mode": "auto", "limits": {unit: max(own.values())}}
        page = Page(explorer)
        Page(other).change(scale={"mode": "fixed", "limits": {"*": 0.5}})
        assert page.updates["scale"] == {"mode": "fixed", "limits": {"*": 0.5}}
        explorer.scale = None
        assert other.scale.limits == {"*": 0.5}
        other.close()

    def test_what_is_gone_counts_no_more(self, explorer):
        other = Explorer(images=photo(3) * 0 + 255, n_steps=2, scale=explorer.scale).ready()
        other.close()
        assert explorer.get_state("scale")["scale"] == {"mode": "auto", "limits": {}}

    def test_fitted_on_maps(self, explorer):
        explorer.scale = Scale.fit([explorer.attribution])
        assert explorer.scale.mode == "fixed"


class TestLink:
    def test_both_ways_and_until_closed(self, explorer):
        other = Explorer(n_steps=2, opacity=0.1).ready()
        link = explorer.link(other)
        assert other.opacity == 0.85
        assert other.scale is explorer.scale
        other.alpha = 0.5
        explorer.sign = "positive"
        assert (explorer.alpha, other.sign) == (0.5, "positive")
        explorer.target = 2
        assert other.target is None
        link.close()
        other.alpha = 0.25
        assert explorer.alpha == 0.5
        other.close()

    def test_chosen_traits(self, explorer):
        other = Explorer(images=BATCH, n_steps=2).ready()
        explorer.link(other, "index", "target")
        explorer.index = 1
        other.target = 3
        explorer.opacity = 0.1
        assert (other.index, explorer.target, other.opacity) == (1, 3, 0.85)
        with pytest.raises(InputError, match="alpah"):
            explorer.link(other, "alpah")
        other.close()
        explorer.index = 0  # nobody is there any more


class TestKeeper:
    @pytest.fixture(autouse=True)
    def hurry(self, monkeypatch):
        monkeypatch.setattr(keeper_module, "ROLL_SECONDS", 0.05)

    def gone(self, watch):
        until = time.monotonic() + 5
        while watch() is not None and time.monotonic() < until:
            time.sleep(0.02)
        return watch() is None

    def test_what_no_page_shows_and_nobody_holds_is_closed(self):
        model = Watched()
        explorer = Explorer(model, n_steps=2).ready()
        watch, view = weakref.ref(model), weakref.ref(explorer)
        page = Page(explorer)
        page.ask("hello", have=[])
        del model, explorer
        gc.collect()
        assert view() is not None  # the page shows it
        page.ask("bye")
        del page
        assert self.gone(view)
        assert self.gone(watch)

    def test_a_page_that_still_shows_it_is_heard(self):
        explorer = Explorer(n_steps=2).ready()
        view = weakref.ref(explorer)
        page = Page(explorer)
        page.ask("bye")
        assert page.events("roll")
        page.ask("here")
        del explorer, page
        time.sleep(0.3)
        gc.collect()
        assert view() is not None
        view().close()

    def test_a_variable_keeps_it_and_showing_it_again_works(self):
        explorer = Explorer(n_steps=2).ready()
        Page(explorer).ask("bye")
        time.sleep(0.3)
        explorer._repr_mimebundle_()
        view = weakref.ref(explorer)
        page = Page(explorer)
        page.change(alpha=0.5)
        assert explorer.alpha == 0.5
        del explorer, page
        gc.collect()
        assert view() is not None
        view().close()


def test_every_error_is_ours():
    for value, error, _ in WRONG:
        assert issubclass(error, SaliscopeError), value
