"""How the maps on screen came about, as JSON: what somebody needs to compute them again."""

import json
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from saliscope.sessions.embedding import Shown
from saliscope.version import __version__

if TYPE_CHECKING:
    from saliscope.sessions.atlas import Atlas

FORMAT = 1

_PACKAGES = ("numpy", "torch", "scikit-learn", "umap-learn", "pacmap")


def record_of(atlas: "Atlas") -> str:
    """Write down rows, layer, and of each map its reducer, parameters, numbers and cautions.

    Parameters
    ----------
    atlas : Atlas
        With at least one map.

    Returns
    -------
    str
        JSON, indented.
    """
    points, _ = atlas.points()
    table = atlas.session.table
    record = {
        "format": FORMAT,
        "kind": "maps",
        "saliscope": __version__,
        "model": points.model,
        "layer": None if table is None else table.layer,
        "what": points.what,
        "rows": points.n,
        "of": points.of,
        "columns": points.d,
        "notes": list(points.notes),
        "maps": [_map(shown) for _, shown in sorted(atlas.session.maps.items())],
        "python": platform.python_version(),
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
    }
    return json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False)


def _map(shown: Shown) -> dict[str, Any]:
    embedding, layout = shown.embedding, shown.layout.to_json()
    return {
        "reducer": shown.reducer.key,
        "parameters": {name: _plain(value) for name, value in shown.reducer.get_params().items()},
        "start": embedding.start,
        "random_state": embedding.random_state,
        **{name: layout[name] for name in ("stage", "iteration", "total", "numbers", "caution", "notes")},
        "seconds": round(layout["seconds"], 3),
    }


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
