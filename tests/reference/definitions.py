"""The methods again, from their papers: one input at a time, loops, float64, on our own networks."""

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np


def breakpoints(network, x, baseline, low=0.0, high=1.0, cells=64):
    """Where on the way from the baseline the network's choices change, found by bisection to the last bit."""

    def pattern(alpha):
        return network.pattern(baseline + alpha * (x - baseline))

    def search(low, at_low, high, at_high):
        middle = (low + high) / 2
        if at_low == at_high:
            return []
        if middle in (low, high):
            return [middle]
        at_middle = pattern(middle)
        return search(low, at_low, middle, at_middle) + search(middle, at_middle, high, at_high)

    # A choice that changes and changes back has equal ends: hence cells.
    edges = np.linspace(low, high, cells + 1)
    patterns = [pattern(edge) for edge in edges]
    found = []
    for k in range(cells):
        found += search(edges[k], patterns[k], edges[k + 1], patterns[k + 1])
    return found


def exact_integrated_gradients(network, x, baseline, target, upto=1.0):
    """Integrated Gradients without quadrature (1703.01365): the gradient is constant between breakpoints."""
    edges = [0.0, *(b for b in breakpoints(network, x, baseline) if b < upto), upto]
    total = np.zeros_like(x)
    for low, high in pairwise(edges):
        middle = baseline + (low + high) / 2 * (x - baseline)
        total += (high - low) * network.gradient(middle, target)
    return (x - baseline) * total


def smooth_grad(network, x, target, noise, level):
    """Mean gradient at noisy copies (1706.03825); `noise` is standard normal, `level` a share of it."""
    sigma = level * (x.max() - x.min())
    return np.mean([network.gradient(x + sigma * one, target) for one in noise], axis=0)


def grad_cam(network, x, target, layer):
    """Grad-CAM (1610.02391) of the activations that enter `layer`: the signed sum, on their own grid."""
    activations = network.run(x)[0][layer]
    gradient = network.gradient(x, target, layer)
    coarse = np.zeros(activations.shape[1:])
    for channel in range(len(activations)):
        weight = 0.0
        for row in range(coarse.shape[0]):
            for column in range(coarse.shape[1]):
                weight += gradient[channel, row, column] / coarse.size
        coarse += weight * activations[channel]
    return coarse


def enlarged(coarse, height, width):
    """Bilinear: the pixels of both grids tile the same square; constant beyond the outermost centres."""
    made = np.zeros((height, width))
    for row in range(height):
        for column in range(width):
            y = min(max((row + 0.5) * coarse.shape[0] / height - 0.5, 0), coarse.shape[0] - 1)
            x = min(max((column + 0.5) * coarse.shape[1] / width - 0.5, 0), coarse.shape[1] - 1)
            top, left = math.floor(y), math.floor(x)
            bottom, right = min(top + 1, coarse.shape[0] - 1), min(left + 1, coarse.shape[1] - 1)
            upper = coarse[top, left] * (left + 1 - x) + coarse[top, right] * (x - left)
            lower = coarse[bottom, left] * (left + 1 - x) + coarse[bottom, right] * (x - left)
            made[row, column] = upper * (top + 1 - y) + lower * (y - top)
    return made


def finite_difference(network, x, target, step=1e-6):
    """Central differences, pixel by pixel."""
    gradient = np.zeros_like(x)
    for place in np.ndindex(*x.shape):
        nudge = np.zeros_like(x)
        nudge[place] = step
        change = network.score(x + nudge, target) - network.score(x - nudge, target)
        gradient[place] = change / (2 * step)
    return gradient


def gauss_legendre(n):
    """Nodes and weights on [0, 1]: roots of P_n by Newton's method, Abramowitz and Stegun 25.4.30."""
    nodes, weights = [], []
    for i in range(n, 0, -1):
        x = math.cos(math.pi * (i - 0.25) / (n + 0.5))
        for _ in range(100):
            before, p = 1.0, x
            for k in range(2, n + 1):
                before, p = p, ((2 * k - 1) * x * p - (k - 1) * before) / k
            slope = n * (x * p - before) / (x * x - 1)
            x -= p / slope
        nodes.append((x + 1) / 2)
        weights.append(1 / ((1 - x * x) * slope * slope))
    return nodes, weights


def polynomial_integral(coefficients):
    """Integral over [0, 1] of the polynomial with these coefficients, lowest power first; exact."""
    return sum((Fraction(c) / (power + 1) for power, c in enumerate(coefficients)), Fraction(0))
