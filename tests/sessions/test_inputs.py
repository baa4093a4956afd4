"""Every kind of picture, model and target goes in; the same pixels give the same map."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import saliscope as sp
from saliscope.attribution import GradCAM, IntegratedGradients, Saliency
from saliscope.errors import InputError, MethodError, TargetError
from tests.sessions.tools import MEAN, STD, Segmenter, Session, photo, tiny

IG = IntegratedGradients(n_steps=4)


def normalised(pixels):
    picture = torch.from_numpy(pixels).permute(2, 0, 1).float() / 255
    return (picture - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]


def mean_of_class_2(outputs):
    return outputs["out"][:, 2].mean((1, 2))


class TestPictures:
    @pytest.mark.parametrize(
        "form",
        [
            lambda pixels, _: Image.fromarray(pixels),
            lambda pixels, _: torch.from_numpy(pixels).permute(2, 0, 1),
            lambda pixels, _: [pixels],
            lambda pixels, _: pixels[None],
            lambda pixels, _: normalised(pixels),
            lambda pixels, _: normalised(pixels)[None],
            lambda pixels, path: Image.fromarray(pixels).save(path) or path,
            lambda pixels, path: Image.fromarray(pixels).save(path) or str(path),
            lambda pixels, _: pixels / np.float32(255),
        ],
        ids=["PIL", "uint8 tensor", "list", "batch", "tensor", "batch of one", "path", "str", "float"],
    )
    def test_the_same_pixels_give_the_same_map(self, form, tmp_path):
        net, pixels = tiny(), photo()
        plain = Session(net, pixels, mean=MEAN, std=STD)
        other = Session(net, form(pixels, tmp_path / "photo.png"), mean=MEAN, std=STD)
        wanted, got = plain.answer(IG), other.answer(IG)
        assert torch.equal(other.attribution.values, plain.attribution.values)
        assert (got.picture, got.map, got.path.baseline) == (wanted.picture, wanted.map, wanted.path.baseline)

    def test_a_batch_and_its_index(self):
        net, several = tiny(), [photo(0), photo(1), photo(2)]
        session = Session(net, several)
        for index in (2, 0, 1):
            result = session.answer(IG, 1, index=index)
            assert result.index == index
            assert (session.array(result.picture) == several[index]).all()
            alone = Session(net, several[index])
            assert alone.answer(IG, 1).map == result.map
            assert alone.result.probabilities == result.probabilities

    @pytest.mark.parametrize("index", [-1, 3])
    def test_an_index_beyond_the_batch(self, index):
        session = Session(tiny(), [photo(0), photo(1), photo(2)])
        message = f"`index`: got {index}; expected a picture from 0 to 2"
        with pytest.raises(InputError, match=message):
            session.answer(IG, index=index)

    def test_a_grey_model(self):
        pixels = photo(0, (6, 7))
        session = Session(tiny(channels=1), pixels, mean=[0.5], std=[0.25])
        result = session.answer(IG)
        assert (session.array(result.picture) == pixels[..., None]).all()
        assert session.array(result.picture).shape == (6, 7, 3)
        assert (session.array(result.path.baseline) == np.zeros((6, 7, 3))).all()
        assert session.array(result.map).shape == (6, 7)

    def test_a_model_without_parameters(self):
        class Colourful(nn.Module):
            def forward(self, x):
                return x.amax((2, 3))

        session = Session(Colourful())
        result = session.answer(Saliency())
        assert session.info()[0].models[0].device == "cpu"
        assert np.count_nonzero(session.array(result.map)) >= 1

    def test_double_precision(self):
        session = Session(tiny().double())
        assert session.answer(IG).notes == ()
        assert session.attribution.values.dtype == torch.float64


class TestModels:
    def test_what_was_said_when_borrowing_stays(self):
        borrowed = sp.borrow(tiny(), mean=MEAN, std=STD, labels=list("abcde"))
        session = Session(borrowed)
        assert session.borrowed.preprocessing == borrowed.preprocessing
        assert session.answer(IG, "b").target == 1

    def test_what_is_said_again_counts(self):
        def transform(image):
            return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255

        borrowed = sp.borrow(tiny(), transform=transform, labels=list("abcde"))
        session = Session(borrowed, mean=MEAN, std=STD, labels=list("vwxyz"))
        assert session.borrowed.labels == tuple("vwxyz")
        assert session.borrowed.preprocessing.transform is not None
        assert session.borrowed.preprocessing.mean == MEAN
        torch.testing.assert_close(session.inputs[0], normalised(photo()))

    def test_segmentation_needs_a_function(self):
        session = Session(Segmenter())
        with pytest.raises(
            TargetError, match=r"`target`: got a model whose output has shape \(1, 4, 8, 10\)"
        ):
            session.answer(IG)
        result = session.answer(IG, mean_of_class_2)
        assert (result.target, result.target_label) == (None, "mean_of_class_2")
        assert result.probabilities == ()
        assert session.info()[0].models[0].labels == ()

    def test_an_output_that_only_a_function_understands(self):
        class Detections:
            def __init__(self, scores):
                self.scores = scores

        class Detector(nn.Module):
            def __init__(self):
                super().__init__()
                self.net = tiny()

            def forward(self, x):
                return Detections(self.net(x))

        session = Session(Detector())
        assert session.answer(IG, lambda out: out.scores[:, 1]).target_label == "the given function"
        with pytest.raises(sp.errors.ModelError, match="got an output of type Detections without a tensor"):
            session.answer(IG)

    def test_layers_without_a_grid_are_no_choice(self):
        session = Session(nn.Sequential(nn.Flatten(), nn.Linear(240, 3)))
        session.answer(Saliency())
        assert session.info()[0].models[0].layers == ()
        with pytest.raises(sp.LayerError, match="no layer with a spatial output"):
            session.answer(GradCAM())

    @pytest.mark.parametrize("chunk_size", [0, -1])
    def test_a_wrong_chunk_size_is_refused_at_once(self, chunk_size):
        with pytest.raises(
            MethodError, match=f"`chunk_size`: got {chunk_size}; expected a positive integer or 'auto'"
        ):
            Session(tiny(), chunk_size=chunk_size)


class TestTargets:
    def test_none_is_the_top_prediction(self):
        session = Session(tiny())
        result = session.answer(IG)
        assert result.target == result.probabilities[0].index

    @pytest.mark.parametrize("output", ["logit", "probability", "log_probability", "margin"])
    def test_kinds_of_score(self, output):
        net = tiny()
        session = Session(net)
        result = session.answer(IG, 3, output)
        direct = IG.attribute(net, session.inputs, sp.Target(3, output))
        assert result.output == output
        assert result.score == float(direct.score[0])
        assert torch.equal(session.attribution.values, direct.values)

    def test_a_function(self):
        net = tiny()

        def difference(outputs):
            return outputs[:, 1] - outputs[:, 2]

        session = Session(net)
        result = session.answer(IG, difference)
        assert (result.target, result.target_label, result.output) == (None, "difference", "score")
        assert torch.equal(session.attribution.values, IG.attribute(net, session.inputs, difference).values)
        assert len(result.probabilities) == 5

    @pytest.mark.parametrize("target", [[3], sp.Target([3]), sp.Target(3), torch.tensor(3)])
    def test_other_ways_to_write_an_index(self, target):
        assert Session(tiny()).answer(IG, target).target == 3

    def test_a_target_object_keeps_its_own_kind_of_score(self):
        result = Session(tiny(), labels=list("abcde")).answer(IG, sp.Target("b", "margin", against="c"))
        assert (result.output, result.target_label) == ("margin", "b over c")

    def test_an_index_or_a_label_is_looked_up(self):
        session = Session(tiny(), labels=["Ant", "bee", "Cat"])
        assert session.index_of("bee") == session.index_of("BEE") == 1
        assert session.index_of(99) == 99  # how many classes there are is not known yet
        with pytest.raises(TargetError, match="`target`: got -1; expected an index from 0 on"):
            session.index_of(-1)
        session.answer(Saliency())
        assert session.index_of("class 4") == 4
        assert session.index_of(-1) == 4
        with pytest.raises(TargetError, match="`target`: got 99; expected an index from 0 to 4"):
            session.index_of(99)
        with pytest.raises(
            TargetError, match=r"got 'bees'; expected one of the 5 labels\. Did you mean 'bee'"
        ):
            session.index_of("bees")
