"""The map explorer as a Python object: what a click does, a line does too; links, sets, sequences, errors."""

import gc
import weakref

import numpy as np
import pytest
import torch

import saliscope as sp
from saliscope import EmbeddingExplorer, InputError, LayerError, ReductionError, SaliencyExplorer
from saliscope.reduction.embedding import Embedding
from tests.sessions.embedding_tools import clusters
from tests.sessions.tools import PATIENCE, Watched, fingerprint, photo, tiny
from tests.widgets.embedding_tools import QUICK, Explorer, batch


class TestAnswers:
    def test_the_first_map_needs_no_call(self):
        explorer = EmbeddingExplorer(clusters()[0], labels=clusters()[1], params=QUICK)
        assert explorer.wait(PATIENCE)
        assert isinstance(explorer.embedding, Embedding)
        assert explorer.embedding.coordinates.shape == (60, 2)
        assert explorer.quality.kept.shape == (60,)
        assert explorer.numbers[0].kept == pytest.approx(float(explorer.quality.kept.mean()))
        assert explorer.color_by == "label"
        assert explorer.layer is None

    def test_a_model_is_borrowed_and_its_last_layer_mapped(self):
        net = tiny()
        before = fingerprint(net)
        explorer = Explorer(net, batch(), maps="pca").ready()
        assert fingerprint(net) == before
        assert explorer.layer == "7"
        direct = sp.features.activations(net, batch(), "7")
        assert torch.equal(explorer.activations, direct.values)

    def test_every_trait_reaches_the_engine(self):
        explorer = Explorer(tiny(), batch(), layer="4", maps=["pca", "tsne"], params={"tsne": {"n_iter": 7}})
        explorer.ready()
        assert [one.reducer for one in explorer.embeddings] == ["pca", "tsne"]
        assert explorer.embeddings[1].iterations <= 7
        assert explorer._atlas.session.table.layer == "4"
        explorer.layer = explorer._atlas.collection.borrowed.module[5]
        assert explorer.ready().layer == "5"
        assert explorer._atlas.session.table.layer == "5"

    def test_looks_compute_nothing(self):
        explorer = Explorer().ready()
        job = explorer.status.job
        explorer.camera, explorer.point, explorer.opacity, explorer.density = (2, 0.4, 0.6), 3, 0.3, True
        explorer.color_by, explorer.spokes, explorer.table, explorer.theme = "kept", False, True, "dark"
        assert explorer.status.job == job

    def test_the_rows_keep_the_order_of_the_user(self):
        data = clusters()[0]
        order = np.random.default_rng(1).permutation(60)
        one, other = Explorer(data, maps="pca").ready(), Explorer(data[order], maps="pca").ready()
        at, moved = one.embedding.coordinates.numpy(), other.embedding.coordinates.numpy()
        np.testing.assert_allclose(np.abs(at[order]), np.abs(moved), atol=1e-4)

    def test_refine_and_run(self):
        explorer = Explorer().ready()
        iterations = explorer.embedding.iterations
        explorer.refine()
        assert explorer.ready().embedding.iterations > iterations
        explorer.run()
        assert explorer.ready().embedding.iterations == iterations

    def test_random_states_stay(self):
        net = tiny()
        before = torch.get_rng_state()
        explorer = Explorer(net, batch()).ready()
        explorer.explain(3)
        explorer.ready()
        assert torch.equal(torch.get_rng_state(), before)

    def test_the_inspector_explains_a_row(self):
        net = Watched()
        explorer = Explorer(net, batch(), maps="pca", n_steps=4).ready()
        explorer.explain(5)
        assert explorer.ready().attribution.method.n_steps == 4
        direct = sp.attribution.IntegratedGradients(n_steps=4, rule="adaptive").attribute(net, batch()[5:6])
        torch.testing.assert_close(explorer.attribution.values, direct.values)
        net.board.rows.clear()
        explorer.explain(5)
        assert net.board.rows == []
        explorer.method = "saliency"
        explorer.target = 2
        assert explorer.ready().attribution.method.key == "saliency"
        assert int(explorer.attribution.target.indices[0]) == 2

    def test_a_new_picture_finds_its_place(self):
        pictures = [photo(i) for i in range(20)]
        explorer = Explorer(tiny(), pictures, maps=["pca", "tsne"]).ready()
        first, second = explorer.place(photo(7), "again")
        assert (first.id, first.map, second.map, first.name) == (-1, 0, 1, "again")
        assert first.neighbors[0] == 7
        assert explorer.place(photo(3))[0].id == -2
        assert len(explorer.placed) == 4

    def test_a_new_row_of_numbers_finds_its_place(self):
        explorer = Explorer(maps="pca").ready()
        assert explorer.place(clusters()[0][4])[0].neighbors[0] == 4
        far = explorer.place(clusters()[0][4] + 1e4)[0]
        assert not far.inside
        with pytest.raises(InputError, match="`image`: got 3 numbers; expected 5 finite ones"):
            explorer.place([1, 2, 3])

    def test_a_sequence_is_asked_for_by_a_line(self):
        explorer = Explorer(tiny(), batch(), layers=["0", "4", "7"], params=QUICK)
        explorer.sweep = "layers"
        assert explorer.ready().sequence.names == ("0", "4", "7")
        assert len(explorer.sequence.embeddings) == 3


