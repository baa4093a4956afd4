"""Randomisation: what collapses, what does not, and that the user's model stays as it is."""

import hashlib
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from saliscope import InputError, MethodError, ModelError, borrow, demo
from saliscope.attribution import GradCAM, GuidedBackprop, Saliency, SmoothGrad, adapt
from saliscope.core.anytime import Cancelled, CancelToken
from saliscope.faithfulness.random_weights import Forgetting, blocks_of, copied
from saliscope.faithfulness.randomisation import (
    RandomisationProtocol,
    randomisation,
    randomisation_stream,
)
from saliscope.faithfulness.similarity import spearman, ssim
from tests.core.helpers import unchecked


@pytest.fixture(scope="module")
def cnn():
    return demo.cnn()


@pytest.fixture(scope="module")
def pictures():
    return demo.scenes(4, seed=0, digits="held_out").inputs()


@pytest.fixture
def small():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(2, 4, 3),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(3),
            nn.Flatten(),
            nn.Linear(36, 3),
        ).double()


@pytest.fixture
def x():
    return torch.randn(3, 2, 9, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def state(model):
    """Everything that a randomisation might touch."""
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(name.encode() + tensor.detach().numpy().tobytes())
    hooks = [dict(part._forward_pre_hooks) | dict(part._forward_hooks) for part in model.modules()]
    modes = [part.training for part in model.modules()]
    return digest.hexdigest(), hooks, modes, [w.grad is None for w in model.parameters()]


def gradient(model, inputs, target):
    with torch.enable_grad():
        inputs = inputs.clone().requires_grad_()
        (found,) = torch.autograd.grad(target.score(model(inputs)).sum(), inputs)
    return found


def edges(_model, inputs, _target):
    grey = inputs.sum(1)
    return (grey - grey.roll(1, 2)).abs()


@pytest.fixture(scope="module")
def trained(cnn, pictures):
    methods = {"gradient": gradient, "Grad-CAM": GradCAM(), "guided": GuidedBackprop(), "edges": edges}
    return {name: randomisation(cnn, pictures, method) for name, method in methods.items()}


def test_the_blocks_of_the_network_are_randomised_from_the_output_down(trained):
    names = [stage.block.name for stage in trained["gradient"].stages]
    assert names == ["fc", "layer3", "layer2", "layer1", "stem"]
    assert trained["gradient"].complete


@pytest.mark.parametrize("method", ["gradient", "Grad-CAM"])
def test_a_map_that_shows_what_was_learnt_collapses_after_the_top_block(trained, method):
    signed = trained[method].measured("signed").mean(0)
    assert signed[1:].abs().max() < 0.25
    assert trained[method].measured("ssim").mean(0)[1:].max() < 0.4


def test_guided_backprop_and_an_edge_detector_do_not_collapse(trained):
    assert trained["guided"].measured("signed").mean(0)[1] > 0.7
    assert trained["guided"].measured("absolute").mean(0)[1] > 0.6
    for measure in ("signed", "absolute", "ssim"):
        assert trained["edges"].measured(measure) == pytest.approx(torch.ones(4, 5).double(), abs=1e-12)
    assert any("same at every stage" in note for note in trained["edges"].notes)
    assert not any("same at every stage" in note for note in trained["guided"].notes)


def test_the_trivial_first_value_is_in_no_mean(trained):
    result = trained["gradient"]
    assert result.measured("signed").shape == (4, 5)
    expected = torch.stack([spearman(result.maps, stage.maps) for stage in result.stages]).mean(0)
    assert result.mean("signed") == pytest.approx(expected, abs=1e-6)
    last = ssim(result.maps, result.stages[-1].maps)
    assert result.measured("ssim")[:, -1] == pytest.approx(last, abs=1e-6)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("weights", ["reset", "normal", "permuted"])
def test_the_users_model_is_not_touched(small, x, training, weights):
    seen = []
    small[0].register_forward_hook(lambda *_: seen.append(1))
    small.train(training)
    before, drawn = state(small), torch.get_rng_state()
    randomisation(small, x, gradient, weights=weights)
    assert state(small) == before
    assert torch.equal(torch.get_rng_state(), drawn)
    assert seen  # the copy has the user's hooks


def test_the_model_is_not_touched_if_the_method_fails(small, x):
    before = state(small)

    def fails(_model, _inputs, _target):
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        randomisation(small, x, fails)
    assert state(small) == before


def test_the_class_stays_the_one_that_the_trained_network_chose(small, x):
    asked = []

    def method(model, inputs, target):
        asked.append(target.indices.tolist())
        return gradient(model, inputs, target)

    randomisation(small, x, method)
    assert asked == [small.eval()(x).argmax(1).tolist()] * 4


def test_a_seed_gives_the_same_numbers_whatever_the_process_drew(small, x):
    first = randomisation(small, x, gradient, seed=3)
    torch.manual_seed(99)
    again, other = (randomisation(small, x, gradient, seed=seed) for seed in (3, 4))
    for one, two, three in zip(first.stages, again.stages, other.stages, strict=True):
        assert torch.equal(one.maps, two.maps)
        assert not torch.equal(one.maps, three.maps)


def test_the_others_in_the_batch_do_not_count(small, x):
    whole, alone = randomisation(small, x, gradient), randomisation(small, x[1:2], gradient)
    assert alone.measured("signed")[0] == pytest.approx(whole.measured("signed")[1], abs=1e-6)


def test_a_cascade_keeps_what_was_randomised_and_a_single_block_is_put_back(small, x):
    weights = []

    def method(model, inputs, target):
        weights.append([w.detach().clone() for w in model.parameters()])
        return gradient(model, inputs, target)

    own = list(small.parameters())  # convolution, normalisation, linear: weight and bias of each
    for mode, changed in (
        ("cascading", [(0, 0, 0), (0, 0, 1), (0, 1, 1), (1, 1, 1)]),
        ("independent", [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0)]),
    ):
        with torch.no_grad():
            own[2].fill_(0.5)  # so that an initialisation changes it
        weights.clear()
        randomisation(small, x, method, mode=mode)
        found = [tuple(int(not torch.equal(w[i], own[i])) for i in (0, 2, 4)) for w in weights]
        assert found == changed


