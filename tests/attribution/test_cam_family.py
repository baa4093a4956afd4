"""The CAM family against its papers' formulas: channel by channel, place by place, with whole forwards."""

import copy
import re

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saliscope import LayerError, MethodError, Target, TargetError
from saliscope.attribution import (
    CAM,
    AblationCAM,
    EigenCAM,
    GradCAM,
    GradCAMPlusPlus,
    GuidedGradCAM,
    HiResCAM,
    LayerCAM,
    ScoreCAM,
    methods,
)
from saliscope.attribution.cam import LayerMaps
from tests.attribution.helpers import Counted, pictures, relative
from tests.attribution.test_cam import VisionTransformer
from tests.reference.cam import ablation, eigen, grad_cam_plus_plus, layer_of, score_cam

FAMILY = [m for m in methods().values() if issubclass(m, LayerMaps) and m is not GuidedGradCAM]


class Pooled(nn.Module):
    """Convolution, rectifier, global average pooling and one linear layer: the network of the CAM paper."""

    def __init__(self, hidden: bool = False) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(3)
            self.features = nn.Sequential(
                nn.Conv2d(2, 5, 3, padding=1), nn.ReLU(), nn.Conv2d(5, 6, 3, stride=2), nn.ReLU()
            )
            self.middle = (
                nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 6)) if hidden else nn.Identity()
            )
            self.classifier = nn.Linear(6, 3)
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.middle(self.features(x).mean((2, 3))))


def coarse(method: LayerMaps, model: nn.Module, x: Tensor, target) -> Tensor:
    """The map on the layer's own grid, from the enlarged one: bilinear enlarging by 3 keeps the centres."""
    made = method.attribute(model, x, target)
    assert made.grid is not None
    step = x.shape[2] // made.grid[0]
    assert step % 2 == 1
    assert step * made.grid[0] == x.shape[2]
    return made.values[:, 0, step // 2 :: step, step // 2 :: step]


@pytest.fixture
def x() -> Tensor:
    return pictures(2, size=9) - 0.3


@pytest.fixture
def model() -> nn.Module:
    return Grid(Pooled(hidden=True))


class Grid(nn.Module):
    """A model whose last maps are a third of the picture: 9 x 9 to 3 x 3."""

    def __init__(self, inner: Pooled) -> None:
        super().__init__()
        self.inner = inner
        inner.features[2] = nn.Conv2d(5, 6, 3, stride=3).double()
        with torch.no_grad():
            draw = torch.Generator().manual_seed(7)
            inner.features[2].weight.copy_(torch.randn(6, 5, 3, 3, generator=draw) / 3)
            inner.features[2].bias.fill_(0.2)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)


LAYER = "inner.features"


def test_cam_is_the_number_of_places_times_grad_cam_where_both_apply(x):
    model = Grid(Pooled())
    for target in (2, Target(1, "margin", against=0)):
        cam = CAM().attribute(model, x, target)
        assert cam.layer == LAYER
        assert relative(cam.values, 9 * GradCAM(LAYER).attribute(model, x, target).values) < 1e-12
    maps = layer_of(model, LAYER, x)
    weights, bias = model.inner.classifier.weight[2].detach(), model.inner.classifier.bias[2].detach()
    made = coarse(CAM(), model, x, 2)
    torch.testing.assert_close(made, torch.einsum("c,nchw->nhw", weights, maps))
    torch.testing.assert_close(made.mean((1, 2)) + bias, model(x)[:, 2].detach())


def test_cam_finds_a_rectifier_that_is_a_function(x):
    class Functional(Grid):
        def forward(self, x: Tensor) -> Tensor:
            y = self.inner.features[2](self.inner.features[1](self.inner.features[0](x)))
            y = F.adaptive_avg_pool2d(F.relu_(y), 1)
            return self.inner.classifier(torch.flatten(y, 1))

    made = CAM().attribute(Functional(Pooled()), x, 1)
    assert made.layer == "inner.features.2"
    assert relative(made.values, CAM().attribute(Grid(Pooled()), x, 1).values) < 1e-12


