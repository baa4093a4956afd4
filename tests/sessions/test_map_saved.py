"""What leaves the explorer of maps: what is on screen, what a page carries, how it was computed."""

import json

import numpy as np
import pytest

from saliscope import demo
from saliscope.attribution.registry import methods
from saliscope.reduction.estimators import reducers
from saliscope.sessions.answers import Request
from saliscope.sessions.atlas import Atlas
from saliscope.sessions.collection import Collection
from saliscope.sessions.embedding import Asked
from saliscope.sessions.map_record import record_of
from saliscope.sessions.map_saved import saved_of
from saliscope.sessions.map_screen import Looks, screen_of

N = 40
CHOSEN = {"selection": (3,), "group_a": (4, 5), "group_b": ()}


@pytest.fixture(scope="module")
def atlas():
    scenes = demo.scenes(N, seed=1)
    age = np.arange(N) / 7
    age[2] = np.nan
    made = Atlas(Collection(demo.cnn(), scenes.images, scenes.labels, {"age": age}), "auto", "auto")
    pca = reducers()["pca"]()
    made.session.ask(Asked(made.usual_layer, (pca, pca)))
    assert made.session.wait(60)
    assert made.session.error is None
    assert made.inspector is not None
    for key in ("integrated_gradients", "saliency"):
        made.inspector.explain(Request(methods()[key](), index=7))
        assert made.inspector.wait(60)
    yield made
    made.close()


@pytest.fixture(scope="module")
def saved(atlas):
    return saved_of(atlas, {"point": 3}, CHOSEN)


def test_rows_are_what_the_kernel_answers(atlas, saved):
    assert [row["id"] for row in saved.rows] == list(range(N))
    answer = atlas.row(5).to_json()
    for name in ("neighbors", "false", "missing", "values"):
        assert saved.rows[5][name] == answer[name]
    assert saved.rows[5]["distances"] == pytest.approx(answer["distances"], rel=1e-4)
    assert set(saved.rows[5]["false"]) == {"0", "1"}


def test_a_page_is_told_what_a_new_one_would_be(atlas, saved):
    kinds = [kind for kind, _, _ in saved.events]
    assert kinds == ["points", "info", "layout", "layout", "selection", "selection", "state"]
    for kind, message, blobs in saved.events:
        known = {blob.hash for blob in blobs}
        if kind == "layout":
            assert {message["coords"], message["quality"]} <= known
    names = {
        message["name"]: blobs[0].array().tolist() for k, message, blobs in saved.events if k == "selection"
    }
    assert names == {"selection": [3], "group_a": [4, 5]}


def test_attributions_come_along_without_their_paths_the_newest_first(saved):
    assert [message["method"] for message, _ in saved.attributions] == ["saliency", "integrated_gradients"]
    for message, blobs in saved.attributions:
        assert message["index"] == 7
        assert message["path"] is None
        assert {message["picture"], message["map"]} == {blob.hash for blob in blobs}


def test_distances_of_the_point_and_of_explained_rows_are_there(atlas, saved):
    assert set(saved.answers["distances"]) == {"3", "7"}
    message, (blob,) = saved.answers["distances"]["7"]
    assert message["values"] == blob.hash
    assert np.allclose(blob.array(), atlas.distances(7).numpy(), atol=0.01)
    assert saved.answers["groups"][""][0]["a"]["n"] == 2


def test_of_many_rows_the_ones_looked_at_come_first(atlas):
    few = saved_of(atlas, {"point": 20}, CHOSEN, most_rows=20, most_thumbnails=5)
    ids = [row["id"] for row in few.rows]
    assert ids == sorted(ids)
    assert len(set(ids)) == 20
    assert {20, *atlas.row(20).neighbors, 3, 4, 5} <= set(ids)
    rows, pictures = few.thumbnails
    assert len(rows) == len(pictures) == 5
    assert 20 in rows


def test_the_screen_has_the_points_and_their_numbers(atlas):
    screen = screen_of(atlas, Looks("label", point=3, selection=np.array([1])))
    one = screen.shown[0]
    assert one.title == "PCA"
    assert (one.coordinates == atlas.session.maps[0].embedding.coordinates.double().numpy()).all()
    assert one.numbers.kept is not None
    assert one.cautions == tuple(atlas.session.maps[0].layout.caution)
    assert one.colours.kind == "category"
    assert (one.colours.values == atlas.columns["label"].codes).all()
    assert list(screen.neighbors) == atlas.row(3).neighbors
    assert set(one.torn) == set(atlas.row(3).missing[0])
    assert screen.what == atlas.session.table.what


