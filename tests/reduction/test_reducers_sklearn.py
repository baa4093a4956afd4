"""scikit-learn's own checks of its interface."""

from importlib.util import find_spec

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from saliscope.reduction.estimators import PCA, TSNE, UMAP, PaCMAP, Reducer

DOES_NOT_APPLY = {
    ("tsne", "check_fit2d_1sample"): "it sets a perplexity of 0.5, and no distribution has one below 1",
}
"""Checks that do not apply, with the reason."""


def checks(reducer: Reducer, *marks: pytest.MarkDecorator) -> list:
    found = estimator_checks_generator(reducer, legacy=True)
    return [
        pytest.param(check, estimator, id=f"{reducer.key}-{name(check)}", marks=marks)
        for estimator, check in found
    ]


def name(check) -> str:
    return getattr(check, "func", check).__name__


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("check", "estimator"),
    [
        *checks(PCA()),
        *checks(TSNE(n_iter=50)),
        *checks(UMAP(), pytest.mark.slow),
        *checks(
            PaCMAP(),
            pytest.mark.slow,
            pytest.mark.skipif(find_spec("pacmap") is None, reason="pacmap is not installed"),
        ),
    ],
)
def test_check_estimator(check, estimator):
    reason = DOES_NOT_APPLY.get((estimator.key, name(check)))
    if reason is not None:
        pytest.skip(reason)
    check(estimator)
