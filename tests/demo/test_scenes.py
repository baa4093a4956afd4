"""The demo scenes: the truth they claim about themselves is checked against their pixels."""

import random
from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest

from saliscope.demo import scenes
from saliscope.demo.drawing import LEGIBLE, LUMA, watermark_layers
from saliscope.demo.sources import digit_pool, digits
from saliscope.errors import InputError


@pytest.fixture(scope="module")
def clean():
    return scenes(200, seed=1)


@pytest.fixture(scope="module")
def marked(clean):
    return clean.redraw(watermark=True)


def same_factors(a, b, but=()):
    names = [field.name for field in fields(a) if field.name not in but]
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in names)


def differing(a, b):
    return (a.images != b.images).any(-1)


def test_shapes_and_types(clean):
    assert clean.images.shape == (200, 64, 64, 3)
    assert clean.images.dtype == np.uint8
    assert clean.labels.shape == (200,)
    assert set(clean.labels) == set(range(10))
    for mask in (clean.digit_mask, clean.watermark_mask, clean.background_mask):
        assert mask.shape == (200, 64, 64)
        assert mask.dtype == np.bool_
    for field in fields(clean.factors):
        assert len(getattr(clean.factors, field.name)) == 200
    assert repr(clean) == "Scenes(200 of 64x64, 0 with the watermark)"


def test_inputs_are_the_pictures(clean):
    inputs = clean.inputs()
    assert inputs.shape == (200, 3, 64, 64)
    assert inputs.is_contiguous()
    np.testing.assert_array_equal((inputs.permute(0, 2, 3, 1) * 255).round().numpy(), clean.images)


@pytest.mark.parametrize("seed", [0, 7])
def test_masks_are_disjoint_and_cover_everything(seed):
    s = scenes(150, seed=seed, watermark=0.5)
    layers = s.digit_mask.astype(int) + s.watermark_mask + s.background_mask
    assert (layers == 1).all()
    assert s.digit_mask.any((1, 2)).all()
    np.testing.assert_array_equal(s.watermark_mask.any((1, 2)), s.factors.watermark)


def test_where_mark_and_digit_meet_the_mark_is_on_top(marked):
    crowded = marked.redraw(corner=0, digit_center=20)
    alone = crowded.redraw(watermark=False)
    assert (alone.digit_mask & crowded.watermark_mask).any()
    np.testing.assert_array_equal(crowded.digit_mask, alone.digit_mask & ~crowded.watermark_mask)


def test_digit_mask_is_where_the_ink_shows(marked):
    black, white = marked.redraw(digit_colour=0), marked.redraw(digit_colour=255)
    np.testing.assert_array_equal(differing(black, white), marked.digit_mask)


def test_digit_mask_is_the_handwritten_digit(clean):
    """Averaged back to 8x8, the mask has the shape of the digit it is said to be."""
    large = clean.redraw(digit_size=64, digit_center=32)
    cells = large.digit_mask.reshape(-1, 8, 8, 8, 8).mean((2, 4))
    ink = digits()[0][large.factors.digit_index]
    match = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(cells, ink, strict=True)]
    assert min(match) > 0.8


def test_watermark_changes_its_mask_and_nothing_else(clean, marked):
    assert same_factors(clean.factors, marked.factors, but=("watermark",))
    changed = differing(clean, marked)
    assert not changed[~marked.watermark_mask].any()
    assert changed[marked.watermark_mask].mean() > 0.98
    kept = ~marked.watermark_mask
    np.testing.assert_array_equal(marked.digit_mask[kept], clean.digit_mask[kept])


def test_watermark_is_the_same_mark_in_the_stated_corner(marked):
    for i, corner in enumerate(marked.factors.corner):
        alpha, colour = watermark_layers(64)[corner, ..., 3], watermark_layers(64)[corner, ..., :3]
        np.testing.assert_array_equal(marked.watermark_mask[i], alpha > 0)
        opaque = alpha == 1
        assert np.abs(marked.images[i][opaque] / 255 - colour[opaque]).max() < 1 / 255
        rows, columns = np.nonzero(alpha)
        assert (rows.mean() > 32, columns.mean() > 32) == divmod(corner, 2)
    assert set(marked.factors.corner) == {0, 1, 2, 3}


