"""All that is compared: the methods, and what a reader waits for."""

from . import contenders as do
from .faithfulness import CURVES
from .harness import Contender, Goal, Row
from .methods import CHUNKS, FLOOR, LEVEL, METHODS, TRAINED
from .road import ROAD

_OTHERS = (
    CURVES,
    ROAD,
    Row(
        "refine",
        f"Integrated Gradients, from {do.N_STEPS // 2} to {do.N_STEPS} steps (right)",
        TRAINED,
        (
            Contender("saliscope, refined", do.refined),
            Contender("bare loop, missing nodes", do.path_loop("right", skip=2), CHUNKS, goal=FLOOR),
            Contender(
                "captum, best chunk", do.captum_ig("riemann_right"), CHUNKS, goal=LEVEL, needs="captum"
            ),
        ),
        agree=1e-3,
    ),
    Row(
        "first_picture",
        "From picture to first preview, with a new session",
        TRAINED,
        (
            Contender("saliscope", do.first_picture, goal=Goal(seconds=0.15, cases=("demo",))),
            Contender("bare gradient", do.one_gradient),
        ),
    ),
    Row(
        "first_ig",
        "First picture of Integrated Gradients",
        TRAINED,
        (
            Contender("saliscope, first partial", do.first_partial),
            Contender("bare gradient", do.one_gradient),
            Contender(
                "captum, default",
                do.captum_ig("riemann_middle"),
                goal=Goal(faster=7.0, cases=("resnet18", "resnet50")),
                needs="captum",
            ),
        ),
    ),
    Row(
        "import",
        "Import in a fresh interpreter",
        (),
        (
            Contender("saliscope", do.imports("saliscope"), goal=Goal(seconds=0.15)),
            Contender("nothing", do.imports("")),
            Contender("torch", do.imports("torch")),
            Contender("captum.attr", do.imports("captum.attr"), goal=LEVEL, needs="captum"),
        ),
    ),
)

ROWS = {row.name: row for row in (*METHODS, *_OTHERS)}
"""All rows by name, in the order of the table."""


def without_row() -> list[str]:
    """Keys of the registered methods that no row is about."""
    from saliscope.attribution import methods

    covered = {key for row in ROWS.values() for key in row.methods}
    return [key for key in methods() if key not in covered]