class TestSets:
    def test_rows_by_number_or_mask_are_seen_by_others(self):
        explorer = Explorer(maps="pca").ready()
        seen = []
        explorer.observe(lambda change: seen.append(change["new"]), "selection")
        explorer.selection = [3, 1, 3]
        explorer.selection = explorer.quality.kept > 2
        explorer.selection = np.arange(60) < 2
        assert seen == [(3, 1), (), (0, 1)]

    @pytest.mark.parametrize("ids", [[60], [-1], ["a"], [0.5], 3, np.zeros((2, 2), int)])
    def test_rows_that_are_none(self, ids):
        explorer = Explorer(maps="pca")
        with pytest.raises(InputError, match="expected numbers of rows, from 0 to 59"):
            explorer.group_a = ids

    def test_they_are_not_state(self):
        explorer = Explorer(maps="pca").ready()
        explorer.selection = range(60)
        assert "selection" not in explorer.get_state()


class TestLinks:
    def test_a_saliency_explorer_shows_the_row_in_focus(self):
        net = tiny()
        explorer = Explorer(net, batch(), maps="pca")
        saliency = SaliencyExplorer(net, batch(), index=4, target=2, n_steps=2)
        link = explorer.link(saliency)
        assert (explorer.point, explorer.target, explorer.scale) == (4, 2, saliency.scale)
        explorer.point = 9
        assert saliency.index == 9
        saliency.index = 2
        assert explorer.point == 2
        explorer.point = None
        assert saliency.index == 2
        saliency.target = 1
        assert explorer.target == 1
        link.close()
        explorer.point = 7
        assert saliency.index == 2
        saliency.wait(PATIENCE)

    def test_two_maps_share_selection_and_focus(self):
        one, other = Explorer(maps="pca", labels=clusters()[1]), Explorer(maps="pca")
        one.link(other)
        one.selection = [4, 5]
        other.point = 3
        one.color_by = "label"  # which the other one does not have
        assert (other.selection, one.point, other.color_by) == ((4, 5), 3, "none")

    def test_others_of_other_rows_are_refused(self):
        with pytest.raises(InputError, match="got an explorer of 24 rows; expected one of the same 60"):
            Explorer(maps="pca").link(Explorer(tiny(), batch(), maps="pca"))


class TestHistory:
    def test_undo_and_redo(self):
        explorer = Explorer().ready()
        explorer.color_by = "kept"
        explorer.maps = ["pca"]
        explorer.ready().undo()
        assert explorer.maps == ("tsne",)
        assert explorer.ready().embedding.reducer == "tsne"
        explorer.undo()
        assert explorer.color_by == "none"
        explorer.redo()
        assert explorer.color_by == "kept"


class TestBadInput:
    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"colour_by": "label"}, InputError, "Did you mean 'color_by'"),
            ({"maps": ["sne"]}, ReductionError, "`maps`: got 'sne'"),
            ({"maps": []}, ReductionError, "1 to 4 of pca, tsne"),
            ({"params": {"tsne": {"perplexity": 0}}}, ReductionError, "`perplexity`: got 0"),
            ({"params": [1]}, ReductionError, "parameters by reducer"),
            ({"color_by": "prediction"}, InputError, "`color_by`: got 'prediction'; expected one of kept"),
            ({"point": 60}, InputError, "`point`: got 60; expected the number of a row, from 0 to 59"),
            ({"camera": (0.5, 0, 0)}, InputError, "`camera`"),
            ({"layer": "conv"}, LayerError, "None, as there is no model"),
            ({"sweep": "layers"}, ReductionError, "a model with layers"),
            ({"sweep": "seeds"}, InputError, "one of layers, perplexity, n_neighbors"),
            ({"labels": [0, 1]}, InputError, "`labels`: got 2 labels; expected 60"),
            ({"pool": "sum"}, sp.MethodError, "`pool`: got 'sum'"),
            ({"target": 3}, InputError, "no model that sees pictures"),
        ],
    )
    def test_is_refused_on_its_line(self, options, error, message):
        with pytest.raises(error, match=message):
            Explorer(**options)

    def test_of_an_explorer_that_is_there(self):
        explorer = Explorer(maps="pca").ready()
        with pytest.raises(InputError, match="Did you mean 'color_by'"):
            explorer.colour_by = "kept"
        with pytest.raises(InputError, match="got rows without a model"):
            explorer.explain(3)

    def test_an_error_of_the_model_reaches_wait_and_goes(self):
        net = Watched()
        explorer = Explorer(net, batch(), maps="pca").ready()
        net.board.error = RuntimeError("broken")
        explorer.layer = "net.4"
        with pytest.raises(sp.ModelError, match="broken"):
            explorer.wait(PATIENCE)
        assert explorer.embedding is not None
        net.board.error = None
        explorer.run()
        assert explorer.ready().status.phase == "done"


def test_closing_lets_model_and_rows_go():
    net = tiny()
    explorer = Explorer(net, batch()).ready()
    explorer.explain(1)
    explorer.ready().close()
    held = weakref.ref(net)
    del net, explorer
    gc.collect()
    assert held() is None


def test_what_is_displayed_has_a_picture_beside_it():
    bundle = Explorer(maps="pca")._repr_mimebundle_()
    assert bundle[0]["image/png"].startswith("iVBOR")
