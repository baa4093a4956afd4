"""From a function's parameters to controls: kinds, ranges, shared ones, and what is refused."""

import re
from dataclasses import field
from typing import Any, Literal

import pytest

import saliscope
from saliscope import MethodError
from saliscope.attribution import knob, method, methods
from saliscope.sessions.menus import build_method, controls, defaults, method_menu
from tests.attribution.helpers import function_with
from tests.core.helpers import unchecked

pytestmark = pytest.mark.usefixtures("registry_as_before")


def test_they_are_generated_from_defaults_and_annotations():
    @method
    def many(
        model, inputs, target,
        sigma: float = knob(0.2, "blur sigma (px)", 0.0, 2.0, 0.05),
        samples: int = knob(25, "samples", 1, 400, 1, log=True),
        mode: Literal["mean", "median"] = "median",
        absolute: bool = True,
        gain=3.0,
        rounds=2,
        seed=0,
    ):  # fmt: skip
        return inputs

    made = {control.name: control for control in controls(many)}
    assert list(made) == ["sigma", "samples", "mode", "absolute", "gain", "rounds", "seed"]
    assert [made[n].kind for n in made] == ["float", "int", "choice", "bool", "float", "int", "int"]
    assert [made[n].default for n in made] == [0.2, 25, "median", True, 3.0, 2, 0]
    assert (made["sigma"].label, made["sigma"].min, made["sigma"].max, made["sigma"].step) == (
        "blur sigma (px)", 0.0, 2.0, 0.05,
    )  # fmt: skip
    assert made["samples"].log
    assert made["mode"].choices == ("mean", "median")
    assert (made["gain"].min, made["gain"].max) == (0, 12)
    assert (made["rounds"].min, made["rounds"].max, made["rounds"].step) == (1, 10, 1)
    assert (made["seed"].min, made["seed"].max) == (0, 9999)
    assert build_method(many, {"sigma": 1, "mode": "mean"}) == many(sigma=1.0, mode="mean")


@pytest.mark.parametrize("default", [0, 1, -3, 10**6, 0.0, 0.5, 1.0, -0.25, 7.5, 1e-9, -1e12])
def test_a_slider_without_range_has_one_that_holds_its_default(default):
    (control,) = controls(method(function_with(amount=default)))
    assert control.min <= default <= control.max
    assert control.step > 0
    assert control.label == "amount"
    assert control.kind == type(default).__name__


def test_annotations_may_be_texts():
    """As under `from __future__ import annotations`, and with names that type checkers alone know."""
    names: dict[str, Any] = {"Literal": Literal}
    mode = "mode: 'Literal[\"a\", \"b\"]' = 'b'"
    exec(f"def late(model: 'Model', inputs: 'Tensor', target, {mode}, n: 'int' = 3): ...", names)
    assert [c.kind for c in controls(method(names["late"]))] == ["choice", "int"]


