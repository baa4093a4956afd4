"""The methods of modified gradients again, from their papers: unit by unit, on our own networks."""

import itertools

import numpy as np

from tests.reference.networks import Conv, LeakyReLU, Linear, MaxPool


def _backwards(network, x, target, rule):
    """What `rule(layer, g, x, y, choice)` hands down from one at the explained output."""
    values, choices = network.run(x)
    g = np.zeros(values[-1].shape)
    g[target] = 1.0
    for i in reversed(range(len(network.layers))):
        layer = network.layers[i]
        own = rule(layer, g, values[i], values[i + 1], choices[i])
        g = layer.backward(g, values[i].shape, choices[i]) if own is None else own
    return g


def guided_backprop(network, x, target):
    """1412.6806, figure 1: both masks at every rectifier."""

    def rule(layer, g, x, y, choice):
        if isinstance(layer, LeakyReLU) and layer.slope == 0:
            return np.where((x > 0) & (g > 0), g, 0.0)
        return None

    return _backwards(network, x, target, rule)


def deconvnet(network, x, target):
    """1311.2901, section 2.1: the rectifier is applied to what comes from above."""

    def rule(layer, g, x, y, choice):
        return np.maximum(g, 0.0) if isinstance(layer, LeakyReLU) and layer.slope == 0 else None

    return _backwards(network, x, target, rule)


def _contributions(layer, x):
    """For every unit of a layer: (index of the unit, (index of an input, its weighted value) ...)."""
    if isinstance(layer, Linear):
        for j, weights in enumerate(layer.weight):
            yield (j,), [(i, w * x[i]) for i, w in zip(np.ndindex(*x.shape), weights, strict=True)]
    elif isinstance(layer, Conv):
        outputs, inputs, size, _ = layer.weight.shape
        rows, columns = x.shape[1] - size + 1, x.shape[2] - size + 1
        for o, row, column in itertools.product(range(outputs), range(rows), range(columns)):
            window = itertools.product(range(inputs), range(size), range(size))
            places = [((i, row + k, column + m), layer.weight[o, i, k, m]) for i, k, m in window]
            yield (o, row, column), [(place, w * x[place]) for place, w in places]


def excitation_backprop(network, x, target, contrastive=False):
    """1608.00507, marginal winning probabilities, equations 1 to 3; section 3.3 for the contrast."""
    values, choices = network.run(x)
    p = np.zeros(values[-1].shape)
    p[target] = 1.0
    for i in reversed(range(len(network.layers))):
        layer, below = network.layers[i], np.zeros(values[i].shape)
        if isinstance(layer, (Linear, Conv)):
            for sign in (1, -1) if contrastive else (1,):
                for unit, parts in _contributions(layer, values[i]):
                    raising = [(place, sign * part) for place, part in parts if sign * part > 0]
                    total = sum(part for _, part in raising)
                    for place, part in raising:
                        below[place] += sign * p[unit] * part / total
            contrastive = False
        elif isinstance(layer, MaxPool):
            below = layer.backward(p, values[i].shape, choices[i])
        else:  # a unit with one input
            below = np.where(values[i + 1] == 0, 0.0, p) if isinstance(layer, LeakyReLU) else p
        p = below
    return p


def deep_lift(network, x, baseline, target):
    """1704.02685, equation 3 and section 3.5.2, without the revealing of cancellation."""
    values, _ = network.run(x)
    others, _ = network.run(baseline)
    m = np.zeros(values[-1].shape)
    m[target] = 1.0
    for i in reversed(range(len(network.layers))):
        layer, now, then = network.layers[i], values[i], others[i]
        if isinstance(layer, (Linear, Conv)):
            m = layer.backward(m, now.shape, None)
        elif isinstance(layer, MaxPool):
            m = _of_maximum(m, now, then)
        else:
            m = m * (values[i + 1] - others[i + 1]) / (now - then)
    return m * (x - baseline)


def _of_maximum(m, now, then):
    """A window's change is the work of the input's winner if it rose, else of the baseline's."""
    found = np.zeros(now.shape)
    for channel, row, column in np.ndindex(*m.shape):
        window = (channel, slice(2 * row, 2 * row + 2), slice(2 * column, 2 * column + 2))
        change = now[window].max() - then[window].max()
        winner = (now if change > 0 else then)[window].argmax()
        place = (channel, 2 * row + winner // 2, 2 * column + winner % 2)
        found[place] += m[channel, row, column] * change / (now[place] - then[place])
    return found
