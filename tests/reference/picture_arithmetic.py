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
            own = picture[3 * pixel + channel]
            if overlay == "blend":
                drawn = grey + (colour - grey) * (opacity * abs(t))
            elif overlay == "map":
                neutral = lut[3 * 128 + channel]
                drawn = neutral + (colour - neutral) * opacity
            elif overlay == "multiply":
                drawn = own * (1 - opacity + opacity * abs(t))
            else:
                drawn = own
            out.append(math.floor(drawn + 0.5))
    return out


def between(baseline: list[int], picture: list[int], alpha: float) -> list[int]:
    return [math.floor(b + (p - b) * alpha + 0.5) for b, p in zip(baseline, picture, strict=True)]


def decay(x: float) -> float:
    """exp(-x) as agreed: the series of exp(-x / 1024), 20 terms from the last one on, squared ten times."""
    if x > 675:
        return 0.0
    result = 1.0
    for n in reversed(range(1, 21)):
        result = 1 - x / 1024 * result / n
    for _ in range(10):
        result *= result
    return result


def smoothed(values: list[float], width: int, height: int, sigma: float) -> list[float]:
    """Gaussian of radius ceil(3 sigma), rows before columns, pairs of neighbours from the centre outwards."""
    radius = math.ceil(3 * sigma)
    weights = [decay(k * k / (2 * sigma * sigma)) for k in range(radius + 1)]
    total = weights[0]
    for weight in weights[1:]:
        total += 2 * weight
    weights = [weight / total for weight in weights]

    def line(old: list[float]) -> list[float]:
        def at(i: int) -> float:  # edge pixels are repeated: b a | a b c | c b
            while not 0 <= i < len(old):
                i = -1 - i if i < 0 else 2 * len(old) - 1 - i
            return old[i]

        new = []
        for i in range(len(old)):
            result = weights[0] * old[i]
            for k in range(1, radius + 1):
                result += weights[k] * (at(i - k) + at(i + k))
            new.append(result)
        return new

    rows = [line(values[y * width : (y + 1) * width]) for y in range(height)]
    columns = [line([row[x] for row in rows]) for x in range(width)]
    return [columns[x][y] for y in range(height) for x in range(width)]


def on_path(stack: list[list[float]], alphas: list[float], alpha: float) -> list[float]:
    """Between the two maps on either side of alpha: (1 - t) of the one and t of the other."""
    for k in range(len(alphas) - 1):
        if alphas[k] <= alpha < alphas[k + 1]:
            t = (alpha - alphas[k]) / (alphas[k + 1] - alphas[k])
            return [a * (1 - t) + b * t for a, b in zip(stack[k], stack[k + 1], strict=True)]
    return stack[-1] if alpha >= alphas[-1] else stack[0]


def cell_mask(columns: int, rows: int, bits: bytes, width: int, height: int) -> list[int]:
    """The brush mask of a picture, from the bits of its cells, the most significant first."""
    cells = [byte >> (7 - i) & 1 for byte in bytes(bits) for i in range(8)]
    return [
        cells[y * rows // height * columns + x * columns // width]
        for y in range(height)
        for x in range(width)
    ]


def region_numbers(values: list[float], mask: list[int], change: float) -> dict[str, float | None]:
    inside = [v for v, inner in zip(values, mask, strict=True) if inner]
    total = math.fsum(map(abs, values))
    share, area = math.fsum(map(abs, inside)) / total if total else None, len(inside) / len(values)
    density = share / area if share is not None and area else None
    amount = math.fsum(inside)
    return {"sum": amount, "ofChange": amount / change, "ofTotal": share, "area": area, "density": density}


def spearman(a: list[float], b: list[float]) -> float | None:
    """Pearson's coefficient of the ranks: 1, plus what is smaller, plus half of the other equals."""

    def ranks(values: list[float]) -> list[float]:
        return [1 + sum(w < v for w in values) + (sum(w == v for w in values) - 1) / 2 for v in values]

    middle = (len(a) + 1) / 2
    first, second = ([rank - middle for rank in ranks(values)] for values in (a, b))
    one, two = (sum(x * x for x in each) for each in (first, second))
    both = sum(x * y for x, y in zip(first, second, strict=True))
    return both / math.sqrt(one * two) if one and two else None


def crossings(values: list[float], width: int, height: int, level: float) -> list[tuple[float, float]]:
    """Where the lines of a level cross those between neighbouring pixel centres, and where they leave."""
    found: list[tuple[float, float]] = []

    def look(x: int, y: int, dx: int, dy: int) -> None:
        a, b = values[y * width + x], values[(y + dy) * width + x + dx]
        if (a < level) == (b < level):
            return
        t = (level - a) / (b - a)
        at = (x + 0.5 + t * dx, y + 0.5 + t * dy)
        found.append(at)
        # In the outer half of an edge pixel the map is as at its centre: the line goes straight on.
        if dx and y in (0, height - 1):
            found.append((at[0], 0.0 if y == 0 else float(height)))
        if dy and x in (0, width - 1):
            found.append((0.0 if x == 0 else float(width), at[1]))

    for y in range(height):
        for x in range(width):
            if x + 1 < width:
                look(x, y, 1, 0)
            if y + 1 < height:
                look(x, y, 0, 1)
    return sorted(found)
