"""Methods on trial: what is measured is what the engines measure, and a failure stays where it is."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from saliscope import InputError, MethodError
from saliscope.attribution import GradCAM, InputXGradient, IntegratedGradients, Saliency
from saliscope.audit import DEFAULT, MEASURES, REFERENCES, Measures, choice, measure, measure_stream
from saliscope.core.anytime import Cancelled, CancelToken
from saliscope.faithfulness import (
    ControlProtocol,
    InfidelityProtocol,
    Protocol,
    RandomisationProtocol,
    RoadProtocol,
    SensitivityProtocol,
    control,
    randomisation,
    road,
)

SIZE, N = 8, 3
METHODS = {"Product": InputXGradient(), "Gradient": Saliency(absolute=False)}


class Net(nn.Module):
    """Two convolutions and a mean, in float64; nothing is left to torch's random state."""

    def __init__(self) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(3)
        self.conv1, self.conv2 = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.fc = nn.Linear(4, 3)
        self.double().requires_grad_(False)
        for weights in self.parameters():
            weights.copy_(torch.randn(weights.shape, generator=draw, dtype=torch.float64) / 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.conv2(self.conv1(x).relu()).relu().mean((2, 3)))


class Affine(nn.Module):
    """One score: a weighted sum of the pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3 * SIZE * SIZE, 1, bias=False).double().requires_grad_(False)
        self.fc.weight.copy_(torch.linspace(0.1, 2, self.fc.in_features)[None])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(x.flatten(1))


def pictures(n: int = N) -> torch.Tensor:
    return torch.rand(n, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def corner(n: int = N) -> torch.Tensor:
    mask = torch.zeros(n, SIZE, SIZE, dtype=torch.bool)
    mask[:, :3, :4] = True
    return mask


def quick() -> list:
    """All measures, those that run a model often in a few steps."""
    small: dict = {
        "deletion": ControlProtocol(Protocol(n_steps=3)),
        "insertion": ControlProtocol(Protocol("insertion", "blur", n_steps=3)),
        "road": RoadProtocol((0.2, 0.5)),
        "road_morf": RoadProtocol((0.2, 0.5)),
        "road_lerf": RoadProtocol((0.2, 0.5)),
        "sensitivity": SensitivityProtocol(n_samples=2),
        "infidelity": InfidelityProtocol(scaled=True, n_samples=5),
    }
    return [replace(MEASURES[key], protocol=small.get(key, MEASURES[key].protocol)) for key in DEFAULT]


def everything(**options) -> dict:
    return {
        "masks": corner(),
        "marks": ~corner(),
        "measures": quick(),
        "random_orders": 2,
        "references": {"Random map": REFERENCES["Random map"]},
        **options,
    }


def numbers(found: Measures) -> dict:
    """All that was found, but for the time."""
    return {
        (row.name, key): (finding.values.tolist(), finding.notes)
        for row in found.rows
        for key, finding in row.findings.items()
        if key != "seconds"
    }


def same(a: dict, b: dict, rtol: float = 0.0) -> None:
    assert a.keys() == b.keys()
    for key, (values, notes) in a.items():
        np.testing.assert_allclose(values, b[key][0], rtol=rtol, atol=rtol, err_msg=str(key))
        assert notes == b[key][1]


@pytest.fixture(scope="module")
def done() -> Measures:
    return measure(Net(), pictures(), METHODS, **everything())


def test_every_method_has_every_measure_and_every_value_is_one_for_each_picture(done):
    assert [row.name for row in done.rows] == [*METHODS, "Random map"]
    assert done.complete
    for row in done.rows:
        assert (row.complete, row.error, set(row.findings)) == (True, "", set(DEFAULT))
        assert row.maps.shape == (N, SIZE, SIZE)
        for key, finding in row.findings.items():
            assert finding.values.shape == (N,)
            assert finding.values.dtype == torch.float64
            assert (finding.blurred is not None) == MEASURES[key].blurred


def test_curves_are_those_of_a_trial_of_the_map_alone(done):
    """The random orders are scored once for all methods."""
    maps = InputXGradient().attribute(Net(), pictures())
    for key in ("deletion", "insertion"):
        card = next(one for one in done.cards if one.key == key)
        alone = control(Net(), pictures(), maps, protocol=card.protocol)
        finding = done.row("Product").findings[key]
        for values, one in ((finding.values, alone.map), (finding.blurred, alone.blurred)):
            # Maps are kept in float32.
            np.testing.assert_allclose(values, one.area - one.random.mean(0), atol=1e-4)
        area = torch.trapezoid(finding.course.scores, finding.course.fractions, dim=1)
        drawn = torch.trapezoid(finding.course.random, finding.course.fractions, dim=2).mean(0)
        np.testing.assert_allclose(area - drawn, finding.values, rtol=1e-12)


def test_road_and_randomisation_are_the_engines_own(done):
    maps = InputXGradient().attribute(Net(), pictures())
    alone = road(Net(), pictures(), maps, protocol=RoadProtocol((0.2, 0.5)))
    np.testing.assert_allclose(done.values("Product", "road"), alone.difference, atol=1e-12)
    np.testing.assert_allclose(done.values("Product", "road_morf"), alone.morf.mean(1), atol=1e-12)
    np.testing.assert_allclose(done.values("Product", "road_lerf"), alone.lerf.mean(1), atol=1e-12)
    forgetting = randomisation(Net(), pictures(), InputXGradient(), protocol=RandomisationProtocol())
    signed = forgetting.mean("signed")
    np.testing.assert_allclose(done.values("Product", "randomisation"), signed, atol=1e-12)
    np.testing.assert_allclose(done.values("Random map", "randomisation"), 1)


def test_shares_and_hits_of_a_map_that_is_known():
    known = torch.zeros(N, SIZE, SIZE)
    known[:, 1, 1], known[:, 7, 7], known[:, 4, 0] = 2.0, 6.0, -9.0  # object and mark: see corner()
    found = measure(
        Net(),
        pictures(),
        {"known": lambda model, x, target: known},
        masks=corner(),
        marks=~corner(),
        measures=["mass", "rank", "pointing", "pointing_near", "mark_share", "mark_hit"],
        references={},
    )
    exact = {"mass": 0.25, "pointing": 0.0, "pointing_near": 0.0, "mark_share": 0.75, "mark_hit": 1.0}
    assert {key: found.values("known", key).tolist() for key in exact} == {
        key: [value] * N for key, value in exact.items()
    }
    areas = {key: found.row("known").findings[key].chance.tolist() for key in ("mass", "mark_share")}
    assert areas == {"mass": [12 / 64] * N, "mark_share": [52 / 64] * N}


def test_an_affine_model_is_explained_to_the_last_digit():
    found = measure(
        Affine(),
        pictures(),
        {
            "IG": IntegratedGradients(baseline=torch.zeros(1, 3, SIZE, SIZE)),
            "Gradient": Saliency(absolute=False),
        },
        0,
        measures=["completeness", "infidelity", "sensitivity"],
        references={},
    )
    np.testing.assert_allclose(found.values("IG", "completeness"), 0, atol=1e-9)
    np.testing.assert_allclose(found.values("IG", "infidelity"), 0, atol=1e-9)
    np.testing.assert_allclose(found.values("Gradient", "sensitivity"), 0, atol=1e-9)


def test_what_is_not_defined_is_no_number_and_says_why():
    masks = corner()
    masks[0] = False
    flat = {"flat": lambda model, x, target: torch.ones(N, SIZE, SIZE)}
    options = everything(masks=masks, references={})
    found = measure(Net(), pictures(), {**flat, "Gradient": METHODS["Gradient"]}, **options)
    for key in ("deletion", "insertion", "road", "pointing", "pointing_near", "mass", "rank", "mark_share"):
        finding = found.row("flat").findings[key]
        assert finding.values.isnan().all(), key
        assert "one value throughout" in " ".join(finding.notes), key
    for name in ("flat", "Gradient"):  # not a method whose maps sum to a score
        finding = found.row(name).findings["completeness"]
        assert finding.values.isnan().all()
        assert "sum to the change of a score" in finding.notes[0]
    for key in ("pointing", "mass", "rank"):
        finding = found.row("Gradient").findings[key]
        assert finding.values.isnan().tolist() == [True, False, False]
        assert "mask is empty" in " ".join(finding.notes)


def test_a_score_that_is_zero_from_the_start_has_no_curve():
    class Sure(Net):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x) + torch.tensor([0.0, 60.0, 0.0], dtype=x.dtype)

    found = measure(Sure(), pictures(), METHODS, 0, **everything(references={}))
    for key in ("deletion", "insertion", "road"):
        finding = found.row("Product").findings[key]
        assert finding.values.isnan().all(), key
        assert "below" in " ".join(finding.notes), key


def test_a_method_that_fails_is_a_row_with_its_error_and_the_others_go_on(done):
    def broken(model, x, target):
        raise RuntimeError("no such thing")

    def nan(model, x, target):
        return torch.full((N, SIZE, SIZE), torch.nan)

    methods = {"Product": METHODS["Product"], "broken": broken, "NaN": nan, "Gradient": METHODS["Gradient"]}
    found = measure(Net(), pictures(), methods, **everything())
    assert found.complete
    for name, error in (("broken", "RuntimeError: no such thing"), ("NaN", "NaN or infinite values")):
        row = found.row(name)
        assert error in row.error
        assert (row.maps, row.findings) == (None, {})
        assert found.values(name, "mass").isnan().all()
    same(numbers(found), numbers(done))


def test_a_method_that_fails_the_second_time_keeps_what_needs_it_once():
    calls = []

    def once(model, x, target):
        calls.append(1)
        if len(calls) > 1:
            raise RuntimeError("gone")
        return torch.rand(N, SIZE, SIZE)

    found = measure(Net(), pictures(), {"once": once}, **everything(references={})).row("once")
    assert not found.error
    for key in ("randomisation", "randomisation_ssim", "sensitivity"):
        assert found.findings[key].values.isnan().all()
        assert found.findings[key].notes == ("RuntimeError: gone",)
    assert not found.findings["deletion"].values.isnan().any()


def test_results_do_not_depend_on_the_chunk(done):
    found = measure(Net(), pictures(), METHODS, **everything(chunk_size=2))
    same(numbers(found), numbers(done), 1e-9)


def test_the_result_of_a_step_stays_right_when_the_stream_goes_on(done):
    def stream():
        return measure_stream(Net(), pictures(), METHODS, **everything())

    at_once = [(step.done, step.complete, numbers(step.result)) for step in stream()]
    later = [(step.done, step.complete, numbers(step.result)) for step in list(stream())]
    assert [one[:2] for one in at_once] == [one[:2] for one in later]
    for (*_, a), (*_, b) in zip(at_once, later, strict=True):
        same(a, b)
    places = [one[0] for one in at_once]
    assert places == sorted(places)
    assert [one[1] for one in at_once] == [False] * (len(at_once) - 1) + [True]
    assert len({len(one[2]) for one in at_once}) > 10  # it grows measure by measure
    same(at_once[-1][2], numbers(done))


def test_partial_rows_say_that_they_are_partial():
    for step in measure_stream(Net(), pictures(), METHODS, **everything()):
        for row in step.result.rows:
            assert row.complete == (set(row.findings) == set(DEFAULT))
        assert step.result.complete == step.complete
        assert step.result.values("Product", "mass").shape == (N,) if step.result.rows else True


def test_cancelled_between_two_steps_with_what_is_known(done):
    token, model = CancelToken(), Net()
    before = {name: value.clone() for name, value in model.state_dict().items()}

    def progress(step):
        if sum(row.complete for row in step.result.rows) == 1:
            token.cancel()

    with pytest.raises(Cancelled) as stopped:
        measure(model, pictures(), METHODS, progress=progress, cancel=token, **everything())
    found = stopped.value.result
    assert not found.complete
    assert [row.complete for row in found.rows] == [True]
    assert found.values("Product", "deletion").tolist() == done.values("Product", "deletion").tolist()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


def test_measures_that_need_a_mask_are_left_out_without_one():
    found = measure(Net(), pictures(), METHODS, measures=["mass", "mark_share", "seconds"], references={})
    assert [card.key for card in found.cards] == ["seconds"]
    assert (found.values("Product", "seconds") > 0).all()


def test_seed_and_number_of_random_orders_reach_every_protocol():
    found = measure(Net(), pictures(), METHODS, measures=["deletion", "road"], random_orders=4, seed=5)
    cards = {card.key: card.protocol for card in found.cards}
    assert (cards["deletion"].n_random, cards["deletion"].curve.seed, cards["road"].seed) == (4, 5, 5)
    assert found.row("Product").findings["deletion"].course.random.shape[0] == 4


def test_choice_leaves_out_what_does_not_apply_and_says_why():
    found = choice(Net(), pictures())
    assert {"Grad-CAM", "Saliency (gradient)", "Integrated Gradients"} <= set(found.methods)
    assert "Gradient-weighted rollout" in found.skipped or any("ollout" in name for name in found.skipped)
    assert all(found.skipped.values())
    without = choice(Affine(), pictures(), 0)
    assert "Grad-CAM" in without.skipped
    made = measure(Affine(), pictures(), None, 0, measures=["seconds"], references={})
    assert (set(made.table("seconds")), made.skipped) == (set(without.methods), without.skipped)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"measures": ["delition"]}, MethodError, "Did you mean 'deletion'"),
        ({"measures": "deletion"}, MethodError, "a sequence of names"),
        ({"measures": ["mass"]}, MethodError, "only measures that need masks or marks"),
        ({"masks": torch.ones(N, 4, 4)}, InputError, "one mask for each picture"),
        ({"marks": torch.full((N, SIZE, SIZE), 0.5)}, InputError, "a boolean for each pixel"),
        ({"masks": object()}, InputError, "a boolean array"),
        ({"methods": GradCAM()}, MethodError, "a dict from names to methods"),
        ({"methods": {"Random map": GradCAM()}}, MethodError, "a name that no reference has"),
        ({"methods": {}, "references": {}}, MethodError, "at least one"),
        ({"random_orders": 1}, MethodError, "`random_orders`"),
        ({"seed": -1}, MethodError, "`seed`"),
        ({"chunk_size": 0}, Exception, "chunk_size"),
    ],
)
def test_bad_input(options, error, words):
    with pytest.raises(error, match=words):
        measure(Net(), pictures(), **{"methods": METHODS, **options})


def test_unknown_row_names_those_that_are_there(done):
    with pytest.raises(MethodError, match="Product, Gradient"):
        done.row("Saliency")
