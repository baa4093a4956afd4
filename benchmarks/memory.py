"""Peak memory of one contender: ``python -m benchmarks.memory ROW CASE CONTENDER [--setting N]``.

Each contender runs in a process of its own, because an allocator keeps what an earlier one has freed. The
start is the resident memory once everything is imported and prepared and the model has made one gradient.
Then the kernel's high-water mark is reset, and the work is done once. On systems without ``/proc`` the mark
cannot be reset: there a run that needs less than its preparation did shows as 0.
"""

import argparse
import ctypes
import gc
import json
import resource
import subprocess
import sys
from pathlib import Path

import torch

from .cases import CASES, Case
from .growth import GROWTH
from .harness import Contender, Row
from .rows import ROWS

_ALL = ROWS | GROWTH
_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


def peak_apart(row: Row, case: Case, contender: Contender, setting: int | None, threads: int) -> int:
    """Peak memory in bytes above the start, measured in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.memory", row.name, case.name, contender.name]
    command += ["--threads", str(threads)] + ([] if setting is None else ["--setting", str(setting)])
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])["peak"]


def peak_here(contender: Contender, case: Case, setting: int | None) -> int:
    """Peak memory in bytes above the start, in this process."""
    run = contender.prepare(case, setting)
    leaf = case.picture().requires_grad_()
    torch.autograd.grad(case.build()(leaf).sum(), leaf)
    del leaf
    gc.collect()
    if hasattr(ctypes.CDLL(None), "malloc_trim"):
        ctypes.CDLL(None).malloc_trim(0)  # or freed memory would be used again unseen
    if _CLEAR.exists():
        _CLEAR.write_text("5")  # resets VmHWM to VmRSS, see proc(5)
        start = _status("VmRSS")
        run()
        return _status("VmHWM") - start
    start = _high_water()
    run()
    return _high_water() - start


def _status(name: str) -> int:
    (line,) = (line for line in _STATUS.read_text().splitlines() if line.startswith(name + ":"))
    return int(line.split()[1]) * 1024


def _high_water() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory")
    parser.add_argument("row", choices=_ALL)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("contender")
    parser.add_argument("--setting", type=int)
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    (contender,) = (c for c in _ALL[asked.row].contenders if c.name == asked.contender)
    print(json.dumps({"peak": peak_here(contender, CASES[asked.case], asked.setting)}))


if __name__ == "__main__":
    main()
