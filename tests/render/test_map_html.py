"""The exported page of maps as a text: what is in it, that it is harmless and small."""

import json
import re

import numpy as np
import pytest

from saliscope.render import html, map_html
from saliscope.render.map_html import Saved, map_page
from saliscope.specs.blobs import Blob
from saliscope.specs.embedding import Column, Layout, Numbers, Points, ReducerInfo, Selection
from saliscope.specs.saliency import Result
from tests.render.test_html import HOSTILE, Reader, unpacked


@pytest.fixture(autouse=True)
def bundle(monkeypatch, tmp_path):
    """Whatever was built: what is asked for here is not the program."""
    for name, text in (("map_page.js", "export {};"), ("map_page.css", "body {}")):
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(html, "_STATIC", tmp_path)


def saved(n=40, size=8, label="cat", pictures=True):
    draw = np.random.default_rng(0)
    codes = Blob.from_codes(draw.integers(0, 2, n))
    coords = Blob.from_codes(draw.integers(0, 65536, (n, 2)))
    quality = Blob.from_picture(draw.integers(0, 256, (n, 4), dtype=np.uint8))
    chosen, far = Blob.from_ids(np.array([1, 2])), Blob.from_map(draw.random(n))
    picture, found = Blob.from_picture(np.zeros((4, 4, 3), np.uint8)), Blob.from_map(draw.normal(size=(4, 4)))
    column = Column("label", "Label", "category", (label, "dog"), codes=codes.hash)
    points = Points(
        n=n, of=n, sampling="", d=5, what=f"activations of {label}", classes=(label, "dog"), layers=(),
        pictures=True, model="Net", reducers=(ReducerInfo("tsne", "t-SNE", ""),), methods=(),
        columns=(column,),
    )  # fmt: skip
    layout = Layout(1, 0, "tsne", "final", 300, 300, coords.hash, (0, 0, 1, 1), quality.hash, Numbers(0.4))
    result = Result(
        job=1, stage="final", method="saliency", title="Saliency", target=0, target_label=label,
        output="logit", score=1.0, signed=True, unit="score", index=7,
        picture=picture.hash, map=found.hash, limit=1.0,
    )  # fmt: skip
    thumbnails = draw.integers(0, 256, (n, size, size, 3), dtype=np.uint8)
    rows = [{"id": i, "neighbors": [1, 2], "values": {"label": label}} for i in range(n)]
    return Saved(
        events=[
            ("points", points.to_json(), [codes]),
            ("layout", layout.to_json(), [coords, quality]),
            ("selection", Selection("group_a", chosen.hash).to_json(), [chosen]),
        ],
        traits={"maps": ["tsne"], "color_by": "label"},
        rows=rows,
        thumbnails=(np.arange(n), thumbnails) if pictures else None,
        attributions=[(result.to_json() | {"path": None}, [picture, found])],
        answers={"distances": {"7": ({"id": 7, "values": far.hash}, [far])}},
    )


def test_everything_is_there_to_the_bit():
    given = saved()
    data = Reader(map_page(given)).data
    assert data["traits"] == given.traits
    assert [event["event"] for event in data["events"]] == ["points", "layout", "selection"]
    coords = given.events[1][2][0]
    assert unpacked(data["blobs"][coords.hash]) == coords.data
    assert data["blobs"][coords.hash]["dtype"] == "uint16"
    assert json.loads(unpacked(data["blobs"][data["rows"]])) == given.rows
    assert data["attributions"][0]["index"] == 7
    assert data["answers"]["distances"]["7"]["values"] in data["blobs"]
    ids = np.frombuffer(unpacked(data["thumbnails"]["ids"]), "<u4")
    assert (ids == np.arange(40)).all()
    assert data["record"] is None


def test_what_is_embedded_is_listed_and_nothing_is_left_out():
    text = map_page(saved(), record="{}", picture=b"png")
    found = dict(re.findall(r"<tr><td>(.*?)</td><td>(.*?)</td></tr>", text))
    assert set(found) == {
        "columns: Label",
        "words about the points: activations of cat",
        "map: t-SNE, the places of all points",
        "quality of every point: t-SNE",
        "selected rows: group a",
        "attribution: row 7: Saliency of &#x27;cat&#x27;",
        "distances: from row 7 to all",
        "rows: neighbours and values of 40 rows",
        "thumbnails: of 40 of 40 rows, 8 x 8 pixels, without loss",
        "record of how it was computed",
        "picture for browsers without scripts",
    }
    assert 'alt="Map of the points"' in text


def test_every_letter_of_every_array_is_counted():
    given = saved()
    arrays = {blob.hash for _, _, blobs in given.events for blob in blobs}
    arrays |= {blob.hash for _, blobs in given.attributions for blob in blobs}
    arrays |= {blob.hash for of in given.answers.values() for _, blobs in of.values() for blob in blobs}
    parts = map_html.embedded(given, dict.fromkeys(arrays, 1))
    assert sum(part.letters for part in parts if not part.kind.startswith("words")) == len(arrays) == 7


def test_a_stray_array_is_listed_too():
    given = saved()
    stray = Blob.from_picture(np.zeros(3, np.uint8))
    events = [*given.events, ("state", {}, [stray])]
    parts = map_html.embedded(Saved(events, {}), {stray.hash: 4})
    assert [(part.kind, part.letters) for part in parts if part.kind == "other arrays"] == [
        ("other arrays", 4)
    ]


def test_it_is_harmless():
    text = map_page(saved(label=HOSTILE), title=HOSTILE, record=json.dumps({"what": HOSTILE}))
    reader = Reader(text)
    assert [tag for tag, _ in reader.elements if tag == "script"] == ["script", "script"]
    assert not [tag for tag, _ in reader.elements if tag in ("img", "iframe", "object", "form", "base")]
    assert reader.texts["title"] == HOSTILE
    assert "<" not in reader.texts["application/json"]
    (policy,) = (a["content"] for _, a in reader.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy == html.policy(reader.texts["module"])
    assert "connect-src" not in policy
    assert policy.startswith("default-src 'none'")


def test_a_table_without_pictures_has_no_thumbnails():
    assert Reader(map_page(saved(pictures=False))).data["thumbnails"] is None


def test_two_thousand_points_with_thumbnails_stay_below_four_megabytes():
    """Thumbnails of noise: no picture takes more. The program itself has a quarter of a megabyte."""
    assert len(map_page(saved(2000, 64))) < 3.7e6