def test_permuted_weights_have_the_same_values_and_normal_ones_their_moments(small, x):
    for kind in ("permuted", "normal"):
        module = copied(small)
        (block,) = (b for b in blocks_of(borrow(module), x, "layers") if b.name == "5")
        assert Forgetting(module, kind, "kept", 0).forget(block)
        new, old = module[5].weight.detach().flatten(), small[5].weight.detach().flatten()
        assert not torch.equal(new, old)
        if kind == "permuted":
            assert torch.equal(new.sort().values, old.sort().values)
        else:
            assert new.std().item() == pytest.approx(old.std().item(), rel=0.2)


def test_running_statistics_go_or_stay_as_the_protocol_says(small, x):
    small[1].running_mean.fill_(7)
    for buffers, mean in (("reset", 0), ("kept", 7)):
        module = copied(small)
        forgetting = Forgetting(module, "reset", buffers, 0)
        for block in blocks_of(borrow(module), x, "layers"):
            forgetting.forget(block)
        assert (module[1].running_mean == mean).all()
        forgetting.remember()
        assert all(torch.equal(a, b) for a, b in zip(module.parameters(), small.parameters(), strict=True))
        assert (module[1].running_mean == 7).all()


def test_shared_weights_are_drawn_once(x):
    first, second = nn.Conv2d(2, 2, 3, padding=1), nn.Conv2d(2, 2, 3, padding=1)
    second.weight = first.weight
    model = nn.Sequential(first, second, nn.Flatten(), nn.Linear(180, 3)).double()
    module = copied(model)
    forgetting = Forgetting(module, "reset", "reset", 0)
    fc, top, bottom = blocks_of(borrow(module), x, "layers")
    forgetting.forget(fc)
    forgetting.forget(top)
    after = module[0].weight.clone()
    forgetting.forget(bottom)
    assert torch.equal(module[0].weight, after)
    assert module[0].weight is module[1].weight
    assert not torch.equal(module[0].bias, model[0].bias)


