"""The map explorer and its page: every request, in one conversation each; what is sent, what is refused."""

import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from tests.sessions.embedding_tools import Gated, clusters
from tests.sessions.tools import PATIENCE, photo, tiny
from tests.widgets.embedding_tools import Explorer, MapPage, batch


@pytest.fixture
def explorer():
    return Explorer(tiny(), batch(), maps="pca", labels=[0, 1] * 12, n_steps=2).ready()


@pytest.fixture
def page(explorer):
    return MapPage(explorer)


def kinds(page):
    return [m["event"] for m in page.messages if m.get("event", "blob") != "blob"]


class TestHello:
    def test_everything_with_the_arrays_it_names(self, explorer, page):
        explorer.selection = [1, 2]
        explorer.explain(3)
        explorer.ready()
        fresh = MapPage(explorer)
        assert fresh.ask("hello", have=[])["status"] == "ok"
        assert kinds(fresh) == ["points", "info", "layout", "selection", "state", "result", "state"]
        text = json.dumps(fresh.messages)
        (layout,), (points,) = fresh.events("layout"), fresh.events("points")
        wanted = [layout["coords"], layout["quality"], fresh.events("selection")[0]["ids"]]
        wanted += [column["codes"] or column["values"] for column in points["columns"]]
        assert {*wanted} <= {*fresh.arrays}
        assert "NaN" not in text
        assert (points["n"], points["of"], points["d"], points["model"]) == (24, 24, 8, "Sequential")
        assert points["what"] == "activations of 7"

    def test_nothing_is_sent_twice(self, explorer, page):
        page.ask("hello", have=[])
        again = MapPage(explorer)
        again.ask("hello", have=[*page.arrays])
        assert again.arrays == {}
        (info,) = again.events("info")
        told = len(json.dumps(again.messages)) - len(json.dumps(info))
        assert told < 16_000

    def test_state_is_small(self, explorer):
        assert len(json.dumps({name: v for name, v in explorer.get_state().items() if name[0] != "_"})) < 4096


class TestRequests:
    def test_row_picture_distances(self, page):
        row = page.ask("row", row=3)["result"]
        assert len(row["neighbors"]) == 15
        assert row["values"]["label"] == "class 1"
        assert len(row["top5"]) == 5
        answer = page.ask("picture", row=3)["result"]
        assert len(page.arrays[answer["picture"]]) == 8 * 10 * 3
        name = page.ask("distances", row=3)["result"]["values"]
        values = np.frombuffer(page.arrays[name], "<f2")
        assert values[3] == 0
        assert values.argsort()[1] == row["neighbors"][0]

    def test_explain_is_answered_at_once_and_the_result_follows(self, explorer, page):
        assert page.ask("explain", row=6)["status"] == "ok"
        explorer.ready()
        assert [result["index"] for result in page.events("result")] == [6, 6]
        assert {state["what"] for state in page.events("state")} == {"attribution"}

    def test_thumbnails(self, page):
        answer = page.ask_lasting("thumbnails", ids=[5, 2])["result"]
        assert answer["ids"] == [5, 2]
        assert len(page.arrays[answer["sprite"]]) == 2 * 3 * answer["size"] ** 2
        assert page.ask("blobs", hashes=[answer["sprite"]])["status"] == "ok"

    def test_a_selection_of_the_page_is_a_trait_and_comes_not_back(self, explorer, page):
        assert page.select([3, 1, 2])["status"] == "ok"
        assert explorer.selection == (3, 1, 2)
        assert page.events("selection") == []
        explorer.selection = [4]
        (told,) = page.events("selection")
        assert np.frombuffer(page.arrays[told["ids"]], "<u4").tolist() == [4]

    def test_groups(self, page):
        page.select([0, 2, 4], "group_a")
        page.select([1, 3, 5], "group_b")
        answer = page.ask_lasting("groups")["result"]
        assert answer["a"]["classes"] == [["class 0", 1.0]]
        assert {answer["a"]["mean_attribution"], answer["b"]["picture_mean"]} <= {*page.arrays}
        assert answer["differs"]

    def test_table(self, page):
        page.select([9, 7, 8])
        options = {"from": 1, "count": 5, "sort": "id", "descending": True, "within": "selection"}
        answer = page.ask("table", **options)["result"]
        assert ([line["id"] for line in answer["rows"]], answer["total"]) == ([8, 7], 3)

    def test_stability(self, explorer, page):
        found = page.ask_lasting("stability", map=0)["result"]
        assert set(found) == {"kept", "disparity", "n_runs"}

    def test_a_dropped_picture_is_placed(self, page):
        file = io.BytesIO()
        Image.fromarray(photo(3)).save(file, "png")
        answer = page.ask_lasting("place", [file.getvalue()], name="new.png")
        assert answer["status"] == "ok"
        (placed,) = page.events("placed")
        assert (placed["id"], placed["map"], placed["name"]) == (-1, 0, "new.png")
        assert len(placed["neighbors"]) == 15

    def test_a_sequence_is_computed_when_the_page_asks(self, explorer, page):
        page.change(sweep="layers")
        explorer.ready()
        assert page.events("sequence") == []
        assert page.ask("sweep")["status"] == "ok"
        explorer.ready()
        assert page.events("sequence")[-1]["done"] == len(explorer._atlas.tables.layers)
        row = page.ask("row", row=3, step=1)["result"]
        assert (row["step"], [*row["missing"]]) == (1, ["0"])
        name = page.ask("distances", row=3, step=1)["result"]["values"]
        assert np.frombuffer(page.arrays[name], "<f2").argsort()[1] == row["neighbors"][0]

    def test_cancel_run_refine(self, explorer, page):
        assert page.ask("cancel")["status"] == "ok"
        assert page.ask("run", map=None)["status"] == "ok"
        explorer.ready()
        assert page.ask("refine", map=0)["error"]["type"] == "ReductionError"

    @pytest.mark.parametrize("kind", ["png", "json", "html"])
    def test_files(self, page, kind):
        answer = page.ask_lasting("export", format=kind)
        assert answer["status"] == "ok", answer
        assert answer["result"]["name"].endswith(kind)


