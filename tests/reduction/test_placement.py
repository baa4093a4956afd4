"""New points on a map that stays as it is."""

from importlib.util import find_spec

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from saliscope.demo import cnn, scenes
from saliscope.errors import ReductionError
from saliscope.features.activations import activations
from saliscope.reduction.embedding import Embedding
from saliscope.reduction.estimators import TSNE
from saliscope.reduction.neighbors import neighbors
from saliscope.reduction.placement import Placer, place
from tests.reference import map_criteria


def a_map(coordinates: torch.Tensor, data: torch.Tensor | None = None) -> Embedding:
    near = None if data is None else neighbors(data, min(15, len(data) - 1))
    return Embedding(coordinates, near, "tsne", "t-SNE", 0, None, "given", 0, 0.0)


@pytest.fixture(scope="module")
def digits() -> tuple[Embedding, torch.Tensor, torch.Tensor]:
    """A map of 1000 of the digits, its data, and 250 others."""
    rows = torch.as_tensor(load_digits().data[:1250]).float()
    rows = rows[torch.randperm(1250, generator=torch.Generator().manual_seed(0))]
    return TSNE().fit(rows[:1000]).result_, rows[:1000], rows[1000:]


def kept(data, coordinates, new, places, k: int = 15) -> float:
    true = neighbors(data, k, queries=new).indices
    found = neighbors(coordinates, k, queries=places).indices
    return (true[:, :, None] == found[:, None]).any(2).float().mean().item()


def test_a_new_point_is_as_much_at_home_as_the_maps_own(digits):
    embedding, data, new = digits
    coordinates = embedding.coordinates
    placed = place(embedding, data, new)
    near = neighbors(data, 15).indices
    own = (near[:, :, None] == neighbors(coordinates, 15).indices[:, None]).any(2).float().mean().item()
    found = kept(data, coordinates, new, placed.coordinates)
    median = coordinates[placed.neighbors.indices].median(1).values
    assert found > 0.95 * own
    assert found > 1.03 * kept(data, coordinates, new, median)


@pytest.mark.skipif(find_spec("openTSNE") is None, reason="openTSNE is not installed")
def test_at_least_as_many_neighbours_as_opentsne_keeps(digits):
    import openTSNE

    _, data, new = digits
    theirs = openTSNE.TSNE(random_state=0, n_jobs=1).fit(data.numpy())
    coordinates = torch.as_tensor(np.array(theirs)).float()
    expected = torch.as_tensor(np.array(theirs.transform(new.numpy()))).float()
    placed = place(a_map(coordinates, data), data, new)
    assert kept(data, coordinates, new, placed.coordinates) >= kept(data, coordinates, new, expected)


def test_a_place_is_a_minimum_of_the_divergence():
    generator = torch.Generator().manual_seed(0)
    data = torch.randn(200, 2, generator=generator)
    new = torch.randn(5, 2, generator=generator)
    coordinates = data * 10
    placer = Placer(a_map(coordinates), data)
    placed = placer.place(new)
    # In the unit in which the 15th neighbour of the map is two apart.
    places, points = (one.double() / placer._unit for one in (placed.coordinates, coordinates))
    for place_, near in zip(places, placed.neighbors.indices.tolist(), strict=True):
        here = map_criteria.divergence(place_.tolist(), points.tolist(), near)
        for step in ((0.2, 0), (-0.2, 0), (0, 0.2), (0, -0.2)):
            there = (place_ + torch.tensor(step)).tolist()
            assert here < map_criteria.divergence(there, points.tolist(), near)


def test_each_point_by_itself_is_placed_as_among_others(digits):
    embedding, data, new = digits
    together = place(embedding, data, new[:20])
    placer = Placer(embedding, data)
    for i in (0, 7, 19):
        alone = placer.place(new[i : i + 1])
        np.testing.assert_allclose(alone.coordinates[0], together.coordinates[i], atol=0.02)
        assert torch.equal(alone.neighbors.indices[0], together.neighbors.indices[i])
        assert alone.inside[0] == together.inside[i]


def test_the_scale_of_a_map_means_nothing(digits):
    embedding, data, new = digits
    expected = place(embedding, data, new[:20]).coordinates
    tiny = place(a_map(embedding.coordinates / 1000 + 3, data), data, new[:20]).coordinates
    np.testing.assert_allclose((tiny - 3) * 1000, expected, atol=0.05)


def test_a_row_of_the_data_goes_to_its_own_point(digits):
    embedding, data, _ = digits
    placed = place(embedding, data, data[5:25])
    assert torch.equal(placed.coordinates, embedding.coordinates[5:25])
    assert placed.inside.all()


def test_a_row_that_differs_in_the_last_bits_is_that_row(digits):
    # As activations do that were taken in a batch of another size.
    embedding, data, _ = digits
    outer = embedding.neighbors.distances[:, 14].topk(5).indices  # beyond the limit, all of them
    noise = torch.randn(5, 64, generator=torch.Generator().manual_seed(0))
    placed = place(embedding, data, data[outer] * (1 + 1e-7 * noise))
    assert not (placed.neighbors.distances[:, 0] == 0).any()
    assert torch.equal(placed.coordinates, embedding.coordinates[outer])
    assert placed.distance_ratio.min() > 1
    assert placed.inside.all()
    assert not place(embedding, data, data[outer] * 1.01).inside.any()


def test_no_row_far_from_the_origin_is_taken_for_another():
    data = torch.randn(100, 3, generator=torch.Generator().manual_seed(0)) + 1e5
    new = torch.randn(50, 3, generator=torch.Generator().manual_seed(1)) + 1e5
    embedding = a_map(data[:, :2] - 1e5, data)
    placed = place(embedding, data, new)
    own = embedding.coordinates[placed.neighbors.indices[:, 0]]
    assert (placed.coordinates != own).any(1).sum() > 45