class Deep(nn.Module):
    """Twelve blocks behind a stem, registered the wrong way round; weights of its own at the bottom."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(8, 3)
        self.body = nn.ModuleDict({"blocks": nn.Sequential(*(nn.Linear(8, 8) for _ in range(12)))})
        self.stem = nn.Linear(8, 8)
        self.unused = nn.Linear(2, 2)
        self.scale = nn.Parameter(torch.ones(8))

    def forward(self, inputs):
        return self.head(self.body["blocks"](self.stem(inputs.flatten(1) * self.scale)))


def test_layers_come_in_the_order_in_which_they_run_and_many_are_put_together():
    model, inputs = Deep(), torch.randn(2, 8, 1, 1)
    layers = blocks_of(borrow(model), inputs, "layers")
    names = [block.name for block in layers]
    assert names[:3] == ["head", "body.blocks.11", "body.blocks.10"]
    assert names[-4:-2] == ["body.blocks.0", "stem"]
    assert set(names[-2:]) == {"Deep", "unused"}
    blocks = blocks_of(borrow(model), inputs, "blocks")
    assert len(blocks) == 10
    assert blocks[0].name == "head"
    assert blocks[1].name == "body.blocks.10 to body.blocks.11"
    assert blocks[6].name == "body.blocks.0 to body.blocks.1"
    assert [name for block in blocks for name in reversed(block.layers)] == [b.layers[0] for b in layers]


def test_weights_that_a_layer_uses_of_another_come_with_the_one_around_it():
    attention = nn.MultiheadAttention(8, 2, batch_first=True)  # never calls its out_proj

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.attention, self.last = nn.Linear(8, 8), attention, nn.Linear(8, 3)

        def forward(self, inputs):
            x = self.first(inputs.flatten(2).transpose(1, 2))
            return self.last(self.attention(x, x, x)[0].mean(1))

    blocks = blocks_of(borrow(Net()), torch.randn(1, 8, 3, 3), "layers")
    names = [block.name for block in blocks]
    assert names[0] == "last"
    assert set(names[1:3]) == {"attention", "attention.out_proj"}
    assert names[3] == "first"


def test_a_borrowed_model_is_given_as_a_borrowed_one(small, x):
    result = randomisation(borrow(small, labels=["a", "b", "c"]), x, Saliency(absolute=False), "b")
    assert result.target.labels == ("b",) * 3
    plain = randomisation(small, x, gradient, 1)
    assert result.measured("signed") == pytest.approx(plain.measured("signed"), abs=1e-9)


def captums_gradient(model, inputs, target):
    from captum.attr import Saliency as Theirs

    return Theirs(model).attribute(inputs, target=target.indices, abs=False)


@pytest.mark.filterwarnings("ignore::UserWarning:captum")
@pytest.mark.parametrize("borrowed", [False, True])
def test_an_object_of_captum_is_made_again_for_the_copy(small, x, borrowed):
    captum = pytest.importorskip("captum.attr")
    before = state(small)
    model = borrow(small) if borrowed else small
    with unchecked():
        expected = randomisation(small, x, captums_gradient)
        theirs = adapt(captum.Saliency(small), abs=False)
        assert randomisation(model, x, theirs).measured("signed") == pytest.approx(
            expected.measured("signed"), abs=1e-12
        )
        # Also in a method of ours, and where it names a layer.
        bare, ours = (randomisation(model, x, one) for one in (adapt(captum.Saliency(small)), Saliency()))
        assert bare.measured("absolute") == pytest.approx(ours.measured("absolute"), abs=1e-12)
        inside = randomisation(model, x, SmoothGrad(method=theirs, n_samples=2, noise_level=0.0))
        assert inside.measured("signed") == pytest.approx(expected.measured("signed"), abs=1e-6)
        layer = randomisation(model, x, adapt(captum.LayerGradCam(small, small[2])))
    assert not torch.equal(layer.stages[0].maps, layer.maps)
    assert state(small) == before


@pytest.mark.filterwarnings("ignore::UserWarning:captum")
def test_a_baseline_of_an_object_of_captum_goes_along(small, x):
    captum = pytest.importorskip("captum.attr")
    with unchecked():
        theirs = adapt(captum.IntegratedGradients(small), n_steps=3, title="mine")
        zero, one = (replace(theirs, baseline=torch.full_like(x[:1], value)) for value in (0.0, 1.0))
        maps = [randomisation(small, x, method).maps for method in (theirs, zero, one)]
    assert torch.equal(maps[0], maps[1])
    assert not torch.equal(maps[0], maps[2])


def test_what_cannot_be_made_again_for_the_copy_says_so(small, x):
    captum = pytest.importorskip("captum.attr")
    function = captum.Saliency(lambda inputs: small(inputs))
    other = captum.Saliency(nn.Sequential(small))
    hidden = captum.NoiseTunnel(captum.Saliency(small))
    hidden.mine = object()  # nothing that the constructor gave it
    with unchecked():
        for made, words in (
            (function, r"captum's Saliency with a function for a model.*: lambda model, inputs, target: Sal"),
            (hidden, r"captum's NoiseTunnel with .* arguments that it does not say; expected one that can"),
            (other, r"holds another model, a Sequential"),
        ):
            with pytest.raises(MethodError, match=words):
                randomisation(small, x, adapt(made))


def test_a_composite_of_zennit_is_randomised(small, x, torchvision):
    pytest.importorskip("zennit")
    from zennit.composites import EpsilonPlus

    with unchecked():
        made = randomisation(small, x, adapt(EpsilonPlus()))
    assert not torch.equal(made.stages[-1].maps, made.maps)
    assert made.maps == pytest.approx(
        adapt(EpsilonPlus()).attribute(small, x).values.sum(1).float(), rel=1e-5
    )


def test_chunks_are_as_large_as_is_said_and_change_nothing(small, x):
    told = []

    class Told(Saliency):
        def stream(self, model, inputs, target=None, *, chunk_size="auto"):
            told.append(chunk_size)
            return super().stream(model, inputs, target, chunk_size=chunk_size)

    made = randomisation(small, x, Told(), chunk_size=2)
    assert told == [2] * 4
    expected = randomisation(small, x, Saliency())
    assert made.measured("absolute") == pytest.approx(expected.measured("absolute"), abs=1e-12)


def test_a_stream_has_the_trained_map_first_and_can_be_stopped(small, x):
    results = [step.result for step in randomisation_stream(small, x, gradient)]
    assert [len(result.stages) for result in results] == [0, 1, 2, 3]
    assert [result.complete for result in results] == [False, False, False, True]
    token = CancelToken()

    def stop(step):
        if step.done == 2:
            token.cancel()

    with pytest.raises(Cancelled) as caught:
        randomisation(small, x, gradient, progress=stop, cancel=token)
    assert len(caught.value.result.stages) == 1


def test_a_constant_map_has_no_correlation_and_says_so(small, x):
    result = randomisation(small, x, lambda _m, inputs, _t: torch.zeros(len(inputs), 9, 10))
    assert result.measured("signed").isnan().all()
    assert result.mean().isnan().all()
    assert any("not defined" in note for note in result.notes)
    ones = randomisation(small, x, lambda _m, inputs, _t: torch.ones(len(inputs), 9, 10))
    for measure in ("signed", "absolute", "ssim", "ssim_absolute", "top"):
        assert ones.mean(measure).isnan().all(), measure
    signs = torch.where(torch.arange(90).reshape(9, 10) % 7 > 3, 1.0, -1.0)
    even = randomisation(small, x, lambda _m, inputs, _t: signs.expand(len(inputs), -1, -1))
    assert even.mean("absolute").isnan().all()
    assert even.mean("ssim_absolute").isnan().all()
    assert even.mean("ssim").isfinite().all()
    assert any("one magnitude throughout" in note for note in even.notes)


def test_a_block_that_is_as_it_was_initialised_is_named(x):
    model = nn.Sequential(nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(180, 3)).double()
    result = randomisation(model, x, gradient)
    assert [stage.block.name for stage in result.stages] == ["2", "0"]
    assert any("Nothing changed in 0" in note for note in result.notes)


def test_a_network_without_weights_or_without_a_copy_is_no_network_to_randomise(small, x):
    with pytest.raises(ModelError, match="without parameters"):
        randomisation(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), x, gradient)
    small.leftover = small[5].weight * 2
    with pytest.raises(ModelError, match="copy"):
        randomisation(small, x, gradient)


def test_a_layer_that_cannot_be_initialised_again_is_named(x):
    class Layer(nn.Linear):
        def reset_parameters(self):
            if hasattr(self, "ready"):
                raise RuntimeError("once only")
            super().reset_parameters()
            self.ready = True

    model = nn.Sequential(nn.Flatten(), Layer(180, 3)).double()
    with pytest.raises(ModelError, match=r"reset_parameters\(\) of '1'.*weights='normal'"):
        randomisation(model, x, gradient)
    assert randomisation(model, x, gradient, weights="normal").complete


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (partial(randomisation, explain=Saliency), MethodError),
        (partial(randomisation, explain=lambda *_: np.zeros((3, 4, 4))), InputError),
        (partial(randomisation, explain=lambda *_: np.full((3, 9, 10), np.nan)), InputError),
    ],
)
def test_what_is_no_method_or_gives_no_maps_says_so(small, x, call, error):
    with pytest.raises(error):
        call(small, x)


@pytest.mark.parametrize(
    "changes", [{"mode": "upwards"}, {"top": 1.0}, {"top": 0.0}, {"seed": -1}], ids=lambda c: next(iter(c))
)
def test_a_protocol_outside_of_its_range_names_the_field(changes):
    with pytest.raises(MethodError, match=next(iter(changes))):
        RandomisationProtocol(**changes)
