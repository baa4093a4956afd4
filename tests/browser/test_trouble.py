"""Slow models, models that raise, labels from a stranger: the explorer stays usable."""

import numpy as np
from playwright.sync_api import expect

HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script>&lt;b&gt; \u202e {{7*7}} '
NOTE_THE_WAY = """root => {
    window.stages = [];
    window.shares = [];
    const note = changes => {
        const share = root.querySelector('[role=progressbar]')?.getAttribute('aria-valuenow');
        if (share) window.shares.push(Number(share));
        for (const { attributeName } of changes) {
            if (attributeName === 'data-stage') window.stages.push(root.dataset.stage);
        }
    };
    new MutationObserver(note).observe(root, {
        subtree: true, attributeFilter: ['data-stage', 'aria-valuenow'],
    });
}"""


def test_the_way_is_shown_while_it_is_walked(notebook, moody):
    """A slow model gives a preview, then better and better maps, and says how far it is."""
    explorer = moody(chunk_size=1)
    notebook.execute("moody.seconds = 0.03")
    explorer.root.evaluate(NOTE_THE_WAY)
    explorer.set(index=1)
    explorer.phase("running")
    explorer.drawn()
    stages, shares = explorer.page.evaluate("[window.stages, window.shares]")
    assert stages[0] == "preview"
    assert stages.count("partial") >= 3
    assert stages[-1] == "final"
    assert shares == sorted(shares)
    assert len({share for share in shares if 0 < share < 100}) >= 3


def test_cancel_keeps_the_picture_and_the_next_request_works(notebook, moody):
    explorer = moody(chunk_size=1)
    notebook.execute("moody.seconds = 0.05")
    explorer.part("baseline-white").click()
    explorer.phase("running")
    expect(explorer.root).to_have_attribute("aria-busy", "true")
    expect(explorer.root).to_have_attribute("data-stage", "partial")
    explorer.part("cancel").click()
    explorer.phase("cancelled")
    expect(explorer.part("status")).to_have_text("Cancelled.")
    expect(explorer.part("cancel")).to_be_hidden()
    shown = explorer.pixels()
    notebook.execute("moody.seconds = 0.0\nexplorer.wait()")
    explorer.frame()
    assert np.array_equal(explorer.pixels(), shown)
    assert explorer.root.get_attribute("data-stage") == "partial"
    explorer.choose("method", "saliency")
    explorer.is_true()


def test_a_model_that_raises_is_quoted_and_can_be_tried_again(notebook, moody):
    explorer = moody()
    shown = explorer.pixels()
    notebook.execute("moody.words = 'the third layer <b>melted</b>'")
    explorer.part("method").select_option("smooth_grad")
    explorer.phase("error")
    error = explorer.part("error")
    expect(error).to_contain_text("ModelError")
    expect(error).to_contain_text("the third layer <b>melted</b>")
    assert error.locator("b").count() == 0
    assert np.array_equal(explorer.pixels(), shown)
    notebook.execute("moody.words = None")
    explorer.choose("method", "grad_cam")
    expect(error).to_be_hidden()
    explorer.is_true()


def test_an_explorer_whose_first_answer_is_an_error_says_so(notebook, show):
    explorer = show("moody, scenes.images", before="moody = Moody()\nmoody.words = 'no first answer'")
    explorer.phase("error")
    expect(explorer.part("error")).to_contain_text("no first answer")
    notebook.execute("moody.words = None\nexplorer.n_steps = 8")
    explorer.answer()
    expect(explorer.part("error")).to_be_hidden()
    explorer.is_true()


def test_a_layer_that_cannot_be_used_is_explained(explorer):
    explorer.set(method="grad_cam", layer="fc")
    explorer.phase("error")
    expect(explorer.part("error")).to_contain_text("LayerError")


def test_a_number_out_of_range_is_taken_to_its_end(explorer):
    steps = explorer.root.get_by_label("Steps at most, value")
    steps.fill("99999")
    steps.press("Enter")
    explorer.becomes("n_steps", 1024)
    expect(steps).to_have_value("1024")


def test_labels_of_a_stranger_are_text(show):
    labels = [f"{HOSTILE}{'W' * 500}{i}" for i in range(10)]
    explorer = show(f"model, scenes.images, labels={labels!r}")
    title = explorer.page.title()
    explorer.drawn()
    expect(explorer.part("top5").locator("bdi").first).to_contain_text(HOSTILE)
    explorer.part("target").click()
    expect(explorer.root.get_by_role("listbox").locator("bdi").nth(1)).to_contain_text(HOSTILE)
    assert explorer.root.locator("img, script, b").count() == 0
    assert explorer.page.title() == title
    explorer.page.keyboard.press("Escape")
