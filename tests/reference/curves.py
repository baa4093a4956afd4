"""Deletion, insertion and average drop as papers and packages define them: loops, one picture at a time.

A picture is (channels, height, width), its map (height, width) without ties; `score` is any function.
"""

import numpy as np


def along(score, start, end, saliency, counts):
    """The score as the pixels that the map ranks highest become those of `end`, at each of the counts."""
    width = saliency.shape[1]
    order = sorted(range(saliency.size), key=lambda pixel: -saliency.flat[pixel])
    scores = []
    for count in counts:
        picture = start.copy()
        for pixel in order[:count]:
            picture[:, pixel // width, pixel % width] = end[:, pixel // width, pixel % width]
        scores.append(score(picture))
    return np.array(scores)


def rise(score, x, saliency, kind):
    """Area of evaluation.py (arXiv 1806.07421) with a row of pixels a step: every step has the same width."""
    step, total = saliency.shape[1], saliency.size
    n_steps = (total + step - 1) // step
    counts = [min(step * i, total) for i in range(n_steps + 1)]
    start, end = (x, np.zeros_like(x)) if kind == "deletion" else (window_blur(x, 11, 5.0), x)
    scores = along(score, start, end, saliency, counts)
    return (sum(scores) - scores[0] / 2 - scores[-1] / 2) / n_steps


def torch_cam(score, x, saliency, kind, steps=20):
    """Area of DeletionInsertionMetric: a step is rounded up, and as wide as its share of the pixels."""
    total = saliency.size
    step = -(-total // steps)
    counts = [*range(0, total, step), total]
    ends = (x, np.zeros_like(x))
    scores = along(score, *(ends if kind == "deletion" else ends[::-1]), saliency, counts)
    return sum(
        (counts[i + 1] - counts[i]) / total * (scores[i] + scores[i + 1]) / 2 for i in range(len(counts) - 1)
    )


def xplique(score, x, saliency, kind, steps=10):
    """Area of Deletion and Insertion: points are rounded down, every step has the same width."""
    counts = np.linspace(0, saliency.size, steps + 1, dtype=np.int32)
    ends = (x, np.zeros_like(x))
    scores = along(score, *(ends if kind == "deletion" else ends[::-1]), saliency, counts)
    return np.mean(scores[:-1] + scores[1:]) * 0.5


def window_blur(x, window, sigma):
    """A unit impulse in a window, blurred with mirrored borders, is the kernel; zeros beyond the picture."""
    radius, half = int(4 * sigma + 0.5), window // 2
    gauss = np.array([np.exp(-0.5 * (k / sigma) ** 2) for k in range(-radius, radius + 1)])
    gauss /= gauss.sum()
    line = np.zeros(window)
    for target in range(window):
        for k in range(-radius, radius + 1):
            source = (target + k) % (2 * window)
            source = 2 * window - 1 - source if source >= window else source
            line[target] += gauss[k + radius] * (source == half)
    made = np.zeros_like(x)
    for channel, row, column in np.ndindex(x.shape):
        for i, j in np.ndindex(window, window):
            y, z = row + i - half, column + j - half
            if 0 <= y < x.shape[1] and 0 <= z < x.shape[2]:
                made[channel, row, column] += line[i] * line[j] * x[channel, y, z]
    return made


def average_drop(score, x, saliency):
    """Drop and increase of ClassificationMetric (arXiv 1710.11063), for the positive part of a map."""
    cam = np.maximum(saliency, 0)
    cam = (cam - cam.min()) / (cam.max() - cam.min())
    whole, dimmed = score(x), score(cam * x)
    return max(0.0, whole - dimmed) / whole, float(whole < dimmed)