def test_beside_a_dense_part_the_usual_distance_is_far():
    generator = torch.Generator().manual_seed(0)
    dense = torch.randn(200, 3, generator=generator) * 0.1
    wide = torch.randn(200, 3, generator=generator) * 5 + 100
    data = torch.cat([dense, wide])
    placed = place(
        a_map(data[:, :2], data), data, torch.tensor([[3.0, 0, 0], [0.0, 0, 0], [100.0, 100, 100]])
    )
    assert placed.distance_ratio.max() < 1
    assert placed.inside.tolist() == [False, True, True]
    assert placed.local_ratio[0] > 1.3
    assert repr(placed) == "Placed(3 points, 2 of them inside)"


def test_beside_equal_rows_the_usual_distance_is_not_far():
    data = torch.randn(400, 3, generator=torch.Generator().manual_seed(0))
    data[:50] = 0
    assert place(a_map(data[:, :2], data), data, torch.full((1, 3), 0.02)).inside.all()


@pytest.fixture(scope="module")
def seen() -> tuple[Embedding, torch.Tensor]:
    """What the bundled network sees in 1000 scenes."""
    values = activations(cnn(), scenes(1000).inputs(), "layer3").values
    return a_map(values[:, :2], values), values


def test_scenes_are_inside_and_noise_is_outside(seen):
    embedding, values = seen
    pictures = {
        "held out": scenes(1400).inputs()[1000:],
        "noise": torch.rand(20, 3, 64, 64, generator=torch.Generator().manual_seed(0)),
        "blank": torch.tensor([0.0, 1.0])[:, None, None, None].expand(2, 3, 64, 64),
    }
    placer = Placer(embedding, values)
    inside = {
        name: placer.place(activations(cnn(), each, "layer3").values).inside
        for name, each in pictures.items()
    }
    assert inside["held out"].float().mean() > 0.97
    assert not inside["noise"].any()
    assert not inside["blank"].any()
    red = torch.tensor([1.0, 0, 0])[:, None, None].expand(1, 3, 64, 64)
    assert placer.place(activations(cnn(), red, "layer3").values).local_ratio > 1.1


def test_a_scene_by_itself_is_the_one_that_the_map_has(seen):
    embedding, values = seen
    alone = torch.cat(
        [activations(cnn(), scenes(10).inputs()[i : i + 1], "layer3").values for i in range(10)]
    )
    assert torch.equal(place(embedding, values, alone).coordinates, embedding.coordinates[:10])


def test_what_the_data_have_not_is_outside(digits):
    embedding, data, new = digits
    assert place(embedding, data, new).inside.float().mean() > 0.95
    strange = place(embedding, data, torch.stack([16 - new[0], torch.full((64,), 16.0)]))
    assert strange.inside.tolist() == [False, False]
    assert strange.distance_ratio.min() > 1
    assert strange.coordinates.isfinite().all()


def test_the_limit_is_the_distance_that_99_percent_do_not_exceed():
    data = torch.arange(300.0)[:, None].repeat(1, 2) * 0
    data[:, 0] = torch.arange(300.0)
    embedding = a_map(data.clone(), data)
    # The 15th neighbour is 8 away in the middle, and up to 15 at the ends.
    far = embedding.neighbors.distances[:, 14].sort().values[296]
    placed = place(embedding, data, torch.tensor([[150.2, 0.0], [150.0, far + 1]]))
    assert placed.inside.tolist() == [True, False]
    last = neighbors(data, 15, queries=torch.tensor([[150.2, 0.0]])).distances[0, 14]
    assert placed.distance_ratio[0] == pytest.approx(float(last / far))


def test_the_map_and_the_data_stay(digits):
    embedding, data, new = digits
    copies = embedding.coordinates.clone(), data.clone(), new.clone()
    state = torch.get_rng_state()
    place(embedding, data, new)
    assert torch.equal(copies[0], embedding.coordinates)
    assert torch.equal(copies[1], data)
    assert torch.equal(copies[2], new)
    assert torch.equal(state, torch.get_rng_state())


def test_many_points_come_in_steps(digits, monkeypatch):
    embedding, data, new = digits
    whole = place(embedding, data, new)
    monkeypatch.setattr("saliscope.reduction.placement._BLOCK", 2 * 1000 * 100)
    steps = list(Placer(embedding, data).stream(new))
    assert [step.done for step in steps] == [100, 200, 250]
    assert len(steps[0].result.coordinates) == 100
    last = steps[-1].result
    np.testing.assert_allclose(last.coordinates, whole.coordinates, atol=0.02)
    assert torch.equal(last.neighbors.indices, whole.neighbors.indices)


@pytest.mark.parametrize("n", [1, 2, 3, 16])
def test_small_and_degenerate_maps(n):
    data = torch.zeros(n, 3)
    placed = place(a_map(torch.zeros(n, 2)), data, torch.ones(2, 3))
    assert placed.coordinates.isfinite().all()
    assert placed.inside.tolist() == [False, False]
    assert place(a_map(torch.zeros(n, 2)), data, torch.ones(0, 3)).coordinates.shape == (0, 2)


def test_bad_input(digits):
    embedding, data, new = digits
    with pytest.raises(ReductionError, match="64, as in the data"):
        place(embedding, data, new[:, :5])
    with pytest.raises(ReductionError, match="one for each row"):
        place(embedding, data[:-1], new)
    with pytest.raises(ReductionError, match="NaN or infinity in row 1"):
        place(embedding, data, torch.stack([new[0], new[0] * torch.nan]))
