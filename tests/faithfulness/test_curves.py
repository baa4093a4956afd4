"""Deletion and insertion: closed forms, the order of ties, what a result may not depend on, bad input."""

from collections import OrderedDict
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from saliscope import BaselineError, InputError, MethodError, Target, TargetError, borrow
from saliscope.attribution import Saliency
from saliscope.core.anytime import Cancelled, CancelToken
from saliscope.core.baselines import Blur
from saliscope.faithfulness import (
    Protocol,
    RoadProtocol,
    WindowBlur,
    Zero,
    average_drop,
    completeness,
    control,
    deletion,
    infidelity,
    insertion,
    presets,
    randomisation,
    road,
    sensitivity,
    stability,
    trial,
    trial_stream,
)
from saliscope.faithfulness.confidence import ConfidenceProtocol
from tests.attribution.helpers import Affine, Counted, pictures
from tests.attribution.variants import Layers, plain
from tests.core.helpers import changed, fingerprint, unchecked
from tests.reference import curves as reference

EXACT = {"rtol": 0, "atol": 1e-12}
LOGIT = {"output": "logit", "step": 1}


def maps_of(n: int, size: int = 4, seed: int = 3) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(n, size, size, generator=draw, dtype=torch.float64)


def contributions(model: Affine, x: Tensor, target: int) -> Tensor:
    return (model.weight[target] * x).sum(1).detach()


@pytest.fixture
def model():
    return plain(Layers())


def softmax(model: nn.Module, index: int):
    def score(picture: np.ndarray) -> float:
        with torch.no_grad():
            return float(model(torch.as_tensor(picture)[None]).softmax(1)[0, index])

    return score


# Closed forms


@pytest.mark.parametrize("given", ["the contributions", "another map"])
def test_on_an_affine_model_a_curve_is_a_cumulative_sum(given):
    model, x = Affine(), pictures(3)
    parts = contributions(model, x, 1)
    m = parts if given == "the contributions" else maps_of(3)
    order = m.flatten(1).argsort(1, descending=True)
    gone = torch.cat([torch.zeros(3, 1).double(), parts.flatten(1).gather(1, order).cumsum(1)], 1)
    whole = model(x)[:, 1:].detach()
    fallen = deletion(model, x, m, 1, **LOGIT)
    torch.testing.assert_close(fallen.scores, whole - gone, **EXACT)
    risen = insertion(model, x, m, 1, replacement="zero", **LOGIT)
    torch.testing.assert_close(risen.scores, model.bias[1].detach() + gone, **EXACT)
    torch.testing.assert_close(fallen.fractions, torch.arange(17).double() / 16, **EXACT)
    for curve in (fallen, risen):
        area = torch.tensor([np.trapezoid(s, dx=1 / 16) for s in curve.scores.numpy()])
        torch.testing.assert_close(curve.auc, area, **EXACT)


def test_what_replaces_a_pixel_enters_the_cumulative_sum():
    model, x, other = Affine(), pictures(2), pictures(2, seed=9)
    parts = contributions(model, x - other, 0)
    fallen = deletion(model, x, parts, 0, replacement=other, **LOGIT)
    gone = parts.flatten(1).sort(1, descending=True).values.cumsum(1)
    torch.testing.assert_close(fallen.scores[:, 1:], model(x)[:, :1].detach() - gone, **EXACT)


def test_a_perfect_map_beats_every_random_order():
    model, x = Affine(), pictures(2)
    protocols = tuple(Protocol(kind, "zero", **LOGIT) for kind in ("deletion", "insertion"))
    made = trial(model, x, {"perfect": contributions(model, x, 0)}, 0, protocols=protocols, n_random=20)
    fallen, risen = made.curves["perfect"]
    assert len(made.random) == 20
    for down, up in made.random:
        assert (fallen.auc < down.auc).all()
        assert (risen.auc > up.auc).all()
        # No order is below the perfect one anywhere on the way.
        assert (fallen.scores <= down.scores + 1e-12).all()


