"""Chunks: every row once, in order, whatever the size; measured when "auto", halved when memory runs out."""

import platform
import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn

from saliscope import MethodError, OutOfMemoryError
from saliscope.attribution import RISE, GradCAM, IntegratedGradients, Saliency, SmoothGrad
from saliscope.core import batching
from saliscope.core.batching import (
    FIRST_CHUNK,
    _fitting,
    _Meter,
    chunks,
    is_out_of_memory,
    measuring,
    mixes_rows,
)
from tests.attribution.helpers import Counted, pictures, relative
from tests.attribution.variants import Layers, plain
from tests.core.helpers import unchecked

LIKE = torch.zeros(1, 3, 8, 8)


class Narrow(nn.Module):
    """Runs out of memory above so many rows, at every `every`-th call or always."""

    def __init__(self, most: int, error: Exception) -> None:
        super().__init__()
        self.model = Counted(plain(Layers()))
        self.most, self.error = most, error

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > self.most:
            raise self.error
        return self.model(x)


def plan(total: int, chunk_size: int | str, module: nn.Module, **options) -> list[tuple[int, int]]:
    made = list(chunks(lambda start, stop: (start, stop), total, chunk_size, module, LIKE, **options))
    assert all(result == (start, stop) for start, stop, result in made)
    return [(start, stop) for start, stop, _ in made]


@pytest.mark.parametrize("chunk_size", [1, 2, 3, 7, 8, 100, "auto"])
@pytest.mark.parametrize("total", [1, 6, 7])
def test_every_row_once_and_in_order(total, chunk_size):
    made = plan(total, chunk_size, nn.Identity())
    assert [row for start, stop in made for row in range(start, stop)] == list(range(total))
    if chunk_size != "auto":
        assert max(stop - start for start, stop in made) == min(chunk_size, total)


@pytest.mark.parametrize("chunk_size", [0, -1, 2.5, "all", None, True])
def test_bad_sizes(chunk_size):
    text = (
        f"`chunk_size`: got {chunk_size!r}; expected a positive integer or 'auto'. 'auto' measures what fits."
    )
    with unchecked(), pytest.raises(MethodError, match=text):
        Saliency().attribute(plain(Layers()), pictures(1), 0, chunk_size=chunk_size)


def big_rows(megabytes: int):
    """Work that keeps so much for its backward pass, each row."""

    def work(start: int, stop: int) -> None:
        x = torch.zeros(stop - start, megabytes, 2**18, requires_grad=True)
        (x * x.detach()).sum()

    return work


def sizes(work, total: int, module: nn.Module, **options) -> list[int]:
    return [stop - start for start, stop, _ in chunks(work, total, "auto", module, LIKE, **options)]


def test_auto_measures_the_first_chunk_and_remembers():
    module = nn.Identity()
    # 32 MB for the largest tensor, by rows of 2 MB.
    assert sizes(big_rows(2), 40, module) == [FIRST_CHUNK, 16, 16, 5]
    assert sizes(big_rows(2), 40, module) == [16, 16, 8]
    assert sizes(big_rows(2), 40, nn.Identity()) == [FIRST_CHUNK, 16, 16, 5]


def test_auto_never_goes_below_one_row_nor_above_its_cap():
    assert sizes(big_rows(40), 5, nn.Identity()) == [FIRST_CHUNK, 1, 1]
    assert sizes(lambda start, stop: None, 200, nn.Identity()) == [FIRST_CHUNK, 64, 64, 64, 5]


@pytest.mark.parametrize(
    ("megabytes", "rows"), [(1, 64), (2, 32), (10, 6), (20, 6), (64, 6), (85, 4), (150, 2), (500, 1)]
)
def test_many_small_rows_a_few_large_ones_or_one_that_is_huge(megabytes, rows):
    meter = _Meter(nn.Identity())
    meter.largest, meter.total = 3 * 2**10, 3 * megabytes * 2**20
    assert _fitting(meter, 3, torch.device("cpu")) == rows


def test_without_a_graph_nothing_is_measured_but_what_is_known_serves():
    module = nn.Identity()
    assert sizes(big_rows(2), 10, module, kind="forward") == [3, 3, 3, 1]
    assert sizes(big_rows(2), 20, module) == [3, 16, 1]
    assert sizes(big_rows(2), 20, module, kind="forward") == [16, 4]
    assert sizes(big_rows(2), 20, module, kind="tail") == [3, 16, 1]


def test_scores_after_the_measured_ones_need_no_room_for_a_graph():
    def work(start, stop):  # eight tensors of 3 MB for each row
        one = torch.zeros(stop - start, 3 * 2**18, requires_grad=measuring())
        for _ in range(8):
            one = one.sin()

    module = nn.Identity()
    assert sizes(work, 30, module, kind="scores") == [FIRST_CHUNK, 10, 10, 7]
    assert sizes(work, 20, module) == [FIRST_CHUNK, 6, 6, 5]
    assert sizes(work, 20, module, kind="scores") == [10, 10]


def test_a_method_inside_another_measures_for_both():
    """Three noisy rows until the gradient inside has been measured, then as many as it found to fit."""
    model = Counted(plain(Layers()))
    SmoothGrad(n_samples=40).attribute(model, pictures(1), 0)
    assert model.seen() == [1, 3, 37]


def test_a_tensor_that_is_kept_twice_counts_once_and_weights_do_not():
    weight = torch.zeros(2**20, requires_grad=True)
    module = nn.Module()
    module.weight = nn.Parameter(weight)

    meter = _Meter(module)
    with meter:
        x = torch.zeros(3, 2**20, requires_grad=True)
        y = x * module.weight
        (y * y).sum()
    assert (meter.largest, meter.total) == (x.nbytes, x.nbytes + y.nbytes)


