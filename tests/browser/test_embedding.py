"""Maps in a real JupyterLab, worked with a mouse and a keyboard."""

import re
from collections.abc import Callable

import numpy as np
import pytest
from playwright.sync_api import expect

from . import axe
from .embedding import Embedding, inside, on_grid, under
from .explorer import Explorer
from .keys import COUNTS, NOTEBOOK, OF_THE_NOTEBOOK
from .lab import Notebook
from .looks import COLLISIONS, OVERFLOW, TEXTS, faint
from .truth import truth
from .watch import Watch

N = 240
SETUP = f"""
from saliscope import EmbeddingExplorer
many = sp.demo.scenes({N}, seed=1)
"""
DOT = 3  # CSS pixels across: smaller than the distances between most points
MAP = "model, many.images, labels=many.labels"
ROWS = "rows = torch.randn(160, 8, generator=torch.Generator().manual_seed(0))"
NEIGHBOURS = """
near = [
    torch.cdist(x.double(), x.double()).fill_diagonal_(torch.inf).topk(15, largest=False).indices
    for x in (embedding.activations, embedding.embedding.coordinates)
]
data, drawn = [[set(row) for row in each.tolist()] for each in near]
"""
PARTIAL = """root => {
    window.iterations = [];
    new MutationObserver(() => {
        if (root.dataset.stage === 'partial') window.iterations.push(Number(root.dataset.iteration));
    }).observe(root, { attributeFilter: ['data-iteration'] });
}"""
SEND = """([id, state]) => {
    const { kernel } = jupyterapp.shell.currentWidget.sessionContext.session;
    kernel._comms.get(id).send({ method: 'update', state, buffer_paths: [] });
}"""
"""What a page would write that is not ours: its controls hold a hand to what can be."""
HOVER = """async view => {
    const { left, top, width, height } = view.getBoundingClientRect();
    const seen = new Set();
    for (let i = 0; i < 1000; i++) {
        const [clientX, clientY] = [left + ((i * 0.618) % 1) * width, top + ((i * 0.414) % 1) * height];
        view.dispatchEvent(new PointerEvent('pointermove', { clientX, clientY, bubbles: true }));
        if (i % 10 === 0) await new Promise(requestAnimationFrame);
        seen.add(view.querySelector('[data-testid=tooltip-id]')?.textContent);
    }
    return seen.size;
}"""
STAR = [
    *[(0.5, 0.05), (0.62, 0.4), (0.97, 0.45), (0.65, 0.6)],
    *[(0.7, 0.95), (0.4, 0.7), (0.03, 0.6), (0.38, 0.4)],
]


@pytest.fixture(scope="module", autouse=True)
def many(bench: Notebook):
    bench.execute(SETUP)
    yield
    for name in ("embedding", "second", "explorer"):
        bench.execute(f"if {name!r} in globals(): {name}.close()")
    for cell in (1, 2):
        bench.run_cell(cell, "")


@pytest.fixture
def show_map(notebook: Notebook) -> Callable[..., Embedding]:
    """Run a cell that makes and displays `embedding`, and give its view."""

    def run(arguments: str = MAP, before: str = "") -> Embedding:
        notebook.execute("if 'embedding' in globals(): embedding.close()")
        source = f"embedding = EmbeddingExplorer({arguments})\ndisplay(embedding)"
        notebook.run_cell(1, f"{before}\n{source}".strip())
        return Embedding(notebook)

    return run


@pytest.fixture
def embedding(show_map: Callable[..., Embedding]) -> Embedding:
    """A finished map of the scenes, coloured by their labels."""
    embedding = show_map()
    embedding.drawn()
    return embedding


def messages(watch: Watch) -> list[dict]:
    return [message for message in watch.sent if message["type"] == "comm_msg"]


