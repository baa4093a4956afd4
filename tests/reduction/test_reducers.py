"""Every reducer: what goes in, what comes out, and what is left alone."""

import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from saliscope.core.knobs import Knob
from saliscope.errors import ReductionError
from saliscope.reduction.estimators import PCA, TSNE, UMAP, PaCMAP, Reducer, reducers
from saliscope.reduction.neighbors import neighbors

needs_pacmap = pytest.mark.skipif(find_spec("pacmap") is None, reason="pacmap is not installed")
OWN = [PCA(), TSNE(n_iter=200)]
ALL = [*OWN, UMAP(), pytest.param(PaCMAP(), marks=needs_pacmap)]
every = pytest.mark.parametrize("reducer", ALL, ids=lambda reducer: reducer.key)


@pytest.fixture(scope="module")
def digits() -> np.ndarray:
    return load_digits().data[:200].astype(np.float32)


def last(reducer: Reducer, data, **options):
    return list(reducer.stream(data, **options))[-1].result


def kept(data, coordinates, k: int = 10) -> float:
    true, found = neighbors(data, k).indices, neighbors(coordinates, k).indices
    return (true[:, :, None] == found[:, None]).any(2).float().mean().item()


@every
def test_estimator(reducer, digits):
    reducer = clone(reducer)
    assert reducer.fit(digits) is reducer
    assert reducer.embedding_.shape == (200, 2)
    assert reducer.embedding_.dtype == np.float32
    assert reducer.n_features_in_ == 64
    assert list(reducer.get_feature_names_out()) == [f"{type(reducer).__name__.lower()}{i}" for i in (0, 1)]
    result = reducer.result_
    assert (result.reducer, result.title, result.start) == (reducer.key, reducer.title, "pca")
    assert result.seconds > 0
    assert np.isfinite(reducer.embedding_).all()
    piped = make_pipeline(StandardScaler(with_std=False), clone(reducer)).fit_transform(digits)
    assert piped.shape == (200, 2)


@every
def test_again_is_equal_to_the_bit(reducer, digits):
    np.testing.assert_array_equal(clone(reducer).fit_transform(digits), clone(reducer).fit_transform(digits))