def test_the_ends_are_the_picture_and_what_replaces_it(model):
    x = pictures(2, size=6)
    fallen, risen = deletion(model, x, maps_of(2, 6), 2), insertion(model, x, maps_of(2, 6), 2)
    blurred = Blur().make(borrow(model), x)
    for curve, first, last in ((fallen, x, torch.zeros_like(x)), (risen, blurred, x)):
        for k, picture in ((0, first), (-1, last)):
            expected = model(picture).softmax(1)[:, 2].detach()
            torch.testing.assert_close(curve.scores[:, k], expected, **EXACT)
            assert torch.equal(curve.top[:, k], model(picture).argmax(1))


def test_which_pixels_have_been_taken(model):
    m = maps_of(2, 6)
    curve = deletion(model, pictures(2, size=6), m, 0)
    for fraction, count in ((0.0, 0), (0.5, 18), (1.0, 36)):
        taken = curve.taken(fraction)
        assert taken.sum((1, 2)).tolist() == [count] * 2
        if 0 < count < 36:
            assert m[0][taken[0]].min() > m[0][~taken[0]].max()
    hidden = deletion(model, pictures(2, size=6), m, 0, ranking="absolute").taken(0.5)
    assert m[0][hidden[0]].abs().min() > m[0][~hidden[0]].abs().max()


# Presets, against loops


@pytest.mark.parametrize("name", ["RISE", "TORCH_CAM", "XPLIQUE"])
@pytest.mark.parametrize("size", [(7, 9), (6, 5)], ids=str)
def test_presets_are_what_their_packages_do(model, name, size):
    draw = torch.Generator().manual_seed(5)
    x = torch.randn(2, 2, *size, generator=draw, dtype=torch.float64)
    m = torch.randn(2, *size, generator=draw, dtype=torch.float64)
    protocols = getattr(presets, name)
    curves = trial(model, x, {"map": m}, protocols=protocols, n_random=0).curves["map"]
    loop = getattr(reference, name.lower())
    for i in range(2):
        score = softmax(model, int(model(x)[i].argmax()))
        for protocol, curve in zip(protocols, curves, strict=True):
            expected = loop(score, x[i].numpy(), m[i].numpy(), protocol.kind)
            assert float(curve.auc[i]) == pytest.approx(expected, abs=1e-12)


def test_a_shorter_last_step_counts_as_it_is_said(model):
    x, m = pictures(1, size=5), maps_of(1, 5)
    protocol = replace(presets.RISE[0], step=7)  # 0, 7, 14, 21, 25
    even = deletion(model, x, m, 0, step=7, widths="equal")
    assert (even.fractions * 25).tolist() == pytest.approx([0, 7, 14, 21, 25])
    assert even.protocol == protocol
    assert float(even.auc) == pytest.approx(np.trapezoid(even.scores[0], dx=0.25), abs=1e-14)
    true = deletion(model, x, m, 0, step=7)
    assert float(true.auc) == pytest.approx(np.trapezoid(true.scores[0], [0, 0.28, 0.56, 0.84, 1]), abs=1e-14)
    assert float(true.auc) != float(even.auc)


def test_the_window_blur_is_that_of_rise():
    x = pictures(1, size=8)
    made = WindowBlur(5.0, 11).make(borrow(nn.Identity()), x)
    expected = reference.window_blur(x[0].numpy(), 11, 5.0)
    np.testing.assert_allclose(made[0].numpy(), expected, atol=1e-13)


def test_average_drop_is_that_of_its_definition(model):
    x, m = pictures(3, size=6), maps_of(3, 6)
    made = average_drop(model, x, m, 1)
    for i in range(3):
        drop, increase = reference.average_drop(softmax(model, 1), x[i].numpy(), m[i].numpy())
        assert float(made.drop[i]) == pytest.approx(drop, abs=1e-12)
        assert float(made.increase[i]) == increase
    assert made.average_drop == pytest.approx(float(made.drop.mean()))
    assert made.average_increase == pytest.approx(float(made.increase.mean()))


