"""What follows the hand: looks without a message, baselines with a stream of better maps."""

import time

import pytest

COUNT_DRAWINGS = """canvas => {
    const context = canvas.getContext('2d');
    const draw = context.putImageData.bind(context);
    window.drawings = 0;
    context.putImageData = (...args) => { window.drawings++; draw(...args); };
}"""
TIME_TO_FIRST_PICTURE = """async () => {
    const before = document.querySelector('[data-testid=explorer]');
    const begun = performance.now();
    const shown = new Promise(resolve => {
        const look = () => {
            const root = document.querySelector('[data-testid=explorer][data-stage]');
            if (root && root !== before) resolve([performance.now() - begun, root.dataset.stage]);
        };
        new MutationObserver(look).observe(document.body, {
            subtree: true, childList: true, attributeFilter: ['data-stage'],
        });
    });
    await jupyterapp.commands.execute('notebook:run-cell');
    return shown;
}"""


@pytest.mark.parametrize(
    ("slider", "stops", "released"),
    [
        ("alpha", [0.8, 0.1, 0.45], pytest.approx(0.45, abs=0.006)),
        ("opacity", [0.6, 0.2, 1.0], 1.0),
        ("threshold", [0.5, 0.05, 0.25], pytest.approx(0.25, abs=0.011)),
    ],
)
def test_a_look_is_drawn_while_the_hand_moves_and_sent_when_it_lets_go(
    explorer, watch, slider, stops, released
):
    watch.clear()
    with explorer.held(slider) as move:
        for stop in stops:
            before = explorer.pixels()
            move(stop)
            explorer.changes(before)
        explorer.frame()
        assert watch.sent == []
    explorer.until(lambda: watch.updates, "the released value is sent")
    value = explorer.get(slider)
    assert watch.updates == [{slider: value}]
    assert value == released
    explorer.is_true(**{slider: value})


def test_the_curves_are_dragged_like_the_slider_above_them(explorer, watch):
    curves = explorer.part("curves").locator("svg")
    curves.scroll_into_view_if_needed()
    y = curves.bounding_box()["y"] + 60
    left, right = (explorer.point("alpha", end)[0] for end in (0, 1))
    watch.clear()
    before = explorer.pixels()
    explorer.page.mouse.move(right - 5, y)
    explorer.page.mouse.down()
    explorer.page.mouse.move(left + 0.3 * (right - left), y, steps=10)
    explorer.changes(before)
    assert watch.sent == []
    explorer.page.mouse.up()
    explorer.becomes("alpha", pytest.approx(0.3, abs=0.006))
    assert len(watch.updates) == 1


@pytest.mark.parametrize(("kind", "knob"), [("grey", "level"), ("blur", "sigma"), ("noise", "level")])
def test_a_baseline_is_recomputed_while_the_hand_moves_and_the_newest_wins(
    notebook, explorer, watch, kind, knob
):
    explorer.part(f"baseline-{kind}").click()
    explorer.becomes("baseline.kind", kind)
    explorer.answer()
    watch.clear()
    with explorer.held("baseline-slider") as move:
        for share in (0.7, 0.37):  # no point on the way to the first is the second: it would be no change
            before = explorer.pixels()
            move(share, steps=3)
            explorer.changes(before)  # the picture follows before the hand lets go
        move(0.9, steps=30)
    # The last value is sent with the next frame; what was done before it says nothing about it.
    released = float(explorer.part("baseline-slider").get_attribute("aria-valuetext"))
    explorer.becomes(f"baseline.{knob}", pytest.approx(released, abs=0.006))
    explorer.phase("done")
    sent = [state["baseline"][knob] for state in watch.updates]
    assert len(sent) >= 3
    assert sent[-1] == explorer.get(f"baseline.{knob}")
    explorer.answer()
    explorer.is_true()
    notebook.execute(
        f"baseline = sp.baselines.{kind.capitalize()}({knob}={sent[-1]!r})\n"
        "ig = sp.attribution.IntegratedGradients(baseline=baseline, rule='adaptive')\n"
        "direct = ig.attribute(model, scenes.inputs()[:1])\n"
        "torch.testing.assert_close(explorer.attribution.values, direct.values)"
    )


def test_how_fast_it_is(notebook, explorer, watch, capsys):
    """Prints what it measures and asserts nothing about time: the machine may do something else beside."""
    first, stage = notebook.page.evaluate(TIME_TO_FIRST_PICTURE)
    explorer.drawn()
    explorer.canvas().evaluate(COUNT_DRAWINGS)
    begun = time.perf_counter()
    with explorer.held("alpha") as move:
        for share in (0.0, 1.0) * 3:
            move(share, steps=40)
    seconds = time.perf_counter() - begun
    frames = explorer.page.evaluate("window.drawings")
    assert frames > 0
    explorer.part("baseline-blur").click()
    explorer.becomes("baseline.kind", "blur")
    explorer.answer()
    watch.clear()
    explorer.page.evaluate("window.drawings = 0")
    begun = time.perf_counter()
    with explorer.held("baseline-slider") as move:
        for share in (0.1, 0.9) * 2:
            move(share, steps=40)
    took = time.perf_counter() - begun
    pictures = explorer.page.evaluate("window.drawings")
    explorer.phase("done")
    with capsys.disabled():
        print(f"\n  from running the cell to the first picture ({stage}): {first:.0f} ms")
        print(f"  alpha: {frames / seconds:.0f} frames a second")
        print(
            f"  baseline: {pictures / took:.1f} pictures, {len(watch.updates) / took:.1f} messages a second"
        )