def test_watermark_hides_next_to_nothing_of_a_digit():
    clean = scenes(1000, seed=2)
    hidden = clean.digit_mask & clean.redraw(watermark=True).watermark_mask
    assert (hidden.any((1, 2))).mean() < 0.005
    assert hidden.sum((1, 2)).max() < 20


@pytest.mark.parametrize("seed", [3, 4])
def test_ink_stands_out_from_every_pixel_around_it(seed):
    s = scenes(300, seed=seed)
    ink = (s.factors.digit_colour / 255) @ LUMA.astype(float)
    away = np.arange(64) + 0.5 - s.factors.digit_center[:, :, None]
    near = np.abs(away) <= s.factors.digit_size[:, None, None] / 2
    around = near[:, 0, :, None] & near[:, 1, None, :] & s.background_mask
    difference = np.abs((s.images / 255) @ LUMA.astype(float) - ink[:, None, None])
    assert difference[around].min() >= LEGIBLE


def test_seed_decides_everything(clean):
    again, other = scenes(200, seed=1), scenes(200, seed=2)
    np.testing.assert_array_equal(again.images, clean.images)
    np.testing.assert_array_equal(again.digit_mask, clean.digit_mask)
    assert same_factors(again.factors, clean.factors)
    for field in fields(clean.factors):
        if field.name != "watermark":  # there is none in either
            assert not np.array_equal(getattr(other.factors, field.name), getattr(clean.factors, field.name))


def test_fewer_scenes_are_the_first_of_more(clean):
    few = scenes(7, seed=1)
    np.testing.assert_array_equal(few.images, clean.images[:7])
    assert same_factors(few.factors, clean.factors[:7])


def test_shortcut_and_watermark_leave_all_other_factors_alone(clean):
    for other in (scenes(200, seed=1, watermark=0.5), scenes(200, seed=1, shortcut=0.9)):
        assert other.factors.watermark.any()
        assert same_factors(other.factors, clean.factors, but=("watermark",))


def test_global_random_states_are_untouched():
    def states():
        _, key, position, *_ = np.random.get_state()  # noqa: NPY002
        return key.tolist(), position, random.getstate()

    before = states()
    scenes(5, seed=3, shortcut=0.5)
    assert states() == before


def within(count, n, p):
    """Four standard deviations of a binomial count."""
    return abs(count - n * p) <= 4 * np.sqrt(n * p * (1 - p))


def test_factors_are_spread_evenly():
    f = scenes(2000, seed=5).factors
    for values, kinds in [(f.label, 10), (f.photograph, 2), (f.crop_size, 4), (f.flip, 2), (f.corner, 4)]:
        counts = np.unique(values, return_counts=True)[1]
        assert len(counts) == kinds
        assert all(within(count, 2000, 1 / kinds) for count in counts)


@pytest.mark.parametrize(
    ("arguments", "own", "others"),
    [
        ({"shortcut": 0.8, "shortcut_class": 7}, 0.8, 0.2),
        ({"shortcut": 0.9, "shortcut_class": 7, "watermark": 0.05}, 0.9, 0.05),
        ({"shortcut": 1.0, "shortcut_class": 7}, 1.0, 0.0),
        ({"watermark": 0.3}, 0.3, 0.3),
        ({"watermark": True}, 1.0, 1.0),
        ({}, 0.0, 0.0),
    ],
)
def test_watermark_comes_with_the_stated_probability(arguments, own, others):
    s = scenes(1500, seed=6, **arguments)
    is_own = s.labels == 7
    assert within(s.factors.watermark[is_own].sum(), is_own.sum(), own)
    assert within(s.factors.watermark[~is_own].sum(), (~is_own).sum(), others)


def test_held_out_digits_are_never_trained_on():
    train, held_out, everything = (scenes(1500, 0, digits=d).factors for d in ("train", "held_out", "all"))
    assert not set(train.digit_index) & set(held_out.digit_index)
    assert set(everything.digit_index) & set(train.digit_index)
    assert set(everything.digit_index) & set(held_out.digit_index)
    np.testing.assert_array_equal(train.label, held_out.label)


