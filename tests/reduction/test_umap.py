"""UMAP in a process beside: it starts, answers, is cancelled, crashes, idles and goes with the kernel."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from saliscope.core.anytime import Cancelled, CancelToken
from saliscope.errors import ReductionError
from saliscope.reduction import umap_process
from saliscope.reduction.estimators import UMAP
from saliscope.reduction.neighbors import neighbors
from saliscope.reduction.pca import principal_components
from saliscope.reduction.umap_process import compute
from tests.reduction.fakes import fake_umap

START = np.arange(12.0, dtype=np.float32).reshape(6, 2)
ASKED = [np.zeros((6, 2), np.int64), np.zeros((6, 2), np.float32), START]
OPTIONS = {"min_dist": 0.1, "random_state": 0}


@pytest.fixture
def faked(tmp_path, monkeypatch):
    """Enter `fake_umap` with a body; it is left after the test."""
    opened = []

    def enter(body: str = "pass", package: str = "") -> Path:
        opened.append(fake_umap(tmp_path, monkeypatch, body, package))
        return opened[-1].__enter__()

    yield enter
    for manager in opened:
        manager.__exit__(None, None, None)


@pytest.fixture(scope="module")
def digits():
    return load_digits().data[:400].astype(np.float32)


def finished(process) -> np.ndarray:
    while True:
        try:
            next(process)
        except StopIteration as done:
            return done.value


def warm() -> umap_process.Helper:
    return umap_process._warm["umap"][0]


def until(true: Callable[[], bool]) -> None:
    for _ in range(1000):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen in 10 seconds")


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A process that ended and was not waited for is still listed, as a zombie.
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


def test_keeps_neighbours(digits):
    reducer = UMAP().fit(digits)
    kept = neighbors(reducer.embedding_, 15).indices[:, :, None] == reducer.result_.neighbors.indices[:, None]
    assert reducer.embedding_.shape == (400, 2)
    assert kept.any(2).float().mean() > 0.45


def test_again_is_equal_to_the_bit_in_the_same_process(digits):
    first = UMAP().fit_transform(digits)
    pid = warm()._process.pid
    steps = list(UMAP().stream(digits))
    assert warm()._process.pid == pid
    assert steps[-2].result.notes == ("computing",)
    np.testing.assert_array_equal(first, steps[-1].result.coordinates)
    assert (UMAP(random_state=1).fit_transform(digits) != first).any()


def test_neighbours_that_are_known_are_used(digits):
    known = neighbors(digits, 20)
    result = list(UMAP().stream(digits, neighbors=known))[-1].result
    assert result.neighbors is known
    np.testing.assert_array_equal(result.coordinates, UMAP().fit_transform(digits))


@pytest.mark.slow
def test_is_what_umap_learn_gives_from_the_same_neighbours(digits):
    from umap import UMAP as Theirs

    found = neighbors(digits, 14)
    indices = torch.cat((torch.arange(400)[:, None], found.indices), 1).numpy()
    distances = torch.cat((torch.zeros(400, 1), found.distances), 1).numpy()
    start = principal_components(torch.from_numpy(digits))[0]
    theirs = Theirs(precomputed_knn=(indices, distances), init=start.numpy(), random_state=0)
    ours = list(UMAP().stream(digits, start=start))[-1].result.coordinates
    np.testing.assert_allclose(ours, theirs.fit_transform(digits), atol=1e-5)


def test_start_is_shown_while_it_compiles(faked, digits):
    faked("time.sleep(0.2)")
    *waiting, last = UMAP().stream(digits)
    first = waiting[-1].result
    assert first.notes == ("compiling",)
    torch.testing.assert_close(first.coordinates, principal_components(torch.from_numpy(digits))[0])
    assert last.complete
    assert last.result.notes == ()


def test_cancel_ends_the_process_and_the_next_map_has_a_new_one(faked, digits):
    folder = faked("time.sleep(0 if os.path.exists(os.path.join(sys.path[0], 'go')) else 600)")
    stream = UMAP().stream(digits)
    list(islice(stream, 20))
    (helper,) = umap_process._everyone
    stream.close()
    assert not helper.alive
    assert not umap_process._everyone
    (folder / "go").touch()
    assert UMAP().fit_transform(digits).shape == (400, 2)


def test_cancel_token(faked, digits):
    faked("time.sleep(600)")
    token = CancelToken()
    with pytest.raises(Cancelled) as stopped:
        UMAP().fit(digits, progress=lambda step: token.cancel(), cancel=token)
    assert stopped.value.result.coordinates.shape == (400, 2)
    assert not umap_process._everyone


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("sys.stderr.write('Terminating: fork() called'); sys.stderr.flush(); os._exit(3)", "fork() called"),
        ("os._exit(3)", "exit code 3"),
        ("raise RuntimeError('no good')", "RuntimeError: no good"),
    ],
)
def test_failure_has_the_last_words(faked, body, words):
    faked(body)
    with pytest.raises(ReductionError, match="reducer") as raised:
        finished(compute("umap", OPTIONS, ASKED))
    assert words in str(raised.value)
    assert not umap_process._everyone


def test_missing_library_says_how_to_get_it(faked):
    faked(package="raise ModuleNotFoundError(\"No module named 'umap'\")")
    with pytest.raises(ReductionError, match="pip install umap-learn"):
        finished(compute("umap", OPTIONS, ASKED))


def test_killed_from_outside(faked):
    faked("time.sleep(600)")
    process = compute("umap", OPTIONS, ASKED)
    next(process)
    (helper,) = umap_process._everyone
    helper._process.kill()
    with pytest.raises(ReductionError, match="process ended"):
        finished(process)


def test_what_the_library_prints_is_no_answer(faked):
    faked("print('x' * 100_000, flush=True); os.write(1, b'y' * 100_000)")
    np.testing.assert_array_equal(finished(compute("umap", OPTIONS, ASKED)), START + 1)


def test_neither_torch_nor_scikit_learn_is_loaded_by_us(faked):
    faked("assert 'torch' not in sys.modules and 'sklearn' not in sys.modules")
    np.testing.assert_array_equal(finished(compute("umap", OPTIONS, ASKED)), START + 1)


def test_two_at_once_have_a_process_each_and_one_stays(faked):
    faked("time.sleep(0.1)")
    one, two = compute("umap", OPTIONS, ASKED), compute("umap", OPTIONS, ASKED)
    next(one)
    next(two)
    assert len(umap_process._everyone) == 2
    np.testing.assert_array_equal(finished(one), finished(two))
    assert list(umap_process._everyone) == [warm()]


def test_idle_process_is_ended(faked, monkeypatch):
    monkeypatch.setattr(umap_process, "IDLE", 0.05)
    faked()
    finished(compute("umap", OPTIONS, ASKED))
    until(lambda: not umap_process._everyone and not umap_process._warm)


def test_warm_process_that_died_is_replaced(faked):
    faked()
    finished(compute("umap", OPTIONS, ASKED))
    warm()._process.kill()
    warm()._process.wait()
    np.testing.assert_array_equal(finished(compute("umap", OPTIONS, ASKED)), START + 1)


SCRIPT = """
print("main", flush=True)
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np
from saliscope.reduction import umap_process
from saliscope.reduction.umap_process import compute
process = compute("umap", {"min_dist": 0.1, "random_state": 0},
                  [np.zeros((6, 2), np.int64), np.zeros((6, 2), np.float32), np.zeros((6, 2), np.float32)])
next(process)
(helper,) = umap_process._everyone
print(helper._process.pid, flush=True)
for _ in process:
    pass
"""


def in_a_script(folder: Path) -> subprocess.Popen[str]:
    script = folder / "script.py"
    script.write_text(SCRIPT)
    return subprocess.Popen([sys.executable, script, folder], stdout=subprocess.PIPE, text=True)


def test_the_users_main_runs_once_and_nothing_is_left_behind(faked):
    script = in_a_script(faked())
    main, pid = script.communicate(timeout=60)[0].split()
    assert (main, script.returncode) == ("main", 0)
    until(lambda: not runs(int(pid)))


def test_goes_with_a_killed_kernel(faked):
    with in_a_script(faked("time.sleep(600)")) as script:
        assert script.stdout.readline() == "main\n"
        pid = int(script.stdout.readline())
        script.send_signal(signal.SIGKILL)
    until(lambda: not runs(pid))


@pytest.mark.skipif(os.name != "posix", reason="process groups of POSIX")
def test_an_interrupt_of_the_kernels_group_is_not_the_helpers(faked):
    faked()
    finished(compute("umap", OPTIONS, ASKED))
    assert os.getpgid(warm()._process.pid) != os.getpgrp()