def test_measuring_finds_what_was_overwritten():
    """If the backward pass needs a value that was overwritten it fails, in the measured chunk as in any."""

    class Overwrites(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            y = x.flatten(1).exp()
            y += 1
            return y

    for chunk_size in (1, "auto"):
        with pytest.raises(Exception, match="modified by an inplace operation"):
            Saliency().attribute(Overwrites(), pictures(2), 0, chunk_size=chunk_size)


def test_measuring_does_not_change_the_gradient():
    model, x = plain(Layers()), pictures(3)
    measured = Saliency(absolute=False).attribute(model, x, 1, chunk_size="auto").values
    by_hand = x.clone().requires_grad_()
    (expected,) = torch.autograd.grad(model(by_hand)[:, 1].sum(), by_hand)
    assert relative(measured, expected) < 1e-13


def test_rows_that_see_each_other_go_alone():
    """Batch norm without running statistics normalises by the rows of its chunk."""
    model = plain(Layers())
    model.features.norm = nn.BatchNorm2d(6, track_running_stats=False).double()
    assert mixes_rows(model)
    assert not mixes_rows(plain(Layers()))
    assert plan(3, 2, model) == [(0, 1), (1, 2), (2, 3)]
    together = Saliency().attribute(model, pictures(3), 1, chunk_size=3).values
    single = [Saliency().attribute(model, pictures(3)[i : i + 1], 1).values for i in range(3)]
    assert relative(together, torch.cat(single)) < 1e-12


MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:114] DefaultCPUAllocator: can't allocate memory: 8 bytes"),
    RuntimeError("MPS backend out of memory"),
    MemoryError("numpy"),
]


@pytest.mark.parametrize("error", MEMORY, ids=lambda e: str(e)[:8])
def test_out_of_memory_is_known_by_type_or_text(error):
    assert is_out_of_memory(error)


@pytest.mark.parametrize(
    "error", [RuntimeError("size mismatch"), ValueError(), OutOfMemoryError("inputs", "a", "b")], ids=repr
)
def test_what_is_not_out_of_memory(error):
    assert not is_out_of_memory(error)


@pytest.mark.parametrize("error", MEMORY, ids=lambda e: str(e)[:8])
@pytest.mark.parametrize("chunk_size", [12, "auto"])
@pytest.mark.parametrize(
    "method",
    [Saliency(), IntegratedGradients(n_steps=6), SmoothGrad(n_samples=5), GradCAM("model.model.features")],
    ids=lambda m: m.key,
)
def test_memory_that_runs_out_halves_the_chunk_and_loses_no_row(method, chunk_size, error):
    model, x = Narrow(3, error), pictures(7)
    expected = method.attribute(Narrow(1000, error), x, chunk_size=7)
    made = method.attribute(model, x, chunk_size=chunk_size)
    assert relative(made.values, expected.values) < 1e-12
    assert relative(made.score, expected.score) < 1e-12
    assert max(model.model.seen()) <= 3


def test_a_narrow_model_is_remembered():
    model = Narrow(3, MEMORY[0])
    Saliency().attribute(model, pictures(7), 0)
    assert 1 < batching._known[model]["gradient", 2, 4, 4, torch.float64, torch.device("cpu")] <= 3


@pytest.mark.parametrize("error", MEMORY, ids=lambda e: str(e)[:8])
def test_memory_that_runs_out_in_the_backward_pass(error):
    class Fails(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            if len(gradient) > 1:
                raise error
            return gradient

    model, x = plain(Layers()), pictures(4)
    expected = Saliency().attribute(model, x, 0).values
    model.last.register_forward_hook(lambda _module, _inputs, output: Fails.apply(output))
    assert relative(Saliency().attribute(model, x, 0, chunk_size=4).values, expected) < 1e-12


@pytest.mark.parametrize("method", [Saliency(), IntegratedGradients(), SmoothGrad(IntegratedGradients())])
def test_not_even_one_row(method):
    text = "`inputs`: got one row that needs more memory than there is; expected a row that fits. Use a"
    with pytest.raises(OutOfMemoryError, match=text):
        method.attribute(Narrow(0, MEMORY[0]), pictures(4), 0)


def test_a_graph_is_built_only_where_it_is_measured():
    """A method without gradients shows the meter a graph once, and never again: it costs time and memory."""
    built = []
    model = plain(Layers())
    model.register_forward_hook(lambda _module, _inputs, output: built.append(output.requires_grad))
    for _ in range(2):
        RISE(n_masks=20).attribute(model, pictures(1), 0)
    assert built.count(True) == 1


def test_the_meter_is_off_after_an_error():
    def fail(start: int, stop: int) -> None:
        assert measuring()
        raise ValueError("no rows")

    with pytest.raises(ValueError, match="no rows"):
        sizes(fail, 4, nn.Identity())
    assert not measuring()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="about glibc")
def test_chunks_do_not_fault_in_their_memory_anew():
    """In a process of its own: which blocks are kept depends on all that was ever freed."""
    code = """
import resource, torch
from torch import nn
from saliscope.core.batching import chunks

def work(start, stop):
    return sum(block.sum() for block in [torch.zeros(2**21) for _ in range(5)])  # of 8 MB each

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

for _ in chunks(work, 2, 1, nn.Identity(), torch.zeros(1, 1)):
    pass
before = faults()
for _ in chunks(work, 20, 1, nn.Identity(), torch.zeros(1, 1)):
    pass
print(faults() - before)
"""
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(made.stdout) < 20 * 2048  # the pages of one block, for each chunk
