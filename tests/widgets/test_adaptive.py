"""Integrated Gradients as an explorer begins with it: until the picture stands still."""

import numpy as np
import pytest
import torch

import saliscope as sp
from saliscope.attribution import IntegratedGradients
from saliscope.render import words
from saliscope.sessions import saliency
from saliscope.sessions.menus import may_stop
from tests.sessions.tools import photo, tiny
from tests.widgets.tools import Explorer, Page


@pytest.fixture(scope="module")
def model():
    return tiny()


def test_an_explorer_begins_with_the_adaptive_rule_and_scrubs_on_its_nodes(model):
    explorer = Explorer(model, photo()).ready()
    assert explorer.params == {"rule": "adaptive", "tolerance": 0.05}
    made, result = explorer.attribution, explorer._panels.lead.result
    assert made.method == IntegratedGradients(rule="adaptive")
    path = made.path.of(0)
    assert path.nodes.diff().max() > 1.5 * path.nodes.diff().min()
    assert result.path.alphas == tuple(path.nodes.tolist())
    assert result.path.scores == tuple(path.node_scores[:, 0].double().tolist())
    np.testing.assert_allclose(result.path.sums, path.cumulative[:, 0].sum((1, 2, 3)).numpy(), atol=1e-5)
    assert result.steps == len(path.nodes) < explorer.n_steps


def test_the_figure_shown_is_the_maps_own_error(model):
    explorer = Explorer(model, photo()).ready()
    result, error = explorer._panels.lead.result, float(explorer.attribution.map_error[0])
    assert (result.completeness.map_error, result.completeness.map_change) == (error, None)
    exact = IntegratedGradients(n_steps=1000).attribute(model, explorer.attribution.inputs, 4).values
    off = float((explorer.attribution.values - exact).norm() / exact.norm())
    assert off < error <= 0.05
    said = words.details(result)
    assert f"{result.steps} gradients." in said
    assert f"Error of the map about {100 * error:.1f} %." in said


def test_code_and_record_say_what_is_needed_to_do_it_again(model):
    explorer = Explorer(model, photo()).ready()
    assert explorer.code().endswith("\nSaliencyExplorer(model, images)")
    params = explorer.record.method["params"]
    assert (params["rule"], params["n_steps"], params["tolerance"]) == ("adaptive", 32, 0.05)
    again = sp.replay(sp.Record.from_json(explorer.record.to_json()), model, photo())
    assert torch.equal(again.attribution.values, explorer.attribution.values)
    explorer.params = {"rule": "midpoint"}
    assert 'params={"rule": "midpoint"}' in explorer.code()
    assert explorer.ready().attribution.map_error is None


def test_a_record_of_a_fixed_rule_is_replayed_by_that_rule(model):
    made = IntegratedGradients(n_steps=8).attribute(model, torch.rand(1, 3, 8, 10), 2)
    again = sp.replay(sp.Record.of(made, model), model, made.inputs)
    assert again.attribution.method.rule == "midpoint"
    assert torch.equal(again.attribution.values, made.values)


def test_several_baselines_and_a_picture_of_a_batch(model):
    pictures = [photo(0), photo(1)]
    explorer = Explorer(model, pictures, index=1, baseline=("black", "noise"), target=3).ready()
    made, result = explorer.attribution, explorer._panels.lead.result
    inputs = explorer._panels.subjects[0].inputs[1:]
    alone = [
        IntegratedGradients(one, rule="adaptive").attribute(model, inputs, 3) for one in ("black", "noise")
    ]
    torch.testing.assert_close(made.values, torch.stack([one.values for one in alone]).mean(0))
    counts = [len(one.path.nodes) for one in alone]
    assert len(set(counts)) == 2
    assert result.steps == max(counts)
    assert result.path is None
    assert result.completeness.map_error == float(made.map_error[0])
    assert f"{max(counts)} gradients on each path at most." in words.details(result)


def test_panels_with_fewer_gradients_ask_nothing_else(model):
    compare = [{"baseline": "blur"}, {"params": {"rule": "midpoint"}}]
    explorer = Explorer(model, photo(), compare=compare).ready()
    results = [session.result for session in explorer._panels.sessions]
    assert [result.steps for result in results][2] == 32 > results[0].steps != results[1].steps
    assert "steps" not in words.differing(results)


def test_its_progress_has_no_known_end(model, monkeypatch):
    monkeypatch.setattr(saliency, "PUBLISH_SECONDS", 0.0)
    explorer = Explorer(model, photo(), n_steps=4, chunk_size=2).ready()
    page = Page(explorer)
    explorer.n_steps = 32
    explorer.ready()
    running = [state for state in page.events("state") if state["done"] and state["phase"] == "running"]
    assert all(state["at_most"] for state in running)
    first = running[0]
    assert first["text"] == f"Integrated Gradients: {first['done']} of at most 32"
    partial = [result for result in page.events("result") if result["stage"] == "partial"]
    assert {result["steps"] for result in partial} == {None}
    explorer.params = {"rule": "midpoint"}
    explorer.ready()
    fixed = [state for state in page.events("state") if state["text"].endswith(" of 32")]
    assert fixed
    assert not any(state["at_most"] for state in fixed)


@pytest.mark.parametrize(
    ("method", "stops"),
    [
        (IntegratedGradients(rule="adaptive"), True),
        (IntegratedGradients(rule="adaptive", tolerance=0), False),
        (IntegratedGradients(), False),
    ],
)
def test_steps_are_the_most_there_may_be_only_where_something_stops_before(method, stops):
    assert may_stop(method) is stops
