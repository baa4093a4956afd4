"""Undo and redo, in the explorer and in the stack beneath it."""

import pytest

from saliscope.widgets.history import MOST, History
from tests.sessions.tools import photo
from tests.widgets.tools import IG, Explorer, Page


class TestStack:
    def test_back_and_forth(self):
        history = History({"a": 0, "b": 0})
        for state in ({"a": 1, "b": 0}, {"a": 1, "b": 5}):
            history.note(state)
        assert history.back() == {"b": 0}
        history.note({"a": 1, "b": 0})  # somebody went there
        assert (history.back(), history.forth()) == ({"a": 0}, {"b": 5})
        history.note({"a": 0, "b": 0})
        assert (history.back(), history.forth()) == ({}, {"a": 1})

    def test_a_new_change_ends_the_future(self):
        history = History({"a": 0})
        history.note({"a": 1})
        history.note({"a": 0})
        history.note({"a": 2})
        assert history.forth() == {}
        assert history.back() == {"a": 0}

    def test_it_forgets_the_oldest(self):
        history = History({"a": 0})
        for value in range(1, MOST + 20):
            history.note({"a": value})
        steps = 0
        while change := history.back():
            history.note(change)
            steps += 1
        assert steps == MOST
        assert change == {}


@pytest.fixture
def explorer():
    made = Explorer(images=photo(shape=(2, 8, 10, 3)), n_steps=2).ready()
    yield made
    made.close()


class TestExplorer:
    def test_every_kind_of_trait_comes_back(self, explorer):
        changes = {
            "opacity": 0.3,
            "baseline": "white",
            "region": (1, 2, 3, 4),
            "compare": ["grad_cam"],
            "scale": 0.25,
            "zoom": (2, 0.5, 0.5),
            "index": 1,
        }
        before = explorer._state_now()
        for name, value in changes.items():
            setattr(explorer, name, value)
        after = explorer._state_now()
        for _ in changes:
            explorer.undo()
        assert explorer._state_now() == before
        assert explorer.scale.mode == "auto"
        for _ in changes:
            explorer.redo()
        assert explorer._state_now() == after
        assert explorer.scale.limits == {"*": 0.25}
        explorer.ready()
        assert explorer.attributions[1].method.key == "grad_cam"

    def test_a_method_comes_back_with_its_parameters(self, explorer):
        explorer.params = {"rule": "right"}
        explorer.method = "smooth_grad"
        explorer.params = {"n_samples": 3}
        explorer.undo()
        explorer.undo()
        assert (explorer.method, explorer.params) == ("integrated_gradients", IG | {"rule": "right"})
        explorer.ready()
        assert explorer.attribution.method.rule == "right"

    def test_a_page_undoes_by_itself(self, explorer):
        page = Page(explorer)
        page.change(opacity=0.2)
        page.change(opacity=0.85)  # the page's own undo
        explorer.redo()
        assert explorer.opacity == 0.2

    def test_at_the_ends_nothing_happens(self, explorer):
        explorer.undo()
        explorer.redo()
        assert explorer.opacity == 0.85

    def test_the_window_is_not_part_of_it(self, explorer):
        explorer.theme = "dark"
        explorer.undo()
        assert explorer.theme == "dark"
