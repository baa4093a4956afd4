"""The explorer as a Python object: what a click does, a line does too; its picture; how it goes."""

import threading

import pytest
import torch

import saliscope as sp
from saliscope import InputError, MethodError, SaliencyExplorer
from saliscope import baselines as bl
from saliscope.attribution import GradCAM, IntegratedGradients, SmoothGrad
from tests.sessions.tools import MEAN, PATIENCE, STD, Watched, fingerprint, photo, tiny
from tests.widgets.tools import Explorer, Page


@pytest.fixture
def model():
    return Watched()


@pytest.fixture
def board(model):
    return model.board


class TestAnswers:
    def test_the_first_map_needs_no_call(self):
        net = tiny()
        explorer = SaliencyExplorer(net, photo(), mean=MEAN, std=STD)
        assert explorer.wait(PATIENCE)
        assert explorer.status.phase == "done"
        inputs = explorer._panels.subjects[0].inputs
        direct = IntegratedGradients(rule="adaptive").attribute(sp.borrow(net, mean=MEAN, std=STD), inputs)
        assert torch.equal(explorer.attribution.values, direct.values)

    def test_every_trait_reaches_the_engine(self, model):
        explorer = SaliencyExplorer(
            model,
            [photo(0), photo(1)],
            baseline=bl.Blur(2),
            n_steps=6,
            params={"rule": "trapezoid"},
            target=3,
            output="probability",
            index=1,
        )
        assert explorer.wait(PATIENCE)
        method = IntegratedGradients(bl.Blur(2), 6, "trapezoid")
        inputs = explorer._panels.subjects[0].inputs[1:]
        direct = method.attribute(model, inputs, sp.Target(3, "probability"))
        assert explorer.attribution.method == method
        assert torch.equal(explorer.attribution.values, direct.values)

    def test_methods_by_assignment(self, model):
        explorer = SaliencyExplorer(model, photo(), n_steps=4)
        explorer.method = "grad_cam"
        assert explorer.wait(PATIENCE)
        assert explorer.attribution.layer == "net.5"
        explorer.layer = "net.4"
        assert explorer.wait(PATIENCE)
        assert explorer.attribution.method == GradCAM("net.4")
        explorer.method, explorer.params = "smooth_grad", {"n_samples": 3}
        assert explorer.wait(PATIENCE)
        assert explorer.attribution.method == SmoothGrad(n_samples=3)

    def test_looks_compute_nothing(self, model, board):
        explorer = SaliencyExplorer(model, photo(), n_steps=4)
        explorer.wait(PATIENCE)
        board.rows.clear()
        job = explorer.status.job
        explorer.alpha, explorer.opacity, explorer.threshold, explorer.scale = 0.4, 0.2, 0.1, 3.0
        explorer.sign, explorer.overlay, explorer.theme = "negative", "map", "dark"
        assert (board.rows, explorer.status.job) == ([], job)

    def test_of_a_hundred_positions_of_a_slider_the_last_is_shown(self, model, board):
        explorer = Explorer(model, n_steps=4).ready()
        page = Page(explorer)
        board.hold()
        for i in range(100):
            page.change(baseline={"kind": "grey", "level": i / 100})
            if i == 0:
                assert board.reached()
        board.open.set()
        explorer.ready()
        results = [result for result in page.events("result") if result["stage"] == "final"]
        assert [result["job"] for result in results] == [2, explorer.status.job] == [2, 101]
        assert explorer.baseline == bl.Grey(0.99)
        inputs = explorer._panels.subjects[0].inputs
        direct = IntegratedGradients(bl.Grey(0.99), 4, "adaptive").attribute(model, inputs)
        assert torch.equal(explorer.attribution.values, direct.values)

    def test_wait_tells_that_the_time_ran_out(self, model, board):
        board.hold()
        explorer = SaliencyExplorer(model, photo())
        assert not explorer.wait(0.001)
        board.open.set()
        assert explorer.wait(PATIENCE)

    def test_wait_raises_what_the_computation_stopped_with(self, model, board):
        board.error = ValueError("a defect")
        explorer = SaliencyExplorer(model, photo())
        with pytest.raises(sp.errors.ModelError, match="got ValueError from Watched: a defect"):
            explorer.wait(PATIENCE)
        board.error = None
        explorer.n_steps = 3
        assert explorer.wait(PATIENCE)

    def test_an_observer_may_ask_for_the_map(self, model):
        explorer, seen = SaliencyExplorer(model, photo(), n_steps=2), []

        def observer(change):
            explorer.wait(PATIENCE)
            seen.append(explorer.attribution.method.baseline)

        explorer.observe(observer, "baseline")
        explorer.baseline = "white"
        explorer.set_state({"baseline": {"kind": "grey", "level": 0.25}})
        assert seen == [bl.White(), bl.Grey(0.25)]


