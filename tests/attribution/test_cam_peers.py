"""The CAM family beside pytorch-grad-cam: the same maps where it is right, the exact ones where it is not."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from saliscope import TargetError
from saliscope import attribution as ours
from tests.attribution.helpers import pictures, relative
from tests.reference.cam import layer_of


@pytest.fixture
def peer(torchvision):
    return pytest.importorskip("pytorch_grad_cam")


def network(in_place: bool = False) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return nn.Sequential(
            nn.Conv2d(2, 6, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(6, 5, 3, stride=3),
            nn.ReLU(inplace=in_place),
            nn.Flatten(),
            nn.Linear(45, 8),
            nn.ReLU(),
            nn.Linear(8, 3),
        )


def theirs(peer, name: str, model: nn.Module, layer: nn.Module, x: Tensor, target: int = 1) -> Tensor:
    """Their signed sum on the layer's grid; what is public is its positive part, scaled to [0, 1]."""
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    targets = [ClassifierOutputTarget(target)] * len(x)
    with getattr(peer, name)(model, [layer]) as cam:
        cam(x, targets)
        seen = cam.activations_and_grads
        gradients = seen.gradients[0].numpy() if seen.gradients else None
        activations = seen.activations[0].numpy()
        made = cam.get_cam_image(x, layer, targets, activations, gradients, False)
        return torch.from_numpy(np.asarray(made))


def enlarged(maps: Tensor, x: Tensor) -> Tensor:
    return nn.functional.interpolate(maps[:, None], x.shape[2:], mode="bilinear")


@pytest.mark.parametrize("name", ["GradCAM", "HiResCAM", "LayerCAM"])
def test_the_same_sum(peer, name):
    model, x = network(), pictures(2, size=9).float()
    made = getattr(ours, name)("3").attribute(model, x, 1).values
    assert relative(made, enlarged(theirs(peer, name, model, model[3], x), x)) < 1e-5


def test_ablation_cam_times_the_score(peer):
    model, x = network(), pictures(1, size=9).float()
    made = ours.AblationCAM("3").attribute(model, x, 1)
    expected = enlarged(theirs(peer, "AblationCAM", model, model[3], x), x) * made.score
    assert relative(made.values, expected) < 1e-4


def test_score_cam_with_the_softmax_and_zeros(peer):
    model, x = network(), pictures(1, size=9).float()
    made = ours.ScoreCAM("3", torch.zeros_like(x), normalize=True).attribute(model, x, 1).values
    # Their masks are enlarged from corner to corner, as no network's strides are.
    assert relative(made, enlarged(theirs(peer, "ScoreCAM", model, model[3], x), x)) < 5e-3


def test_a_rectifier_in_place_behind_the_layer_overwrites_their_activations(peer):
    x = pictures(1, size=9).float()
    maps = layer_of(network(), "2", x)
    assert (maps < 0).any()
    leaf = maps.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(network()[3:](leaf)[0, 1], leaf)
    exact = enlarged((gradient.mean((2, 3), keepdim=True) * maps).sum(1), x)
    for in_place in (False, True):
        model = network(in_place)
        assert relative(ours.GradCAM("2").attribute(model, x, 1).values, exact) < 1e-5
        apart = relative(enlarged(theirs(peer, "GradCAM", model, model[2], x), x), exact)
        assert (apart > 0.1) == in_place


def test_the_sign_of_their_eigen_cam_follows_the_numbering_of_the_channels(peer):
    """The same pictures, the same network: only its channels are numbered otherwise."""
    model, x = network(), pictures(1, size=9).float()
    maps = layer_of(model, "3", x)
    signs, made = set(), []
    first = torch.from_numpy(peer.utils.svd_on_activations.get_2d_projection(maps.numpy()))
    for seed in range(8):
        order = torch.randperm(5, generator=torch.Generator().manual_seed(seed))
        again = torch.from_numpy(peer.utils.svd_on_activations.get_2d_projection(maps[:, order].numpy()))
        signs.add(float((first * again).sum().sign()))
        numbered = network()
        with torch.no_grad():
            numbered[2].weight.copy_(numbered[2].weight[order])
            numbered[2].bias.copy_(numbered[2].bias[order])
        made.append(ours.EigenCAM("3").attribute(numbered, x, 1).values)
    assert signs == {1.0, -1.0}
    for one in made[1:]:
        assert relative(one, made[0]) < 1e-5


def test_they_leave_the_model_in_evaluation_mode_and_wipe_its_gradients(peer):
    model, x = network().train(), pictures(1, size=9).float()
    model[0].weight.grad = torch.ones_like(model[0].weight)
    ours.GradCAM("3").attribute(model, x, 1)
    assert model.training
    assert bool((model[0].weight.grad == 1).all())
    theirs(peer, "GradCAM", model, model[3], x)
    assert not model.training
    wiped = model[0].weight.grad
    assert wiped is None or not bool((wiped == 1).all())


def test_a_wrong_class_is_lost_in_their_with_block(peer):
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    model, x, reached = network(), pictures(1, size=9).float(), False
    with peer.GradCAM(model, [model[3]]) as cam:
        cam(x, [ClassifierOutputTarget(99)])
        reached = True
    assert not reached
    with pytest.raises(TargetError, match="got 99; expected an index from 0 to 2"):
        ours.GradCAM("3").attribute(model, x, 99)
