"""No explorer outlives its test: ipywidgets keeps every widget until it is closed."""

import pytest
from ipywidgets.widgets.widget import _instances


@pytest.fixture(autouse=True)
def _closed():
    before = set(_instances)
    yield
    for name in set(_instances) - before:
        _instances[name].close()
