"""A unit of a layer is a score like any other, for every method."""

import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from saliscope import LayerError, Target, TargetError
from saliscope.attribution import GradCAM, IntegratedGradients, Saliency, SmoothGrad
from saliscope.attribution.base import Question
from saliscope.core.borrow import borrow
from tests.core.helpers import unchecked


class Inner(nn.Module):
    """Maps, tokens, channels last, and numbers, each the output of a layer; rectified in place behind it."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(3)
            self.maps, self.tokens, self.last = nn.Conv2d(2, 3, 3, padding=1), nn.Linear(3, 5), nn.Identity()
            self.fc, self.unused = nn.Linear(5, 4), nn.Linear(1, 1)
            self.prefix = nn.Parameter(torch.randn(1, 1, 3))
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu_(self.maps(x))
        x = self.last(x.permute(0, 2, 3, 1)).flatten(1, 2)
        x = self.tokens(torch.cat([self.prefix.expand(len(x), -1, -1), x], 1)).relu_()
        return self.fc(x.mean(1))


class TestUnits:
    """A unit of a layer is a score like any other."""

    model, x = (
        Inner(),
        torch.rand(2, 2, 4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0)),
    )

    def activations(self, layer: str) -> Tensor:
        kept = []
        handle = self.model.get_submodule(layer).register_forward_hook(lambda m, i, o: kept.append(o.clone()))
        self.model(self.x)
        handle.remove()
        return kept[0].detach()

    def asked(self, index: Any, layer: str) -> Question:
        return Question(self.model, self.x, Target(index, layer=layer), "auto")

    @pytest.mark.parametrize(
        ("index", "layer", "pick", "words"),
        [
            (2, "maps", lambda a: a[:, 2].mean((1, 2)), "mean of channel 2 of maps"),
            (-1, "maps", lambda a: a[:, 2].mean((1, 2)), "mean of channel -1 of maps"),
            ([2], "maps", lambda a: a[:, 2].mean((1, 2)), "mean of channel 2 of maps"),
            (np.int64(1), "last", lambda a: a[..., 1].mean((1, 2)), "mean of channel 1 of last"),
            ((1, 3, 5), "maps", lambda a: a[:, 1, 3, 5], "channel 1 at row 3, column 5 of maps"),
            (
                torch.tensor([1, 3, 5]),
                "last",
                lambda a: a[:, 3, 5, 1],
                "channel 1 at row 3, column 5 of last",
            ),
            (4, "tokens", lambda a: a[:, 1:, 4].mean(1), "mean of channel 4 of tokens"),
            ((4, 2, 5), "tokens", lambda a: a[:, 1 + 2 * 6 + 5, 4], "channel 4 at row 2, column 5 of tokens"),
            ((0, 4), "tokens", lambda a: a[:, 0, 4], "channel 4 of token 0 of tokens"),
            (3, "fc", lambda a: a[:, 3], "channel 3 of fc"),
            (lambda a: a.amax((1, 2, 3)), "maps", lambda a: a.amax((1, 2, 3)), "the given function of maps"),
        ],
    )
    def test_what_is_read_from_the_layer(self, index, layer, pick, words):
        question = self.asked(index, layer)
        torch.testing.assert_close(question.score, pick(self.activations(layer)), rtol=1e-13, atol=1e-13)
        assert question.target.labels == (words,) * 2
        assert question.target.layer == layer

    def test_its_gradient_is_that_of_the_layer_before_anything_in_place(self):
        leaf = self.x.clone().requires_grad_()
        (expected,) = torch.autograd.grad(self.model.maps(leaf)[:, 1, 2, 3].sum(), leaf)
        found = Saliency(absolute=False).attribute(self.model, self.x, Target((1, 2, 3), layer="maps"))
        torch.testing.assert_close(found.values, expected, rtol=1e-13, atol=1e-13)
        assert expected.abs().sum() > 0

    @pytest.mark.parametrize("chunk_size", [1, 2])
    def test_it_works_with_every_way_of_asking(self, chunk_size):
        target = Target((4, 1, 2), layer="tokens")
        for method in (IntegratedGradients(n_steps=3), SmoothGrad(n_samples=2), GradCAM(layer="maps")):
            answer = method.attribute(self.model, self.x, target, chunk_size=chunk_size)
            torch.testing.assert_close(
                answer.score, self.asked((4, 1, 2), "tokens").score, rtol=1e-13, atol=0
            )
        path = IntegratedGradients(n_steps=3).attribute(self.model, self.x, target)
        assert path.convergence_delta is not None
        torch.testing.assert_close(  # bound once, it is asked again without its name
            IntegratedGradients(n_steps=3).attribute(self.model, self.x, path.target).values, path.values
        )

    def test_the_target_says_what_is_read_not_the_borrowed_model(self):
        reading = borrow(self.model).reading("maps")
        assert Question(reading, self.x, 1, "auto").target.labels == ("class 1",) * 2

    @pytest.mark.parametrize(
        ("index", "layer", "error", "text"),
        [
            (
                3,
                "maps",
                TargetError,
                "`index`: got 3; expected a channel or (channel, y, x) within 3×4×6, the",
            ),
            (
                (0, 4, 0),
                "maps",
                TargetError,
                "got (0, 4, 0); expected a channel or (channel, y, x) within 3×4×6",
            ),
            ((0, 0, -7), "maps", TargetError, "within 3×4×6, the shape of 'maps'"),
            ((0, 0), "maps", TargetError, "got (0, 0); expected a channel or (channel, y, x) within 3×4×6"),
            ((25, 0), "tokens", TargetError, "expected (token, channel) within 25×5, the shape of 'tokens'"),
            ((0, 4, 0), "tokens", TargetError, "within 5×4×6, the shape of 'tokens'"),
            ((0, 0, 0), "fc", TargetError, "expected a channel within 4, the shape of 'fc'"),
            (
                0,
                "mapps",
                LayerError,
                "`layer`: got 'mapps'; expected the name of one of the model's 5 layers. Did",
            ),
            (0, "unused", LayerError, "got 'unused', which put out no tensor; expected a layer that runs"),
        ],
    )
    def test_units_that_are_not_there(self, index, layer, error, text):
        with pytest.raises(error, match=re.escape(text)):
            _ = self.asked(index, layer).score

    @pytest.mark.parametrize(
        ("options", "text"),
        [
            (
                {"index": None},
                "`index`: got None; expected a channel, (channel, y, x), (token, channel) or a",
            ),
            ({"index": "cat"}, "`index`: got 'cat'; expected a channel"),
            ({"index": (0, 1, 2, 3)}, "`index`: got (0, 1, 2, 3); expected a channel"),
            ({"index": True}, "`index`: got True; expected a channel"),
            ({"index": 0, "output": "margin"}, "`output`: got 'margin'; expected 'logit'"),
            ({"index": 0, "layer": ""}, "`layer`: got ''; expected the name of a layer, or None"),
        ],
    )
    def test_targets_that_are_no_unit(self, options, text):
        with unchecked(), pytest.raises(TargetError, match="^" + re.escape(text)):
            Target(**{"layer": "maps", **options})