@pytest.mark.parametrize(
    ("by", "title", "ends"),
    [
        ("kept", "Neighbours kept", (0.0, 1.0)),
        ("stretch", "Stretch", (-2.0, 2.0)),
        ("distance", "Real distance to the point", None),
        ("column:age", "age", (0.0, (N - 1) / 7)),
    ],
)
def test_numbers_that_colour(atlas, by, title, ends):
    colours = screen_of(atlas, Looks(by, point=3)).shown[0].colours
    assert (colours.kind, colours.title) == ("number", title)
    assert len(colours.values) == N
    if ends is not None:
        assert colours.ends == pytest.approx(ends)
    assert colours.signed == (by == "stretch")
    if by == "distance":
        assert colours.values[3] == 0
        assert colours.note


def test_what_cannot_be_told_is_one_colour(atlas):
    for by in ("none", "distance", "displacement", "column:gone"):
        assert screen_of(atlas, Looks(by)).shown[0].colours.kind == "none"


def test_the_record_is_plain_and_says_how(atlas):
    record = json.loads(record_of(atlas))
    assert record["kind"] == "maps"
    assert record["layer"] == atlas.usual_layer
    assert (record["rows"], record["columns"]) == (N, atlas.session.table.data.shape[1])
    assert [each["reducer"] for each in record["maps"]] == ["pca", "pca"]
    assert record["maps"][0]["numbers"]["k"] == 13  # a third of the 39 others
    assert record["maps"][0]["parameters"] == reducers()["pca"]().get_params()
    assert "torch" in record["packages"]


def test_a_walk_through_a_sequence_is_drawn_where_it_stands(atlas):
    pca = reducers()["pca"]()
    layers = atlas.layers[-2:]
    walking = Atlas(atlas.collection, "auto", "auto", layers)
    walking.session.ask(Asked(walking.usual_layer, (pca,), "layers"))
    assert walking.session.wait(60)
    assert walking.session.error is None
    first, last = (each.coordinates.double().numpy() for each in walking.session.walk.embeddings)
    at = {
        place: screen_of(walking, Looks("displacement", sweep="layers", sweep_at=place))
        for place in (0, 0.5, 1)
    }
    assert np.allclose(at[0].shown[0].coordinates, first)
    assert np.allclose(at[0.5].shown[0].coordinates, (first + last) / 2)
    assert np.allclose(at[1].shown[0].coordinates, last)
    looked = screen_of(walking, Looks(point=2, sweep="layers", sweep_at=0.5))
    far = np.linalg.norm(looked.shown[0].coordinates - looked.shown[0].coordinates[2], axis=1)
    true = walking.row(2, 1).neighbors  # half way, the later step counts as the nearest
    near = set(np.argsort(far)[1 : len(true) + 1].tolist())
    assert list(looked.shown[0].neighbors) == true
    assert set(looked.shown[0].torn) == set(true) - near != set()
    there = screen_of(walking, Looks("distance", point=2, sweep="layers", sweep_at=0)).shown[0]
    assert (list(there.neighbors), list(there.torn)) == (
        walking.row(2, 0).neighbors,
        walking.row(2, 0).missing[0],
    )
    assert (there.colours.values == walking.distances(2, 0).numpy()).all()
    assert at[0.5].shown[0].title == f"PCA, between {layers[0]} and {layers[1]}"
    assert at[1].shown[0].numbers.kept is not None
    assert at[1].shown[0].colours.title == "Displacement"
    kept = screen_of(walking, Looks("kept", sweep="layers", sweep_at=1.0))
    assert kept.shown[0].colours.kind == "none"
    carried = saved_of(walking, {"point": 2}, {})
    assert "sequence" in [kind for kind, _, _ in carried.events]
    assert set(carried.answers["row"]) == {"2 0", "2 1"}
    assert carried.answers["row"]["2 1"][0]["neighbors"] == true
    walking.close()


def test_the_map_that_is_walked_is_the_one_that_is_drawn_so(atlas):
    reduce = reducers()
    walking = Atlas(atlas.collection, "auto", "auto", atlas.layers[-2:])
    maps = (reduce["pca"](), reduce["tsne"](perplexity=5, n_iter=30))
    walking.session.ask(Asked(walking.usual_layer, maps, "layers"))
    assert walking.session.wait(60)
    assert walking.session.error is None
    still, walked = screen_of(walking, Looks(point=2, sweep="layers", sweep_at=0)).shown
    assert (still.title, walked.title) == ("PCA", f"t-SNE, {atlas.layers[-2]}")
    assert (still.coordinates == walking.session.maps[0].embedding.coordinates.double().numpy()).all()
    assert (walked.coordinates == walking.session.walk.embeddings[0].coordinates.double().numpy()).all()
    assert still.neighbors is None
    assert list(walked.neighbors) == walking.row(2, 0).neighbors
    walking.close()