def test_shared_parameters_use_the_explorers_own_controls():
    @method
    def shared(question, n_steps=16, baseline=("black", "white"), layer="conv", power=1.0):
        return question.inputs

    assert [c.name for c in controls(shared)] == ["layer", "power"]
    assert list(defaults(shared)) == ["power"]
    info = {m.key: m for m in method_menu()}["shared"]
    assert (info.uses_steps, info.uses_baseline, info.path) == (True, True, False)
    built = build_method(shared, {}, n_steps=4, baseline="blur", layer="last")
    assert built == shared(n_steps=4, baseline="blur", layer="last")
    assert shared().n_steps == 16
    assert [str(one) for one in shared().baselines] == ["black", "white"]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"power": 1j}, "`power`: got a parameter of type complex; expected float, int, bool or Literal"),
        ({"power": None}, "`power`: got a parameter of type NoneType; expected float"),
        ({"power": "two"}, "`power`: got a parameter of type str; expected float"),
        ({"power": ([1], list)}, "`power`: got a parameter of type list; expected float"),
        ({"power": (1, Literal[1, 2])}, "`power`: got a parameter of type"),
        ({"power": ("c", Literal["a", "b"])}, "`power`: got 'c'; expected one of a, b."),
        ({"power": (1.5, int)}, "`power`: got 1.5; expected an integer."),
        ({"power": (True, float)}, "`power`: got True; expected a finite number."),
        ({"power": (1, bool)}, "`power`: got 1; expected True or False."),
        ({"power": float("nan")}, "`power`: got nan; expected a finite number."),
        ({"power": (0, "Unknown")}, "`power`: got the annotation 'Unknown' with a NameError; expected"),
        ({"power": knob(2.0, "power", 3.0, 4.0, 0.1)}, "`power`: got the default 2.0 and the range 3"),
        ({"power": knob(2.0, "power", 4.0, 1.0, 0.1)}, "`power`: got the default 2.0 and the range 4"),
        ({"power": knob(2.0, "power", 1.0, 4.0, 0.0)}, "in steps of 0.0; expected a default within its"),
        ({"power": knob(2.0, "power", 0.0, 4.0, 0.1, log=True)}, "range, above zero for a logarithm."),
        ({"power": knob(2.0, "power", 0.0, float("inf"), 0.1)}, "`power`: got the range (0.0, inf, 0.1)"),
        ({"power": field(default_factory=float)}, "`power`: got a parameter without a default"),
        ({"title": 1.0}, "`title`: got a parameter of this name; expected another name. Methods use it"),
        ({"stream": 1.0}, "`stream`: got a parameter of this name"),
        ({"baselines": 1.0}, "`baselines`: got a parameter of this name"),
        ({"function": 1.0}, "`function`: got a parameter of this name"),
        ({"_power": 1.0}, "`_power`: got a parameter of this name"),
        ({"n_steps": 0}, "`n_steps`: got 0; expected an integer of at least 1."),
        ({"baseline": "blak"}, "`baseline`: got 'blak'; expected one of black"),
        ({"layer": 3}, "`layer`: got 3; expected the name of a layer, or None."),
        ({"seed": -1}, "`seed`: got -1; expected an integer of at least 0."),
    ],
)  # fmt: skip
def test_what_is_no_control(given, text):
    before = list(methods())
    with unchecked(), pytest.raises(saliscope.SaliscopeError, match=re.escape(text)):
        method(function_with(**given))
    assert list(methods()) == before


def test_values_are_checked_when_a_method_is_made():
    own = method(function_with(power=1.0, rounds=3, mode=("a", Literal["a", "b"]), seed=0))
    for options, text in (
        ({"power": "much"}, "`power`: got 'much'; expected a finite number."),
        ({"power": float("inf")}, "`power`: got inf; expected a finite number."),
        ({"rounds": 1.5}, "`rounds`: got 1.5; expected an integer."),
        ({"mode": ["a"]}, "`mode`: got ['a']; expected one of a, b."),
        ({"seed": -2}, "`seed`: got -2; expected an integer of at least 0."),
    ):
        with pytest.raises(MethodError, match="^" + re.escape(text)):
            own(**options)
    assert own(power=99).power == 99  # a slider's ends are the page's, as for every method


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("def f(x): ...", "`f`: got the parameters x; expected (model, inputs, target, ...) or (question"),
        ("def f(): ...", "`f`: got the parameters none; expected (model"),
        ("def f(model, inputs): ...", "`f`: got the parameters model, inputs; expected"),
        ("def f(inputs, model, target): ...", "`f`: got the parameters inputs, model, target; expected"),
        ("def f(model, inputs, target, sigma): ...", "`sigma`: got a parameter without a default; expected"),
        ("def f(model, inputs, target, *more): ...", "`f`: got the parameter '*more'; expected parameters"),
        ("def f(question, **more): ...", "`f`: got the parameter '**more'; expected parameters that"),
        ("def f(question, n=1, /): ...", "got the parameter 'n=1'; expected parameters that have a name."),
        ("f = lambda question: 0", "`key`: got '<lambda>'; expected a short name of letters, digits"),
        ("f = 3", "`method`: got an object of type int; expected a function or a class."),
    ],
)  # fmt: skip
def test_what_is_no_method(code, text):
    names: dict[str, Any] = {}
    exec(code, names)
    with pytest.raises(MethodError, match=re.escape(text)):
        method(names["f"])