def test_every_point_is_drawn_where_python_says_in_the_colour_of_its_label(notebook, show_map):
    embedding = show_map(f"{MAP}, point_size={DOT}")
    embedding.drawn()
    labels = np.array(notebook.value("many.labels.tolist()"))
    pixels, places = embedding.pixels(), embedding.places()
    rows = embedding.alone(places)
    assert len(rows) > 40
    colours: dict[bytes, set[int]] = {}
    for row, colour in zip(rows, under(pixels, places[rows]), strict=True):
        colours.setdefault(colour[:3].tobytes(), set()).add(labels[row])
    assert len(colours) == len({*labels[rows]})
    assert all(len(of_one) == 1 for of_one in colours.values())
    ink = pixels[..., 3].sum() / 255 / (N * np.pi * (DOT / 2) ** 2)
    assert 0.5 < ink / embedding.get("opacity") < 1.05, "points, some over others, and nothing else"


def test_a_large_map_is_seen_while_it_unfolds_and_can_be_used_where_it_was_stopped(notebook, show_map):
    clusters = "torch.manual_seed(0)\nlarge = torch.randn(4000, 16) + 4 * torch.randn(10, 16).repeat(400, 1)"
    embedding = show_map("large, params={'tsne': {'n_iter': 5000}}", before=clusters)
    embedding.part("map-0").evaluate(PARTIAL)
    seen = []
    for count in range(1, 7):
        embedding.until(lambda n=count: embedding.page.evaluate("iterations.length") >= n, f"{count} frames")
        seen.append(embedding.pixels())
    iterations = embedding.page.evaluate("iterations")
    assert iterations == sorted(set(iterations))
    assert len({pixels.tobytes() for pixels in seen}) >= 4
    assert min(np.count_nonzero(pixels[..., 3]) for pixels in seen) > 100  # at first, clusters are dots
    embedding.part("cancel").click()
    embedding.phase("cancelled")
    expect(embedding.part("map-0")).to_have_attribute("data-stage", "cancelled")
    assert embedding.get("status.phase") == "cancelled"
    assert iterations[-1] <= embedding.get("embedding.iterations") < 5000
    embedding.look(embedding.alone(embedding.places(), 3)[0])
    spokes = embedding.spokes()
    assert (
        len(spokes.solid) + len(spokes.dashed) == 15
    )  # how many the map keeps is a matter of when it stopped
    expect(embedding.part("quality-0")).to_contain_text("%")


def test_a_lasso_selects_what_lies_inside_and_python_is_told(notebook, embedding, watch):
    notebook.execute("told = []\nembedding.observe(lambda change: told.append(change['new']), 'selection')")
    watch.clear()
    corners = embedding.lasso(STAR)
    expected = inside(corners, embedding.places())
    assert 20 < len(expected) < N - 20
    embedding.becomes("selection", expected)
    assert notebook.value("told") == [expected]
    assert [request for request in watch.requests if request != "thumbnails"] == ["select"]
    expect(embedding.part("selected")).to_contain_text(f"{len(expected)} selected")


def test_a_selection_made_in_python_stands_out_in_the_page(notebook, embedding):
    embedding.set(point_size=DOT)
    embedding.frame()
    before = embedding.pixels()
    chosen = [*range(0, N, 3)]
    embedding.set(selection=chosen)
    embedding.changes(before)
    expect(embedding.part("selected")).to_contain_text(f"{len(chosen)} selected")
    places = embedding.places()
    rows = embedding.alone(places)
    alpha = under(embedding.pixels(), places[rows])[:, 3]
    bright = {row for row, seen in zip(rows, alpha, strict=True) if seen > 100}
    assert bright == {*rows} & {*chosen}


