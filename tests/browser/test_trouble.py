"""Slow models, models that raise, labels from a stranger: the explorer stays usable."""

import numpy as np
import pytest
from playwright.sync_api import expect


from .truth import PICTURES, truth


MOODY = """
class Moody(torch.nn.Module):
    \"\"\"The model, with a temper.\"\"\"
    seconds, words = 0.0, None
    def __init__(self):
        super().__init__()
        self.inner = model
    def forward(self, x):
        time.sleep(self.seconds)
        if self.words:
            raise ValueError(self.words)
        return self.inner(x)
"""
SHOW = MOODY + "moody = Moody()\nexplorer = SaliencyExplorer(moody, scenes.images, labels=digits, {options})\ndisplay(explorer)"

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
    new MutationObserver(note).observe(root, { subtree: true, attributeFilter: ['data-stage', 'aria-valuenow'] });
}"""
HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script>&lt;b&gt; \u202e {{7*7}} ' + "W" * 500


@pytest.fixture
def moody(show):
    def run(options: str = ""):
        explorer = show(SHOW.format(options=options))
        explorer.drawn()
        return explorer

    return run


def test_cancel_keeps_the_picture_and_the_next_request_works(notebook, moody):
    explorer = moody("chunk_size=1")
    notebook.execute("moody.seconds = 0.05")
    explorer.part("baseline-white").click()
    explorer.phase("running")
    expect(explorer.root).to_have_attribute("aria-busy", "true")
    expect(explorer.part("cancel")).to_be_visible()
    expect(explorer.root).to_have_attribute("data-stage", "partial")
    explorer.part("cancel").click()
    explorer.phase("cancelled")
    expect(explorer.part("status")).to_contain_text("ancelled")
    expect(explorer.part("cancel")).to_be_hidden()
    shown = explorer.pixels()
    assert explorer.stage == "partial"
    notebook.execute("moody.seconds = 0.0\nexplorer.wait()")
    assert np.array_equal(explorer.pixels(), shown)
    explorer.part("method").select_option("saliency")
    notebook.becomes("explorer.method", "saliency")
    explorer.drawn(notebook.value("(explorer.wait(), explorer.status.job)[1]"))
    explorer.shows(truth(notebook).picture(PICTURES[0]))


def test_the_way_is_shown_while_it_is_walked(notebook, moody):
    """A slow model gives a preview, then better and better maps, and says how far it is."""
    explorer = moody("chunk_size=1")
    notebook.execute("moody.seconds = 0.03")
    explorer.root.evaluate(NOTE_THE_WAY)
    notebook.execute("explorer.index = 1")
    explorer.phase("running")
    explorer.drawn()
    stages, shares = explorer.page.evaluate("[window.stages, window.shares]")
    assert stages[0] == "preview"
    assert stages.count("partial") >= 3
    assert stages[-1] == "final"
    assert shares == sorted(shares)
    assert len({share for share in shares if 0 < share < 100}) >= 3


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
    explorer.part("method").select_option("grad_cam")
    explorer.phase("done")
    expect(error).to_be_hidden()
    explorer.drawn(notebook.value("explorer.status.job"))
    explorer.shows(truth(notebook).picture(PICTURES[0]))


def test_an_explorer_whose_first_answer_is_an_error_says_so(notebook, show):
    explorer = show(MOODY + "moody = Moody()\nmoody.words = 'no first answer'\nexplorer = SaliencyExplorer(moody, scenes.images)\ndisplay(explorer)")
    explorer.phase("error")
    expect(explorer.part("error")).to_contain_text("no first answer")
    notebook.execute("moody.words = None\nexplorer.n_steps = 8\nexplorer.wait()")
    explorer.drawn(notebook.value("explorer.status.job"))
    expect(explorer.part("error")).to_be_hidden()
    explorer.shows(truth(notebook).picture(PICTURES[0]))


def test_a_layer_that_cannot_be_used_is_explained(notebook, explorer):
    notebook.execute("explorer.method = 'grad_cam'\nexplorer.layer = 'fc'")
    explorer.phase("error")
    expect(explorer.part("error")).to_contain_text("LayerError")


def test_what_the_page_sends_out_of_range_is_refused_in_words(notebook, explorer):
    steps = explorer.root.get_by_label("Steps, value")
    steps.fill("99999")
    steps.press("Enter")
    notebook.becomes("explorer.n_steps", 1024)
    expect(steps).to_have_value("1024")


def test_labels_of_a_stranger_are_text(notebook, show):
    title = show().page.title()
    explorer = show(
        f"hostile = {HOSTILE!r}\n"
        "explorer = SaliencyExplorer(model, scenes.images, labels=[f'{hostile}{i}' for i in range(10)])\n"
        "display(explorer)"
    )
    explorer.drawn()
    expect(explorer.part("top5").locator("bdi").first).to_contain_text(HOSTILE[:60])
    explorer.part("target").click()
    expect(explorer.root.get_by_role("listbox").locator("bdi").nth(1)).to_contain_text(HOSTILE[:60])
    assert explorer.root.locator("img, script, b").count() == 0
    assert explorer.page.title() == title
    explorer.page.keyboard.press("Escape")
