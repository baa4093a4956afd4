"""What becomes a method of the menu, what is refused, and who hears of it."""

import gc
import pickle
import re
import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field, make_dataclass
from typing import Any

import pytest
import torch

from saliscope import MethodError
from saliscope.attribution import Attribution, Card, GradCAM, Method, Saliency, knob, method, methods
from saliscope.attribution.base import Question
from saliscope.attribution.registry import find_method, forget, watch
from saliscope.core.anytime import Step
from saliscope.sessions.menus import controls, method_menu
from tests.attribution.helpers import Affine, function_with, own_keys, pictures
from tests.core.helpers import unchecked

BUILT_IN = list(methods())


pytestmark = pytest.mark.usefixtures("registry_as_before")


@method(unit="score")
def picklable(model, inputs, target, power: float = 1.0):
    return inputs.detach() ** power


forget("picklable")


class TestWords:
    def test_they_follow_from_the_function(self):
        @method
        def edge_energy(model, inputs, target):
            """Where the picture
            has edges

            And more.
            """
            return inputs

        assert (edge_energy.key, edge_energy.title) == ("edge_energy", "Edge energy")
        assert edge_energy.summary == "Where the picture has edges."
        assert edge_energy.card == Card(shows="Where the picture has edges.")
        assert edge_energy.unit == "value of Edge energy"
        assert repr(edge_energy()).endswith("edge_energy()")
        assert not edge_energy.refinable
        assert "And more." in edge_energy.__doc__
        silent = method(function_with(power=1.0))
        assert silent.summary == "Made, a method of your own."

    def test_a_unit_of_its_own_shares_no_scale(self):
        one, two = (method(key=key)(function_with(power=1.0)) for key in ("one", "two"))
        units = [cls().unit for cls in (one, two, *(methods()[key] for key in BUILT_IN))]
        assert units.count(one.unit) == units.count(two.unit) == 1

    def test_they_can_be_given(self):
        own = method(
            title="Edges", summary="Edges of the picture.", unit="score", signed=False, key="edges",
            card={"shows": "Edges.", "fails": "Where there are none."},
        )(function_with(power=1.0))  # fmt: skip
        assert (own.key, own.title, own.unit) == ("edges", "Edges", "score")
        assert own.summary == "Edges of the picture."
        assert not own().signed
        assert own.card == Card(shows="Edges.", fails="Where there are none.")
        info = {m.key: m for m in method_menu()}["edges"].to_json()
        assert info["card"] == {
            "shows": "Edges.", "assumes": "", "costs": "", "fails": "Where there are none.", "reference": "",
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("options", "text"),
        [
            (
                {"key": "not a name"},
                "`key`: got 'not a name'; expected a short name of letters, digits",
            ),
            ({"key": "k" * 61}, "expected a short name of letters"),
            (
                {"card": {"wrong": "x"}},
                "`card`: got {'wrong': 'x'}; expected a Card, or a dict of texts",
            ),
            ({"card": {"shows": 1}}, "`card`: got {'shows': 1}; expected a Card"),
            ({"title": 3}, "`method`: got {'title': 3}; expected texts"),
            ({"signed": "no"}, "`method`: got {'signed': 'no'}; expected texts, and signed=True or False."),
            ({"key": "grad_cam"}, "`key`: got 'grad_cam'; expected a key that no built-in method has."),
        ],
    )
    def test_wrong_ones(self, options, text):
        with unchecked(), pytest.raises(MethodError, match=re.escape(text)):
            method(**options)(function_with(power=1.0))

    def test_every_built_in_method_has_a_card(self):
        for key in BUILT_IN:
            card = methods()[key].card
            for part in ("shows", "assumes", "costs", "fails"):
                assert getattr(card, part).endswith("."), (key, part)
            assert "arXiv" in card.reference or "doi" in card.reference
            assert {m.key: m for m in method_menu()}[key].card == card


@dataclass(frozen=True)
class HalfGradient(Saliency):
    """Half of the gradient."""

    share: float = knob(0.5, "share", 0.0, 1.0, 0.1)

    def _values(self, inputs, gradient):
        return gradient * self.share


class Concrete(Method):
    def _steps(self, question: Question) -> Iterator[Step[Attribution]]:
        raise NotImplementedError


def frozen(name: str, parameter: Any) -> type:
    return make_dataclass(name, [parameter], bases=(Concrete,), frozen=True)