def test_a_click_shows_the_true_neighbours_and_what_the_map_made_of_them(notebook, embedding):
    notebook.execute(NEIGHBOURS)
    places = embedding.places()
    kinds = "[[sorted(a & b), sorted(a - b), sorted(b - a)] for a, b in zip(data, drawn)]"
    kinds = [[set(each) for each in row] for row in notebook.value(kinds)]
    row = max(embedding.alone(places), key=lambda row: min(map(len, kinds[row])))
    assert all(kinds[row])
    embedding.look(row)
    spokes = embedding.spokes()
    assert [spokes.solid, spokes.dashed, spokes.hollow] == kinds[row]
    assert spokes.fills == {"none"}
    (stroke,) = spokes.colours
    red, green, blue = map(int, re.findall(r"\d+", stroke)[:3])
    assert red > 1.5 * max(green, blue)
    for end, at in spokes.ends.items():
        assert at == pytest.approx(tuple(places[end]), abs=0.02)
    assert embedding.focus() == pytest.approx(tuple(places[row]), abs=0.02)


def test_a_point_comes_with_the_attribution_that_a_saliency_explorer_gives(notebook, embedding):
    row = embedding.alone(embedding.places())[3]
    embedding.look(row)
    slot = Explorer(notebook, root=embedding.part("slot"))
    expect(slot.part("panel-map")).to_be_visible()
    notebook.execute(f"explorer = SaliencyExplorer(model, many.images, index={row})\nexplorer.wait()")
    picture = np.array(notebook.value(f"many.images[{row}].tolist()"), dtype=np.uint8)
    slot.shows(truth(notebook).picture(picture))
    slot.shows(picture, "panel-input")


def test_a_linked_saliency_explorer_follows_the_point_and_leads_it(notebook, embedding):
    link = "explorer = SaliencyExplorer(model, many.images)\nembedding.link(explorer)\ndisplay(explorer)"
    notebook.run_cell(2, link)
    saliency = Explorer(notebook, cell=2)
    saliency.drawn()
    row = embedding.alone(embedding.places())[5]
    embedding.look(row)
    saliency.becomes("index", row)
    saliency.answer()
    expect(saliency.part("index")).to_have_text(f"{row + 1} of {N}")
    slot = Explorer(notebook, root=embedding.part("slot"))
    slot.shows(saliency.pixels())
    saliency.root.get_by_role("button", name="Next picture").click()
    embedding.becomes("point", row + 1)
    expect(embedding.part("row-id")).to_have_text(str(row + 1))
    saliency.answer()
    slot.shows(saliency.pixels())
    notebook.run_cell(2, "explorer.close()")


def test_two_linked_maps_share_the_selection_both_ways(notebook, embedding):
    make = "second = EmbeddingExplorer(rows, maps='pca')\nembedding.link(second, 'selection', 'point')"
    notebook.run_cell(2, f"rows = embedding.activations\n{make}\ndisplay(second)")
    second = Embedding(notebook, cell=2, name="second")
    second.drawn()
    for one, other in ((embedding, second), (second, embedding)):
        chosen = inside(one.lasso(STAR), one.places())
        other.becomes("selection", chosen)
        expect(other.part("selected")).to_contain_text(f"{len(chosen)} selected")
    assert embedding.codes() != pytest.approx(second.codes())
    second.look(second.alone(second.places())[0])
    expect(embedding.part("row-id")).to_have_text(str(second.get("point")))
    notebook.run_cell(2, "second.close()")


def test_the_slider_over_layers_moves_the_points_and_tells_python_when_it_is_let_go(show_map, watch):
    layers = "layers=['layer1', 'layer2', 'layer3'], sweep='layers', maps='pca', point=7"
    embedding = show_map(f"model, many.images, {layers}")
    embedding.drawn()
    expect(embedding.part("slot").get_by_test_id("panel-map")).to_be_visible()
    expect(embedding.part("neighbours").locator("canvas.thumb").nth(14)).to_be_visible()
    maps = [np.array(embedding.get(f"sequence.embeddings[{i}].coordinates.tolist()")) for i in range(3)]
    steps = [on_grid(each, *maps) for each in maps]
    watch.clear()
    with embedding.held("sweep") as move:
        for share in (0.25, 0.6, 0.4):
            before, pixels = embedding.focus(), embedding.pixels()
            move(share)
            embedding.changes(pixels)
            at = 2 * embedding.share("sweep")
            assert at == pytest.approx(2 * share, abs=0.06)
            low, between = int(at), at - int(at)
            place = embedding.places(steps[low] * (1 - between) + steps[low + 1] * between)[7]
            assert embedding.focus() == pytest.approx(tuple(place), abs=0.5) != before
            expect(embedding.part("sweep-at")).to_contain_text("interpolated")
        assert messages(watch) == []
    embedding.until(lambda: watch.updates, "the released value is sent")
    assert watch.updates == [{"sweep_at": pytest.approx(0.8)}]
    embedding.becomes("sweep_at", pytest.approx(0.8))


