"""What is said beside a map of points, in the words of the page."""

from saliscope.render.typeset import number
from saliscope.specs.embedding import Numbers
from saliscope.specs.map_view import MapScreen, ShownMap

NO_UNIT = "Axes have no unit."


def percent(share: float) -> str:
    """Return "43 %"."""
    return f"{number(100 * share, digits=2)} %"


def figures(numbers: Numbers) -> tuple[str, ...]:
    """Return each number that was computed, with its name."""
    said = [] if numbers.kept is None else [f"{percent(numbers.kept)} of {numbers.k} neighbours kept"]
    rows = f" on {numbers.rows} rows" if numbers.rows else ""
    divergence = f"KL divergence ({numbers.kl_of})" if numbers.kl_of else "KL divergence"
    named = (
        ("trustworthiness", numbers.trustworthiness, rows),
        ("continuity", numbers.continuity, rows),
        ("rank correlation of distances", numbers.rho, ""),
        (divergence, numbers.kl, ""),
    )
    return (*said, *(f"{name} {number(value)}{of}" for name, value, of in named if value is not None))


def stage(shown: ShownMap) -> tuple[str, ...]:
    """Return what keeps a map from being taken as finished."""
    said = {
        "start": "start: the first two principal components",
        "partial": f"unfinished: iteration {shown.iteration} of {shown.total}",
        "cancelled": f"stopped at iteration {shown.iteration} of {shown.total}",
    }
    return (said[shown.stage],) if shown.stage in said else ()


def notes(screen: MapScreen) -> tuple[str, ...]:
    """Return what holds for all maps of a figure."""
    n = len(screen.shown[0].coordinates)
    said = [NO_UNIT, f"{n} points{f': {screen.what}' if screen.what else ''}."]
    if screen.sampling:
        said.append(screen.sampling)
    if len(screen.selection):
        said.append(f"{len(screen.selection)} of {n} points selected.")
    if screen.point is not None and len(screen.neighbors):
        said.append(f"Lines to the {len(screen.neighbors)} true neighbours; dashed: far on this map.")
    if screen.camera[0] > 1:
        said.append(f"Zoomed in {round(screen.camera[0], 1):g}×.")
    return tuple(said)