@pytest.mark.parametrize(
    ("made", "target", "error", "text"),
    [
        (
            lambda: Grid(Pooled(hidden=True)),
            1,
            LayerError,
            "from whose mean over space no linear layer makes",
        ),
        (
            lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(147, 3)).double(),
            1,
            LayerError,
            "a network that ends in global average pooling and one linear layer. Grad-CAM needs neither.",
        ),
        (lambda: Grid(Pooled()), Target(1, "probability"), TargetError, "got output='probability'; expected"),
        (lambda: Grid(Pooled()), lambda out: out[:, 1], TargetError, "got a function; expected the logit of"),
        (
            lambda: Grid(Pooled()),
            Target(1, layer="inner.features.0"),
            TargetError,
            "got a layer's unit, the mean of channel 1 of inner.features.0; expected the logit of",
        ),
        (lambda: nn.Sequential(Grid(Pooled()), nn.Softmax(1)), 1, LayerError, "Grad-CAM needs neither."),
    ],
)
def test_where_there_is_no_cam(x, made, target, error, text):
    with pytest.raises(error, match=re.escape(text)):
        CAM().attribute(made(), x, target)


@pytest.mark.parametrize("target", [0, 1, 2])
def test_grad_cam_plus_plus_from_second_and_third_derivatives(model, x, target):
    for one in x:
        expected, scale = grad_cam_plus_plus(model, LAYER, one, target)
        made = coarse(GradCAMPlusPlus(LAYER), model, one[None], target)[0]
        torch.testing.assert_close(made * scale, expected, rtol=1e-9, atol=1e-12)


def test_hires_and_layer_cam_weigh_each_place(model, x):
    maps = layer_of(model, LAYER, x).requires_grad_()
    score = model.inner.classifier(model.inner.middle(maps.mean((2, 3))))[:, 1].sum()
    (gradient,) = torch.autograd.grad(score, maps)
    maps = maps.detach()
    assert (gradient < 0).any()
    torch.testing.assert_close(coarse(HiResCAM(LAYER), model, x, 1), (gradient * maps).sum(1))
    torch.testing.assert_close(coarse(LayerCAM(LAYER), model, x, 1), (gradient.clamp_min(0) * maps).sum(1))


@pytest.mark.parametrize("layer", [LAYER, "inner.features.2"])
@pytest.mark.parametrize("target", [1, Target(2, "probability")])
def test_ablation_cam_is_what_zeroing_each_channel_does(model, x, layer, target):
    expected = torch.stack([ablation(model, layer, one, target) for one in x])
    torch.testing.assert_close(coarse(AblationCAM(layer), model, x, target), expected, rtol=1e-10, atol=1e-12)


def test_ablation_cam_of_a_linear_head_needs_no_network(x):
    """There the fall is the weight times the channel's mean."""
    model = Grid(Pooled())
    maps = layer_of(model, LAYER, x)
    falls = model.inner.classifier.weight[2].detach() * maps.mean((2, 3))
    torch.testing.assert_close(coarse(AblationCAM(), model, x, 2), torch.einsum("nc,nchw->nhw", falls, maps))


def test_ablation_cam_keeps_its_signs_where_the_score_is_negative(model, x):
    """Evidence for the score is positive evidence, also for a class with a negative logit."""
    shifted = copy.deepcopy(model)
    with torch.no_grad():
        shifted.inner.classifier.bias -= 100
    made, expected = (AblationCAM(LAYER).attribute(m, x, 1).values for m in (shifted, model))
    assert relative(made, expected) < 1e-9


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("baseline", ["black", 0.3, torch.full((1, 2, 9, 9), -0.2, dtype=torch.float64)])
def test_score_cam_is_what_showing_each_channel_does(model, x, normalize, baseline):
    method = ScoreCAM(LAYER, baseline, normalize)
    level = {"black": 0.0, 0.3: 0.3}
    start = baseline[0] if torch.is_tensor(baseline) else x.new_full((2, 9, 9), level[baseline])
    for one, made in zip(x.clamp(0, 1), coarse(method, model, x.clamp(0, 1), 1), strict=True):
        expected = score_cam(model, LAYER, one, 1, start, normalize)
        torch.testing.assert_close(made, expected, rtol=1e-10, atol=1e-12)