class TestFrames:
    def test_the_next_one_comes_when_the_page_has_drawn_the_last(self, monkeypatch):
        monkeypatch.setattr("saliscope.sessions.embedding.FRAME_SECONDS", 0.0)
        gated = Gated().gate()
        explorer = Explorer(clusters()[0])
        explorer.ready()
        page = MapPage(explorer)
        monkeypatch.setattr(type(explorer), "_reducers", lambda self: (gated,))
        explorer._atlas.session.forget()
        explorer._ask()
        assert gated.reached.wait(PATIENCE)
        layout = page.events("layout")[-1]
        assert layout["stage"] == "partial"
        page.ask("ack", job=layout["job"], iteration=layout["iteration"], map=0)
        gated.open.set()
        explorer.ready()
        assert len([each for each in page.events("layout") if each["stage"] == "partial"]) == 2


class TestStrangers:
    @pytest.mark.parametrize(
        ("request_", "extra", "message"),
        [
            ("row", {"row": 24}, "the number of a row, from 0 to 23"),
            ("row", {}, "the number of a row"),
            ("row", {"row": 3, "step": 0}, "`step`: got 0; expected None without a sequence"),
            ("distances", {"row": 3, "step": "x"}, "`step`: got 'x'"),
            ("explain", {"row": "3"}, "the number of a row"),
            ("select", {"name": "labels", "ids": ""}, "one of selection, group_a, group_b"),
            ("select", {"name": "selection", "ids": "?"}, "little-endian uint32 in base64"),
            ("select", {"name": "selection", "ids": base64.b64encode(b"\xff" * 4).decode()}, "from 0 to 23"),
            ("table", {"from": -1}, "a whole number from 0"),
            ("table", {"within": "camera"}, "one of all, selection"),
            ("refine", {"map": "x"}, "the number of a map on screen"),
            ("sweep", {}, "one of layers"),
        ],
    )
    def test_are_answered_once_with_the_reason(self, page, request_, extra, message):
        answer = page.ask(request_, **extra)
        assert answer["status"] == "error"
        assert message in answer["error"]["message"]

    @pytest.mark.parametrize(
        ("request_", "extra", "buffers", "message"),
        [
            ("thumbnails", {"ids": list(range(300))}, (), "1 to 256"),
            ("thumbnails", {"ids": [99]}, (), "from 0 to 23"),
            ("place", {}, (), "a picture of at most"),
            ("place", {}, (b"\x80\x04K\x01.",), "a file that is no picture"),
            ("stability", {"map": 9}, (), "the number of a map on screen"),
            ("export", {"format": "exe"}, (), "one of png"),
        ],
    )
    def test_so_are_those_that_ask_for_more(self, page, request_, extra, buffers, message):
        answer = page.ask_lasting(request_, buffers, **extra)
        assert answer["status"] == "error"
        assert message in answer["error"]["message"]

    def test_a_page_cannot_go_beyond_its_menus(self, explorer, page):
        before = explorer.params
        page.change(params={"tsne": {"n_iter": 10**9}})
        assert explorer.params == before
        assert page.events("state")[-1]["text"] == "Refused."
        page.change(params={"tsne": {"device": "cuda"}})
        assert explorer.params == before
        page.change(params={"tsne": {"n_iter": 200}})
        assert explorer.params == {"tsne": {"n_iter": 200}}
