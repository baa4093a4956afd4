"""What runs in the process beside: one library, one map after another. numpy and the library only, no torch.

A message is a line of JSON and the bytes of its arrays; nothing is unpickled.
"""

import json
import os
import queue
import sys
import threading
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

import numpy as np

Message = tuple[dict[str, Any], list[np.ndarray]]


def send(file: IO[bytes], header: dict[str, Any], arrays: list[np.ndarray]) -> None:
    """Write a message."""
    shapes = [[array.dtype.str, array.shape] for array in arrays]
    file.write(json.dumps({**header, "arrays": shapes}).encode() + b"\n")
    for array in arrays:
        file.write(np.ascontiguousarray(array).data)
    file.flush()


def receive(file: IO[bytes]) -> Message:
    """Read a message.

    Raises
    ------
    EOFError
        If the other side has gone.
    """
    line = file.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    header = json.loads(line)
    return header, [_array(file, kind, shape) for kind, shape in header.pop("arrays")]


def _array(file: IO[bytes], kind: str, shape: list[int]) -> np.ndarray:
    size = int(np.prod(shape)) * np.dtype(kind).itemsize
    held = file.read(size)
    if len(held) < size:
        raise EOFError
    return np.frombuffer(held, kind).reshape(shape)


def umap(
    options: dict[str, Any], indices: np.ndarray, distances: np.ndarray, start: np.ndarray
) -> np.ndarray:
    """UMAP of precomputed neighbours.

    Parameters
    ----------
    options : dict
        "min_dist" and "random_state".
    indices, distances : ndarray of shape (n, k)
        Nearest rows, each row itself first, as umap-learn wants them.
    start : ndarray of shape (n, 2)

    Returns
    -------
    ndarray of float32, shape (n, 2)
    """
    if "umap" not in sys.modules:
        _keep_compiled("umap-learn", "pynndescent")
    sys.modules.setdefault("umap.parametric_umap", None)  # pyright: ignore[reportArgumentType] # it loads tensorflow
    from umap import umap_

    random = np.random.RandomState(options["random_state"])
    graph = umap_.fuzzy_simplicial_set(
        start, indices.shape[1], random, "euclidean", knn_indices=indices, knn_dists=distances
    )[0]
    a, b = umap_.find_ab_params(1.0, options["min_dist"])
    found, _ = umap_.simplicial_set_embedding(
        start,
        graph,
        n_components=2,
        initial_alpha=1.0,
        a=a,
        b=b,
        gamma=1.0,
        negative_sample_rate=5,
        n_epochs=None,
        init=start,
        random_state=random,
        metric="euclidean",
        metric_kwds={},
        densmap=False,
        densmap_kwds={},
        output_dens=False,
        parallel=False,
    )
    return found


def pacmap(options: dict[str, Any], data: np.ndarray, *start: np.ndarray) -> np.ndarray:
    """PaCMAP of the data, from its own start or a given one: ndarray of float32, shape (n, 2)."""
    made = import_module("pacmap").PaCMAP  # an extra: type checkers need not find it
    reducer = made(n_neighbors=options["n_neighbors"], random_state=options["random_state"])
    return np.asarray(reducer.fit_transform(data, init=start[0] if start else "pca"))


WORK = {"umap": umap, "pacmap": pacmap}


def _keep_compiled(*packages: str) -> None:
    """Let numba keep the library's machine code on disk: a fresh process then starts in a second or two.

    The library asks for it in few places only. Code of one version of a package is compiled into another
    package's, which numba does not notice: so each set of versions has a directory of its own.
    """
    versions = "-".join(f"{name}-{version(name)}" for name in (*packages, "numba", "numpy"))
    home = _caches() / versions
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    if os.access(home, os.W_OK):
        os.environ["NUMBA_CACHE_DIR"] = str(home)  # read when numba is imported
        import numba

        numba.njit = _njit


def _njit(*args: Any, **options: Any) -> Any:
    from numba.core.decorators import njit

    return njit(*args, **{"cache": True, **options})


def _caches() -> Path:
    """Where this user's programs keep what can be made again."""
    if "XDG_CACHE_HOME" in os.environ:
        return Path(os.environ["XDG_CACHE_HOME"], "saliscope")
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"), "saliscope")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "saliscope"
    return Path.home() / ".cache" / "saliscope"


def main() -> None:
    """Answer requests from stdin on stdout until the other side goes."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between the answers
    requests: queue.SimpleQueue[Message] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()
    while True:
        header, arrays = requests.get()
        try:
            found = WORK[header["library"]](header["options"], *arrays)
        except Exception as error:
            send(answers, {"error": f"{type(error).__name__}: {error}"}, [])
        else:
            send(answers, {}, [np.asarray(found, np.float32)])


def _listen(requests: "queue.SimpleQueue[Message]") -> None:
    """Read ahead, so that the end of the kernel is noticed in the middle of a map, too."""
    try:
        while True:
            requests.put(receive(sys.stdin.buffer))
    except EOFError:
        os._exit(0)
