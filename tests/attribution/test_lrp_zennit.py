"""LRP beside zennit: the same where its modules are all there is; where they are not, the matrices decide."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from saliscope.attribution import LRP
from tests.attribution.helpers import pictures, relative
from tests.attribution.lrp_models import EPSILON, GAMMA, by_matrices, residual_network, rules_of
from tests.attribution.variants import Layers, plain


@pytest.fixture(autouse=True)
def zennit(torchvision):
    """It imports torchvision."""
    return pytest.importorskip("zennit")


class Chain(nn.Sequential):
    """Modules one after the other, none used twice: all that zennit can see."""

    def __init__(self, norm: bool = False) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(6)
            middle = [nn.BatchNorm2d(4)] if norm else []
            super().__init__(
                *(nn.Conv2d(2, 4, 3, padding=1), *middle, nn.ReLU(), nn.Conv2d(4, 5, 3), nn.ReLU()),
                *(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(20, 6), nn.ReLU(), nn.Linear(6, 4)),
            )
            self.double().eval()
            for part in self:
                if isinstance(part, nn.BatchNorm2d):
                    assert part.running_mean is not None
                    for tensor in (part.running_mean, part.weight.data, part.bias.data):
                        tensor.normal_()


def by_zennit(
    composite: str, model: nn.Module, x: Tensor, target: int, canonizers: list | None = None
) -> Tensor:
    from zennit.attribution import Gradient
    from zennit.composites import COMPOSITES as THEIRS

    options = {"stabilizer": 1e-14, "canonizers": canonizers or [], "epsilon": EPSILON}
    if "gamma" in composite:
        ends = [torch.full_like(x[:1], float(end)) for end in (x.min(), x.max())]
        options |= {"low": ends[0], "high": ends[1], "gamma": GAMMA}
    made = THEIRS[composite](**options)
    with Gradient(model, made) as attributor:
        _, values = attributor(x.clone(), lambda out: out * F.one_hot(torch.tensor(target), 4))
    return values.detach()


ZENNIT = ["epsilon_plus_flat", "epsilon_gamma_box", "epsilon_plus", "epsilon_alpha2_beta1"]


@pytest.mark.parametrize("composite", ZENNIT)
def test_zennit_says_the_same_of_modules_in_a_row(composite):
    x = 3 * pictures(1, size=6) - 1
    made = LRP(composite, EPSILON, GAMMA).attribute(Chain(), x, 2).values
    torch.testing.assert_close(made, by_zennit(composite, Chain(), x, 2), rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("composite", ZENNIT)
def test_zennit_says_the_same_of_batch_norm_once_it_is_merged(composite):
    from zennit.canonizers import SequentialMergeBatchNorm

    x = 3 * pictures(1, size=6) - 1
    made = LRP(composite, EPSILON, GAMMA).attribute(Chain(norm=True), x, 2).values
    canonizers = [SequentialMergeBatchNorm()]
    theirs = by_zennit(composite, Chain(norm=True), x, 2, canonizers)
    # It leaves the norm's own epsilon in the merged network, which is then no longer quite the same one.
    assert relative(theirs, made) < 1e-4
    # Left to itself it takes the weights' signs without those of the norm, and does not say so.
    if composite != "epsilon_plus_flat":  # flat looks at no weight
        assert relative(by_zennit(composite, Chain(norm=True), x, 2), made) > 0.1


def test_zennit_counts_a_residual_twice():
    """Its rules sit on modules: an addition between them hands all of it to both sides."""
    layers, x = Layers(), 3 * pictures(1, size=6) - 1
    from zennit.canonizers import SequentialMergeBatchNorm

    made = LRP("epsilon_plus", EPSILON).attribute(plain(layers), x, 1)
    nodes = residual_network(layers, rules_of("epsilon_plus", np.zeros(0), np.zeros(0), np.zeros(0)))
    exact = by_matrices(nodes, x[0], 1, made.score[0])
    theirs = by_zennit("epsilon_plus", plain(Layers()), x, 1, [SequentialMergeBatchNorm()])[0]
    assert relative(made.values[0], exact) < 1e-10
    assert relative(theirs, exact) > 0.3


def test_zennit_takes_a_layer_used_twice_for_its_last_use():
    """It keeps what the last call was given, and shares the relevance of the first one by that."""

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            with torch.random.fork_rng():
                torch.manual_seed(8)
                self.conv, self.relu = nn.Conv2d(2, 2, 3, padding=1), nn.ReLU()
                self.flatten, self.last = nn.Flatten(), nn.Linear(32, 4)
            self.double()

        def forward(self, x: Tensor) -> Tensor:
            return self.last(self.flatten(self.relu(self.conv(self.relu(self.conv(x))))))

    class Once(Twice):
        def __init__(self) -> None:
            super().__init__()
            self.other, self.again = nn.Conv2d(2, 2, 3, padding=1).double(), nn.ReLU()
            self.other.load_state_dict(self.conv.state_dict())

        def forward(self, x: Tensor) -> Tensor:
            return self.last(self.flatten(self.relu(self.conv(self.again(self.other(x))))))

    x = pictures(1)
    method = LRP("epsilon_plus", EPSILON)
    exact = method.attribute(Once(), x, 1).values
    torch.testing.assert_close(exact, by_zennit("epsilon_plus", Once(), x, 1), rtol=1e-8, atol=1e-12)
    assert relative(method.attribute(Twice(), x, 1).values, exact) < 1e-12
    assert relative(by_zennit("epsilon_plus", Twice(), x, 1), exact) > 0.1
