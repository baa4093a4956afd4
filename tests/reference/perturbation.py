"""Methods that hide parts of the picture, from their papers: loops, float64, any function as the model."""

import itertools
import math

import numpy as np


def occlusion(score, x, replacement, window, stride):
    """Mean drop of the score over the windows that cover a pixel (1311.2901); x is (channels, h, w)."""
    height, width = x.shape[1:]

    def first_pixels(size):
        found, at = [], 0
        while at + window < size:
            found.append(at)
            at += stride
        return [*found, size - window]

    total, count = np.zeros((height, width)), np.zeros((height, width))
    for top, left in itertools.product(first_pixels(height), first_pixels(width)):
        hidden = x.copy()
        for channel, row, column in np.ndindex(x.shape[0], window, window):
            place = (channel, top + row, left + column)
            hidden[place] = replacement[place]
        drop = score(x) - score(hidden)
        for row, column in np.ndindex(window, window):
            total[top + row, left + column] += drop
            count[top + row, left + column] += 1
    return total / count


def rise_mask(seed, index, cells, p, height, width):
    """A mask of RISE (1806.07421): offset down, offset right, then the grid row by row, from one stream."""
    draws = np.random.Generator(np.random.SFC64(np.random.SeedSequence((seed, index)))).random
    down, right = draws(), draws()
    grid = [[float(draws() < p) for _ in range(cells + 2)] for _ in range(cells + 2)]
    mask = np.zeros((height, width))
    for row, column in np.ndindex(height, width):
        y = (row + 0.5) * cells / height + down
        x = (column + 0.5) * cells / width + right
        top, left = math.floor(y), math.floor(x)
        upper = grid[top][left] * (left + 1 - x) + grid[top][left + 1] * (x - left)
        lower = grid[top + 1][left] * (left + 1 - x) + grid[top + 1][left + 1] * (x - left)
        mask[row, column] = upper * (top + 1 - y) + lower * (y - top)
    return mask


def rise(score, x, replacement, masks, p):
    """Sample covariance of the score and each pixel's mask, divided by p, and its standard error."""
    scores = [score(replacement + mask * (x - replacement)) for mask in masks]
    mean, n = sum(scores) / len(scores), len(scores)
    products = [(one - mean) * (mask - p) for one, mask in zip(scores, masks, strict=True)]
    values = sum(products) / (n - 1) / p
    spread = sum((one - sum(products) / n) ** 2 for one in products) / (n - 1)
    return values, np.sqrt(n * spread) / (n - 1) / p


def rise_of_a_sum(contributions, cells, p):
    """What RISE tends to if the score is a sum over pixels; `contributions` are ``F(x) - F(x')`` of each.

    The covariance of two pixels' masks is ``p (1 - p)`` times a cubic B-spline of their distance in cells:
    the autocorrelation of the hat function that interpolates.
    """

    def spline(t):
        t = abs(t)
        return (4 - 6 * t * t + 3 * t**3) / 6 if t < 1 else max(0.0, 2 - t) ** 3 / 6

    height, width = contributions.shape
    made = np.zeros((height, width))
    for row, column in np.ndindex(height, width):
        for other in np.ndindex(height, width):
            near = spline((row - other[0]) * cells / height) * spline((column - other[1]) * cells / width)
            made[row, column] += (1 - p) * near * contributions[other]
    return made


def smooth_maximum_of_bumps(parameters, step, coldness=20.0):
    """The mask of extremal perturbation (1910.08485) at the parameters' own places.

    Parameters stand `step` apart in units of the bump's width; those further than 2 take no part.
    """
    rows, columns = parameters.shape
    reach, made = math.ceil(2 / step), np.zeros((rows, columns))
    for row, column in np.ndindex(rows, columns):
        heights = []
        for down, across in itertools.product(range(-reach, reach + 1), repeat=2):
            inside = 0 <= row + down < rows and 0 <= column + across < columns
            value = parameters[row + down, column + across] if inside else 0.0
            distance = math.hypot(down * step, across * step)
            heights.append(value * math.exp(-2 * max(0.0, distance - 0.5) ** 2))
        weights = [math.exp(coldness * height) for height in heights]
        made[row, column] = sum(h * w for h, w in zip(heights, weights, strict=True)) / sum(weights)
    return made


def blurred_by_mask(levels, mask):
    """Each pixel from the two levels of blur around its mask; `levels` go from all of the blur to none."""
    made = np.zeros_like(levels[0])
    for channel, row, column in np.ndindex(made.shape):
        place = mask[row, column] * (len(levels) - 1)
        below = min(math.floor(place), len(levels) - 2)
        low, high = levels[below][channel, row, column], levels[below + 1][channel, row, column]
        made[channel, row, column] = low + (place - below) * (high - low)
    return made
