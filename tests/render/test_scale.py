"""The scale object: limits, modes, sharing."""

import gc
import threading
import weakref

import numpy as np
import pytest
import torch

from saliscope.errors import InputError
from saliscope.render.scale import Scale, limits_of


class Owner:
    def __init__(self):
        self.heard = []

    def hear(self, scale):
        self.heard.append(scale.to_json())


class Map:
    def __init__(self, map, unit="score"):
        self.map, self.unit = map, unit


@pytest.mark.parametrize(
    ("scale", "mode", "limits", "text"),
    [
        (Scale(), "auto", {}, "Scale()"),
        (Scale(0.02), "fixed", {"*": 0.02}, "Scale(0.02)"),
        (Scale(np.float32(2)), "fixed", {"*": 2.0}, "Scale(2.0)"),
        (Scale({"score": 1, "cam": 2}), "fixed", {"score": 1, "cam": 2}, "Scale({'score': 1.0, 'cam': 2.0})"),
        (Scale(mode="each"), "each", {}, "Scale(mode='each')"),
        (Scale(mode="fixed"), "fixed", {}, "Scale(mode='fixed')"),
    ],
)
def test_the_ways_to_make_one(scale, mode, limits, text):
    assert (scale.mode, scale.limits, repr(scale)) == (mode, limits, text)
    assert scale.to_json() == {"mode": mode, "limits": limits}
    assert Scale.from_json(scale.to_json()).to_json() == scale.to_json()


def test_limits_are_read_as_a_copy():
    scale = Scale(1.0)
    scale.limits["*"] = 5.0
    scale.to_json()["limits"]["*"] = 5.0
    assert scale.limits == {"*": 1.0}


@pytest.mark.parametrize("wrong", [0, -1.0, float("nan"), float("inf"), True, "1", 1j, [1.0]])
@pytest.mark.parametrize(
    "use",
    [
        Scale,
        lambda wrong: Scale({"score": wrong}),
        lambda wrong: Scale().lock(wrong),
        lambda wrong: Scale().set("fixed", {"score": wrong}),
        lambda wrong: Scale.from_json({"mode": "fixed", "limits": {"score": wrong}}),
    ],
)
def test_a_limit_is_a_finite_number_above_zero(use, wrong):
    with pytest.raises(InputError, match="a finite number above zero") as caught:
        use(wrong)
    assert caught.value.argument == "limits"


@pytest.mark.parametrize(
    ("use", "argument"),
    [
        (lambda: Scale(mode="some"), "mode"),
        (lambda: Scale(1.0, mode="auto"), "limits"),
        (lambda: Scale({3: 1.0}), "limits"),
        (lambda: Scale().lock(), "limits"),
        (lambda: Scale.from_json({"limits": {}}), "scale"),
        (lambda: Scale.from_json({"mode": "auto", "color": 1}), "scale"),
        (lambda: Scale.from_json(None), "scale"),
        (lambda: Scale.from_json({"mode": ["auto"]}), "mode"),
        (lambda: Scale.fit([]), "maps"),
        (lambda: Scale.fit([3]), "maps"),
        (lambda: Scale.fit(3), "maps"),
        (lambda: Scale.fit({"a": np.ones(3)}), "maps"),
        (lambda: Scale.fit([np.array([np.nan])]), "maps"),
    ],
)
def test_what_is_no_scale_is_refused_by_name(use, argument):
    with pytest.raises(InputError) as caught:
        use()
    assert caught.value.argument == argument


def test_fitted_on_a_set_it_is_the_pooled_quantile_of_each_unit():
    rng = np.random.default_rng(0)
    maps = [rng.normal(size=(1, 20, 20)) * size for size in (1, 3)]
    cam = torch.full((1, 4, 4), 7.0, dtype=torch.bfloat16, requires_grad=True)
    scale = Scale.fit([Map(torch.from_numpy(maps[0])), Map(maps[1]), Map(cam, "cam")])
    pooled = np.sort(np.abs(np.concatenate([each.ravel() for each in maps])))
    assert scale.limits == {"score": pooled[int(np.ceil(0.995 * 800)) - 1], "cam": 7.0}
    assert scale.mode == "fixed"


