"""What is true of rows and groups: against brute force, and in the numbers of the definition."""

import numpy as np
import pytest
import torch

from saliscope import InputError
from saliscope.reduction.estimators import PCA
from saliscope.reduction.quality import quality
from saliscope.sessions.embedding_facts import MOST_LINES
from tests.sessions.embedding_tools import Heard, clusters
from tests.sessions.tools import tiny


@pytest.fixture
def data():
    return clusters()[0]


@pytest.fixture
def atlas(data):
    columns = {"size": np.linspace(0, 1, 60), "kind": ["a", "b", None] * 20}
    return Heard(data, labels=clusters()[1], columns=columns).ask(PCA()).ready()


def nearest(points, row, k=15):
    far = np.linalg.norm(points - points[row], axis=1)
    far[row] = np.inf
    return np.argsort(far, kind="stable")[:k], far


class TestRow:
    def test_neighbours_and_what_the_map_makes_of_them(self, atlas, data):
        row = atlas.row(7)
        true, far = nearest(data, 7)
        assert list(row.neighbors) == true.tolist()
        np.testing.assert_allclose(row.distances, far[true], rtol=1e-5)
        at = atlas.session.maps[0].embedding.coordinates.numpy()
        on_map, _ = nearest(at, 7)
        assert {*row.missing[0]} <= {*true} - {*on_map}
        assert {*row.false[0]} <= {*on_map} - {*true}
        # One that is a neighbour in the other direction only counts as neither.
        both = [j for j in {*true} - {*on_map} if 7 not in nearest(at, j)[0]]
        assert {*row.missing[0]} == {*both}
        assert row.values == {"label": "class 1", "column:size": "0.118644", "column:kind": "b"}

    def test_at_a_step_of_a_sequence_with_the_data_and_the_map_of_that_step(self):
        inputs = torch.randn(40, 3, 8, 10, generator=torch.Generator().manual_seed(2))
        atlas = Heard(tiny(), inputs, layers=["4", "7"]).ask(PCA(), layer="7", sweep="layers").ready()
        walk, seen = atlas.session.walk, []
        for step, table in enumerate(walk.tables):
            row = atlas.row(7, step)
            data = table.data.numpy()
            true, far = nearest(data, 7)
            assert (row.step, list(row.neighbors)) == (step, true.tolist())
            np.testing.assert_allclose(row.distances, far[true], rtol=1e-4)
            np.testing.assert_allclose(
                atlas.distances(7, step), np.linalg.norm(data - data[7], axis=1), rtol=1e-4, atol=1e-5
            )
            judged = quality(walk.near(step), walk.embeddings[step].coordinates)
            assert row.missing == {0: [*true[: judged.k][judged.missing_neighbors[7].numpy()]]}
            assert {*row.false[0]} == {*judged.map_neighbors.indices[7][judged.false_neighbors[7]].tolist()}
            seen.append(row.neighbors)
        assert seen[0] != seen[1]
        assert seen[1] == atlas.row(7).neighbors
        with pytest.raises(InputError, match="`step`: got 2; expected a step of the sequence, from 0 to 1"):
            atlas.row(7, 2)

    def test_before_the_neighbours_are_known(self, data):
        atlas = Heard(data)
        row = atlas.row(7)
        assert list(row.neighbors) == nearest(data, 7)[0].tolist()
        assert (row.false, row.missing) == ({}, {})

    def test_distances(self, atlas, data):
        np.testing.assert_allclose(atlas.distances(3), np.linalg.norm(data - data[3], axis=1), rtol=1e-5)

    def test_the_strongest_classes(self):
        inputs = torch.randn(8, 3, 8, 10)
        net = tiny()
        atlas = Heard(net, inputs).ask(PCA()).ready()
        with torch.no_grad():
            p = net.eval()(inputs)[4].softmax(0)
        top = atlas.row(4).top5
        assert [each.index for each in top] == p.argsort(descending=True).tolist()
        np.testing.assert_allclose([each.p for each in top], p.sort(descending=True).values, rtol=1e-4)


