"""What the script of a report's page finds in it."""

import base64
import json
import re
import zlib

import numpy as np

from saliscope.audit import report_data as page_data
from tests.audit.tools import SIZE, N


def of_page(text: str, name: str):
    """The data of a page's script."""
    source = re.search(r'<script type="application/json" id="saliscope-data">(.*?)</script>', text, re.S)
    return json.loads(source.group(1))[name]


def unpacked(blob) -> np.ndarray:
    """What the page makes of a packed array of bytes (see `saliscope.render.packing`)."""
    raw = np.frombuffer(zlib.decompress(base64.b64decode(blob["data"])), np.uint8)
    values = ((raw >> 1) ^ (-(raw & 1).astype(np.int16))).astype(np.uint8).reshape(blob["shape"])
    for _ in range(blob["order"]):
        values = np.cumsum(values, axis=0, dtype=np.uint64).astype(np.uint8)
    return values


def test_the_page_carries_pictures_maps_and_curves_without_loss(done, tmp_path):
    text = done.to_html(tmp_path / "r.html").read_text()
    blobs, methods = of_page(text, "blobs"), of_page(text, "methods")
    np.testing.assert_array_equal(unpacked(blobs[of_page(text, "pictures")]), done.pictures)
    assert [one["title"] for one in methods] == [one.name for one in done.ranking]
    assert [blobs[one["maps"]]["shape"] for one in methods] == [[N, SIZE, SIZE]] * 2
    deletion, insertion = of_page(text, "curves")
    assert (deletion["better"], insertion["better"]) == ("low", "high")
    assert blobs[deletion["scores"]]["shape"] == [2 * N, len(deletion["fractions"])]
    values = of_page(text, "measures")[0]["values"]
    own = done.measures.values(done.ranking[0].name, "deletion").tolist()
    np.testing.assert_allclose(values[0], own, rtol=1e-5)


def test_a_page_that_would_be_large_shows_smaller_maps_and_says_so(done, tmp_path, monkeypatch):
    assert "are shown as means" not in done.to_html(tmp_path / "r.html").read_text()
    monkeypatch.setattr(page_data, "MOST", N * SIZE * SIZE)
    text = done.to_html(tmp_path / "r.html").read_text()
    assert f"{SIZE} × {SIZE} pixels are shown as means of 2 × 2" in text
    assert of_page(text, "blobs")[of_page(text, "pictures")]["shape"] == [N, SIZE // 2, SIZE // 2, 3]


def test_a_curve_is_drawn_only_where_its_number_is_defined(poor):
    words = page_data.script_words(poor, arrays := page_data.Arrays())
    known = np.isfinite(arrays.blobs[words["curves"][0]["scores"]].array())
    at = [one["title"] for one in words["methods"]].index("Flat")
    assert not known[N * at : N * (at + 1)].any()
    assert known[: N * at].all()
