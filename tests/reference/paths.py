"""Path methods from their papers: one input at a time, loops, float64, on our own networks."""

import math

import numpy as np


def blurred(picture, sigma):
    """Gaussian blur of a picture (channels, height, width), pixel by pixel; borders are mirrored."""
    if sigma == 0:
        return picture
    radius = int(4 * sigma + 0.5)
    kernel = [math.exp(-(d * d) / (2 * sigma * sigma)) for d in range(-radius, radius + 1)]
    kernel = [weight / sum(kernel) for weight in kernel]

    def along(line):
        mirrored = np.concatenate([line, line[::-1]])
        return [
            sum(w * mirrored[(at + d) % len(mirrored)] for d, w in enumerate(kernel, -radius))
            for at in range(len(line))
        ]

    return np.apply_along_axis(along, 2, np.apply_along_axis(along, 1, picture))


def blur_ig(network, x, target, max_sigma, n_steps):
    """Blur IG (2004.03383): the gradient in the middle of each step times the picture's change over it."""
    values = np.zeros_like(x)
    for k in range(n_steps):
        first, middle, last = (blurred(x, max_sigma * (1 - at / n_steps) ** 2) for at in (k, k + 0.5, k + 1))
        values += network.gradient(middle, target) * (last - first)
    return values


def guided_ig(network, x, baseline, target, n_steps, fraction, max_dist):
    """Guided IG (2106.09788), pixel by pixel, with the bound on the distance from the straight path.

    Returns the values and the points of the path, both ends included.
    """
    point, values, points = baseline.copy(), np.zeros_like(x), [baseline.copy()]
    pixels = [place for place in np.ndindex(*x.shape) if x[place] != baseline[place]]
    count = int(fraction * (x.size - 1)) + 1
    for k in range(1, n_steps + 1):
        gradient, before = network.gradient(point, target), point.copy()
        low, high = max(k / n_steps - max_dist, 0), min(k / n_steps + max_dist, 1)
        goal = np.abs(x - baseline).sum() * (1 - k / n_steps)

        def share(place, point=point):
            return (point[place] - baseline[place]) / (x[place] - baseline[place])

        def at(place, share):
            return baseline[place] + share * (x[place] - baseline[place])

        for place in pixels:
            if share(place) < low:
                point[place] = at(place, low)
        free = sorted((p for p in pixels if share(p) < high - 1e-12), key=lambda p: abs(gradient[p]))
        while free and np.abs(x - point).sum() > goal + 1e-12:
            bound = abs(gradient[free[min(count, len(free)) - 1]])
            chosen = [p for p in free if abs(gradient[p]) <= bound]
            free = free[len(chosen) :]
            room = sum(abs(at(p, high) - point[p]) for p in chosen)
            part = min(1.0, (np.abs(x - point).sum() - goal) / room)
            for p in chosen:
                point[p] += part * (at(p, high) - point[p])
        values += gradient * (point - before)
        points.append(point.copy())
    return values, points
