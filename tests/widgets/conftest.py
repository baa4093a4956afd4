"""No explorer outlives its test: ipywidgets keeps every widget until it is closed."""

import jaxtyping
import pytest
from ipywidgets.widgets.widget import _instances


@pytest.fixture(autouse=True)
def _closed():
    before = set(_instances)
    yield
    for name in set(_instances) - before:
        if name in _instances:  # a layout goes with the widget that had it
            _instances[name].close()


@pytest.fixture
def unchecked(monkeypatch):
    """The package as users have it: its own words are heard, not those of the check of types."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
