"""The code that makes a view again: the same in both languages, and it does make it."""

import json
from pathlib import Path

import pytest
import torch

from saliscope import EmbeddingExplorer, SaliencyExplorer, baselines
from saliscope.faithfulness.infill import Road
from saliscope.faithfulness.replacement import Static
from saliscope.sessions.trial_settings import TrialSettings
from saliscope.widgets.code import code_of
from saliscope.widgets.state import USUAL
from tests.sessions.tools import photo, tiny

CASES = json.loads((Path(__file__).parent.parent / "wire" / "code.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_code_is_the_page_s(case: dict) -> None:
    methods = {method["key"]: method for method in case.get("methods", ())}
    assert code_of(case["traits"], USUAL, case["models"], methods) == case["code"]


def test_code_makes_the_same_view() -> None:
    images = photo(shape=(2, 8, 10, 3))
    model = tiny()
    first = SaliencyExplorer(
        model, images, method="smooth_grad", params={"n_samples": 3}, target=2, alpha=0.25,
        region=(1, 2, 3, 4),
        compare=["grad_cam", {"baseline": "white", "index": 1, "method": "integrated_gradients"}],
        scale=0.5, zoom=(2, 0.25, 0.75), smoothing=1.5,
    )  # fmt: skip
    names = {"SaliencyExplorer": SaliencyExplorer, "model": model, "images": images}
    second = eval(first.code(), names)
    assert second.code() == first.code()
    assert "n_samples" in first.code()
    assert "noise_level" not in first.code()
    assert first.wait()
    assert second.wait()
    for one, other in zip(first.attributions, second.attributions, strict=True):
        assert torch.equal(one.values, other.values)
    first.close()
    second.close()


def test_what_nobody_chose_is_left_out() -> None:
    first = SaliencyExplorer(tiny(), photo(), n_steps=2)
    second = SaliencyExplorer(tiny(), photo(1), n_steps=2, scale=first.scale)
    assert first.wait()
    assert second.wait()
    assert len(first.scale.to_json()["limits"]) == 1  # the other one's, for the page
    assert first.code().splitlines()[1:] == ["SaliencyExplorer(model, images, n_steps=2)"]
    first.close()
    second.close()


@pytest.mark.parametrize(
    ("trial", "written"),
    [
        (True, "trial=True"),
        ({"steps": 5}, 'trial={"steps": 5}'),
        (
            {"replacement": "blur", "random": 3},
            'trial={"replacement": {"kind": "blur", "sigma": 12}, "random": 3}',
        ),
    ],
)
def test_of_a_trial_what_differs_is_written(trial: object, written: str) -> None:
    first = SaliencyExplorer(tiny(), photo(), trial=trial)
    code = first.code()
    assert written in code
    second = eval(code, {"SaliencyExplorer": SaliencyExplorer, "model": tiny(), "images": photo()})
    assert second.trial.to_json() == first.trial.to_json()
    first.close()
    second.close()


@pytest.mark.parametrize(
    "replacement", [baselines.Mean(torch.rand(2, 3, 10, 8)), Road(noise=0.3), Static(seed=3)]
)
def test_a_replacement_that_no_menu_has_is_the_reader_s_own(replacement: object) -> None:
    explorer = SaliencyExplorer(tiny(), photo(), trial={"replacement": replacement})
    assert 'trial={"replacement": my_baseline}' in explorer.code()
    assert TrialSettings().to_json() != explorer.trial.to_json()
    explorer.close()


def test_code_makes_the_same_maps() -> None:
    rows = torch.randn(40, 5, generator=torch.Generator().manual_seed(0))
    first = EmbeddingExplorer(
        rows, maps=["pca", "tsne"], params={"tsne": {"perplexity": 7, "n_iter": 30}}, point=3, opacity=0.5,
        color_by="kept", camera=(2, 0.25, 0.75),
    )  # fmt: skip
    second = eval(first.code(), {"EmbeddingExplorer": EmbeddingExplorer, "data": rows})
    assert second.code() == first.code()
    assert "point_size" not in first.code()
    assert first.wait()
    assert second.wait()
    for one, other in zip(first.embeddings, second.embeddings, strict=True):
        assert one is not None
        assert other is not None
        assert torch.equal(one.coordinates, other.coordinates)
    first.close()
    second.close()
