"""Writes golden.json: cases of the picture arithmetic that pytest and vitest both have to reproduce.

    python -m tests.wire.make_golden

The expected bytes come from the reference that works pixel by pixel. Nothing in here is random, so
the file changes only when the definition does.
"""

import base64
import json
import math
import struct
from pathlib import Path
from typing import Any

from tests.reference import picture_arithmetic as reference

PATH = Path(__file__).with_name("golden.json")
WIDTH, HEIGHT = 5, 4
N = WIDTH * HEIGHT

# Three different curves, so that swapped channels show, with the neutral in the middle.
LUT = [
    v
    for i in range(257)
    for v in ((210, 210, 210) if i == 128 else (i * 255 // 256, 255 - i // 2, i * i % 256))
]
PICTURE = [(37 * i + 11 * (i % 3) ** 2) % 256 for i in range(3 * N)]


def half(value: float) -> int:
    """Bits of the nearest float16."""
    return struct.unpack("<H", struct.pack("<e", value))[0]


RAMP = [half((i - 9.5) / 9.5) for i in range(N)]
TIES = [half(v) for v in (0.5, -0.5, 0.25, -0.25, 1.0, -1.0, 0.0, 0.75, -0.75, 0.5) * 2]
SUBNORMAL = [0x0001, 0x8001, 0x03FF, 0x83FF, 0x0400, 0x0000, 0x8000, 0x0200, 0x8200, 0x0010] * 2
# Halves between two entries of the table and between two bytes: where rounding rules differ.
HALVES = [half((i - 10) / 256) for i in range(N)]

BASE: dict[str, Any] = {
    "picture": PICTURE,
    "map_f16": RAMP,
    "scale": 1.0,
    "signed": True,
    "limit": 1.0,
    "opacity": 0.85,
    "threshold": 1.0,
    "sign": "both",
    "overlay": "blend",
}


def variants() -> dict[str, dict[str, Any]]:
    """What each case changes in `BASE`."""
    found: dict[str, dict[str, Any]] = {}
    for overlay in ("blend", "map", "multiply", "contour"):
        for sign in ("both", "positive", "negative", "absolute"):
            for signed in (True, False):
                name = f"{overlay}, {sign}, {'signed' if signed else 'unsigned'}"
                found[name] = {"overlay": overlay, "sign": sign, "signed": signed}
        for threshold in (0.999, 0.5, 0.25, 0.05, 1e-9):
            found[f"{overlay}, ties, strongest {threshold}"] = {
                "overlay": overlay,
                "map_f16": TIES,
                "threshold": threshold,
            }
        for opacity in (0.0, 0.5, 1.0):
            found[f"{overlay}, opacity {opacity}"] = {"overlay": overlay, "opacity": opacity}
        found[f"{overlay}, zero map"] = {"overlay": overlay, "map_f16": [0] * N}
        found[f"{overlay}, zero map, cut"] = {"overlay": overlay, "map_f16": [0] * N, "threshold": 0.1}
        found[f"{overlay}, clipped"] = {"overlay": overlay, "limit": 0.3}
        found[f"{overlay}, halves"] = {"overlay": overlay, "map_f16": HALVES, "opacity": 1.0}
        found[f"{overlay}, subnormal halves"] = {"overlay": overlay, "map_f16": SUBNORMAL, "limit": 6e-5}
    found["cut after the sign"] = {"map_f16": TIES, "sign": "positive", "threshold": 0.2}
    found["tiny scale"] = {"scale": 3.7e-12, "limit": 1.9e-12}
    found["huge scale"] = {"scale": 8.1e11, "limit": 5e11}
    found["weak beside a large limit"] = {"limit": 1e30}
    found["black picture, half opacity"] = {"picture": [0] * 3 * N, "map_f16": TIES, "opacity": 0.5}
    found["white picture"] = {"picture": [255] * 3 * N}
    return found


def case(name: str, change: dict[str, Any]) -> dict[str, Any]:
    made = BASE | change
    values = reference.decoded(made["map_f16"], made["scale"])
    expected = reference.composed(
        made["picture"],
        values,
        made["limit"],
        LUT,
        made["opacity"],
        made["threshold"],
        made["sign"],
        made["overlay"],
        made["signed"],
    )
    return {"name": name, "width": WIDTH, "height": HEIGHT, **made, "expected": expected}


def limit_case(name: str, bits: list[int], scale: float) -> dict[str, Any]:
    values = reference.decoded(bits, scale)
    limit = reference.quantile_limit(values)
    share = reference.share_beyond(values, limit)
    return {"name": name, "map_f16": bits, "scale": scale, "limit": limit, "clipped_share": share}


def between_case(alpha: float) -> dict[str, Any]:
    baseline = PICTURE[::-1]
    made = {"picture": PICTURE, "baseline": baseline, "alpha": alpha}
    return {"name": f"alpha {alpha}", **made, "expected": reference.between(baseline, PICTURE, alpha)}


def smooth_case(sigma: float, bits: list[int] = TIES) -> dict[str, Any]:
    values = reference.decoded(bits, 0.1)
    expected = reference.smoothed(values, WIDTH, HEIGHT, sigma)
    made = {"width": WIDTH, "height": HEIGHT, "map_f16": bits, "scale": 0.1, "sigma": sigma}
    return {"name": f"sigma {sigma}", **made, "expected": expected}


STACK = [half(((i * 613) % 211 - 105) / 97) for i in range(4 * N)]
WHOLE = RAMP


def path_case(along: str, alphas: list[float], alpha: float) -> dict[str, Any]:
    stack = [reference.decoded(STACK[k * N : (k + 1) * N], 0.3) for k in range(len(alphas))]
    nodes, whole = list(alphas), reference.decoded(WHOLE, 0.7)
    if along == "cumulative":
        # A sum is zero at the start and the whole map at the end, whatever the nodes are.
        if nodes[0] > 0:
            nodes, stack = [0.0, *nodes], [[0.0] * N, *stack]
        nodes, stack = [*nodes, 1.0], [*stack, whole]
    made = {"along": along, "alphas": alphas, "alpha": alpha, "width": WIDTH, "height": HEIGHT}
    arrays = {"stack_f16": STACK[: len(alphas) * N], "stack_scale": 0.3, "map_f16": WHOLE, "scale": 0.7}
    expected = whole if along == "cumulative" and alpha == 1 else reference.on_path(stack, nodes, alpha)
    return {"name": f"{along}, {len(alphas)} nodes, alpha {alpha}", **made, **arrays, "expected": expected}


def region_case(
    name: str, region: dict[str, Any], width: int, height: int, lead: Any = None
) -> dict[str, Any]:
    if "rect" in region:
        x, y, across, down = region["rect"]
        tall, wide = lead or (height, width)
        # Rounded to the nearest pixel, halves up.
        left, right = (math.floor(at * width / wide + 0.5) for at in (x, x + across))
        top, bottom = (math.floor(at * height / tall + 0.5) for at in (y, y + down))
        right, bottom = max(right, left + 1), max(bottom, top + 1)
        expected = [int(left <= i < right and top <= j < bottom) for j in range(height) for i in range(width)]
    else:
        bits = base64.b64decode(region["bits"])
        expected = reference.cell_mask(*region["cells"], bits, width, height)
    return {
        "name": name,
        "region": region,
        "width": width,
        "height": height,
        "lead": lead,
        "expected": expected,
    }


def stats_case(name: str, bits: list[int], mask: list[int], change: float | None) -> dict[str, Any]:
    expected = reference.region_numbers(reference.decoded(bits, 0.02), mask, change or 1.0)
    if change is None:
        expected["ofChange"] = None
    return {
        "name": name,
        "map_f16": bits,
        "scale": 0.02,
        "mask": mask,
        "change": change,
        "expected": expected,
    }


def scale_case(name: str, scale: dict[str, Any], panels: list[Any], expected: list[float]) -> dict[str, Any]:
    return {"name": name, "scale": scale, "panels": panels, "expected": expected}


def scale_cases() -> list[dict[str, Any]]:
    panels = [["score", 2.0], ["cam", 5.0], ["score", 3.0], ["zero", 0.0]]
    auto, fixed = ({"mode": mode, "limits": {}} for mode in ("auto", "fixed"))
    return [
        scale_case("the largest of a unit", auto, panels, [3, 5, 3, 1]),
        scale_case("with others", auto | {"limits": {"score": 4, "cam": 1}}, panels, [4, 5, 4, 1]),
        scale_case("fixed for all", fixed | {"limits": {"*": 0.5}}, panels, [0.5] * 4),
        scale_case("fixed for one", fixed | {"limits": {"cam": 7}}, panels, [3, 7, 3, 1]),
        scale_case("one and the rest", fixed | {"limits": {"cam": 7, "*": 9}}, panels, [9, 7, 9, 9]),
        scale_case("each its own", {"mode": "each", "limits": {"score": 9}}, panels, [2, 5, 3, 1]),
    ]


def rank_case(name: str, a: list[int], b: list[int]) -> dict[str, Any]:
    expected = reference.spearman(reference.decoded(a, 1.0), reference.decoded(b, 1.0))
    return {"name": name, "a_f16": a, "b_f16": b, "expected": expected}


def contour_case(name: str, width: int, height: int, limit: float) -> dict[str, Any]:
    """A hill and a hollow, cut by two borders; no saddle, where a line could turn either way."""

    def bump(x: int, y: int, at: tuple[float, float]) -> float:
        return 2 * math.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / 6)

    places = [(x, y) for y in range(height) for x in range(width)]
    bits = [half(bump(x, y, (2.3, 1.2)) - bump(x, y, (7.4, 4.1))) for x, y in places]
    values = reference.decoded(bits, 1.0)
    levels = [side * level for side in (-1, 1) for level in (0.25, 0.5, 0.75)]
    lines = {str(level): reference.crossings(values, width, height, level * limit) for level in levels}
    return {
        "name": name,
        "width": width,
        "height": height,
        "map_f16": bits,
        "limit": limit,
        "expected": lines,
    }


def golden() -> dict[str, list[dict[str, Any]]]:
    long = [half(((i * 7919) % 1009 - 504) / 504) for i in range(400)]
    brush = {"cells": [3, 2], "bits": base64.b64encode(bytes([0b10111100])).decode()}
    fine = {"cells": [7, 6], "bits": base64.b64encode(bytes((37 * i + 11) % 256 for i in range(6))).decode()}
    half_in = [i % 2 for i in range(N)]
    return {
        "cases": [case(name, change) for name, change in variants().items()],
        "limits": [
            limit_case("20 values", RAMP, 1.0),
            limit_case("200 values", long[:200], 0.25),
            limit_case("201 values", long[:201], 1.0),
            limit_case("400 values", long, 3e-9),
            limit_case("one value is not zero", [0] * 399 + [half(-0.5)], 2.0),
            limit_case("all zero", [0] * 20, 1.0),
        ],
        "between": [between_case(alpha) for alpha in (0.0, 0.1, 1 / 3, 0.5, 0.99, 1.0)],
        "smooth": [smooth_case(sigma) for sigma in (0.1, 0.5, 1.0, 1.7, 3.0, 12.5, 20.0)],
        "path": [
            path_case(along, alphas, alpha)
            for along, alphas in (
                ("cumulative", [0.0, 0.3, 0.7, 1.0]),
                ("cumulative", [0.1, 0.45, 0.9]),
                ("gradient", [0.0, 0.3, 0.7, 1.0]),
                ("gradient", [0.1, 0.45, 0.9]),
            )
            for alpha in (0.0, 0.05, 0.3, 1 / 3, 0.61, 0.95, 1.0)
        ],
        "regions": [
            region_case("a rectangle", {"rect": [1, 0, 3, 2]}, WIDTH, HEIGHT),
            region_case("beyond the border", {"rect": [3, 2, 100, 100]}, WIDTH, HEIGHT),
            region_case("outside", {"rect": [9, 9, 1, 1]}, WIDTH, HEIGHT),
            region_case("of a larger picture", {"rect": [3, 4, 5, 6]}, WIDTH, HEIGHT, [12, 11]),
            region_case("of a smaller picture", {"rect": [1, 0, 1, 2]}, 11, 12, [HEIGHT, WIDTH]),
            region_case("thin in a larger picture", {"rect": [5, 6, 1, 1]}, WIDTH, HEIGHT, [40, 50]),
            region_case("a brush", brush, WIDTH, HEIGHT),
            region_case("a brush, finer than the picture", fine, WIDTH, HEIGHT),
            region_case("a brush on a larger picture", fine, 17, 13),
        ],
        "stats": [
            stats_case("half of the pixels", RAMP, half_in, 3.0),
            stats_case("no change to divide by", TIES, half_in, None),
            stats_case("nothing inside", TIES, [0] * N, -2.0),
            stats_case("a map that is zero", [0] * N, half_in, 1.0),
        ],
        "scales": scale_cases(),
        "ranks": [
            rank_case("ties", TIES, RAMP),
            rank_case("both with ties", TIES, [*TIES[3:], *TIES[:3]]),
            rank_case("reversed", RAMP, RAMP[::-1]),
            rank_case("signed zeros are equal", [0x8000, 0, *RAMP[2:]], RAMP),
            rank_case("constant", [half(0.5)] * N, RAMP),
        ],
        "contours": [contour_case("a hill and a hollow", 9, 7, 1.9), contour_case("a strip", 9, 2, 1.3)],
    }


def text() -> str:
    """One line for each case: a change in one of them is a change in one line."""
    sections = [f'"lut":{json.dumps(LUT, separators=(",", ":"))}']
    for section, cases in golden().items():
        lines = ",\n".join(json.dumps(each, separators=(",", ":")) for each in cases)
        sections.append(f'"{section}":[\n{lines}\n]')
    return "{\n" + ",\n".join(sections) + "\n}\n"


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