def test_average_drop_is_not_defined_where_nothing_can_be_stretched_or_lost(model):
    x, m = pictures(2, size=6), maps_of(2, 6)
    m[1] = -1
    made = average_drop(model, x, m, 1)
    assert made.drop.isnan().tolist() == [False, True]
    assert "input 1" in made.notes[0]
    assert made.average_drop == float(made.drop[0])
    none = average_drop(Affine(), pictures(1), maps_of(1), Target(lambda out: out[:, 0] * 0))
    assert bool(none.drop.isnan())
    assert "below" in none.notes[0]


# Ties


def test_ties_are_broken_by_the_seed_alone(model):
    x, flat = pictures(2, size=6), torch.ones(2, 6, 6)
    first, again, other = (deletion(model, x, flat, 0, seed=seed) for seed in (4, 4, 5))
    assert torch.equal(first.ranks, again.ranks)
    assert torch.equal(first.scores, again.scores)
    assert not torch.equal(first.ranks, other.ranks)
    assert not torch.equal(first.scores, other.scores)
    # The same for each input, and not row by row.
    assert torch.equal(first.ranks[0], first.ranks[1])
    assert first.ranks[0].flatten().tolist() != list(range(36))


def test_only_values_count_and_not_how_they_lie_in_memory(model):
    x = pictures(2, size=6)
    m = maps_of(2, 6).round()  # many ties
    plainly = deletion(model, x, m, 0)
    strided = m.transpose(1, 2).contiguous().transpose(1, 2)
    other = x.to(memory_format=torch.channels_last)
    forms = (strided, m.numpy(), m[:, None], m[:, None].expand(-1, 2, -1, -1) / 2, m.int(), m.bfloat16())
    for form in forms:
        assert torch.equal(plainly.ranks, deletion(model, other, form, 0).ranks)
    single = deletion(model, x[:1], m[0], 0)
    assert torch.equal(single.ranks[0], plainly.ranks[0])


def test_a_tie_is_broken_among_its_own(model):
    m = torch.zeros(1, 6, 6)
    m[0, 2, 3] = 1
    ranks = deletion(model, pictures(1, size=6), m, 0).ranks[0]
    assert int(ranks[2, 3]) == 0
    assert ranks.flatten().sort().values.tolist() == list(range(36))


# What a curve does not depend on


def test_neither_chunks_nor_neighbours_change_a_curve(model):
    x, m = pictures(3, size=6), {"a": maps_of(3, 6), "b": maps_of(3, 6, seed=8)}
    whole = trial(model, x, m, n_random=2)
    for size in (1, 4, 1000):
        other = trial(model, x, m, n_random=2, chunk_size=size)
        for ours, theirs in zip(_all(whole), _all(other), strict=True):
            torch.testing.assert_close(ours.scores, theirs.scores, **EXACT)
            assert torch.equal(ours.ranks, theirs.ranks)
    alone = trial(model, x[1:2], {"b": m["b"][1:2]}, n_random=1)
    pairs = ((alone.curves["b"], whole.curves["b"]), (alone.random[0], whole.random[0]))
    for ours, theirs in pairs:
        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one.scores[0], other.scores[1], **EXACT)


def test_global_random_states_neither_matter_nor_move(model):
    x, m = pictures(1, size=6), maps_of(1, 6)
    torch.manual_seed(0)
    first = trial(model, x, {"map": m}, 0, n_random=2)
    before = torch.get_rng_state()
    second = trial(model, x, {"map": m}, 0, n_random=2)
    assert torch.equal(before, torch.get_rng_state())
    for ours, theirs in zip(_all(first), _all(second), strict=True):
        assert torch.equal(ours.scores, theirs.scores)


def _all(made):
    return [curve for row in (*made.curves.values(), *made.random) for curve in row]


