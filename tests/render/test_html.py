"""The exported page as a text: what is in it, that it is harmless, and that arrays lose nothing."""

import base64
import hashlib
import json
import re
import zlib
from html.parser import HTMLParser

import numpy as np
import pytest

from saliscope import SaliscopeError
from saliscope.render import html
from saliscope.specs.blobs import Blob
from saliscope.specs.saliency import Info, ModelInfo, PathSpec, Result, State
from tests.wire.make_packed import PATH, blobs

HOSTILE = "</script><script>alert(1)</script><!-- <img src=x onerror=alert(2)> & \u202e \u2028 'a' \"b\""


class Reader(HTMLParser):
    """Elements with their attributes, and the text of each script and title."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self._open = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

        self._open = dict(attrs).get("type") or tag

    def handle_endtag(self, tag):
        self._open = ""

    def handle_data(self, data):
        self.texts[self._open] = self.texts.get(self._open, "") + data

    @property
    def data(self):
        return json.loads(self.texts["application/json"])


def event(kind, spec, *blobs):
    return (kind, spec.to_json(), blobs)


def story(label: str = "cat", gradients: bool = False):
    """What a kernel would tell of one panel with a path, and its answers."""
    draw = np.random.default_rng(0)
    picture, start = (Blob.from_picture(draw.integers(0, 256, (6, 8, 3), dtype=np.uint8)) for _ in range(2))
    stack = Blob.from_map(draw.normal(size=(5, 6, 8)).cumsum(0))
    whole, slopes = Blob.from_map(stack.array()[-1]), Blob.from_map(draw.normal(size=(5, 6, 8)))
    lut = Blob.from_picture(draw.integers(0, 256, (257, 3), dtype=np.uint8))
    path = PathSpec(stack.hash, [0, 0.25, 0.5, 0.75, 1], [0.0] * 5, [0.0] * 5, start.hash, 0.0, 5)
    result = Result(
        job=1, stage="final", method="integrated_gradients", title="Integrated Gradients", target=1,
        target_label=label, output="logit", score=1.0, signed=True, unit="score", index=2,
        picture=picture.hash, map=whole.hash, limit=1.0, path=path,
    )  # fmt: skip
    model = ModelInfo("Net", "cpu", [label, "dog"], ["layer1"], "none")
    info = Info([], [], 3, ["logit"], {"diverging": lut.hash}, [model], "0.1.0")
    events = [
        event("info", info, lut),
        event("result", result, picture, whole, stack, start),
        event("state", State("done", 1)),
    ]
    predictions = {"job": 1, "alphas": [0, 1], "indices": [1], "labels": [label], "p": [[0.5], [1.0]]}
    answers = {"predictions": {0: (predictions, ())}}
    if gradients:
        answers["gradients"] = {0: ({"job": 1, "stack": slopes.hash}, (slopes,))}
    return events, answers


def unpacked(blob: dict) -> bytes:
    """The way back, one value after the other."""
    planes = zlib.decompress(base64.b64decode(blob["data"]))
    size = {"uint8": 1, "uint16": 2, "float16": 2, "uint32": 4}[blob["dtype"]]
    n, end = len(planes) // size, 1 << 8 * size
    folded = [sum(planes[byte * n + i] << 8 * byte for byte in range(size)) for i in range(n)]
    values = [f >> 1 if f % 2 == 0 else end - 1 - (f >> 1) for f in folded]
    stride = n // blob["shape"][0]
    for _ in range(blob["order"]):
        for i in range(stride, n):
            values[i] = (values[i] + values[i - stride]) % end
    if blob["dtype"] == "float16":
        values = [v if v < 0x8000 else v ^ 0x7FFF for v in values]
    return b"".join(v.to_bytes(size, "little") for v in values)


@pytest.mark.parametrize("name", blobs())
def test_arrays_lose_nothing(name):
    blob = blobs()[name]
    found = html.packed(blob)
    assert unpacked(found) == blob.data
    assert (found["dtype"], found["shape"], found["scale"]) == (blob.dtype, list(blob.shape), blob.scale)
    assert json.loads(PATH.read_text())[name]["sha256"] == hashlib.sha256(blob.data).hexdigest()


def test_the_fixture_that_the_page_reads_is_right():
    cases = json.loads(PATH.read_text())
    assert {case["order"] for case in cases.values()} == {0, 1, 2}
    for case in cases.values():
        assert hashlib.sha256(unpacked(case)).hexdigest() == case["sha256"]


def test_paths_get_small():
    """In base64, of 4.55 MB: a path as rough as can be, and one whose gradients change little by little."""
    gradients = np.random.default_rng(1).normal(size=(34, 224, 224))
    gradients[0] = 0
    assert len(html.packed(Blob.from_map(gradients.cumsum(0)))["data"]) < 3.7e6
    smooth = gradients[1] * np.linspace(0, 1, 34)[:, None, None] ** 2
    assert len(html.packed(Blob.from_map(smooth))["data"]) < 2e6


def test_everything_is_in_one_harmless_file():
    events, answers = story(HOSTILE)
    traits = {"method": HOSTILE, "compare": [], "alpha": 0.5}
    text = html.page(events, traits, title=HOSTILE, record=json.dumps({"labels": [HOSTILE]}), answers=answers)
    text.encode("utf-8")
    reader = Reader(text)
    assert [attributes for tag, attributes in reader.elements if tag == "script"] == [
        {"type": "application/json", "id": "saliscope-data"},
        {"type": "module"},
    ]
    assert [
        tag for tag, _ in reader.elements if tag in ("img", "iframe", "object", "embed", "form", "base")
    ] == []
    assert reader.texts["title"] == HOSTILE
    assert reader.data["traits"] == traits
    result = next(e["result"] for e in reader.data["events"] if e["event"] == "result")
    assert result["target_label"] == HOSTILE
    assert "<" not in reader.texts["application/json"]
    links = [
        attributes[name]
        for _, attributes in reader.elements
        for name in ("src", "href")
        if name in attributes
    ]
    assert links == ["data:,"]


def test_the_policy_lets_this_script_run_and_nothing_else():
    reader = Reader(html.page(*story()[:1], {}))
    (policy,) = (
        a["content"] for tag, a in reader.elements if a.get("http-equiv") == "Content-Security-Policy"
    )
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    digest = base64.b64encode(hashlib.sha256(reader.texts["module"].encode()).digest()).decode()
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == f"'sha256-{digest}'"
    assert "connect-src" not in rules
    assert "unsafe-eval" not in policy
    # The policy comes before anything that it has to hold for.
    assert [tag for tag, _ in reader.elements[:4]] == ["html", "head", "meta", "meta"]


@pytest.mark.parametrize("bundle", ["page", "map_page"])
def test_the_script_cannot_end_its_own_element(bundle):
    script = (html._STATIC / f"{bundle}.js").read_text()
    assert not re.search(r"</script|<!--", script, re.IGNORECASE)
    assert "\r" not in script
    assert "eval(" not in script
    assert "new Function" not in script


def test_what_several_name_is_embedded_once():
    events, _ = story()
    twice = [*events, events[1]]
    assert (
        Reader(html.page(twice, {})).data["blobs"].keys()
        == Reader(html.page(events, {})).data["blobs"].keys()
    )
    assert len(Reader(html.page(events, {})).data["blobs"]) == 5


def test_what_is_embedded_is_listed_with_its_size():
    events, answers = story("cat", gradients=True)
    text = html.page(events, {}, record=["{}", '{"a": 1}'], answers=answers, picture=b"png")
    found = dict(re.findall(r"<tr><td>(.*?)</td><td>(.*?)</td></tr>", text))
    assert set(found) == {
        "picture: number 3 of the explorer",
        "map: Integrated Gradients of &#x27;cat&#x27;",
        "path: 5 maps of Integrated Gradients of &#x27;cat&#x27;",
        "baseline picture: Integrated Gradients of &#x27;cat&#x27;",
        "gradients along the path: panel 1",
        "predictions along the path: panel 1",
        "colour maps: diverging",
        "names: Net with 2 classes and 1 layers",
        "record of how it was computed",
        "picture for browsers without scripts",
    }
    assert found["path: 5 maps of Integrated Gradients of &#x27;cat&#x27;"] == "0.7 kB"
    assert (
        "What is embedded: picture, map, path, baseline picture, gradients along the path, colour maps"
        in text
    )


def test_no_array_stays_unlisted():
    events, answers = story(gradients=True)
    stray = Blob.from_picture(np.zeros((2, 2, 3), np.uint8))
    events.append(("state", State("done", 1).to_json(), (stray,)))
    letters = {blob.hash: 1 for _, _, several in events for blob in several}
    letters |= {
        blob.hash: 1 for panels in answers.values() for _, several in panels.values() for blob in several
    }
    parts = html.embedded(events, answers, letters)
    arrays = [part for part in parts if part.kind not in ("names", "predictions along the path")]
    assert sum(part.letters for part in arrays) == len(letters) == 7
    assert "other arrays" in [part.kind for part in arrays]


def test_records_are_shown_to_the_letter():
    record = '{\n "target": "<b>&amp;"\n}'
    text = html.page(story()[0], {}, record=record)
    assert ">{\n &quot;target&quot;: &quot;&lt;b&gt;&amp;amp;&quot;\n}</pre>" in text
    assert Reader(text).data["record"] == record
    assert json.loads(Reader(html.page(story()[0], {}, record=[record, "{}"])).data["record"]) == [
        json.loads(record),
        {},
    ]
    assert Reader(html.page(story()[0], {})).data["record"] is None


def test_a_picture_for_browsers_without_scripts():
    text = html.page(story()[0], {}, picture=b"\x89PNG")
    assert '<noscript><img alt="Attribution map" src="data:image/png;base64,iVBORw=="></noscript>' in text


def test_a_front_end_that_was_not_built(monkeypatch, tmp_path):
    monkeypatch.setattr(html, "_STATIC", tmp_path)
    with pytest.raises(SaliscopeError, match=r"an installation without its front end \(page\.js\)"):
        html.page(story()[0], {})