def test_it_can_be_fitted_on_one_attribution_one_array_or_what_is_read_once():
    one = np.full((2, 2), 3.0)
    assert Scale.fit(Map(one)).limits == {"score": 3.0}
    for maps in (one, torch.from_numpy(one), iter([one])):
        assert Scale.fit(maps).limits == {"*": 3.0}  # who knows their unit?


def limit_of(scale, *own):
    """What panels of the unit "score" end at, given their own automatic limits."""
    (limit,) = set(limits_of(scale.to_json(), [("score", each) for each in own]))
    return limit


def test_the_panels_of_a_unit_share_its_limit():
    panels = [("score", 2.0), ("cam", 5.0), ("score", 3.0)]
    assert limits_of(Scale().to_json(), panels) == [3, 5, 3]
    assert limits_of(Scale(mode="each").to_json(), panels) == [2, 5, 3]
    assert limit_of(Scale(), 2.0, 3.0) == 3
    assert limit_of(Scale({"cam": 1.0}), 2.0, 3.0) == 3
    assert limit_of(Scale({"cam": 1.0, "*": 9.0}), 2.0, 3.0) == 9
    assert limit_of(Scale(), 0.0) == 1


def test_several_owners_share_the_largest_limit_on_any_screen():
    scale, a, b = Scale(), Owner(), Owner()
    scale.report(a, {"score": 2.0})
    assert scale.to_json()["limits"] == {}  # alone, the page knows better
    scale.report(b, {"score": 1.0, "cam": 4.0})
    assert scale.to_json()["limits"] == {"score": 2.0, "cam": 4.0}
    assert limit_of(scale, 1.0) == 2
    assert scale.limits == {}
    scale.report(a, {"score": 0.5})
    assert limit_of(scale, 0.7) == 1
    scale.lock()
    assert scale.limits == {"score": 1.0, "cam": 4.0}
    scale.release()
    scale.report(b, {})
    assert scale.to_json()["limits"] == {}


def test_an_owner_that_is_gone_no_longer_counts():
    scale, a, b = Scale(), Owner(), Owner()
    scale.report(a, {"score": 2.0})
    scale.report(b, {"score": 9.0})
    gone = weakref.ref(b)
    del b
    gc.collect()
    assert gone() is None
    assert limit_of(scale, 1.0) == 1


def test_observers_hear_of_changes_and_of_nothing_else():
    scale, owner, other = Scale(), Owner(), Owner()
    scale.observe(owner.hear)
    scale.observe(owner.hear)  # once is enough
    scale.lock(2.0)
    scale.lock(2.0)
    scale.release()
    scale.report(owner, {"score": 1.0})
    scale.report(other, {"score": 1.0})
    scale.report(other, {"score": 1.0})
    assert owner.heard == [
        {"mode": "fixed", "limits": {"*": 2.0}},
        {"mode": "auto", "limits": {}},
        {"mode": "auto", "limits": {"score": 1.0}},
    ]
    scale.unobserve(owner.hear)
    scale.set("each")
    assert len(owner.heard) == 3


def test_methods_are_held_weakly_and_functions_are_not():
    scale, owner, heard = Scale(), Owner(), []
    scale.observe(owner.hear)
    scale.observe(lambda scale: heard.append(scale.mode))
    gone = weakref.ref(owner)
    del owner
    gc.collect()
    assert gone() is None
    scale.set("each")
    assert heard == ["each"]


def test_an_observer_may_use_the_scale():
    scale = Scale()
    scale.observe(lambda scale: scale.limits or scale.lock(3.0))
    scale.set("each")
    assert scale.limits == {"*": 3.0}


def test_many_threads_may_share_it():
    scale, owners = Scale(), [Owner() for _ in range(8)]

    def work(owner, n):
        scale.observe(owner.hear)
        for i in range(200):
            scale.report(owner, {"score": 1.0 + (i + n) % 7})
            scale.to_json()

    threads = [threading.Thread(target=work, args=(owner, n)) for n, owner in enumerate(owners)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    last = [1.0 + (199 + n) % 7 for n in range(8)]
    assert scale.to_json()["limits"] == {"score": max(last)}
