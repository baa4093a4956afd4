"""docs/own_method.md does what it says."""

import re
from pathlib import Path

import pytest
import torch

from saliscope.attribution import SmoothGrad
from saliscope.attribution.registry import forget, methods
from saliscope.sessions.menus import build_method, defaults
from tests.attribution.helpers import own_keys

PAGE = (Path(__file__).parents[2] / "docs" / "own_method.md").read_text()
KEYS = ("channel_norm", "gradient_variance", "squared_path")


@pytest.fixture(scope="module")
def notebook():
    """The names that the page's blocks leave behind, run one after the other."""
    names: dict[str, object] = {"__name__": "__main__"}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(compile(block, "docs/own_method.md", "exec"), names)
    yield names
    for key in KEYS:
        forget(key)


def test_every_example_becomes_a_method(notebook):
    assert own_keys() == list(KEYS)
    for key in KEYS:
        assert methods()[key] is notebook[key]
        assert build_method(methods()[key], defaults(methods()[key])) == notebook[key]()


def test_every_last_line_says_its_shape(notebook):
    lines = re.findall(r"^(\w+\(.*\.values)  # (\(.*\))$", PAGE, re.MULTILINE)
    assert len(lines) == len(KEYS)
    for line, shape in lines:
        values = eval(line, notebook)
        assert str(tuple(values.shape)) == shape
        assert values.any()
        assert (values >= 0).all()


def test_the_first_one_is_the_norm_of_the_gradient(notebook):
    model, x = notebook["model"], notebook["inputs"].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(model(x).amax(1).sum(), x)
    made = notebook["channel_norm"]().attribute(model, x)
    torch.testing.assert_close(made.map, gradient.norm(dim=1))
    assert (made.values.shape[1], made.signed, made.unit) == (1, False, "logit per unit of input")
    averaged = SmoothGrad(notebook["channel_norm"](), n_samples=2, noise_level=0.0).attribute(model, x)
    torch.testing.assert_close(averaged.values, made.values)


def test_the_second_one_needs_noise_and_gets_the_same_again(notebook):
    model, x, gradient_variance = notebook["model"], notebook["inputs"], notebook["gradient_variance"]
    made = gradient_variance(n_samples=4).attribute(model, x)
    assert torch.equal(made.values, gradient_variance(n_samples=4).attribute(model, x).values)
    assert not torch.equal(made.values, gradient_variance(n_samples=4, seed=1).attribute(model, x).values)
    assert gradient_variance(n_samples=4, noise=0.0).attribute(model, x).values.max() < 1e-8


def test_the_third_one_follows_steps_and_baseline(notebook):
    model, x, squared_path = notebook["model"], notebook["inputs"], notebook["squared_path"]
    made = squared_path(n_steps=1, baseline=x).attribute(model, x, 1).values
    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(model(leaf)[:, 1].sum(), leaf)
    torch.testing.assert_close(made, gradient**2)
    steps = list(squared_path(n_steps=8).stream(model, x, 1, chunk_size=5))
    assert [step.done for step in steps] == [5, 10, 15, 16]