class TestGroups:
    def test_class_mix_and_effect_sizes(self, atlas, data):
        a, b = list(range(0, 30)), list(range(30, 60))
        groups, _ = atlas.groups([0, 3, 6, 1], b)
        assert groups.a.classes == (("class 0", 0.75), ("class 1", 0.25))
        groups, _ = atlas.groups(a, b)
        d = dict(groups.differs)
        assert max(d, key=lambda name: abs(d[name])) == "size"
        size = np.linspace(0, 1, 60)
        pooled = np.sqrt((size[a].var(ddof=1) + size[b].var(ddof=1)) / 2)
        assert d["size"] == pytest.approx((size[a].mean() - size[b].mean()) / pooled)
        pooled = np.sqrt((data[a, 2].var(ddof=1) + data[b, 2].var(ddof=1)) / 2)
        assert d["column 2"] == pytest.approx((data[a, 2].mean() - data[b, 2].mean()) / pooled, rel=1e-5)

    def test_mean_picture_and_mean_attribution(self):
        inputs = torch.rand(6, 3, 8, 10, generator=torch.Generator().manual_seed(0))
        net = tiny()
        groups, blobs = Heard(net, inputs).ask(PCA()).ready().groups([0, 2], [])
        found = {blob.hash: blob.array() for blob in blobs}
        mean = inputs[[0, 2]].double().mean(0).permute(1, 2, 0).numpy() * 255
        np.testing.assert_allclose(found[groups.a.picture_mean], mean, atol=1.01)
        x = inputs[[0, 2]].clone().requires_grad_()
        net.eval()(x).amax(1).sum().backward()
        expected = (x * x.grad).sum(1).mean(0).detach().numpy()
        np.testing.assert_allclose(
            found[groups.a.mean_attribution], expected, atol=2e-3 * abs(expected).max()
        )
        assert (groups.a.mean_of, groups.b.n, groups.b.picture_mean) == (2, 0, None)


class TestTable:
    def test_sorted_with_gaps_last(self, atlas):
        up = [line.id for line in atlas.lines(0, 60, sort="column:kind")]
        down = [line.id for line in atlas.lines(0, 60, sort="column:kind", descending=True)]
        assert up[:20] == list(range(0, 60, 3))
        assert {*down[:20]} == {*range(1, 60, 3)}
        assert {*up[40:]} == {*down[40:]} == {*range(2, 60, 3)}

    def test_pages_within_a_selection_by_quality(self, atlas):
        within = np.array([5, 40, 2, 9])
        lines = atlas.lines(1, 2, sort="kept", descending=True, within=within)
        kept = atlas.session.maps[0].audit.quality.kept
        assert [line.id for line in lines] == sorted([2, 5, 9, 40], key=lambda i: (-kept[i], -i))[1:3]

    def test_numbers_are_numbers_and_gaps_are_none(self, atlas):
        (line,) = atlas.lines(0, 1)
        assert line.values["kept"] == pytest.approx(
            float(atlas.session.maps[0].audit.quality.kept[0]), rel=1e-5
        )
        weight = np.full(60, np.nan)
        weight[1] = 1 / 3
        data, _ = clusters()
        lines = Heard(data, columns={"weight": weight}).lines(0, 2)
        assert [each.values["column:weight"] for each in lines] == [None, 0.333333]

    def test_an_unknown_column_and_too_many_lines(self, atlas):
        with pytest.raises(InputError, match="`sort`: got 'wat'; expected one of id, label"):
            atlas.lines(0, 5, sort="wat")
        assert MOST_LINES <= 500


class TestMethods:
    def test_only_where_there_is_a_model_that_sees_pictures(self, data):
        pictures = torch.rand(60, 3, 8, 10, generator=torch.Generator().manual_seed(0))
        assert "saliency" in {method.key for method in Heard(tiny(), pictures).points()[0].methods}
        beside = Heard(data, pictures).points()[0]
        assert (beside.pictures, beside.methods) == (True, ())