def test_a_partial_result_is_a_subset_of_the_final_curve(model):
    x, m = pictures(2, size=6), {"a": maps_of(2, 6), "b": maps_of(2, 6, seed=8)}
    protocols = (Protocol("deletion", step=3), Protocol("insertion", "blur", step=5))
    steps = list(trial_stream(model, x, m, 0, protocols=protocols, n_random=1, chunk_size=3))
    final, seen = steps[-1].result, 0
    assert steps[-1].complete
    for step in steps:
        made = step.result  # looked at only now, after the stream has gone on
        assert made.complete is step.complete
        for ours, last in zip(_all(made), _all(final), strict=True):
            where = torch.searchsorted(last.fractions, ours.fractions)
            assert torch.equal(last.fractions[where], ours.fractions)
            assert torch.equal(last.scores[:, where], ours.scores)
            assert torch.equal(last.top[:, where], ours.top)
            assert ours.auc.isnan().all() == (len(ours.fractions) < 2)
            seen += 2 < len(ours.fractions) < len(last.fractions)
    assert seen


def test_coarse_points_cover_the_whole_curve_first(model):
    x, m = pictures(1, size=8), {"map": maps_of(1, 8)}
    for step in trial_stream(model, x, m, 0, protocols=(Protocol(),), n_random=0, chunk_size=1):
        fractions = step.result.curves["map"][0].fractions
        if len(fractions) == 4:
            assert float(fractions.diff().max()) <= 0.5
            return
    raise AssertionError


def test_the_ends_are_scored_once_for_all_orders(model):
    counted = Counted(model)
    trial(counted, pictures(1, size=6), {"a": maps_of(1, 6)}, 0, n_random=5, chunk_size=4)
    # The target; and for each of two curves two ends, and five points between them of six orders.
    assert sum(counted.seen()) == 1 + 2 * (2 + 5 * 6)


def test_it_stops_between_two_steps_and_gives_what_it_has(model):
    token, seen = CancelToken(), []

    def watch(step):
        seen.append(step)
        if len(seen) == 3:
            token.cancel()

    x, m = pictures(1, size=6), {"map": maps_of(1, 6)}
    before = fingerprint(model)
    with unchecked(), pytest.raises(Cancelled) as caught:  # a check of a dict draws which item it looks at
        trial(model, x, m, 0, chunk_size=2, progress=watch, cancel=token)
    assert len(seen) == 3
    assert not caught.value.result.complete
    assert not changed(before, fingerprint(model))


def test_the_model_stays_as_it_was():
    model = plain(Layers()).train()
    model.zero_grad()
    x, m = pictures(2, size=6), {"map": maps_of(2, 6)}
    before = fingerprint(model)
    with unchecked():
        for _ in trial_stream(model, x, m, n_random=1, chunk_size=5):
            assert not changed(before, fingerprint(model))
        average_drop(model, x, m["map"])
    assert not changed(before, fingerprint(model))


# Models and targets of every kind


def test_half_precision_gives_a_curve_near_the_exact_one(model):
    x, m = pictures(2, size=6), maps_of(2, 6)
    exact = deletion(model, x, m, 0)
    half = plain(Layers(torch.bfloat16))
    rough = deletion(half, x, m, 0)
    assert rough.scores.dtype == torch.float64
    torch.testing.assert_close(rough.scores, exact.scores, rtol=0, atol=0.03)


def test_any_output_and_any_target(model):
    class Within(nn.Module):
        def __init__(self, kind):
            super().__init__()
            self.model, self.kind = model, kind

        def forward(self, x):
            out = self.model(x)
            return {"logits": out, "other": out} if self.kind == "dict" else (out, x)

    x, m = pictures(2, size=6), maps_of(2, 6)
    expected = deletion(model, x, m, 1)
    for kind in ("dict", "tuple"):
        torch.testing.assert_close(deletion(Within(kind), x, m, 1).scores, expected.scores, **EXACT)

    def probability(outputs):
        return outputs.softmax(1)[:, 1]

    own = deletion(model, x, m, probability)
    torch.testing.assert_close(own.scores, expected.scores, **EXACT)
    assert own.protocol.output is None  # a score of its own
    assert (own.top == -1).all()
    each = deletion(model, x, m, [1, 2])
    torch.testing.assert_close(each.scores[0], expected.scores[0], **EXACT)
    unit = deletion(model, x, m, Target(0, layer="features.first"), step=6)
    assert unit.protocol.output is None


