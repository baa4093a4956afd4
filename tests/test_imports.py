"""Who may import whom, what an import costs, and whether arrays are checked."""

import ast
import importlib
import inspect
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch

import saliscope

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "saliscope"
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]


def loaded_by(statement: str) -> set[str]:
    """Third-party packages in memory after `statement` in a fresh interpreter."""
    code = (
        "import sys; before = set(sys.modules)\n"
        f"{statement}\n"
        "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(result.stdout.split()) - sys.stdlib_module_names - {"saliscope"}


def test_import_loads_the_standard_library_only():
    assert loaded_by("import saliscope") == set()


def test_the_check_above_sees_what_an_import_loads():
    assert "torch" in loaded_by("import saliscope; saliscope.attribution")


def test_listing_the_names_loads_nothing():
    assert loaded_by("import saliscope; dir(saliscope); saliscope.__version__") == set()


@pytest.mark.parametrize("name", saliscope.__all__)
def test_every_public_name_is_there(name):
    assert getattr(saliscope, name) is not None
    assert name in dir(saliscope)


def test_type_checkers_see_the_names_that_come_late():
    """The block under TYPE_CHECKING and the table of lazy names say the same."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = set()
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        seen |= {(alias.name, node.module) for alias in node.names}
    table = {
        (name, module if attribute else module.rpartition(".")[0])
        for name, (module, attribute) in saliscope._LAZY.items()
    }
    assert seen == table


def test_public_names_are_sorted_and_complete():
    assert saliscope.__all__ == sorted(saliscope.__all__)
    assert set(saliscope._LAZY) < set(saliscope.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"module 'saliscope' has no attribute 'SaliencyExplorr'"):
        _ = saliscope.SaliencyExplorr


def lint(folder: Path) -> str:
    """What import-linter says about the copy of the package in `folder`, with the project's contracts."""
    shutil.copy(ROOT / "pyproject.toml", folder)
    code = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Contracts:" in result.stdout, result.stdout + result.stderr
    return result.stdout


def test_the_rooms_keep_to_their_directions(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "saliscope")
    report = lint(tmp_path)
    assert f"{len(CONTRACTS)} kept, 0 broken" in report, report


def test_every_import_contract_can_be_broken(tmp_path):
    """A line in the wrong room breaks each of them, so that a typo in a module's name cannot disarm one."""
    shutil.copytree(PACKAGE, tmp_path / "saliscope")
    planted = {
        "core": "import saliscope.attribution, ipywidgets, matplotlib, captum",
        "render": "import torch",
        "specs": "import torch",
    }
    for room, line in planted.items():
        (tmp_path / "saliscope" / room / "planted.py").write_text(line + "\n")
    with (tmp_path / "saliscope/reduction/umap_worker.py").open("a") as beside:
        beside.write("import torch\n")
    report = lint(tmp_path)
    assert [c["name"] for c in CONTRACTS if f"{c['name']} BROKEN" not in report] == [], report


PROBE = """
from jaxtyping import Float
from torch import Tensor

def height(values: Float[Tensor, "batch channel height width"]) -> int:
    return values.shape[-2]
"""


@pytest.mark.parametrize("room", ["saliscope.core", "saliscope.attribution"])
def test_array_annotations_are_checked_in_tests(room, tmp_path, monkeypatch):
    package = importlib.import_module(room)
    (tmp_path / "probe_of_annotations.py").write_text(PROBE)
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    probe = importlib.import_module(f"{room}.probe_of_annotations")
    monkeypatch.delitem(sys.modules, probe.__name__)
    assert probe.height(torch.zeros(1, 3, 8, 9)) == 8
    with pytest.raises(Exception, match="batch channel height width") as raised:
        probe.height(torch.zeros(3, 8, 9))
    assert "jaxtyping" in type(raised.value).__module__


def test_array_annotations_are_not_checked_for_users():
    """Outside the tests an annotation costs nothing: it is the hook that checks the probe above."""
    namespace: dict[str, object] = {}
    exec(PROBE, namespace)
    height = namespace["height"]
    assert inspect.isfunction(height)
    assert height(torch.zeros(3, 8, 9)) == 8