def test_after_a_reload_map_camera_and_point_are_back(notebook, embedding):
    embedding.come()
    embedding.page.mouse.move(*embedding.at(embedding.places()[11]))
    embedding.page.keyboard.down("Control")
    embedding.page.mouse.wheel(0, -300)
    embedding.page.keyboard.up("Control")
    embedding.until(lambda: embedding.get("camera")[0] > 2, "the camera is told")
    row = embedding.alone(embedding.places())[0]
    embedding.look(row)
    embedding.page.mouse.move(2, 2)
    shown, focus = embedding.pixels(), embedding.focus()
    notebook.save()
    notebook.page.reload()
    notebook.ready()
    again = Embedding(notebook)
    again.drawn()
    again.until(lambda: np.array_equal(again.pixels(), shown), "the same picture")
    expect(again.part("row-id")).to_have_text(str(row))
    again.until(lambda: again.spokes().solid, "spokes")
    assert again.focus() == pytest.approx(focus)
    again.look(again.alone(again.places())[1])


def test_hovering_sends_nothing_and_a_pan_one_message_when_it_ends(show_map, watch):
    embedding = show_map("rows, maps='pca'", before=ROWS)
    embedding.drawn()
    embedding.come()
    mouse = embedding.page.mouse
    left, top = embedding.at(embedding.places()[0])
    mouse.move(left, top)
    watch.clear()
    mouse.move(left + 40, top + 30, steps=40)
    assert embedding.view().evaluate(HOVER) > 50
    mouse.move(left, top, steps=10)
    expect(embedding.part("tooltip-id")).to_have_text("0")
    assert messages(watch) == []
    before = embedding.pixels()
    mouse.down()
    mouse.move(left + 150, top + 200, steps=50)
    embedding.changes(before)
    assert messages(watch) == []
    mouse.up()
    embedding.until(lambda: watch.updates, "the camera is sent")
    embedding.becomes("camera", watch.updates[0]["camera"])
    assert len(messages(watch)) == 1
    assert embedding.get("camera")[0] == 1
    assert embedding.get("camera")[1:] != [0.5, 0.5]


def test_arrows_walk_enter_looks_and_a_key_shows_the_table(notebook, show_map):
    embedding = show_map("rows, maps='pca'", before=ROWS)
    embedding.drawn()
    places, keyboard = embedding.places(), embedding.page.keyboard
    embedding.view().focus()
    keyboard.press("ArrowRight")
    middle = 2 * [0] + embedding.places(np.array([[0.5, 0.5]]))[0]
    first = int(np.linalg.norm(places - middle, axis=1).argmin())
    expect(embedding.part("tooltip-id")).to_have_text(str(first))
    keyboard.press("ArrowRight")
    dx, dy = (places - places[first]).T
    ways = np.where((dx > 0) & (abs(dy) <= dx), dx + 1.5 * abs(dy), np.inf)
    expect(embedding.part("tooltip-id")).to_have_text(str(ways.argmin()))
    keyboard.press("Enter")
    embedding.becomes("point", int(ways.argmin()))
    keyboard.press("t")
    expect(embedding.part("page")).to_have_text("1–50 of 160")
    embedding.becomes("table", True)
    embedding.part("row-17").click()
    embedding.becomes("point", 17)
    keyboard.press("t")
    expect(embedding.view()).to_be_visible()