def test_score_cam_takes_one_baseline():
    with pytest.raises(MethodError, match="`baseline`: got 2 baselines; expected one"):
        ScoreCAM(baseline=("black", "white"))


def test_score_cam_runs_each_channel_once_and_in_chunks():
    model = Counted(Grid(Pooled()))
    ScoreCAM("model.inner.features").attribute(model, pictures(1, size=9), 1, chunk_size=4)
    # The maps, the baseline, then the channels; one of six is dead here, which needs no run.
    assert model.seen() == [1, 1, 4, 1]


def test_eigen_cam_is_the_first_singular_vector_with_a_sign(model, x):
    expected = torch.stack([eigen(layer_of(model, LAYER, one[None])[0]) for one in x])
    made = coarse(EigenCAM(LAYER), model, x, 1)
    torch.testing.assert_close(made, expected, rtol=1e-9, atol=1e-12)
    assert (made >= -1e-12).all()
    torch.testing.assert_close(made, coarse(EigenCAM(LAYER), model, x, 0))


def test_eigen_cams_sign_does_not_depend_on_how_channels_are_numbered(x):
    """Signs of singular vectors do: over all orders of the channels both occur."""
    model = nn.Sequential(nn.Conv2d(2, 6, 3, stride=3), nn.Flatten(), nn.Linear(54, 2)).double()
    made, raw = [], set()
    for seed in range(8):
        order = torch.randperm(6, generator=torch.Generator().manual_seed(seed))
        again = copy.deepcopy(model)
        with torch.no_grad():
            again[0].weight.copy_(model[0].weight[order])
            again[0].bias.copy_(model[0].bias[order])
        made.append(coarse(EigenCAM("0"), again, x, 0))
        matrix = layer_of(again, "0", x[:1])[0].flatten(1).T
        raw.add(bool(torch.linalg.svd(matrix)[0][:, 0].sum() < 0))
    for one in made[1:]:
        torch.testing.assert_close(one, made[0], rtol=1e-9, atol=1e-12)
    assert (made[0].sum((1, 2)) >= 0).all()
    assert raw == {True, False}


@pytest.mark.parametrize("cls", FAMILY)
def test_tokens_become_maps_for_all_of_them(cls):
    model, picture = VisionTransformer((2, 6), 0, pooled=True), pictures(2, size=24)[:, :, :8]
    made = cls().attribute(model, picture, 1)
    assert (made.layer, made.grid) == ("norm", (2, 6))
    assert made.values.any()
    assert made.values.shape == (2, 1, 8, 24)


def test_channels_of_tokens_are_ablated_at_the_patches():
    model, picture = VisionTransformer((4, 4), 3), pictures(1, size=16)
    layer = "blocks.0"
    tokens = layer_of(model, layer, picture)
    falls = []
    for channel in range(8):
        changed = tokens.clone()
        changed[:, 3:, channel] = 0
        with torch.no_grad():
            logits = [model.head(model.norm(model.blocks[1](t))[:, 0])[0, 1] for t in (tokens, changed)]
        falls.append(logits[0] - logits[1])
    maps = tokens[0, 3:].T.reshape(8, 4, 4)
    expected = torch.einsum("c,chw->hw", torch.stack(falls), maps)
    made = AblationCAM(layer).attribute(model, picture, 1)
    enlarged = F.interpolate(expected[None, None], (16, 16), mode="bilinear")
    assert relative(made.values, enlarged) < 1e-10


@pytest.mark.parametrize("cls", [ScoreCAM, AblationCAM])
def test_partial_maps_are_soon_good_guesses(cls, model, x):
    """Channels that reach furthest come first; what is not asked yet counts nothing."""
    whole = cls(LAYER).attribute(model, x[:1], 1).values
    steps = list(cls(LAYER).stream(model, x[:1], 1, chunk_size=1))
    errors = [relative(step.result.values, whole) for step in steps]
    assert errors[-1] < 1e-12
    assert errors[-2] < 0.5 * max(errors)
    assert [step.done for step in steps][-1] == 6
