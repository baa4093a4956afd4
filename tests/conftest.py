"""What all tests share: checked annotations, and the parts that a machine may lack."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import pytest
from jaxtyping import install_import_hook

# Shapes and types of the engines are checked at every call; test_imports.py shows that the check is on.
# As for type checkers, an int will do where a float is wanted.
install_import_hook(
    ["saliscope.core", "saliscope.attribution", "saliscope.faithfulness"],
    "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))",
)

IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs CUDA")


def missing(what: str) -> NoReturn:
    """Skip the test on a developer's machine; in CI, where all must be there, let it fail."""
    if IN_CI:
        pytest.fail(f"CI must have it: {what}", pytrace=False)
    pytest.skip(what)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a real browser, for playwright's `executable_path`."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        missing(f"no browser: none of {', '.join(BROWSERS)} is on the path")
    return found


_operators = []  # torch forgets an operator when its library is collected


@pytest.fixture(scope="session")
def torchvision() -> ModuleType:
    """torchvision, also where its wheel was built for a torch with CUDA and this one has none.

    There the compiled operators do not load, and the import fails at the first of them that it wants to
    describe. Models and transforms use none: an empty declaration is enough.
    """
    import torch

    spec = find_spec("torchvision")
    if spec is None or spec.origin is None:
        missing("torchvision is not installed: pip install 'saliscope[models]'")
    extension = Path(spec.origin).with_name("_C.so")
    try:
        torch.ops.load_library(extension)
    except OSError:
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _operators.append(library)
    import torchvision

    return torchvision
