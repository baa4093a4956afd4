"""Activations of a borrowed model: the rows a plain hook sees, in the user's order, whatever the chunks."""

import sys

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import saliscope as sp
from saliscope import InputError, LayerError, MethodError
from saliscope.features import Activations, activations, activations_stream
from tests.sessions.tools import MEAN, STD, Segmenter, fingerprint, photo, tiny


def seen_by_a_hook(net, inputs, name):
    caught = []
    handle = dict(net.named_modules())[name].register_forward_hook(
        lambda _m, _i, out: caught.append(out.clone())
    )
    was = net.training
    with torch.no_grad():
        scores = net.eval()(inputs)
    net.train(was)
    handle.remove()
    return caught[0], scores


@pytest.fixture
def net():
    return tiny()


@pytest.fixture
def inputs():
    return torch.randn(11, 3, 8, 10, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("chunk_size", ["auto", 1, 4, 11, 50])
def test_rows_are_what_the_layer_put_out_whatever_the_chunk(net, inputs, chunk_size):
    before = fingerprint(net)
    found = activations(net, inputs, "4", chunk_size=chunk_size)
    assert fingerprint(net) == before
    out, scores = seen_by_a_hook(net, inputs, "4")
    torch.testing.assert_close(found.values, out.mean((2, 3)))
    torch.testing.assert_close(found.scores, scores)
    assert (found.layer, found.pooling) == ("4", "mean over 4×5 positions")
    assert np.asarray(found).shape == (11, 8)


def test_the_last_layer_before_the_output_is_taken_without_a_name(net, inputs):
    found = activations(net, inputs)
    assert (found.layer, found.pooling, found.values.shape) == ("7", "", (11, 8))
    alone = activations(nn.Sequential(nn.Linear(4, 2)), torch.randn(5, 4))
    assert (alone.layer, alone.values.shape) == ("", (5, 2))


def test_several_layers_in_one_pass(net, inputs):
    calls = []
    net[0].register_forward_hook(lambda *_: calls.append(1))
    found = activations(net, inputs, layers=["0", net[4], "8"], chunk_size=11)
    assert list(found) == ["0", "4", "8"]
    assert len(calls) == 1 + 2  # a look at two rows, these two, and the rest
    torch.testing.assert_close(found["8"].values, found["0"].scores)


@pytest.mark.parametrize(
    ("pool", "expected", "words"),
    [
        ("max", lambda out: out.amax((2, 3)), "max over 4×5 positions"),
        ("flatten", lambda out: out.flatten(1), "all 8×4×5 values"),
    ],
)
def test_poolings(net, inputs, pool, expected, words):
    found = activations(net, inputs, "4", pool=pool)
    torch.testing.assert_close(found.values, expected(seen_by_a_hook(net, inputs, "4")[0]))
    assert found.pooling == words


class Tokens(nn.Module):
    """A transformer's shape: a class token before a row of tokens."""

    def __init__(self):
        super().__init__()
        self.block = nn.Linear(3, 6)

    def forward(self, x):
        tokens = x.flatten(2).transpose(1, 2)
        return self.block(torch.cat([tokens.mean(1, keepdim=True), tokens], 1))[:, 0]


def test_tokens_are_averaged_without_the_class_token_or_only_it_is_taken(inputs):
    net = Tokens()
    out, _ = seen_by_a_hook(net, inputs, "block")
    torch.testing.assert_close(activations(net, inputs, "block").values, out[:, 1:].mean(1))
    torch.testing.assert_close(activations(net, inputs, "block", pool="token").values, out[:, 0])


def test_pictures_are_prepared_and_scores_follow_them():
    net = tiny()
    pictures = [Image.fromarray(photo(i)) for i in range(5)]
    found = activations(sp.borrow(net, mean=MEAN, std=STD), pictures, "7", chunk_size=2)
    batch = torch.stack([torch.from_numpy(photo(i)).permute(2, 0, 1) / 255 for i in range(5)])
    batch = (batch - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    torch.testing.assert_close(found.values, seen_by_a_hook(net, batch, "7")[0], atol=1e-5, rtol=1e-4)


def test_a_data_loader_is_read_in_its_own_order(net, inputs):
    loader = DataLoader(TensorDataset(inputs, torch.arange(11)), batch_size=4)
    torch.testing.assert_close(activations(net, loader, "7").values, activations(net, inputs, "7").values)


def test_partial_answers_have_the_first_rows_and_stay(net, inputs):
    steps = list(activations_stream(net, inputs, "7", chunk_size=4))
    assert [(step.done, step.total) for step in steps] == [(2, 11), (6, 11), (10, 11), (11, 11)]
    assert [len(step.result["7"]) for step in steps] == [2, 6, 10, 11]
    assert isinstance(steps[0].result["7"], Activations)


def test_outputs_that_are_no_classes_come_without_scores():
    found = activations(Segmenter(), torch.randn(4, 3, 5, 5), "conv")
    assert found.scores is None
    assert found.values.shape == (4, 4)


class TestBadInput:
    def test_an_unknown_layer_is_named_with_the_nearest(self, net, inputs):
        with pytest.raises(LayerError, match="`layer`: got 'conv9'"):
            activations(net, inputs, "conv9")

    def test_a_layer_without_a_tensor_of_floats(self, inputs):
        class Words(nn.Module):
            def forward(self, x):
                return {"no": x}

        class Odd(nn.Module):
            def __init__(self):
                super().__init__()
                self.words, self.never = Words(), nn.ReLU()

            def forward(self, x):
                return self.words(x)["no"].mean((2, 3))

        for layer in ("words", "never"):
            with pytest.raises(LayerError, match=rf"'{layer}', a .* that did not run or put out no tensor"):
                activations(Odd(), inputs, layer)

    def test_token_of_a_layer_without_tokens(self, net, inputs):
        with pytest.raises(LayerError, match=r"`pool`: got a layer with output shape \(2, 8, 4, 5\)"):
            activations(net, inputs, "4", pool="token")

    def test_an_unknown_pooling(self, net, inputs):
        with pytest.raises(MethodError, match="`pool`: got 'median'; expected one of auto, mean"):
            activations(net, inputs, "4", pool="median")

    def test_a_picture_that_cannot_be_read_is_named_by_its_row(self, net):
        pictures = [photo(i) for i in range(6)]
        pictures[4] = "nowhere.png"
        with pytest.raises(InputError, match=r"`images\[4\]`"):
            activations(net, pictures, "7", chunk_size=2)

    def test_more_numbers_than_fit_are_refused_after_the_first_chunk(self, net, inputs, monkeypatch):
        monkeypatch.setattr(sys.modules["saliscope.features.activations"], "MOST_BYTES", 4 * 11 * 160 - 1)
        with pytest.raises(InputError, match="11 rows of 160 values from '4'"):
            activations(net, inputs, "4", pool="flatten")


def test_they_are_printed_in_a_line():
    found = Activations(torch.zeros(4, 3), "layer1", "mean over positions", scores=torch.zeros(4, 2))
    assert repr(found) == "Activations(4 rows of 3, layer1, mean over positions)"