def test_the_split_is_fixed_and_balanced():
    pools = {split: digit_pool(split) for split in ("all", "train", "held_out")}
    members = {split: set(pool[pool >= 0]) for split, (pool, _) in pools.items()}
    assert members["train"] | members["held_out"] == members["all"] == set(range(1797))
    assert not members["train"] & members["held_out"]
    assert members["held_out"] == {i for i in range(1797) if i // 10 % 5 == 4}
    for pool, counts in pools.values():
        assert counts.min() > 0.75 * counts.max()
        for label, row in enumerate(pool):
            assert (digits()[1][row[row >= 0]] == label).all()


def middle(mask):
    """Centre of mass of each mask, as (down, across) shares of the picture: (n, 2)."""
    place = (np.arange(mask.shape[1]) + 0.5) / mask.shape[1]
    return np.stack([mask.sum(2) @ place, mask.sum(1) @ place], 1) / mask.sum((1, 2))[:, None]


@pytest.mark.parametrize("size", [32, 150])
def test_other_sizes_show_the_same_scenes(size, marked):
    s = scenes(200, seed=1, size=size, watermark=True)
    assert s.images.shape == (200, size, size, 3)
    np.testing.assert_array_equal(s.labels, marked.labels)
    np.testing.assert_allclose(s.factors.digit_size / size, marked.factors.digit_size / 64)
    for name in ("digit_mask", "watermark_mask"):
        np.testing.assert_allclose(middle(getattr(s, name)), middle(getattr(marked, name)), atol=0.02)


def test_redraw_of_the_label_follows_the_digit(clean):
    digit = clean.redraw(digit_index=3)
    assert (digit.labels == digits()[1][3]).all()


def test_mirrored_background(clean):
    """With the digit shrunk away into a corner, `flip` mirrors the picture."""
    away = {"digit_size": 1, "digit_center": (0, 0), "digit_colour": 0}
    left, right = clean.redraw(flip=False, **away), clean.redraw(flip=True, **away)
    np.testing.assert_array_equal(left.images[:, 2:], right.images[:, 2:, ::-1])


def test_scenes_are_frozen(clean):
    with pytest.raises(FrozenInstanceError):
        clean.images = None
    with pytest.raises(FrozenInstanceError):
        clean.factors.corner = None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "`n`: got 0; expected a whole number at least 1"),
        ({"n": 2.0}, "`n`: got 2.0; expected a whole number"),
        ({"n": True}, "`n`: got True; expected a whole number"),
        ({"seed": -1}, "`seed`: got -1; expected a whole number at least 0"),
        ({"shortcut": 1.5}, "`shortcut`: got 1.5; expected a probability from 0 to 1"),
        ({"shortcut": -0.1}, "`shortcut`: got -0.1; expected a probability from 0 to 1"),
        ({"shortcut": "often"}, "`shortcut`: got 'often'; expected a probability from 0 to 1"),
        ({"watermark": float("nan")}, "`watermark`: got nan; expected a probability from 0 to 1"),
        ({"shortcut": 0.5, "watermark": 2}, "`watermark`: got 2; expected a probability from 0 to 1"),
        ({"shortcut_class": 10}, "`shortcut_class`: got 10; expected a whole number from 0 to 9"),
        ({"digits": "test"}, "`digits`: got 'test'; expected one of 'all', 'train', 'held_out'"),
        ({"size": 16}, "`size`: got 16; expected a whole number from 32 to 256"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(InputError) as caught:
        scenes(**{"n": 2, **arguments})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"waterMark": True}, "Did you mean `watermark`?"),
        ({"corner": 4}, "`corner`: got 4; expected whole numbers from 0 to 3"),
        ({"corner": 1.5}, "`corner`: got 1.5; expected whole numbers from 0 to 3"),
        ({"contrast": float("nan")}, "`contrast`: got nan; expected numbers from 0 to 1"),
        ({"watermark": [True, False]}, "`watermark`: got shape (2,); expected one value, or shape (200,)"),
        ({"flip": "yes"}, "expected whole numbers from 0 to 1"),
    ],
)
def test_bad_redraws_are_named(clean, changes, message):
    with pytest.raises(InputError) as caught:
        clean.redraw(**changes)
    assert message in str(caught.value)