def test_no_key_is_the_notebooks(notebook, embedding):
    before, counts = notebook.page.evaluate(NOTEBOOK), notebook.page.evaluate(COUNTS)
    for testid in ("map-view-0", "color-by", "search", "point-opacity"):
        embedding.part(testid).focus()
        for key in OF_THE_NOTEBOOK:
            notebook.page.keyboard.press(key)
            assert embedding.root.evaluate("root => root.contains(document.activeElement)"), (testid, key)
    embedding.frame()
    assert notebook.page.evaluate(NOTEBOOK) == before
    assert notebook.page.evaluate(COUNTS) == counts, "no cell was run"


def test_rows_without_numbers_are_refused_on_the_line_that_gives_them(notebook):
    source = "rows = torch.randn(9, 4)\nrows[5, 2] = torch.nan\nlost = EmbeddingExplorer(rows)"
    with pytest.raises(AssertionError, match="NaN or infinity in row 5"):
        notebook.run_cell(2, source)
    (output,) = notebook.outputs()[2]
    assert output["ename"] == "ReductionError"
    assert any("lost = EmbeddingExplorer" in line for line in output["traceback"]), output["traceback"]
    notebook.run_cell(2, "")


def test_a_perplexity_that_is_too_large_is_stated_and_a_wrong_one_refused_in_the_window(show_map):
    embedding = show_map("rows[:60]", before=ROWS)
    embedding.drawn()
    before = embedding.pixels()
    embedding.part("settings-0").locator("summary").click()
    perplexity = embedding.root.get_by_label("Perplexity, value")
    perplexity.fill("9999")
    perplexity.press("Enter")
    embedding.becomes("params", {"tsne": {"perplexity": 100}})
    expect(embedding.part("map-0")).to_contain_text("too much for 60 rows: 38 was used")
    embedding.drawn()
    embedding.changes(before)
    shown = embedding.pixels()
    embedding.page.evaluate(SEND, [embedding.get("model_id"), {"params": {"tsne": {"perplexity": -1}}}])
    expect(embedding.part("error")).to_contain_text("perplexity")
    assert embedding.get("params") == {"tsne": {"perplexity": 100}}
    assert np.array_equal(embedding.pixels(), shown), "the map stays"
    perplexity.fill("10")
    perplexity.press("Enter")
    expect(embedding.part("error")).to_be_hidden()
    embedding.changes(shown)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nobody_is_shut_out(embedding, theme):
    embedding.set(theme=theme, point=3, selection=[1, 2, 3], group_a=[1, 2, 3], group_b=[4, 5])
    expect(embedding.part("slot").get_by_test_id("panel-map")).to_be_visible()
    expect(embedding.part("differs")).to_be_visible()
    for table in (False, True):
        embedding.set(table=table)
        expect(embedding.part("rows" if table else "map-0")).to_be_visible()
        assert axe.violations(embedding.page, "[data-testid=embedding]") == []
        # In a notebook, which scrolls, axe cannot tell what text stands on.
        texts = embedding.root.evaluate(TEXTS)
        assert len(texts) > 30
        assert faint(texts) == []


def test_a_narrow_cell_has_room_for_everything(notebook, embedding):
    embedding.set(point=3)
    expect(embedding.part("slot").get_by_test_id("panel-map")).to_be_visible()
    output = notebook.cell(1).locator(".jp-OutputArea-output").first
    output.evaluate("output => { output.style.flex = 'none'; output.style.width = '480px'; }")
    embedding.until(lambda: embedding.root.bounding_box()["width"] <= 480, "a narrow cell")
    embedding.frame()
    assert embedding.root.evaluate(OVERFLOW) == []
    assert embedding.root.evaluate(COLLISIONS) == []
    embedding.look(embedding.alone(embedding.places())[0])
    assert axe.violations(embedding.page, "[data-testid=embedding]") == []