class TestRefine:
    def test_the_traits_follow_without_computing_again(self, model, board):
        explorer = Explorer(model, n_steps=8).ready()
        page = Page(explorer)
        expected = explorer.attribution.method.refine(explorer.attribution, model)
        board.rows.clear()
        explorer.refine()
        explorer.ready()
        assert (explorer.n_steps, explorer.params) == (16, {"rule": "adaptive", "tolerance": 0.025})
        assert torch.equal(explorer.attribution.values, expected.values)
        assert [result["stage"] for result in page.events("result") if result["stage"] != "partial"] == [
            "final"
        ]
        assert sum(board.rows) < 16
        job = explorer.status.job
        explorer.ready()
        assert explorer.status.job == job

    def test_again_and_on_from_there(self, model):
        explorer = SaliencyExplorer(model, photo(), n_steps=4)
        for steps in (8, 16):
            explorer.wait(PATIENCE)
            explorer.refine()
            explorer.wait(PATIENCE)
            assert explorer.n_steps == steps
        explorer.baseline = "white"
        assert explorer.wait(PATIENCE)
        assert explorer.attribution.method == IntegratedGradients(bl.White(), 16, "adaptive", 0.05 / 4)

    def test_samples(self, model):
        explorer = SaliencyExplorer(model, photo(), method="smooth_grad", params={"n_samples": 4})
        explorer.wait(PATIENCE)
        explorer.refine()
        explorer.wait(PATIENCE)
        assert explorer.params["n_samples"] == 8
        assert explorer.n_steps == 32

    def test_the_end_of_the_menu(self, model):
        explorer = SaliencyExplorer(model, photo(0, (4, 4, 3)), n_steps=600)
        explorer.wait(PATIENCE)
        with pytest.raises(MethodError, match="`refine`: got a map of 600 steps"):
            explorer.refine()

    def test_a_cancelled_one_leaves_the_traits(self, model, board):
        explorer = Explorer(model, n_steps=4).ready()
        shown = explorer._panels.lead.result
        board.hold()
        explorer.refine()
        assert board.reached()
        explorer.cancel()
        board.open.set()
        explorer.ready()
        assert (explorer.n_steps, explorer.status.phase) == (4, "cancelled")
        assert explorer._panels.lead.result is shown
        explorer.refine()
        explorer.ready()
        assert explorer.n_steps == 8

    def test_while_it_runs_there_is_nothing_to_refine(self, model, board):
        board.hold()
        explorer = SaliencyExplorer(model, photo())
        with pytest.raises(InputError, match="got no finished map"):
            explorer.refine()
        board.open.set()
        explorer.wait(PATIENCE)

    def test_a_change_in_another_thread_is_not_lost(self, model, monkeypatch):
        # While the worker writes what a refinement led to, somebody moves a slider.
        explorer, movers = Explorer(model, n_steps=4).ready(), []

        def follow(_panel):
            with explorer._quietly():
                mover = threading.Thread(target=setattr, args=(explorer, "baseline", "white"))
                mover.start()
                mover.join(0.05)  # what it asks for has to wait until this result was told
            movers.append(mover)
            monkeypatch.undo()

        monkeypatch.setattr(explorer, "_follow", follow)
        explorer.n_steps = 5
        explorer.ready()
        movers[0].join(PATIENCE)
        explorer.ready()
        assert explorer.attribution.method == IntegratedGradients(bl.White(), 5, "adaptive")


def test_the_model_is_untouched(model, board):
    model.train()
    model.net[2].eval()
    model.net(torch.rand(2, 3, 8, 8)).sum().backward()
    explorer = SaliencyExplorer(model, [photo(0), photo(1)], n_steps=4)
    explorer.wait(PATIENCE)
    torch.manual_seed(0)
    before = fingerprint(model)
    for method in ("saliency", "smooth_grad", "input_x_gradient", "grad_cam", "integrated_gradients"):
        explorer.method = method
        explorer.wait(PATIENCE)
    explorer.index = 1
    explorer.wait(PATIENCE)
    explorer.refine()
    explorer.wait(PATIENCE)
    board.hold()
    explorer.baseline = "white"
    assert board.reached()
    explorer.cancel()
    board.open.set()
    explorer.wait(PATIENCE)
    board.error = ValueError("a defect")
    explorer.baseline = "blur"
    with pytest.raises(sp.errors.ModelError):
        explorer.wait(PATIENCE)
    explorer.close()
    assert fingerprint(model) == before