def test_a_model_that_needs_another_layout_gets_it():
    class Viewing(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = plain(Layers()).features.first, nn.Linear(6 * 36, 3)

        def forward(self, x):
            return self.last(self.first(x).view(len(x), -1))

    model, x, m = Viewing().float(), pictures(2, size=6).float(), maps_of(2, 6)
    made = deletion(model, x, m, 0, chunk_size=5)
    exact = deletion(model.double(), x.double(), m, 0)
    torch.testing.assert_close(made.scores, exact.scores, rtol=0, atol=1e-5)


def test_the_score_is_that_of_the_protocol_unless_it_says_none(model):
    x, m = pictures(2, size=6), maps_of(2, 6)
    margin = Target(1, "margin", against=3)
    assert deletion(model, x, m, margin).protocol.output == "probability"
    told = deletion(model, x, m, margin, output=None)
    assert told.protocol.output == "margin"
    out = model(x).detach()
    torch.testing.assert_close(told.scores[:, 0], out[:, 1] - out[:, 3], **EXACT)


def test_an_attribution_brings_its_target_along(model):
    x = pictures(2, size=6)
    first, second = Saliency().attribute(model, x, 1), Saliency().attribute(model, x, 2)
    asked = deletion(model, x, first.map, 1)
    torch.testing.assert_close(deletion(model, x, first).scores, asked.scores, **EXACT)
    margin = deletion(model, x, first, output="margin")
    out = model(x).detach()
    rest = out.clone()
    rest[:, 1] = -torch.inf
    torch.testing.assert_close(margin.scores[:, 0], out[:, 1] - rest.amax(1), **EXACT)
    with pytest.raises(TargetError, match=r"one target for all maps.*target="):
        trial(model, x, {"one": first, "two": second})
    assert trial(model, x, {"one": first, "two": second}, 1, n_random=0).complete


# Bad input


def test_a_map_that_does_not_fit_is_refused(model):
    x = pictures(2, size=6)
    with pytest.raises(InputError, match=r"`maps`.*shape \(2, 3, 3\).*6 x 6.*interpolate"):
        deletion(model, x, torch.ones(2, 3, 3), 0)
    with pytest.raises(InputError, match=r"maps\['mine'\].*6 x 6"):
        trial(model, x, {"mine": torch.ones(2, 3, 3)}, 0)
    for size, advice in (
        ((2, 6, 4), "m.mT"),
        ((3, 4, 6), ""),
        ((2, 9, 9), ""),
    ):
        with pytest.raises(InputError, match="4 x 6") as caught:
            deletion(model, x[:, :, :4], torch.ones(size), 0)
        assert advice in caught.value.way_out
        assert "interpolate" not in caught.value.way_out
    with pytest.raises(InputError, match="complex numbers"):
        deletion(model, x, torch.ones(2, 6, 6, dtype=torch.complex64), 0)
    with pytest.raises(InputError, match="2 picture"):
        deletion(model, x, maps_of(3, 6), 0)
    bad = maps_of(2, 6)
    bad[1, 2, 3] = torch.nan
    with pytest.raises(InputError, match="1 NaN or infinite"):
        average_drop(model, x, bad, 0)
    with pytest.raises(InputError, match=r"1 NaN or infinite values, .* at index \(1, .*2, 3\).*write 0"):
        deletion(model, x, bad, 0)
    with unchecked(), pytest.raises(InputError, match="type str"):
        deletion(model, x, "saliency", 0)


def test_a_constant_map_has_a_curve_but_no_area(model):
    m = maps_of(2, 6)
    m[1] = 3
    curve = deletion(model, pictures(2, size=6), m, 0)
    assert curve.auc.isnan().tolist() == [False, True]
    assert curve.scores.isfinite().all()
    assert any("input 1" in note and "order" in note for note in curve.notes)


def test_a_map_of_one_magnitude_has_no_area_by_magnitudes(model):
    x, m = pictures(2, size=6), maps_of(2, 6)
    m[1] = m[1].sign()
    curve = deletion(model, x, m, 0, ranking="absolute")
    assert curve.auc.isnan().tolist() == [False, True]
    assert any("input 1" in note and "one magnitude" in note for note in curve.notes)
    assert deletion(model, x, m, 0).auc.isfinite().all()
    both = (Protocol(), Protocol(ranking="absolute"))
    made = trial(model, x, {"map": m}, 0, protocols=both, n_random=1)
    assert [c.defined.tolist() for c in made.curves["map"]] == [[True, True], [True, False]]


@pytest.mark.parametrize("measure", [deletion, insertion])
@pytest.mark.parametrize("pace", [{"step": 36}, {"step": 1000}, {"n_steps": 1}])
def test_one_step_knows_no_order(model, measure, pace):
    curve = measure(model, pictures(2, size=6), maps_of(2, 6), 0, **pace)
    assert curve.auc.isnan().all()
    assert "one step takes all pixels" in curve.notes[0]
    assert measure(model, pictures(2, size=6), maps_of(2, 6), 0, step=35).auc.isfinite().all()


def test_a_picture_that_is_its_replacement_has_nothing_to_lose(model):
    x, m = pictures(2, size=6), maps_of(2, 6)
    x[1] = 0
    for measure in (deletion, insertion):
        for chunk_size in (1, 64):
            curve = measure(model, x, m, 0, replacement="zero", chunk_size=chunk_size)
            assert curve.auc.isnan().tolist() == [False, True]
            assert "input 1: the picture is what would replace it" in curve.notes[0]
    dimmed = average_drop(model, x, m, 0)
    assert dimmed.drop.isnan().tolist() == dimmed.increase.isnan().tolist() == [False, True]


@pytest.mark.parametrize("preset", [presets.RISE, presets.TORCH_CAM, presets.XPLIQUE])
def test_a_published_protocol_goes_to_the_measure_it_is_of(model, preset):
    x, m = pictures(2, size=6), maps_of(2, 6)
    both = trial(model, x, {"map": m}, 0, protocols=preset, n_random=0).curves["map"]
    for measure, curve, protocol, other in zip(
        (deletion, insertion), both, preset, preset[::-1], strict=True
    ):
        made = measure(model, x, m, 0, protocol=protocol)
        assert made.protocol == protocol
        assert f"\n  auc: [{float(made.auc[0]):.4g}, " in str(made)
        assert torch.equal(made.auc, curve.auc)
        assert measure(model, x, m, 0, protocol=protocol, seed=4).protocol == replace(protocol, seed=4)
        with pytest.raises(MethodError, match=f"one of {other.kind}.*Call {other.kind}"):
            measure(model, x, m, 0, protocol=other)
    with pytest.raises(MethodError, match="insertion"):
        deletion(model, x, m, 0, kind="insertion")


def test_an_option_that_is_none_is_named_with_those_there_are(model):
    x, m = pictures(2, size=6), maps_of(2, 6)
    for measure in (deletion, insertion, road, infidelity):
        with pytest.raises(MethodError, match=r"`sed`.*not known.*protocol.*Did you mean 'seed'"):
            measure(model, x, m, 0, sed=3)
    with pytest.raises(MethodError, match=r"`base`.*not known.*Did you mean 'baseline'"):
        completeness(model, x, m, 0, base="zero")
    for measure in (sensitivity, stability, randomisation):
        with pytest.raises(MethodError, match=r"`sed`.*not known.*protocol.*Did you mean 'seed'"):
            measure(model, x, Saliency(), 0, sed=3)
    with pytest.raises(MethodError, match=r"`n_rand`.*protocols, n_random.*'n_random'"):
        trial(model, x, {"map": m}, 0, n_rand=3)
    for measure in (deletion, infidelity, control, average_drop):
        with unchecked(), pytest.raises(MethodError, match=r"`protocol`.*RoadProtocol.*Protocol"):
            measure(model, x, m, 0, protocol=RoadProtocol())
    with unchecked(), pytest.raises(MethodError, match=r"`protocol`: got a Protocol.*a RoadProtocol"):
        road(model, x, m, 0, protocol=Protocol())


class Saturated(nn.Module):
    """Its second class has no probability in one of the two pictures."""

    def forward(self, x: Tensor) -> Tensor:
        bright = x.mean((1, 2, 3))
        return torch.stack([bright * 0, torch.where(bright > 0.9, -200.0, 1.0)], 1)


def test_a_class_without_a_score_has_no_area():
    x = torch.stack([torch.full((2, 6, 6), 0.5), torch.ones(2, 6, 6)]).double()
    for measure in (deletion, insertion):
        curve = measure(Saturated(), x, maps_of(2, 6), 1)
        assert curve.auc.isnan().tolist() == [False, True]
        assert any("input 1" in note and "probability" in note for note in curve.notes)
    assert deletion(Saturated(), x, maps_of(2, 6), 1, output="logit").auc.isfinite().all()
    dimmed = average_drop(Saturated(), x, maps_of(2, 6), 1)
    assert dimmed.drop.isnan().tolist() == dimmed.increase.isnan().tolist() == [False, True]


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        ({"kind": "removal"}, MethodError, "one of deletion, insertion"),
        ({"ranking": "abs"}, MethodError, "one of signed, absolute"),
        ({"output": "softmax"}, MethodError, "one of logit, probability"),
        ({"widths": "even"}, MethodError, "one of pixels, equal"),
        ({"rounding": "up"}, MethodError, "one of step, points"),
        ({"step": 0}, MethodError, "at least 1"),
        ({"step": 2.5}, MethodError, "an integer"),
        ({"n_steps": True}, MethodError, "an integer"),
        ({"step": 4, "n_steps": 5}, MethodError, "one of the two"),
        ({"seed": -1}, MethodError, "at least 0"),
        ({"replacement": "zeros"}, BaselineError, "black.*zero.*static.*Did you mean 'zero'"),
        ({"replacement": object()}, BaselineError, "type object"),
    ],
    ids=lambda value: next(iter(value), "") if isinstance(value, dict) else "",
)
def test_a_protocol_that_is_none_is_refused(wrong, error, words):
    with unchecked(), pytest.raises(error, match=words):
        Protocol(**wrong)


def test_a_protocol_says_what_it_is():
    assert Protocol(replacement="zero") == Protocol()
    assert Protocol().replacement == Zero()
    assert Protocol(step=3) != Protocol()
    with pytest.raises(MethodError, match="one of positive, signed, absolute"):
        ConfidenceProtocol(ranking="relu")


def test_a_trial_that_is_none_is_refused(model):
    x, m = pictures(1, size=6), maps_of(1, 6)
    with unchecked():
        for maps in (m, {}):
            with pytest.raises(MethodError, match="a dict from names to maps"):
                trial(model, x, maps, 0)
        with pytest.raises(MethodError, match="at least one Protocol"):
            trial(model, x, {"m": m}, 0, protocols=())
        with pytest.raises(MethodError, match="n_random"):
            trial(model, x, {"m": m}, 0, n_random=-1)
    two = (Protocol(), Protocol(output="logit"))
    with pytest.raises(MethodError, match="logit, probability"):
        trial(model, x, {"m": m}, 0, protocols=two)
    with pytest.raises(InputError, match="pictures"):
        deletion(nn.Sequential(OrderedDict(last=nn.Linear(3, 2))).double(), torch.ones(1, 3).double(), m, 0)
