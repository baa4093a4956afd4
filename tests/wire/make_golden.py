"""Writes golden.json: cases of the picture arithmetic that pytest and vitest both have to reproduce.

    python -m tests.wire.make_golden

The expected bytes come from the reference that works pixel by pixel. Nothing in here is random, so
the file changes only when the definition does.
"""

import json
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
    for overlay in ("blend", "map"):
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
    return {"name": name, "width": WIDTH, "height": HEIGHT, **made, "lut": LUT, "expected": expected}


def limit_case(name: str, bits: list[int], scale: float) -> dict[str, Any]:
    values = reference.decoded(bits, scale)
    limit = reference.quantile_limit(values)
    share = reference.share_beyond(values, limit)
    return {"name": name, "map_f16": bits, "scale": scale, "limit": limit, "clipped_share": share}


def between_case(alpha: float) -> dict[str, Any]:
    baseline = PICTURE[::-1]
    made = {"picture": PICTURE, "baseline": baseline, "alpha": alpha}
    return {"name": f"alpha {alpha}", **made, "expected": reference.between(baseline, PICTURE, alpha)}


def golden() -> dict[str, list[dict[str, Any]]]:
    long = [half(((i * 7919) % 1009 - 504) / 504) for i in range(400)]
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
    }


def text() -> str:
    """One line for each case: a change in one of them is a change in one line."""
    sections = []
    for section, cases in golden().items():
        lines = ",\n".join(json.dumps(each, separators=(",", ":")) for each in cases)
        sections.append(f'"{section}":[\n{lines}\n]')
    return "{\n" + ",\n".join(sections) + "\n}\n"


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
