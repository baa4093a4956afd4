"""Methods on trial: what is measured is what the engines measure, and a failure stays where it is."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from saliscope import InputError, MethodError
from saliscope.attribution import GradCAM, InputXGradient, IntegratedGradients, Saliency
from saliscope.audit import DEFAULT, MEASURES, REFERENCES, Measure, Measures, choice, measure, measure_stream
from saliscope.core.anytime import Cancelled, CancelToken
from saliscope.faithfulness import (
    ControlProtocol,
    InfidelityProtocol,
    PointingProtocol,
    Protocol,
    RandomisationProtocol,
    RoadProtocol,
    SensitivityProtocol,
    blurred,
    control,
    randomisation,
    road,
    trial,
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
        "deletion": ControlProtocol(Protocol(n_steps=3), n_random=2),
        "insertion": ControlProtocol(Protocol("insertion", "blur", n_steps=3), n_random=2),
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


def test_a_function_that_crosses_zero_has_numbers_in_its_own_units():
    model, maps = Net(), {"map": METHODS["Gradient"].attribute(Net(), pictures(), target=0)}
    protocols = (Protocol(n_steps=3, output=None),)

    def areas(middle=0.0):
        made = trial(model, pictures(), maps, lambda out: out[:, 0] - middle, protocols=protocols, n_random=2)
        return made.curves["map"][0].auc, torch.stack([one[0].auc for one in made.random])

    middle = float(areas()[1][:, 0].mean())
    own, drawn = areas(middle)
    assert drawn[0, 0] * drawn[1, 0] < 0  # of which no ratio has a number
    methods = {"Gradient": METHODS["Gradient"]}
    found = measure(model, pictures(), methods, lambda out: out[:, 0] - middle, **everything())
    torch.testing.assert_close(found.values("Gradient", "deletion"), own - drawn.mean(0))
    assert found.row("Gradient").findings["deletion"].notes == ()
    assert {card.unit for card in found.cards if card.key.startswith("road")} == {"score"}
    for key in ("insertion", "road", "infidelity", "randomisation", "sensitivity", "mass"):
        assert found.values("Gradient", key).isfinite().all(), key


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


def own(key: str, protocol) -> Measure:
    return replace(MEASURES[key], protocol=protocol)


def test_a_measure_of_ones_own_keeps_its_seed_and_its_number_of_random_orders():
    given = [
        own("deletion", ControlProtocol(Protocol(n_steps=3, seed=8), n_random=5)),
        own("road", RoadProtocol((0.2, 0.5), seed=7)),
        "insertion",
    ]
    found = measure(Net(), pictures(), METHODS, measures=given, random_orders=3, seed=1)
    cards = {card.key: card.protocol for card in found.cards}
    assert (cards["deletion"].curve.seed, cards["deletion"].n_random, cards["road"].seed) == (8, 5, 7)
    assert (cards["insertion"].curve.seed, cards["insertion"].n_random) == (1, 3)
    drawn = [found.row("Product").findings[key].course.random for key in ("deletion", "insertion")]
    assert [len(one) for one in drawn] == [5, 3]


def test_measures_of_one_engine_are_taken_by_their_own_protocols():
    """Numbers must be those of the protocol that is told with them, whatever else is measured beside."""
    protocols = {
        "deletion": ControlProtocol(Protocol(n_steps=3), n_random=2, blur=0.1),
        "insertion": ControlProtocol(Protocol("insertion", "blur", n_steps=3, output="logit"), 4, blur=0.3),
        "road": RoadProtocol((0.1, 0.2), noise=0.0, seed=7),
        "road_morf": RoadProtocol((0.2, 0.5)),
        "randomisation": RandomisationProtocol("independent"),
        "randomisation_ssim": RandomisationProtocol(),
    }
    methods = {"Product": METHODS["Product"]}
    several = [own(key, protocol) for key, protocol in protocols.items()]
    together = measure(Net(), pictures(), methods, measures=several, references={})
    for card in several:
        found = together.row("Product").findings[card.key]
        alone = measure(Net(), pictures(), methods, measures=[card], references={})
        single = alone.row("Product").findings[card.key]
        torch.testing.assert_close(found.values, single.values, rtol=1e-12, atol=1e-12)
        assert found.notes == single.notes
        assert found.protocol == single.protocol == card.protocol
        if card.blurred:
            torch.testing.assert_close(found.blurred, single.blurred, rtol=1e-12, atol=1e-12)
    assert together.row("Product").findings["insertion"].values.isfinite().all()


def test_magnitudes_are_blurred_where_magnitudes_are_ranked_and_each_by_its_own_share():
    maps = InputXGradient().attribute(Net(), pictures())
    curves = {
        "deletion": ControlProtocol(Protocol(n_steps=3, ranking="absolute"), n_random=2, blur=0.2),
        "insertion": ControlProtocol(Protocol("insertion", "blur", n_steps=3, ranking="absolute"), 2),
    }
    hidden = RoadProtocol((0.2, 0.5), ranking="absolute")
    measures = [*(own(key, one) for key, one in curves.items()), own("road", hidden)]
    found = measure(Net(), pictures(), {"Product": METHODS["Product"]}, measures=measures, references={})
    findings = found.row("Product").findings
    for key, curve in curves.items():
        alone = control(Net(), pictures(), maps, protocol=curve).blurred
        np.testing.assert_allclose(findings[key].blurred, alone.area - alone.random.mean(0), atol=1e-7)
    soft = blurred(maps, pictures(), ranking="absolute")
    expected = road(Net(), pictures(), soft, protocol=hidden).difference
    np.testing.assert_allclose(findings["road"].blurred, expected, atol=1e-4)


def test_a_finding_has_the_protocol_with_what_was_left_open():
    found = measure(Net(), pictures(), METHODS, measures=quick(), random_orders=2, references={})
    filled = {name: found.row(name).findings["infidelity"].protocol for name in METHODS}
    assert {name: one.values for name, one in filled.items()} == {
        "Product": "contribution",
        "Gradient": "gradient",
    }
    cards = {card.key: card.protocol for card in found.cards}
    kept = found.row("Product").findings
    assert all(kept[key].protocol == cards[key] for key in ("deletion", "insertion", "road", "sensitivity"))


def test_chance_in_the_pointing_game_is_a_point_that_is_drawn_anywhere():
    masks = corner()
    masks[0] = False
    given = ["pointing", own("pointing_near", PointingProtocol(2.5))]
    found = measure(Net(), pictures(), METHODS, masks=masks, measures=given, references={})
    near = 0
    for y, x in np.ndindex(SIZE, SIZE):
        distance = np.hypot(max(0, y - 2), max(0, x - 3))  # from the corner of 3 x 4 pixels
        near += distance < 2.5
    for key, expected in (("pointing", 12 / 64), ("pointing_near", near / 64)):
        chance = found.row("Product").findings[key].chance
        np.testing.assert_allclose(chance, [np.nan, expected, expected])


def test_methods_may_be_given_by_their_keys(done):
    given = {"Product": "input_x_gradient", "Gradient": METHODS["Gradient"]}
    same(numbers(measure(Net(), pictures(), given, **everything())), numbers(done))


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
        ({"methods": {"a": "salience"}}, MethodError, "Did you mean 'saliency'"),
        ({"methods": {"a": 3}}, MethodError, r"`methods\['a'\]`: got an object of type int"),
        ({"methods": {"a": Net}}, MethodError, r"`methods\['a'\]`: got the class Net"),
        ({"references": {"b": 3}}, MethodError, r"`references\['b'\]`: got an object of type int"),
        ({"mesures": ["mass"]}, MethodError, "`mesures`: .*Did you mean 'measures'"),
        ({"measures": ["mass", MEASURES["mass"]]}, MethodError, "'mass' twice"),
        ({"measures": [replace(MEASURES["road"], protocol=Protocol())]}, MethodError, "a RoadProtocol"),
        ({"measures": [replace(MEASURES["seconds"], protocol=Protocol())]}, MethodError, "nothing"),
        (
            {"measures": [replace(MEASURES["deletion"], protocol=ControlProtocol(Protocol("insertion")))]},
            MethodError,
            "a curve of insertion",
        ),
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
