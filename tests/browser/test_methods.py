"""The top bar and the side panel: methods with their controls, target, score, steps, refinement."""

import re

import numpy as np
import pytest
from playwright.sync_api import expect

from saliscope.attribution import methods
from saliscope.sessions.menus import method_menu

from .truth import PICTURES

FOR_TRANSFORMERS = {"attention", "attention_rollout", "gradient_rollout"}
"""Methods that have nothing to say of the notebook's network."""


def controls_of(method) -> set[str]:
    """What the page has to offer for a method, by the names of its parts."""
    usual = {control.name: control.default for control in method.controls}
    shown = [one for one in method.controls if one.when is None or usual[one.when[0]] == one.when[1]]
    own = {"layer" if control.kind == "layer" else f"param-{control.name}" for control in shown}
    path = {"alpha", "curves"} if method.path else set()
    start = {"baseline-black"} if method.uses_baseline else set()
    return own | path | start | ({"steps"} if method.uses_steps else set())


def test_every_method_in_the_menu_comes_to_its_end(notebook, explorer):
    menu = method_menu()
    known = set().union(*map(controls_of, menu))
    assert [info.key for info in menu] == list(methods())
    job = 1
    for info in menu[1:] + menu[:1]:
        if info.key in FOR_TRANSFORMERS:
            continue
        now = explorer.choose("method", info.key)
        assert now > job
        job = now
        expect(explorer.part("panel-map").get_by_role("heading", name=info.title, exact=True)).to_be_visible()
        for name in known:
            visible = name in controls_of(info)
            expect(explorer.part(name), f"{name} of {info.key}").to_be_visible(visible=visible)
        explorer.is_true()


@pytest.mark.parametrize("key", sorted(FOR_TRANSFORMERS))
def test_a_method_that_cannot_apply_says_so_and_the_map_before_it_stays(explorer, key):
    before = explorer.pixels()
    explorer.part("method").select_option(key)
    explorer.phase("error")
    expect(explorer.root.get_by_role("alert")).to_contain_text("no attention was seen")
    assert np.array_equal(explorer.pixels(), before)
    explorer.choose("method", "saliency")
    explorer.is_true()


def test_a_methods_own_parameter(explorer):
    explorer.choose("method", "saliency")
    before = explorer.pixels()
    explorer.part("param-absolute").click()
    explorer.becomes("params", {"absolute": False})
    explorer.answer()
    explorer.changes(before)
    assert explorer.truth().signed
    explorer.is_true()


def test_the_target_is_found_by_typing(explorer):
    field = explorer.part("target")
    field.click()
    options = explorer.root.get_by_role("listbox").get_by_role("option")
    expect(options).to_have_count(11)
    explorer.page.keyboard.type("git 7")
    expect(options).to_have_count(1)
    explorer.page.keyboard.press("Enter")
    explorer.becomes("target", 7)
    explorer.answer()
    expect(field).to_have_value("digit 7")
    expect(explorer.part("panel-map").locator(".caption")).to_contain_text("digit 7")
    assert explorer.get("attribution.target.labels") == ["digit 7"]
    explorer.is_true()


def test_a_prediction_is_explained_by_a_click(explorer):
    second = explorer.part("top5").get_by_role("button").nth(1)
    label = second.locator("bdi").inner_text()
    second.click()
    explorer.becomes("target", int(label.removeprefix("digit ")))
    explorer.answer()
    assert explorer.get("attribution.target.labels") == [label]
    expect(second).to_have_attribute("aria-pressed", "true")


@pytest.mark.parametrize("output", ["probability", "log_probability", "margin"])
def test_the_score_is_a_choice(explorer, output):
    explorer.choose("output", output)
    assert explorer.get("attribution.target.output") == output
    explorer.is_true()


def test_other_steps_and_refinement(explorer):
    explorer.drag("steps", 0.3)
    explorer.until(lambda: explorer.get("n_steps") < 32, "fewer steps")
    steps = explorer.get("n_steps")
    job = explorer.answer()
    sentence = explorer.part("sentence")
    explained = re.compile(r"The attributions (explain|add up to) [\d.]+\s% of the change in score")
    expect(sentence).to_contain_text(explained)
    gradients = explorer.get("attribution.path.nodes.numel()")
    assert gradients <= steps
    expect(sentence).to_contain_text(
        re.compile(rf"own error is about [\d.]+\s%, after {gradients} gradients")
    )
    explorer.part("refine").click()
    explorer.until(lambda: explorer.get("n_steps") >= 2 * steps, "twice the steps")
    assert explorer.answer() > job
    assert explorer.get("n_steps") == explorer.get("attribution.method.n_steps")
    gradients = explorer.get("attribution.path.nodes.numel()")
    expect(sentence).to_contain_text(f"after {gradients} gradients")
    explorer.is_true()


def test_a_fixed_rule_is_a_choice(explorer):
    explorer.part("param-rule").select_option("midpoint")
    explorer.becomes("params", {"rule": "midpoint", "tolerance": 0.05})
    explorer.answer()
    expect(explorer.part("param-tolerance")).to_have_count(0)
    expect(explorer.root.get_by_label("Steps", exact=True)).to_be_visible()
    expect(explorer.part("sentence")).to_contain_text("From 16 to 32 steps the map changed")
    explorer.is_true()


def test_grad_cam_of_the_first_and_the_last_layer_in_the_menu(explorer):
    explorer.choose("method", "grad_cam")
    options = explorer.part("layer").locator("option")
    layers = [name for name in options.evaluate_all("all => all.map(one => one.value)") if name]
    assert len(layers) >= 3
    for layer in (layers[0], layers[-1]):
        explorer.choose("layer", layer)
        assert explorer.get("attribution.layer") == layer
        expect(explorer.root.get_by_role("complementary")).to_contain_text(layer)
        explorer.is_true()


def test_a_pixel_is_read_out_under_the_pointer(explorer):
    explorer.canvas().scroll_into_view_if_needed()
    box = explorer.canvas().bounding_box()
    side = box["width"] / 64
    explorer.page.mouse.move(box["x"] + 20.5 * side, box["y"] + 30.5 * side)
    readout = explorer.part("readout")
    expect(readout).to_have_attribute("data-x", "20")
    expect(readout).to_have_attribute("data-y", "30")
    expect(readout).to_have_attribute("data-rgb", " ".join(map(str, PICTURES[0][30, 20])))
    value = float(readout.get_attribute("data-value"))
    assert value == pytest.approx(explorer.truth().map[30, 20], rel=1e-12)
