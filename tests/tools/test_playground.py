"""The reader's copy of a lesson: theirs, until the lesson itself changes."""

import importlib.util
import os
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "tools" / "lab.py"


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("lab", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "PLAYGROUND", tmp_path / "playground")
    return module


@pytest.fixture
def lesson(tmp_path: Path) -> Path:
    path = tmp_path / "lesson.ipynb"
    path.write_text("first edition")
    return path


def test_a_copy_is_made_and_kept_with_its_edits(lab, lesson):
    copy = lab.copy_of(lesson)
    assert copy.read_text() == "first edition"
    copy.write_text("my notes")
    assert lab.copy_of(lesson).read_text() == "my notes"
    assert lesson.read_text() == "first edition"


def test_a_new_lesson_replaces_the_copy_and_keeps_the_old_one_beside_it(lab, lesson):
    copy = lab.copy_of(lesson)
    copy.write_text("my notes")
    lesson.write_text("second edition")
    os.utime(copy, (1, 1))
    assert lab.copy_of(lesson).read_text() == "second edition"
    assert (copy.parent / "lesson_1.ipynb").read_text() == "my notes"
