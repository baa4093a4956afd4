"""Writes palette.json: the colours of points, which Python's figures and the page have to agree on.

python -m tests.wire.make_palette
"""

import json
from pathlib import Path

import numpy as np

from saliscope.render import palette

PATH = Path(__file__).with_name("palette.json")

VALUES = [-1.0, 0.0, 0.001953125, 0.3, 0.5, 0.998046875, 1.0, 7.0, None]
"""None is not a number. Some lie in the middle between two colours."""

CODES = [0, 5, 3, 65535, 6]


def text() -> str:
    values = np.array([np.nan if value is None else value for value in VALUES])
    cases = {
        "categorical": palette.categorical(65).tolist(),
        "ramp": palette.ramp().tolist(),
        "missing": list(palette.MISSING),
        "codes": {"codes": CODES, "of": 6, "expected": palette.by_code(np.array(CODES), 6).tolist()},
        "numbers": {"values": VALUES, "expected": palette.sequential(values, (0.0, 1.0)).tolist()},
    }
    lines = [f'"{name}": {json.dumps(case)}' for name, case in cases.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main() -> None:
    PATH.write_text(text(), encoding="utf-8")


if __name__ == "__main__":
    main()
