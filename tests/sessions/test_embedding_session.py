"""From rows to maps: the order of what is told, frames, cancel, refine, sequences, and errors."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from saliscope import InputError, LayerError, ReductionError
from saliscope.reduction.estimators import PCA, TSNE
from saliscope.reduction.quality import quality
from saliscope.sessions.embedding_publish import box_of, layout_of
from saliscope.sessions.reducer_menus import build_reducer, reducer_menu
from saliscope.sessions.sequences import Walk
from saliscope.specs.embedding import GRID
from tests.sessions.embedding_tools import Gated, Heard, clusters
from tests.sessions.tools import PATIENCE, Segmenter, Watched, fingerprint, photo, tiny

QUICK = {"n_iter": 30}


def layers(seed=0):
    return torch.randn(24, 3, 8, 10, generator=torch.Generator().manual_seed(seed))


class TestStory:
    def test_the_start_comes_first_then_frames_then_the_map_with_its_quality(self):
        atlas = Heard(clusters()[0]).ask(TSNE(**QUICK)).ready()
        stages = [layout.stage for layout in atlas.layouts]
        assert stages[0] == "start"
        assert {*stages[1:-3]} <= {"partial"}
        assert stages[-3:] == ["final"] * 3  # there; how good it is nearby; how good it is over all
        bare, local, whole = atlas.layouts[-3:]
        assert bare.quality is None
        assert local.quality is not None
        assert local.numbers.trustworthiness is None
        assert 0 < whole.numbers.trustworthiness <= 1
        assert whole.numbers.rho is not None
        assert whole.coords == bare.coords
        assert atlas.session.state.phase == "done"

    def test_coordinates_and_quality_are_those_of_the_map(self):
        atlas = Heard(clusters()[0]).ask(TSNE(**QUICK)).ready()
        shown = atlas.session.maps[0]
        at, codes = shown.embedding.coordinates.numpy(), atlas.blobs_heard[shown.layout.coords].array()
        x, y, width, height = shown.layout.box
        assert width == height, "a page draws a square"
        np.testing.assert_allclose(codes / GRID * [width, height] + [x, y], at, atol=width / GRID)
        assert codes.min() == 0
        assert codes.max() == GRID
        true = quality(shown.table.near, shown.embedding.coordinates)
        bytes_ = atlas.blobs_heard[shown.layout.quality].array()
        np.testing.assert_array_equal(bytes_[:, 0], np.rint(true.kept.numpy() * 255))
        np.testing.assert_allclose((bytes_[:, 3] - 128.0) / 63.75, true.stretch.clamp(-2, 2), atol=0.02)

    def test_cautions_have_the_numbers_that_justify_them(self):
        atlas = Heard(clusters()[0]).ask(PCA()).ready()
        layout = atlas.layouts[-1]
        assert f"{layout.numbers.rho:.2f}" in layout.caution[0]
        assert layout.caution[1:] == PCA.cautions

    def test_what_is_known_is_not_computed_again(self):
        atlas = Heard(clusters()[0]).ask(Gated().gate())
        atlas.session.maps.clear()
        gated = Gated(perplexity=7).gate()
        gated.open.set()
        atlas.ask(gated).ready()
        asked = len(gated.seen)
        atlas.ask(gated, PCA()).ready()
        atlas.ask(PCA(), gated).ready()
        assert len(gated.seen) == asked
        atlas.forget()
        atlas.ask(gated).ready()
        assert len(gated.seen) > asked


class TestJudgedByFew:
    @pytest.mark.parametrize(("n", "k"), [(3, None), (15, 4)])
    def test_a_map_is_judged_by_some_of_the_others_or_not_at_all(self, n, k):
        numbers = Heard(clusters(n)[0]).ask(TSNE(**QUICK)).ready().layouts[-1].numbers
        assert (numbers.kept is None) == (numbers.trustworthiness is None) == (k is None)
        assert k is None or numbers.k == k

    def test_three_rows_can_be_walked(self):
        atlas = Heard(clusters(3)[0]).ask(TSNE(**QUICK)).ready()
        shown = atlas.session.maps[0]
        grown = Walk("layers", 0, shown.reducer, ("a", "b"), (shown.table,) * 2).grown((shown.embedding,) * 2)
        assert np.isnan(grown.kept).all()
        assert repr(grown) == "Walk(layers: a, b; 2 of 2 maps of 3 rows)"
        assert repr(shown.table) == "Table(3 rows of 5: the data given)"


class TestFrames:
    def test_strays_of_a_map_on_its_way_do_not_make_a_dot_of_the_others(self):
        rng = np.random.default_rng(0)
        points = torch.from_numpy(rng.normal(size=(1000, 2))).float()
        points[:3] *= 1000
        embedding = replace(
            Heard(clusters()[0]).ask(PCA()).ready().session.maps[0].embedding, coordinates=points
        )
        about = {"job": 1, "map": 0, "total": 9, "cautions": ()}
        frame, (codes,) = layout_of(embedding, None, stage="partial", **about)
        assert 4 < frame.box[2] < 8
        spread = codes.array()[3:].astype(float).std(0)
        assert spread.min() > GRID / 10
        assert {*codes.array()[:3].flatten().tolist()} & {0, GRID}
        whole, _ = layout_of(embedding, None, stage="final", **about)
        assert whole.box == box_of(points)

    def test_at_most_one_unacknowledged(self, monkeypatch):
        monkeypatch.setattr("saliscope.sessions.embedding.FRAME_SECONDS", 0.0)
        gated = Gated().gate()
        gated.hold_at = 8
        atlas = Heard(clusters()[0]).ask(gated)
        assert gated.reached.wait(PATIENCE)
        partial = [layout for layout in atlas.layouts if layout.stage == "partial"]
        assert len(partial) == 1
        atlas.session.acknowledge(atlas.session.state.job + 1, 0)  # of another job
        atlas.session.acknowledge(atlas.session.state.job, 0)
        gated.open.set()
        atlas.ready()
        assert [layout.iteration for layout in atlas.layouts if layout.stage == "partial"] == [1, 8]

    def test_who_looks_at_nothing_computes_nothing(self):
        gated = Gated().gate()
        gated.open.set()
        Heard(clusters()[0]).ask(gated).ready()
        assert gated.seen == [1, 12]


class TestCancel:
    def test_the_map_on_its_way_stays_and_is_judged(self):
        gated = Gated().gate()
        atlas = Heard(clusters()[0]).ask(gated)
        assert gated.reached.wait(PATIENCE)
        atlas.cancel()
        gated.open.set()
        atlas.ready()
        layout = atlas.layouts[-1]
        assert (layout.stage, layout.iteration, layout.total) == ("cancelled", 5, 12)  # of the step that ran
        assert layout.quality is not None
        assert layout.numbers.kept is not None
        assert layout.notes[0] == "Stopped after 5 of 12 iterations."
        assert atlas.session.state.phase == "cancelled"
        assert gated.closed
        assert atlas.row(0).missing[0] is not None
        assert next(iter(drained(atlas.place(clusters(1, seed=1)[0][0])))).map == 0

    def test_it_is_computed_when_asked_for_again_or_gone_on_with(self):
        gated = Gated().gate()
        atlas = Heard(clusters()[0]).ask(gated)
        assert gated.reached.wait(PATIENCE)
        atlas.cancel()
        gated.open.set()
        atlas.ready()
        cancelled = atlas.session.maps[0].embedding
        atlas.session.refine(0)
        atlas.ready()
        assert gated.started_with is cancelled.coordinates
        assert atlas.session.maps[0].embedding.iterations == 5 + 12
        assert atlas.layouts[-1].stage == "final"

    def test_a_newer_question_silences_the_older_one(self):
        gated = Gated().gate()
        atlas = Heard(clusters()[0]).ask(gated)
        assert gated.reached.wait(PATIENCE)
        atlas.ask(PCA())
        told = len(atlas.heard)
        gated.open.set()
        atlas.ready()
        assert {message.job for message in atlas.heard[told:] if message is not None} == {2}
        assert gated.closed

    def test_only_iterations_can_be_gone_on_with(self):
        atlas = Heard(clusters()[0]).ask(PCA()).ready()
        with pytest.raises(ReductionError, match="`refine`: got a map of PCA"):
            atlas.session.refine(0)
        with pytest.raises(ReductionError, match="`map`: got 3"):
            atlas.session.refine(3)


class TestModel:
    def test_activations_predictions_and_maps_from_one_pass(self):
        net = Watched()
        atlas = Heard(net, layers(), labels=[0, 1] * 12)
        net.board.rows.clear()
        before = fingerprint(net)
        atlas.ask(PCA()).ready()
        assert fingerprint(net) == before
        assert sum(net.board.rows) == 24 + 2  # a look at the first two tells how many fit at once
        assert None in atlas.heard
        assert [*atlas.columns] == ["label", "prediction", "confidence", "correct"]
        assert atlas.column_names == ("label", "prediction", "confidence", "correct")
        with torch.no_grad():
            expected = net.eval()(layers()).argmax(1)
        assert atlas.columns["prediction"].codes.tolist() == expected.tolist()

    def test_a_changed_model_is_asked_anew(self):
        net = tiny()
        atlas = Heard(net, layers()).ask(PCA()).ready()
        first = atlas.session.table.data
        with torch.no_grad():
            net[0].weight.mul_(2)
        atlas.ask(PCA()).ready()
        assert not torch.equal(atlas.session.table.data, first)

    def test_a_layer_without_a_tensor_is_refused_on_its_line(self):
        atlas = Heard(tiny(), layers())
        with pytest.raises(LayerError, match="got 'nowhere'"):
            atlas.tables.layer_of("nowhere")
        with pytest.raises(LayerError, match="None, as there is no model"):
            Heard(clusters()[0]).tables.layer_of("7")

    def test_outputs_that_are_no_classes_have_no_columns(self):
        atlas = Heard(Segmenter(), layers(), labels=[0, 1] * 12).ask(PCA(), layer="conv").ready()
        assert atlas.column_names == ("label",)
        assert [*atlas.columns] == ["label"]

    def test_activations_that_are_no_numbers_are_named_by_row(self):
        inputs = layers()
        net = tiny()
        atlas = Heard(net, inputs)
        net[8].register_forward_hook(lambda _m, _i, out: out.index_fill(0, torch.tensor(0), torch.nan))
        atlas.ask(PCA(), layer="8")
        assert atlas.wait(PATIENCE)
        assert isinstance(atlas.session.error, InputError)
        assert "NaN or infinity from '8' in rows 0, 2 (2 of 24)" in str(atlas.session.error)
        assert atlas.session.state.error.argument == "images"


class TestSequences:
    def test_layers_in_one_pass_aligned_and_in_one_box(self):
        net = Watched()
        atlas = Heard(net, layers(), layers=["net.1", "net.5", "net.7"])
        atlas.ask(PCA(), TSNE(**QUICK), sweep="layers").ready()
        last = atlas.sequences[-1]
        assert (last.names, last.done, last.total) == (("net.1", "net.5", "net.7"), 3, 3)
        assert [sequence.done for sequence in atlas.sequences] == [1, 2, 3]
        moved = atlas.blobs_heard[last.displacement].array()
        assert moved.shape == (2, 24)
        assert all(0 <= step["kept"] <= 1 for step in last.numbers)
        assert all(atlas.blobs_heard[name].shape == (24, 2) for name in last.coords)
        assert all(each.reducer == "tsne" for each in atlas.session.walk.embeddings)
        assert (last.map, last.reducer) == (1, "tsne")
        told = len(atlas.sequences)
        atlas.ask(PCA(), TSNE(**QUICK), sweep="layers").ready()
        assert len(atlas.sequences) == told

    def test_a_sequence_goes_where_its_map_goes_and_with_it(self):
        atlas = Heard(tiny(), layers(), layers=["4", "7"]).ask(PCA(), TSNE(**QUICK), sweep="layers").ready()
        atlas.ask(TSNE(**QUICK), PCA()).ready()
        assert (atlas.sequences[-1].map, atlas.session.walk.map, atlas.sequences[-1].done) == (0, 0, 2)
        told = len(atlas.sequences)
        atlas.ask(TSNE(**QUICK), sweep="layers").ready()
        assert len(atlas.sequences) == told
        atlas.ask(TSNE(**QUICK | {"random_state": 1})).ready()
        assert (atlas.sequences[-1].coords, atlas.session.walk, atlas.session.sequence) == ((), None, None)
        atlas.ask(TSNE(**QUICK), sweep="layers").ready()
        assert atlas.sequences[-1].done == 2

    def test_one_along_a_parameter_outlives_that_parameter_but_not_its_layer(self):
        atlas = Heard(tiny(), torch.randn(60, 3, 8, 10), layers=["4", "7"])
        atlas.ask(TSNE(**QUICK), layer="7", sweep="perplexity").ready()
        atlas.ask(TSNE(**QUICK | {"perplexity": 7.0}), layer="7").ready()
        assert atlas.session.walk is not None
        atlas.ask(TSNE(**QUICK), layer="4").ready()
        assert atlas.session.walk is None

    def test_values_of_a_parameter_that_fit_the_rows(self):
        atlas = Heard(clusters()[0]).ask(TSNE(**QUICK), sweep="perplexity").ready()
        assert atlas.sequences[-1].names == ("perplexity 5", "perplexity 10")

    def test_a_parameter_that_no_map_has(self):
        atlas = Heard(clusters()[0]).ask(PCA(), sweep="perplexity")
        assert atlas.wait(PATIENCE)
        assert "'perplexity', which none of the maps has" in str(atlas.session.error)


class TestMenu:
    def test_controls_come_from_the_reducers(self):
        menu = {info.key: info for info in reducer_menu()}
        perplexity = next(c for c in menu["tsne"].controls if c.name == "perplexity")
        assert (perplexity.kind, perplexity.default, perplexity.log) == ("float", 30.0, True)
        affinity = next(c for c in menu["tsne"].controls if c.name == "affinity")
        assert (affinity.kind, affinity.choices) == ("choice", ("uniform", "perplexity"))
        assert menu["pca"].controls == ()

    @pytest.mark.parametrize(
        ("key", "params", "message"),
        [
            ("som", {}, "`maps`: got 'som'; expected one of pca, tsne"),
            ("tsne", {"perplex": 3}, "`params`: got 'perplex'; expected parameters of t-SNE"),
            ("tsne", {"perplexity": -1}, "`perplexity`: got -1"),
            ("tsne", {"n_iter": 10.5}, "`n_iter`: got 10.5"),
        ],
    )
    def test_what_is_none(self, key, params, message):
        with pytest.raises(ReductionError, match=message):
            build_reducer(key, params)

    def test_whole_numbers_of_json_may_have_a_point(self):
        assert build_reducer("tsne", {"n_iter": 40.0}).n_iter == 40


def drained(work):
    while True:
        try:
            next(work)
        except StopIteration as done:
            return done.value


class TestFewRows:
    @pytest.mark.parametrize("n", [3, 4, 9])
    def test_fewer_rows_than_neighbours(self, n):
        atlas = Heard(clusters(n)[0]).ask(TSNE(**QUICK)).ready()
        assert atlas.layouts[-1].stage == "final"
        assert len(atlas.row(0).neighbors) == n - 1

    def test_duplicates_and_a_constant_column(self):
        data = np.repeat(clusters(10)[0], 3, axis=0)
        data[:, 2] = 1
        atlas = Heard(data, [photo(i) for i in range(30)]).ask(PCA(), TSNE(**QUICK)).ready()
        assert all(torch.isfinite(shown.embedding.coordinates).all() for shown in atlas.session.maps.values())
