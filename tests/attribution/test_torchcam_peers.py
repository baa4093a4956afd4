"""The CAM family beside torch-cam: the same maps where it is right, the exact ones where it is not."""

import pytest
import torch
from torch import Tensor, nn

from saliscope import attribution as ours
from saliscope.errors import TargetError
from tests.attribution.helpers import pictures, relative
from tests.reference.cam import layer_of


@pytest.fixture(scope="module")
def peer():
    return pytest.importorskip("torchcam.methods")


def network(in_place: bool = False) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return nn.Sequential(
            nn.Conv2d(2, 6, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(6, 5, 3, stride=3),
            nn.ReLU(inplace=in_place),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(5, 3),
        ).double()


def theirs(peer, name: str, model: nn.Module, layer: str, x: Tensor, target: int = 1) -> Tensor:
    """Their sum on the layer's grid before it is scaled to [0, 1]; most have its positive part only."""
    with getattr(peer, name)(model, layer, input_shape=tuple(x.shape[1:])) as cam:
        (made,) = cam(target, model(x.clone().requires_grad_()), normalized=False)
    return made


def enlarged(maps: Tensor, x: Tensor) -> Tensor:
    return nn.functional.interpolate(maps[:, None], x.shape[2:], mode="bilinear")


@pytest.mark.parametrize(
    ("name", "method"),
    [("CAM", ours.CAM("3")), ("GradCAM", ours.GradCAM("3")), ("LayerCAM", ours.LayerCAM("3"))],
)
def test_the_same_sum(peer, name, method):
    model, x = network(), pictures(2, size=9)
    grid = method.attribute(model, x, 1).values
    made = theirs(peer, name, model, "3", x)
    signs = relative(grid, enlarged(made, x))
    # On the grid, since a ReLU and an enlargement do not commute.
    if name == "CAM":
        assert signs < 1e-12
        return
    maps = layer_of(model, "3", x)
    leaf = maps.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(model[4:](leaf)[:, 1].sum(), leaf)
    weights = gradient.clamp(min=0) if name == "LayerCAM" else gradient.mean((2, 3), keepdim=True)
    exact = (weights * maps).sum(1)
    torch.testing.assert_close(made, exact.clamp(min=0))
    assert relative(grid, enlarged(exact, x)) < 1e-12


def test_score_cam_with_the_softmax_and_zeros(peer):
    model, x = network(), pictures(1, size=9)
    made = ours.ScoreCAM("3", torch.zeros_like(x), normalize=True).attribute(model, x, 1).values
    # They scale a mask to [0, 1] before it is enlarged, which keeps the ends of a grid of thirds.
    assert relative(enlarged(theirs(peer, "ScoreCAM", model, "3", x), x), made) < 1e-8


def test_a_rectifier_in_place_behind_the_layer_overwrites_their_activations(peer):
    x = pictures(1, size=9)
    maps = layer_of(network(), "2", x)
    assert (maps < 0).any()
    leaf = maps.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(network()[3:](leaf)[0, 1], leaf)
    exact = (gradient.mean((2, 3), keepdim=True) * maps).sum(1)
    for in_place in (False, True):
        model = network(in_place)
        assert relative(ours.GradCAM("2").attribute(model, x, 1).values, enlarged(exact, x)) < 1e-12
        apart = relative(theirs(peer, "GradCAM", model, "2", x), exact.clamp(min=0))
        assert (apart > 0.1) == in_place


def test_a_map_of_nan_is_one_of_zeros_to_them(peer):
    """They sum without what is no number; here the score says so."""

    class Broken(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * torch.where(x > 0, 1.0, float("nan"))

    model, x = network(), pictures(1, size=9)
    broken = nn.Sequential(*model[:3], Broken(), *model[4:])
    assert bool((theirs(peer, "GradCAM", broken, "2", x) == 0).all())
    with pytest.raises(TargetError, match="a score that is NaN or infinite"):
        ours.GradCAM("2").attribute(broken, x, 1)
