"""What follows the hand: looks without a message, baselines with a stream of better maps."""

import time

import numpy as np
import pytest


from .truth import PICTURES, truth


COUNT_DRAWINGS = """root => {
    const canvas = root.querySelector('[data-testid=panel-map] canvas');
    const context = canvas.getContext('2d');
    const draw = context.putImageData.bind(context);
    window.drawings = 0;
    context.putImageData = (...args) => { window.drawings++; draw(...args); };
}"""
NOTE_RESULTS = """root => {
    window.results = [];
    const note = () => window.results.push([root.dataset.job, root.dataset.stage]);
    new MutationObserver(note).observe(root, { attributeFilter: ['data-job', 'data-stage'] });
}"""


@pytest.mark.parametrize(
    ("slider", "stops", "released"),
    [
        ("alpha", [0.8, 0.1, 0.45], pytest.approx(0.45, abs=0.005)),
        ("opacity", [0.6, 0.2, 1.0], 1.0),
        ("threshold", [0.5, 0.05, 0.25], pytest.approx(0.25, abs=0.01)),
    ],
)
def test_a_look_is_drawn_while_the_hand_moves_and_sent_when_it_lets_go(
    notebook, explorer, watch, slider, stops, released
):
    watch.clear()
    with explorer.held(slider) as hand:
        for stop in stops:
            before = explorer.pixels()
            hand.move(stop)
            explorer.changes(before)
        explorer.frame()
        assert watch.sent == []
    explorer.until(lambda: watch.updates, "the released value is sent")
    value = notebook.value(f"explorer.{slider}")
    assert watch.updates == [{slider: value}]
    assert value == released
    explorer.shows(truth(notebook).picture(PICTURES[0], **{slider: value}))


def test_the_curves_are_dragged_like_the_slider_above_them(notebook, explorer, watch):
    curves = explorer.part("curves").locator("svg")
    curves.scroll_into_view_if_needed()
    box = curves.bounding_box()
    left, _ = explorer.point("alpha", 0)
    right, _ = explorer.point("alpha", 1)
    watch.clear()
    before = explorer.pixels()
    explorer.page.mouse.move(right - 5, box["y"] + 60)
    explorer.page.mouse.down()
    explorer.page.mouse.move(left + 0.3 * (right - left), box["y"] + 60, steps=10)
    explorer.changes(before)
    assert watch.sent == []
    explorer.page.mouse.up()
    explorer.until(lambda: watch.updates, "the released value is sent")
    assert notebook.value("explorer.alpha") == pytest.approx(0.3, abs=0.006)


@pytest.mark.parametrize(("kind", "knob"), [("grey", "level"), ("blur", "sigma"), ("noise", "level")])
def test_a_baseline_is_recomputed_while_the_hand_moves_and_the_newest_wins(notebook, explorer, watch, kind, knob):
    explorer.part(f"baseline-{kind}").click()
    notebook.becomes("explorer.baseline.kind", kind)
    notebook.execute("explorer.wait()")
    explorer.drawn(notebook.value("explorer.status.job"))
    watch.clear()
    with explorer.held("baseline-slider") as hand:
        for share in (0.7, 0.3):
            before = explorer.pixels()
            hand.move(share, steps=3)
            explorer.changes(before)  # the picture follows before the hand lets go
        hand.move(0.9, steps=30)
    sent = [state["baseline"][knob] for state in watch.updates]
    assert len(sent) >= 3
    explorer.phase("done")
    last = notebook.value(f"(explorer.wait(), explorer.baseline.{knob})[1]")
    explorer.drawn(notebook.value("explorer.status.job"))
    assert last == [state["baseline"][knob] for state in watch.updates][-1]
    explorer.shows(truth(notebook).picture(PICTURES[0]))
    notebook.execute(
        f"ig = sp.attribution.IntegratedGradients(baseline=sp.baselines.{kind.capitalize()}({knob}={last!r}))\n"
        "direct = ig.attribute(model, scenes.inputs()[:1])\n"
        "torch.testing.assert_close(explorer.attribution.values, direct.values)"
    )


def test_how_fast_it_is(explorer, watch, record_property):
    """Measures, and asserts nothing about time: the machine may do something else beside."""
    explorer.root.evaluate(COUNT_DRAWINGS)
    begun = time.perf_counter()
    with explorer.held("alpha") as hand:
        for share in (0.0, 1.0) * 3:
            hand.move(share, steps=40)
    seconds = time.perf_counter() - begun
    drawings = explorer.page.evaluate("window.drawings")
    explorer.part("baseline-blur").click()
    explorer.part("baseline-slider").wait_for()
    explorer.phase("done")
    explorer.root.evaluate(NOTE_RESULTS)
    watch.clear()
    begun = time.perf_counter()
    with explorer.held("baseline-slider") as hand:
        for share in (0.1, 0.9) * 2:
            hand.move(share, steps=40)
    took = time.perf_counter() - begun
    results = explorer.page.evaluate("window.results")
    figures = {
        "alpha, frames per second": round(drawings / seconds, 1),
        "baseline, messages per second": round(len(watch.updates) / took, 1),
        "baseline, pictures per second": round(len(results) / took, 1),
        "baseline, finished maps": sum(stage == "final" for _, stage in results),
    }
    for name, figure in figures.items():
        record_property(name, figure)
        print(f"{name}: {figure}")
    assert drawings > 0
    assert results
