"""Streams: progress, cancelling, lazy results, and the modes they run in."""

from collections.abc import Iterator

import pytest
import torch

from saliscope.core.anytime import Cancelled, CancelToken, Step, drive, steadily


def counting(total: int, log: list[str] | None = None) -> Iterator[Step[int]]:
    log = [] if log is None else log
    try:
        for done in range(1, total + 1):
            yield Step(lambda done=done: done * 10, done, total)
    finally:
        log.append("closed")


def test_the_last_result_is_the_answer():
    assert drive(counting(3)) == 30


def test_progress_sees_every_step():
    seen = []
    drive(counting(3), progress=lambda step: seen.append((step.done, step.total, step.complete)))
    assert seen == [(1, 3, False), (2, 3, False), (3, 3, True)]


def test_a_result_is_computed_once_and_only_if_looked_at():
    calls = []
    step = Step(lambda: calls.append(1) or len(calls), 1, 2)
    assert calls == []
    assert (step.result, step.result) == (1, 1)
    assert calls == [1]


def test_cancelling_stops_at_the_next_step_with_the_best_answer():
    token, log = CancelToken(), []

    def progress(step: Step[int]) -> None:
        if step.done == 2:
            token.cancel()

    assert not token.cancelled
    with pytest.raises(Cancelled) as stopped:
        drive(counting(5, log), progress, token)
    assert stopped.value.result == 20
    assert log == ["closed"]


def test_cancelling_at_the_last_step_is_too_late():
    token = CancelToken()
    token.cancel()
    assert drive(counting(1), cancel=token) == 10


def test_a_stream_is_closed_when_progress_raises():
    log: list[str] = []

    def fails(step: Step[int]) -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        drive(counting(5, log), fails)
    assert log == ["closed"]


def test_a_stream_without_steps_is_an_error():
    with pytest.raises(RuntimeError, match="the stream yielded no result"):
        drive(counting(0))


def modes() -> tuple[bool, bool, bool]:
    return torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu")


def test_a_steady_stream_runs_in_plain_arithmetic_and_leaves_its_consumers_modes():
    def stream():
        for done in (1, 2):
            yield Step(modes, done, 2), modes()

    inside, lazily = [], []
    steps = steadily(stream())
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        step, seen = next(steps)
        assert modes() == (False, True, True)
        inside.append(seen)
        lazily.append(step.result)
    step, seen = next(steps)
    assert modes() == (True, False, False)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        lazily.append(step.result)
    assert inside == [(False, False, False)]
    assert seen == (False, False, False)
    assert lazily == [(False, False, False)] * 2
    assert list(steps) == []


def test_closing_a_steady_stream_closes_what_runs_in_it():
    log: list[str] = []
    steps = steadily(counting(3, log))
    next(steps)
    steps.close()
    assert log == ["closed"]
