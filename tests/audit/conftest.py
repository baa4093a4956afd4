"""Two reports that many tests look at."""

import pytest

from tests.audit.tools import METHODS, audit, broken, flat


@pytest.fixture(scope="session")
def done():
    return audit()


@pytest.fixture(scope="session")
def poor():
    return audit(methods={**METHODS, "Broken": broken, "Flat": flat})