@every
def test_global_random_states_are_left_alone(reducer, digits):
    torch.manual_seed(3), np.random.seed(3)  # noqa: NPY002 # that is what is tested
    before = torch.get_rng_state(), np.random.get_state()[1]  # noqa: NPY002
    drawn = clone(reducer).fit_transform(digits)
    torch.testing.assert_close(torch.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002
    torch.manual_seed(4), np.random.seed(4)  # noqa: NPY002
    np.testing.assert_array_equal(clone(reducer).fit_transform(digits), drawn)


def test_pythons_random_state_is_left_alone():
    # Apart: where annotations are checked at every call, the checker draws numbers of its own.
    program = """if True:
        import random
        import numpy as np
        from saliscope.reduction.estimators import PCA, TSNE
        data = np.random.default_rng(0).normal(size=(60, 5))
        random.seed(3)
        before = random.getstate()
        for reducer in PCA(), TSNE(n_iter=20):
            reducer.fit(data).transform(data[:3] + 1)
        assert random.getstate() == before
    """
    subprocess.run([sys.executable, "-c", program], check=True)


@every
def test_rows_keep_their_order(reducer, digits):
    # Two far clusters, shuffled: a map in another order would mix them.
    labels = np.random.default_rng(0).permutation(np.repeat([0, 1], 50))
    data = digits[:100] * 0.1 + 100 * labels[:, None]
    points = clone(reducer).fit_transform(data.astype(np.float32))
    found = neighbors(points, 5).indices.numpy()
    assert (labels[found] == labels[:, None]).mean() > 0.95


@every
@pytest.mark.parametrize("kind", ["float64", "float16", "uint8", "int64", "bool"])
def test_kinds_of_numbers(reducer, kind, digits):
    data = digits[:60].astype(kind)
    assert np.isfinite(clone(reducer).fit_transform(data)).all()


@every
def test_tensors_and_lists(reducer, digits):
    array = digits[:60]
    expected = clone(reducer).fit_transform(array)
    tensor = torch.from_numpy(array).requires_grad_()
    np.testing.assert_array_equal(clone(reducer).fit_transform(tensor), expected)
    double = clone(reducer).fit_transform(array.astype(float))
    np.testing.assert_array_equal(clone(reducer).fit_transform(array.tolist()), double)
    fortran = np.asfortranarray(array)
    fortran.setflags(write=False)
    np.testing.assert_array_equal(clone(reducer).fit_transform(fortran), expected)


@every
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_rows_that_are_no_numbers_are_named(reducer, bad, digits):
    data = digits.copy()
    data[[3, 17], 5] = bad
    with pytest.raises(ReductionError, match="3, 17"):
        clone(reducer).fit(data)
    with pytest.raises(ReductionError, match="3, 17"):
        clone(reducer).stream(torch.from_numpy(data))


@every
@pytest.mark.parametrize(
    "data",
    [
        np.zeros((2, 3, 4)),
        np.zeros(5),
        np.zeros((0, 3)),
        np.zeros((3, 0)),
        [["a", "b"]],
        np.ones((4, 4)) * 1j,
        None,
    ],
    ids=["3-D", "1-D", "no rows", "no columns", "text", "complex", "nothing"],
)
def test_what_is_no_table(reducer, data):
    with pytest.raises(ReductionError, match="data"):
        clone(reducer).stream(data)
    with pytest.raises((ValueError, TypeError)):
        clone(reducer).fit(data)


@every
@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_rows_are_their_principal_components(reducer, n, digits):
    result = last(clone(reducer), digits[:n])
    assert result.coordinates.shape == (n, 2)
    assert result.coordinates.isfinite().all()
    torch.testing.assert_close(result.coordinates, last(PCA(), digits[:n]).coordinates)
    assert reducer.key == "pca" or any("principal components" in note for note in result.notes)


@every
@pytest.mark.parametrize("n", [4, 5, 7, 8, 9, 16, 31])
def test_fewer_rows_than_neighbours(reducer, n, digits):
    result = last(clone(reducer), digits[:n])
    assert result.coordinates.isfinite().all()
    assert len(torch.unique(result.coordinates, dim=0)) == n
    assert reducer.key == "pca" or n >= 16 or result.notes


@every
def test_constant_columns_change_nothing_else(reducer, digits):
    data = np.hstack([np.full((200, 3), 7e3, np.float32), digits, np.zeros((200, 2), np.float32)])
    points = clone(reducer).fit_transform(data)
    assert np.isfinite(points).all()
    assert kept(digits, points) > (0.1 if reducer.key == "pca" else 0.35)


@every
def test_all_rows_the_same(reducer):
    result = last(clone(reducer), np.full((30, 4), 2.5))
    assert result.coordinates.isfinite().all()
    assert reducer.key == "pca" or result.notes == ("all rows are the same",)


@every
def test_duplicates(reducer, digits):
    points = clone(reducer).fit_transform(np.vstack([digits[:50]] * 4))
    assert np.isfinite(points).all()
    assert np.isfinite(clone(reducer).fit_transform(np.vstack([digits[:1]] * 60 + [digits[:60]]))).all()


@every
@pytest.mark.parametrize("columns", [1, 2])
def test_few_columns(reducer, columns):
    data = np.random.default_rng(0).normal(size=(80, columns))
    points = clone(reducer).fit_transform(data)
    assert points.shape == (80, 2)
    assert np.isfinite(points).all()
    assert kept(data, points) > 0.6


@every
def test_own_rows_are_placed_on_themselves(reducer, digits):
    reducer = clone(reducer).fit(digits)
    np.testing.assert_allclose(reducer.transform(digits[40:60]), reducer.embedding_[40:60], atol=1e-3)
    spread = reducer.embedding_.std()
    near = reducer.transform(digits[40:60] + 1e-3)
    assert np.median(np.linalg.norm(near - reducer.embedding_[40:60], axis=1)) < 0.5 * spread


@every
def test_other_rows_do_not_fit(reducer, digits):
    reducer = clone(reducer)
    with pytest.raises(ValueError, match="not fitted"):
        reducer.transform(digits)
    reducer.fit(digits[:60])
    with pytest.raises(ValueError, match="63"):
        reducer.transform(digits[:, 1:])
    with pytest.raises(ReductionError, match="63"):
        reducer.transform(torch.from_numpy(digits[:, 1:]))
    with pytest.raises(ReductionError, match="row 0"):
        reducer.transform(np.full((1, 64), np.nan))


@every
def test_given_start_and_neighbours(reducer, digits):
    reducer = clone(reducer)
    start = torch.from_numpy(reducer.fit_transform(digits))
    known = neighbors(digits, 30)
    result = last(reducer, digits, neighbors=known, start=start.double().numpy())
    assert result.start == "given"
    assert result.coordinates.dtype == torch.float32
    for wrong in (start[1:], start[:, :1], start * torch.nan):
        with pytest.raises(ReductionError, match="start"):
            reducer.stream(digits, start=wrong)
    with pytest.raises(ReductionError, match="neighbors"):
        reducer.stream(digits[1:], neighbors=known)


def test_given_map_is_gone_on_with(digits):
    reducer = TSNE(n_iter=150)
    first = last(reducer, digits).coordinates
    again = last(TSNE(n_iter=30), digits, start=first).coordinates
    other = last(reducer, digits, start=first.flip(0) * 1e-4).coordinates
    radius = first.norm(dim=1).mean()
    assert (again - first).norm(dim=1).mean() < 0.3 * radius
    assert (other - first).norm(dim=1).mean() > 0.5 * radius


def test_sparse_neighbours_are_found_again(digits):
    few = neighbors(digits, 3)
    assert last(TSNE(n_iter=20), digits, neighbors=few).neighbors.k == 15
    torch.testing.assert_close(
        last(TSNE(n_iter=20), digits, neighbors=few).coordinates, last(TSNE(n_iter=20), digits).coordinates
    )


@pytest.mark.parametrize("affinity", ["uniform", "perplexity"])
def test_tsne_unfolds(affinity, digits):
    result = last(TSNE(affinity=affinity, n_iter=200), digits)
    assert kept(digits, result.coordinates) > 0.6 > kept(digits, last(PCA(), digits).coordinates)
    assert 0 < result.kl < 2
    assert result.iterations > 0


def test_perplexity_matters_with_either_affinity(digits):
    for affinity in ("uniform", "perplexity"):
        small, large = (last(TSNE(p, affinity=affinity, n_iter=50), digits).coordinates for p in (5, 40))
        assert not torch.equal(small, large)


def test_perplexity_too_large_is_told(digits):
    (note,) = last(TSNE(100, affinity="perplexity", n_iter=20), digits[:40]).notes
    assert note == "perplexity 100 is too much for 40 rows: 13 was used"


@pytest.mark.parametrize(
    ("reducer", "n", "told"),
    [
        (TSNE(500), 50, "perplexity 500 is too much for 50 rows: 32 was used"),
        (TSNE(100), 60, "perplexity 100 is too much for 60 rows: 38 was used"),
        (TSNE(n_neighbors=40), 50, "n_neighbors 40 is too much for 50 rows: 16 was used"),
        (TSNE(), 47, None),
    ],
)
def test_equal_attraction_is_that_of_some_rows_only(reducer, n, told, digits):
    # Where everybody attracts everybody, all rows come together in one place.
    result = last(reducer, digits[:n])
    assert result.notes == (() if told is None else (told,))
    # Points that are equal but for rounding are no map.
    assert neighbors(result.coordinates, 1).distances.min() > 1e-3 * result.coordinates.std()
    assert kept(digits[:n], result.coordinates, 5) > 0.4


def test_two_far_clusters_of_few_rows_are_apart():
    labels = np.arange(15) % 2
    data = np.random.default_rng(0).normal(size=(15, 5))
    data[:, 0] += 10 * labels
    result = last(TSNE(), data)
    assert result.notes == ("perplexity 30 is too much for 15 rows: 8 was used",)
    assert result.coordinates.std() > 0.1
    nearest = neighbors(result.coordinates, 3).indices.numpy()
    assert (labels[nearest] == labels[:, None]).all()


def test_steps_are_iterations(digits):
    steps = list(TSNE(n_iter=40).stream(digits))
    assert [step.done for step in steps][-40:] == list(range(1, 41))
    frames = [step.result.coordinates for step in steps[-3:]]
    assert not torch.equal(frames[0], frames[1])
    assert steps[-2].result.kl is None
    assert steps[-1].result.kl is not None


@pytest.mark.parametrize(
    ("cls", "name", "value"),
    [
        (TSNE, "perplexity", 0),
        (TSNE, "perplexity", "30"),
        (TSNE, "perplexity", np.nan),
        (TSNE, "n_neighbors", 0),
        (TSNE, "n_neighbors", 2.5),
        (TSNE, "affinity", "cosine"),
        (TSNE, "attraction", 0),
        (TSNE, "n_iter", 0),
        (TSNE, "random_state", -1),
        (TSNE, "random_state", None),
        (TSNE, "device", "abacus"),
        (UMAP, "n_neighbors", 1),
        (UMAP, "n_neighbors", True),
        (UMAP, "min_dist", -0.1),
        (UMAP, "min_dist", 2),
        (UMAP, "random_state", 2**40),
        (PaCMAP, "n_neighbors", 0),
        (PaCMAP, "random_state", 0.5),
    ],
)
def test_parameters_are_checked(cls, name, value, digits):
    reducer = cls().set_params(**{name: value})
    with pytest.raises(ReductionError, match=f"`{name}`"):
        reducer.stream(digits)
    with pytest.raises(ReductionError, match=f"`{name}`"):
        reducer.fit(digits)


@pytest.mark.parametrize("cls", [PCA, TSNE, UMAP, PaCMAP])
def test_what_menus_are_made_of(cls):
    usual = cls().get_params()
    for name, knob in cls.knobs.items():
        assert isinstance(knob, Knob)
        if knob.minimum is not None:
            assert knob.minimum <= usual[name] <= knob.maximum
            for end in (knob.minimum, knob.maximum):
                cls(**{name: end}).check_parameters()
    assert cls.title
    assert cls.summary.endswith(".")
    assert all(caution.endswith(".") for caution in cls.cautions)


def test_registry(monkeypatch):
    assert {key: cls.key for key, cls in reducers().items()} == {key: key for key in reducers()}
    assert list(reducers())[:3] == ["pca", "tsne", "umap"]
    monkeypatch.setattr(sys.modules[PCA.__module__], "find_spec", lambda name: None)
    assert "pacmap" not in reducers()


def test_pca_gives_every_row_its_own_shadow(digits):
    # scikit-learn's is the reference.
    from sklearn.decomposition import PCA as Theirs

    theirs, ours = Theirs(2).fit(digits[:150]), PCA().fit(digits[:150])
    signs = np.sign((theirs.transform(digits[:150]) * ours.embedding_).sum(0))
    np.testing.assert_allclose(ours.transform(digits), theirs.transform(digits) * signs, atol=1e-2)


def test_pandas_out_and_in(digits):
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(digits, columns=[f"pixel{i}" for i in range(64)])
    mapped = PCA().set_output(transform="pandas").fit_transform(table)
    assert list(mapped.columns) == ["pca0", "pca1"]
    assert last(PCA(), table).coordinates.shape == (200, 2)
