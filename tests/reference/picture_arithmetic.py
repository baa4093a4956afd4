"""How a map becomes colours, one pixel and one channel at a time, in plain Python.

Written from the definition, step by step, as the arbiter between the numpy and the TypeScript version.
"""

import math
import struct


def decoded(bits: list[int], scale: float) -> list[float]:
    """Values of a float16 map: each half is exact in double, then multiplied by the scale."""
    return [struct.unpack("<e", struct.pack("<H", each))[0] * scale for each in bits]


def quantile_limit(values: list[float]) -> float:
    """The smallest value that 99.5 % of all absolute values do not exceed; never zero."""
    ascending = sorted(abs(v) for v in values)
    chosen = ascending[math.ceil(0.995 * len(ascending)) - 1]
    if chosen == 0:
        chosen = ascending[-1]
    if chosen == 0:
        chosen = 1.0
    return chosen


def share_beyond(values: list[float], limit: float) -> float:
    return sum(1 for v in values if abs(v) > limit) / len(values)


def signed_value(v: float, sign: str, signed: bool) -> float:
    if sign == "positive":
        return v if v > 0 else 0.0
    if sign == "negative":
        return v if v < 0 else 0.0
    if sign == "absolute":
        return abs(v)
    return v if signed else abs(v)


def kept(values: list[float], threshold: float) -> list[float]:
    """Zero for everything that is weaker than the k-th strongest."""
    if threshold == 1:
        return values
    descending = sorted((abs(v) for v in values), reverse=True)
    weakest = descending[math.ceil(threshold * len(values)) - 1]
    return [v if abs(v) >= weakest else 0.0 for v in values]


def composed(
    picture: list[int],
    values: list[float],
    limit: float,
    lut: list[int],
    opacity: float,
    threshold: float,
    sign: str,
    overlay: str,
    signed: bool,
) -> list[int]:
    """Flat RGB bytes from a flat RGB picture, a flat map and a flat table."""
    out: list[int] = []
    shown = kept([signed_value(v, sign, signed) for v in values], threshold)
    for pixel, v in enumerate(shown):
        t = v / limit
        t = -1.0 if t < -1 else 1.0 if t > 1 else t
        index = math.floor((t + 1) * 128 + 0.5)
        red, green, blue = picture[3 * pixel : 3 * pixel + 3]
        grey = (77 * red + 150 * green + 29 * blue + 128) >> 8
        for channel in range(3):
            colour = lut[3 * index + channel]
            if overlay == "blend":
                ground, weight = grey, opacity * abs(t)
            else:
                ground, weight = lut[3 * 128 + channel], opacity
            out.append(math.floor(ground + (colour - ground) * weight + 0.5))
    return out


def between(baseline: list[int], picture: list[int], alpha: float) -> list[int]:
    return [math.floor(b + (p - b) * alpha + 0.5) for b, p in zip(baseline, picture, strict=True)]