class TestClasses:
    def test_a_subclass_of_a_method(self):
        own = method(HalfGradient)
        assert own is HalfGradient is methods()["half_gradient"]
        assert (own.title, own.summary) == ("Half gradient", "Half of the gradient.")
        assert own.unit == Saliency.unit
        assert own.card == Card(shows="Half of the gradient.")
        assert [c.name for c in controls(own)] == ["absolute", "share"]
        made = own(share=0.25).attribute(Affine(), pictures(2), 1).values
        torch.testing.assert_close(made, Affine().weight[1].detach().expand_as(made) / 4)
        assert Saliency.key == "saliency"

    def test_a_class_becomes_a_frozen_dataclass(self):
        @method(signed=False, unit="pixels")
        class MyCAMOfOnes(Method):
            size: int = knob(3, "size", 1, 9, 1)

            def _steps(self, question: Question) -> Iterator[Step[Attribution]]:
                yield Step(lambda: question.answer(self, torch.ones_like(question.inputs) * self.size), 1, 1)

        assert MyCAMOfOnes.key == "my_cam_of_ones"
        assert MyCAMOfOnes(4) == MyCAMOfOnes(size=4)
        made = MyCAMOfOnes(4).attribute(Affine(), pictures(2), 1)
        assert made.values.unique().tolist() == [4]
        assert (made.signed, made.unit, made.method) == (False, "pixels", MyCAMOfOnes(4))
        assert MyCAMOfOnes.summary == "My cam of ones, a method of your own."

    @pytest.mark.parametrize(
        ("make", "text"),
        [
            (lambda: int, "`int`: got a class; expected a subclass of saliscope.attribution.Method with its"),
            (lambda: type("Empty", (Method,), {}), "`Empty`: got a class; expected a subclass"),
            (
                lambda: make_dataclass("Loose", [("a", int, 1)], bases=(Concrete,)),
                "`Loose`: got a dataclass that can change; expected one with @dataclass(frozen=True).",
            ),
            (
                lambda: frozen("Open", ("a", int)),
                "`Open`: got a parameter 'a' without a default; expected a default for each.",
            ),
            (
                lambda: frozen("Odd", ("a", complex, knob(1j, "a"))),
                "`a`: got a parameter of type complex; expected float, int, bool or Literal",
            ),
            (
                lambda: frozen("Wide", ("a", float, knob(1.0, "a"))),
                "`a`: got a knob without range; expected minimum, maximum and step of a number.",
            ),
            (
                lambda: frozen("Late", ("a", "Nowhere", 1)),
                "`Late`: got annotations: name 'Nowhere' is not defined; expected annotations of known",
            ),
            (
                lambda: frozen("Bag", ("a", list, field(default_factory=list))),
                "`bag`: got unhashable type: 'list'; expected values that can be hashed.",
            ),
        ],
    )
    def test_what_is_no_method(self, make, text):
        with pytest.raises(MethodError, match="^" + re.escape(text)):
            method(make())
        assert list(methods()) == BUILT_IN


class TestRegistry:
    def test_own_ones_come_after_the_others_in_the_order_of_their_definition(self):
        for key in ("b", "a"):
            method(key=key)(function_with(power=1.0))
        assert list(methods()) == [*BUILT_IN, "b", "a"]
        assert find_method("a") is methods()["a"]
        forget("b")
        assert list(methods()) == [*BUILT_IN, "a"]
        forget("b")
        forget("saliency")
        assert list(methods()) == [*BUILT_IN, "a"]
        with pytest.raises(MethodError, match=r"got .b.; expected one of integrated_gradients, "):
            find_method("b")

    def test_running_the_cell_again_replaces_it(self):
        first = method(key="cell")(function_with(power=1.0))
        method(key="other")(function_with(power=1.0))
        second = method(key="cell")(function_with(gain=2.0))
        assert list(methods()) == [*BUILT_IN, "cell", "other"]
        assert methods()["cell"] is second
        assert first() != second()
        made = first().attribute(Affine(), pictures(1), 0)  # what was made with the old one still works
        assert made.method == first()

    def test_who_watches_hears_of_it_and_is_not_kept_alive(self):
        class Explorer:
            def __init__(self) -> None:
                self.heard: list[list[str]] = []

            def hear(self) -> None:
                self.heard.append(own_keys())

        explorer = Explorer()
        watch(explorer.hear)
        method(key="one")(function_with(power=1.0))
        forget("one")
        assert explorer.heard == [["one"], []]
        gone = weakref.ref(explorer)
        del explorer
        gc.collect()
        assert gone() is None
        method(key="two")(function_with(power=1.0))

    def test_a_function_may_watch_too(self):
        calls: list[int] = []

        def hear() -> None:
            calls.append(1)

        watch(hear)
        method(key="one")(function_with(power=1.0))
        assert calls == [1]

    def test_many_threads_at_once(self):
        def define(k: int) -> None:
            for _ in range(20):
                method(key=f"thread_{k}")(function_with(power=1.0))
                made = methods()[f"thread_{k}"]().attribute(Affine(), pictures(1), 0)
                assert made.values.shape == (1, 2, 4, 4)

        threads = [threading.Thread(target=define, args=(k,)) for k in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(methods()) == {*BUILT_IN, *(f"thread_{k}" for k in range(4))}

    def test_it_can_be_pickled_like_any_method(self):
        again = pickle.loads(pickle.dumps(picklable(power=2.0)))
        assert again == picklable(power=2.0)
        assert type(again) is picklable

    def test_the_built_in_ones_stay_what_they_are(self):
        for cls in (GradCAM, Saliency):
            assert methods()[cls.key] is cls
