"""What leaves an EmbeddingExplorer: figures, a page, a record, and the answers to a page that wants them."""

import io
import json
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from saliscope import demo
from saliscope.errors import InputError
from saliscope.render import html
from saliscope.widgets import embedding_export
from saliscope.widgets.embedding import EmbeddingExplorer
from tests.render.test_html import Reader

N = 48


@pytest.fixture(autouse=True)
def bundle(monkeypatch, tmp_path):
    """A program that does nothing: what it is given is looked at here."""
    for name, text in (("map_page.js", "export {};"), ("map_page.css", "body {}")):
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(html, "_STATIC", tmp_path)


@pytest.fixture(scope="module")
def made():
    scenes = demo.scenes(N, seed=1)
    made = EmbeddingExplorer(demo.cnn(), scenes.images, labels=scenes.labels, maps=["pca", "tsne"])
    assert made.wait(120)
    yield made
    made.close()


@pytest.fixture
def explorer(made):
    yield made
    made.set_trait("point", None)
    made.set_trait("color_by", "label")
    made.selection = made.group_a = made.group_b = ()


def data_of(explorer):
    return Reader(embedding_export.html_of(explorer)).data


def test_the_page_has_the_view_and_all_maps(explorer):
    explorer.selection = (4, 2)
    explorer.point = 7
    explorer.color_by = "kept"
    data = data_of(explorer)
    assert data["traits"]["maps"] == ["pca", "tsne"]
    assert data["traits"]["point"] == 7
    assert data["traits"]["color_by"] == "kept"
    layouts = [event["layout"] for event in data["events"] if event["event"] == "layout"]
    assert [each["reducer"] for each in layouts] == ["pca", "tsne"]
    assert {each["coords"] for each in layouts} <= set(data["blobs"])
    assert {each["quality"] for each in layouts} <= set(data["blobs"])
    chosen = [event["selection"]["name"] for event in data["events"] if event["event"] == "selection"]
    assert chosen == ["selection"]
    assert data["rows"] in data["blobs"]
    assert len(data["thumbnails"]["files"]) == 1


def test_a_row_that_was_explained_is_in_the_page(explorer):
    explorer.explain(5)
    assert explorer.wait(60)
    (found,) = data_of(explorer)["attributions"]
    assert (found["index"], found["method"]) == (5, "integrated_gradients")


def test_groups_bring_their_answer(explorer):
    explorer.group_a, explorer.group_b = (1, 2, 3), (4, 5)
    found = data_of(explorer)["answers"]["groups"][""]
    assert (found["a"]["n"], found["b"]["n"]) == (3, 2)
    assert found["a"]["picture_mean"] is not None


def test_the_file_says_what_it_is_and_is_small(explorer, tmp_path):
    path = explorer.to_html(tmp_path / "map.html")
    text = path.read_text(encoding="utf-8")
    assert f"<title>PCA, t-SNE of activations of {explorer.layer}" in text
    assert "What is embedded:" in text
    assert "<noscript><img" in text
    assert path.stat().st_size < 1e6


def test_an_array_without_pictures_and_labels(tmp_path):
    rows = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    explorer = EmbeddingExplorer(rows, maps=["pca"])
    assert explorer.wait(60)
    data = data_of(explorer)
    assert data["thumbnails"] is None
    assert data["attributions"] == []
    assert embedding_export.png_of(explorer)


@pytest.mark.parametrize("kind", ["png", "svg", "html", "json"])
def test_a_page_gets_each_kind_of_file(explorer, kind):
    answer = embedding_export.reply(explorer, kind)
    assert answer.result["name"] == f"pca_tsne.{kind}"
    (data,) = answer.buffers
    if kind == "png":
        assert Image.open(io.BytesIO(data)).format == "PNG"
    elif kind == "svg":
        assert ElementTree.fromstring(data).tag.endswith("svg")
    elif kind == "json":
        assert [each["reducer"] for each in json.loads(data)["maps"]] == ["pca", "tsne"]
    else:
        assert data.startswith(b"<!doctype html>")


@pytest.mark.parametrize("kind", ["pdf", None, 3, ["png"]])
def test_other_formats_are_refused(explorer, kind):
    with pytest.raises(InputError, match="one of png, svg, html, json"):
        embedding_export.reply(explorer, kind)


def test_the_figure_shows_what_is_on_screen(explorer):
    explorer.color_by = "label"
    explorer.selection = (1, 2, 3)
    figure = explorer.figure(width=5.0)
    assert figure.get_size_inches()[0] == pytest.approx(5.0)
    said = " ".join(text.get_text() for text in figure.texts)
    assert "class 0" in said
    assert f"3 of {N} points selected." in said
    assert "Axes have no unit." in said
    kept = explorer.numbers[0].kept
    assert f"{100 * kept:.0f} % of 15 neighbours kept" in said


def test_before_there_is_a_map_there_is_nothing(monkeypatch):
    rows = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    monkeypatch.setattr(EmbeddingExplorer, "_ask", lambda self: None)
    explorer = EmbeddingExplorer(rows, maps=["pca"])
    assert embedding_export.png_of(explorer) is None
    for leave in (embedding_export.html_of, embedding_export.figure_of, embedding_export.record_of):
        with pytest.raises(InputError, match="nothing computed yet"):
            leave(explorer)
