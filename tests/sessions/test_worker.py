"""The one thread that does all work: whose turn it is, who replaces whom, and that no task can end it."""

import gc
import subprocess
import sys
import threading
import weakref

import pytest

from saliscope.sessions import worker as worker_module
from saliscope.sessions.worker import Worker
from tests.sessions.tools import PATIENCE


@pytest.fixture
def worker():
    made = Worker()
    yield made
    made.submit("end", iter(())).wait(PATIENCE)


@pytest.fixture
def unhandled(monkeypatch):
    """What reached the thread's last resort."""
    caught = []
    monkeypatch.setattr(threading, "excepthook", lambda args: caught.append(args.exc_value))
    return caught


class Task:
    """A task whose steps the test lets happen one by one."""

    def __init__(self, steps=1_000_000):
        self.done, self.closed = [], threading.Event()
        self.entered, self.go = threading.Semaphore(0), threading.Semaphore(0)
        self.steps = steps

    def run(self):
        try:
            for step in range(self.steps):
                self.entered.release()
                assert self.go.acquire(timeout=PATIENCE)
                self.done.append(step)
                yield
        finally:
            self.closed.set()

    def reached(self):
        assert self.entered.acquire(timeout=PATIENCE)


def noting(notes, *words):
    """A task that notes a word at each step."""
    for word in words:
        notes.append(word)
        yield


def held(worker):
    """Keep the worker busy, so that what is submitted next is queued."""
    task = Task(steps=1)
    worker.submit("held", task.run())
    task.reached()
    return task.go.release


def thread_of(worker):
    return worker._thread


def test_the_newest_task_of_a_key_replaces_the_running_one(worker):
    old, new = Task(), Task(steps=2)
    first = worker.submit("key", old.run())
    old.reached()
    second = worker.submit("key", new.run())
    old.go.release()
    new.go.release(2)
    assert second.wait(PATIENCE)
    assert first.wait(PATIENCE)
    assert old.done == [0]
    assert old.closed.is_set()
    assert new.done == [0, 1]


def test_of_many_queued_tasks_of_a_key_only_the_newest_starts(worker):
    release, ran = held(worker), []
    jobs = [worker.submit("key", noting(ran, number)) for number in range(100)]
    release()
    assert all(job.wait(PATIENCE) for job in jobs)
    assert ran == [99]


def test_other_keys_are_not_replaced(worker):
    release, ran = held(worker), []
    jobs = [worker.submit(key, noting(ran, key)) for key in "abc"]
    release()
    assert all(job.wait(PATIENCE) for job in jobs)
    assert ran == ["a", "b", "c"]


def test_cancel_takes_effect_within_the_step_that_runs(worker):
    task = Task()
    job = worker.submit("key", task.run())
    for _ in range(3):
        task.reached()
        task.go.release()
    task.reached()  # the fourth step runs
    worker.cancel("key")
    task.go.release(10)
    assert job.wait(PATIENCE)
    assert task.done == [0, 1, 2, 3]
    assert task.closed.is_set()


def test_cancelling_one_key_leaves_the_others_alone(worker):
    release, other = held(worker), Task(steps=1)
    gone, stays = worker.submit("gone", Task().run()), worker.submit("stays", other.run())
    worker.cancel("gone")
    other.go.release()
    release()
    assert gone.wait(PATIENCE)
    assert stays.wait(PATIENCE)
    assert other.done == [0]


def test_two_tasks_take_turns(worker):
    release, order = held(worker), []
    jobs = [worker.submit(name, noting(order, *name * 4)) for name in "ab"]
    release()
    assert all(job.wait(PATIENCE) for job in jobs)
    assert "".join(order) == "abababab"


def test_an_exception_in_a_task_ends_that_task_only(worker, unhandled):
    release, done = held(worker), []

    def broken():
        yield
        raise ZeroDivisionError("a defect")

    jobs = [worker.submit("broken", broken()), worker.submit("sound", noting(done, 0, 1, 2))]
    release()
    assert all(job.wait(PATIENCE) for job in jobs)
    assert done == [0, 1, 2]
    assert [str(error) for error in unhandled] == ["a defect"]


def test_an_exception_while_a_cancelled_task_cleans_up_does_not_end_the_thread(worker, unhandled):
    entered, go = threading.Event(), threading.Event()

    def untidy():
        try:
            entered.set()
            go.wait(PATIENCE)
            yield
        finally:
            raise OSError("could not clean up")

    job = worker.submit("untidy", untidy())
    assert entered.wait(PATIENCE)
    thread = thread_of(worker)
    worker.cancel("untidy")
    go.set()
    assert job.wait(PATIENCE)
    after = []
    assert worker.submit("next", noting(after, "ran")).wait(PATIENCE)
    assert after == ["ran"]
    assert thread_of(worker) is thread
    assert [str(error) for error in unhandled] == ["could not clean up"]


def test_wait_gives_up_in_time(worker):
    task = Task(steps=1)
    job = worker.submit("key", task.run())
    assert not job.wait(0.001)
    task.go.release()
    assert job.wait(PATIENCE)


def test_the_thread_ends_when_idle_and_comes_back(worker, monkeypatch):
    monkeypatch.setattr(worker_module, "IDLE_SECONDS", 0.001)
    assert worker.submit("key", iter([1])).wait(PATIENCE)
    first = thread_of(worker)
    if first is not None:  # it may have ended already
        first.join(PATIENCE)
        assert not first.is_alive()
    assert thread_of(worker) is None
    task = Task(steps=1)
    job = worker.submit("key", task.run())
    assert thread_of(worker).is_alive()
    task.go.release()
    assert job.wait(PATIENCE)


def test_no_job_is_lost_while_the_thread_is_ending(worker, monkeypatch):
    monkeypatch.setattr(worker_module, "IDLE_SECONDS", 0.0)
    assert all(worker.submit("key", iter([1])).wait(PATIENCE) for _ in range(300))


def test_one_thread_serves_all(worker):
    before, release = threading.active_count(), held(worker)
    jobs = [worker.submit(key, iter([1])) for key in range(50)]
    assert threading.active_count() <= before + 1
    release()
    assert all(job.wait(PATIENCE) for job in jobs)


def test_stop_cancels_everything_and_waits_for_the_step_that_runs(worker):
    task = Task()
    jobs = [worker.submit("runs", task.run()), worker.submit("waits", iter([1]))]
    task.reached()
    threading.Timer(0.05, task.go.release, [5]).start()
    worker.stop(PATIENCE)
    assert [job.wait(0) for job in jobs] == [True, True]
    assert task.done == [0]
    assert task.closed.is_set()


def test_a_process_may_end_in_the_middle_of_a_step():
    lines = """
import torch
from saliscope.attribution import IntegratedGradients
from saliscope.sessions.saliency import Request, SaliencySession
from saliscope.sessions.subject import Subject
net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())
session = SaliencySession(Subject(net, torch.rand(1, 3, 64, 64), chunk_size=1))
session.explain(Request(IntegratedGradients(n_steps=1000)))
while session.result is None:
    session.wait(0.01)
"""
    ended = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_finished_job_lets_go_of_its_task(worker):
    class Heavy:
        pass

    def task(heavy):
        yield heavy

    heavy = Heavy()
    watch = weakref.ref(heavy)
    job = worker.submit("key", task(heavy))
    del heavy
    assert job.wait(PATIENCE)
    gc.collect()
    assert watch() is None
    assert job.task is None
