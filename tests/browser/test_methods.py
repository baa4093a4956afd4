"""The top bar: methods with their controls, target, score, steps, refinement."""

import re

import pytest
from playwright.sync_api import expect


from .truth import PICTURES, truth


METHODS = {
    "saliency": ["param-absolute"],
    "input_x_gradient": [],
    "integrated_gradients": ["baseline-black", "steps", "param-rule"],
    "smooth_grad": ["param-n_samples", "param-noise_level", "param-seed"],
    "grad_cam": ["layer"],
}
CONTROLS = {name for names in METHODS.values() for name in names}


def finished(notebook, explorer) -> int:
    """Wait for the kernel and then for the page; the number of the job that is shown."""
    job = notebook.value("(explorer.wait(), explorer.status.job)[1]")
    explorer.drawn(job)
    return job


def choose(notebook, explorer, testid: str, value: str, trait: str, expected) -> None:
    """Take an option of a menu, and wait until the kernel knows it and the page shows the answer."""
    explorer.part(testid).select_option(value)
    notebook.becomes(f"explorer.{trait}", expected)
    finished(notebook, explorer)


def test_every_method_is_in_the_menu_and_comes_to_its_end(notebook, explorer):
    from saliscope.attribution import methods

    assert set(METHODS) == set(methods())
    job = 1
    for key in [*METHODS, "integrated_gradients"]:
        if explorer.part("method").input_value() != key:
            choose(notebook, explorer, "method", key, "method", key)
        assert (now := finished(notebook, explorer)) >= job
        job = now
        title = methods()[key].title
        expect(explorer.part("panel-map").get_by_role("heading", name=title)).to_be_visible()
        for name in CONTROLS:
            expect(explorer.part(name)).to_be_visible(visible=name in METHODS[key])
        expect(explorer.part("alpha")).to_be_visible(visible=methods()[key].key == "integrated_gradients")
        expect(explorer.part("curves")).to_be_visible(visible=methods()[key].key == "integrated_gradients")
        explorer.shows(truth(notebook).picture(PICTURES[0]))


def test_a_methods_own_parameter(notebook, explorer):
    choose(notebook, explorer, "method", "saliency", "method", "saliency")
    before = explorer.pixels()
    explorer.part("param-absolute").click()
    notebook.becomes("explorer.params", {"absolute": False})
    finished(notebook, explorer)
    explorer.changes(before)
    numbers = truth(notebook)
    assert numbers.signed
    explorer.shows(numbers.picture(PICTURES[0]))


def test_the_target_is_found_by_typing(notebook, explorer):
    field = explorer.part("target")
    field.click()
    options = explorer.root.get_by_role("listbox").get_by_role("option")
    expect(options).to_have_count(11)
    explorer.page.keyboard.type("git 7")
    expect(options).to_have_count(1)
    explorer.page.keyboard.press("Enter")
    notebook.becomes("explorer.target", 7)
    finished(notebook, explorer)
    expect(field).to_have_value("digit 7")
    expect(explorer.part("panel-map").locator(".caption")).to_contain_text("digit 7")
    assert notebook.value("explorer.attribution.target.labels") == ["digit 7"]
    explorer.shows(truth(notebook).picture(PICTURES[0]))


def test_a_prediction_is_explained_by_a_click(notebook, explorer):
    second = explorer.part("top5").get_by_role("button").nth(1)
    label = second.locator("bdi").inner_text()
    second.click()
    explorer.until(lambda: notebook.value("explorer.target") is not None, "a class is chosen")
    finished(notebook, explorer)
    assert notebook.value("explorer.attribution.target.labels") == [label]
    expect(second).to_have_attribute("aria-pressed", "true")


@pytest.mark.parametrize("output", ["probability", "log_probability", "margin"])
def test_the_score_is_a_choice(notebook, explorer, output):
    choose(notebook, explorer, "output", output, "output", output)
    assert notebook.value("explorer.attribution.target.output") == output
    explorer.shows(truth(notebook).picture(PICTURES[0]))


def test_more_steps_and_refinement(notebook, explorer):
    explorer.drag("steps", 0.3)
    explorer.until(lambda: notebook.value("explorer.n_steps") != 32, "other steps")
    steps = notebook.value("explorer.n_steps")
    assert steps < 32
    job = finished(notebook, explorer)
    sentence = explorer.part("sentence")
    expect(sentence).to_contain_text(re.compile(r"The attributions (explain|add up to) [\d.]+\s% of the change"))
    expect(sentence).to_contain_text(f"to {steps} steps")
    explorer.part("refine").click()
    explorer.until(lambda: notebook.value("explorer.n_steps") > steps, "more steps")
    assert finished(notebook, explorer) > job
    refined = notebook.value("explorer.attribution.method.n_steps")
    assert refined >= 2 * steps
    assert notebook.value("explorer.n_steps") == refined
    expect(sentence).to_contain_text(f"to {refined} steps")
    explorer.shows(truth(notebook).picture(PICTURES[0]))


def test_grad_cam_of_every_layer_in_the_menu(notebook, explorer):
    choose(notebook, explorer, "method", "grad_cam", "method", "grad_cam")
    menu = explorer.part("layer")
    layers = [name for name in menu.locator("option").evaluate_all("all => all.map(one => one.value)") if name]
    assert len(layers) >= 3
    for layer in (layers[0], layers[-1]):
        choose(notebook, explorer, "layer", layer, "layer", layer)
        assert notebook.value("explorer.attribution.layer") == layer
        expect(explorer.root.locator("aside")).to_contain_text(layer)
        explorer.shows(truth(notebook).picture(PICTURES[0]))


def test_a_pixel_is_read_out_under_the_pointer(notebook, explorer):
    canvas = explorer.part("panel-map").locator("canvas").first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    side = box["width"] / 64
    explorer.page.mouse.move(box["x"] + 20.5 * side, box["y"] + 30.5 * side)
    readout = explorer.part("readout")
    expect(readout).to_have_attribute("data-x", "20")
    expect(readout).to_have_attribute("data-y", "30")
    expect(readout).to_have_attribute("data-rgb", " ".join(map(str, PICTURES[0][30, 20])))
    value = float(readout.get_attribute("data-value"))
    assert value == pytest.approx(truth(notebook).map[30, 20], rel=1e-12)
