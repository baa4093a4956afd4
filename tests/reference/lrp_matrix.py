"""LRP from its papers: relevance itself, number by number, on dense matrices; no gradient anywhere.

A network is a list of nodes on flat vectors, one input at a time, float64. Convolution, pooling by the mean
and batch norm are matrices here, made by loops.

Rules: Bach et al. 2015 (epsilon, alpha-beta), Montavon et al. 2017 (z-box), Montavon et al. 2019 (gamma),
Lapuschkin et al. 2019 (flat), Achtibat et al. 2024 (attention).
"""

import math
from dataclasses import dataclass, field
from itertools import product

import numpy as np


@dataclass
class Node:
    """One operation on the outputs of earlier nodes; node 0 is the input."""

    kind: str
    parents: tuple[int, ...]
    matrix: np.ndarray | None = None
    bias: np.ndarray | None = None
    rule: tuple = ("zero",)
    shape: tuple = ()
    keep: dict = field(default_factory=dict)


def conv_matrix(weight, shape, padding=0, stride=1):
    """Matrix of a convolution of an input (channels, height, width), and the shape of its output."""
    outputs, inputs, size, _ = weight.shape
    _, height, width = shape
    rows, columns = (height + 2 * padding - size) // stride + 1, (width + 2 * padding - size) // stride + 1
    matrix = np.zeros((outputs, rows, columns, inputs, height, width))
    for o, r, c, i, k, m in product(*map(range, (outputs, rows, columns, inputs, size, size))):
        y, x = r * stride + k - padding, c * stride + m - padding
        if 0 <= y < height and 0 <= x < width:
            matrix[o, r, c, i, y, x] = weight[o, i, k, m]
    return matrix.reshape(outputs * rows * columns, -1), (outputs, rows, columns)


def reach_matrix(weight, shape, padding=0, stride=1):
    """Which inputs each output of a convolution sees."""
    return conv_matrix(np.ones_like(weight), shape, padding, stride)[0]


def mean_matrix(channels, places):
    """Mean over the places of each channel."""
    matrix = np.zeros((channels, channels * places))
    for c in range(channels):
        matrix[c, c * places : (c + 1) * places] = 1 / places
    return matrix


def forward(nodes, x):
    """Output of every node."""
    values = [x.ravel()]
    for node in nodes[1:]:
        values.append(_output(node, [values[p] for p in node.parents]))
    return values


def relevance(nodes, x, start):
    """Relevance of the output of every node, from that of the last one."""
    values = forward(nodes, x)
    shares = [np.zeros_like(v) for v in values]
    shares[-1] = np.array(start, float)
    for k in reversed(range(1, len(nodes))):
        node = nodes[k]
        handed = _hand_down(node, [values[p] for p in node.parents], values[k], shares[k])
        for parent, share in zip(node.parents, handed, strict=True):
            shares[parent] = shares[parent] + share
    return shares


def _output(node, a):
    if node.kind == "affine":
        return node.matrix @ a[0] + node.bias
    if node.kind == "relu":
        return np.maximum(a[0], 0)
    if node.kind == "gelu":
        return np.array([v * 0.5 * (1 + math.erf(v / math.sqrt(2))) for v in a[0]])
    if node.kind == "add":
        return a[0] + a[1]
    if node.kind == "times":
        return a[0] * a[1]
    if node.kind == "cat":
        return np.concatenate(a)
    if node.kind == "max":  # the largest of each group of `shape[0]` neighbours
        return a[0].reshape(-1, node.shape[0]).max(1)
    if node.kind == "softmax":
        rows = np.exp(a[0].reshape(node.shape))
        return (rows / rows.sum(1, keepdims=True)).ravel()
    if node.kind == "layer_norm":
        rows = a[0].reshape(node.shape)
        spread = np.sqrt(rows.var(1, keepdims=True) + node.keep["eps"])
        return ((rows - rows.mean(1, keepdims=True)) / spread * node.matrix + node.bias).ravel()
    if node.kind == "matmul":  # (m, k) @ (k, n)
        m, k, n = node.shape
        return (a[0].reshape(m, k) @ a[1].reshape(k, n)).ravel()
    raise AssertionError(node.kind)


def _hand_down(node, a, z, r):
    if node.kind == "affine":
        return [RULES[node.rule[0]](node.matrix, node.bias, a[0], z, r, *node.rule[1:])]
    if node.kind in ("relu", "gelu"):
        return [r]
    if node.kind == "add":
        shares = [np.zeros_like(r), np.zeros_like(r)]
        for i, (total, incoming) in enumerate(zip(z, r, strict=True)):
            for k in (0, 1):
                shares[k][i] = a[k][i] / total * incoming if total else 0.0
        return shares
    if node.kind == "times":
        return [r / 2, r / 2]
    if node.kind == "cat":
        return [r[: len(a[0])], r[len(a[0]) :]]
    if node.kind == "max":
        share = np.zeros_like(a[0])
        for k, group in enumerate(a[0].reshape(-1, node.shape[0])):
            share[k * node.shape[0] + int(group.argmax())] = r[k]
        return [share]
    if node.kind == "softmax":
        return [_softmax(a[0].reshape(node.shape), z.reshape(node.shape), r.reshape(node.shape)).ravel()]
    if node.kind == "layer_norm":
        return [_layer_norm(node, a[0].reshape(node.shape), r.reshape(node.shape)).ravel()]
    return _matmul(node.shape, a[0], a[1], z, r)


def _softmax(x, s, r):
    """Proposition 3.1 of 2402.05602."""
    share = np.zeros_like(x)
    for row, i in np.ndindex(*x.shape):
        share[row, i] = x[row, i] * (r[row, i] - s[row, i] * r[row].sum())
    return share


def _matmul(shape, a, b, z, r):
    """Proposition 3.3 of 2402.05602: half of it to each factor."""
    m, k, n = shape
    a, b, z, r = a.reshape(m, k), b.reshape(k, n), z.reshape(m, n), r.reshape(m, n)
    first, second = np.zeros_like(a), np.zeros_like(b)
    for j, i, p in product(range(m), range(k), range(n)):
        share = a[j, i] * b[i, p] / (2 * z[j, p]) * r[j, p]
        first[j, i] += share
        second[i, p] += share
    return [first.ravel(), second.ravel()]


def _layer_norm(node, x, r):
    """Proposition 3.4 of 2402.05602: the division hands on what comes; centring and scaling are affine."""
    share = np.zeros_like(x)
    size = x.shape[1]
    centre = np.eye(size) - np.full((size, size), 1 / size)
    for k, row in enumerate(x):
        spread = math.sqrt(row.var() + node.keep["eps"])
        unit = centre @ row / spread
        scaled = _epsilon(np.diag(node.matrix), node.bias, unit, node.matrix * unit + node.bias, r[k], 0.0)
        share[k] = _epsilon(centre, np.zeros(size), row, centre @ row, scaled, 0.0)
    return share


def _epsilon(w, b, x, z, r, epsilon):
    share = np.zeros_like(x)
    for j, i in np.ndindex(*w.shape):
        bottom = z[j] + (epsilon if z[j] >= 0 else -epsilon)
        share[i] += x[i] * w[j, i] / bottom * r[j] if bottom else 0.0
    return share


def _gamma(w, b, x, z, r, gamma):
    """Positive outputs favour what pushes up, negative ones what pushes down."""
    share = np.zeros_like(x)
    for j in range(len(w)):
        side = np.sign(z[j])
        parts = [x[i] * w[j, i] for i in range(len(x))]
        favoured = [part * (1 + gamma * (part * side > 0)) for part in parts]
        bottom = sum(favoured) + b[j] * (1 + gamma * (b[j] * side > 0))
        for i in range(len(x)):
            share[i] += favoured[i] / bottom * r[j] if z[j] else 0.0
    return share


def _alpha_beta(w, b, x, z, r, alpha, beta):
    share = np.zeros_like(x)
    for j in range(len(w)):
        parts = [x[i] * w[j, i] for i in range(len(x))]
        up = sum(max(part, 0) for part in parts) + max(b[j], 0)
        down = sum(min(part, 0) for part in parts) + min(b[j], 0)
        for i, part in enumerate(parts):
            if part > 0:
                share[i] += alpha * part / up * r[j]
            if part < 0:
                share[i] -= beta * part / down * r[j]
    return share


def _flat(w, b, x, z, r, reach):
    share = np.zeros_like(x)
    for j, i in np.ndindex(*w.shape):
        share[i] += reach[j, i] / reach[j].sum() * r[j]
    return share


def _box(w, b, x, z, r, low, high):
    share = np.zeros_like(x)
    for j in range(len(w)):
        parts = [x[i] * w[j, i] - low[i] * max(w[j, i], 0) - high[i] * min(w[j, i], 0) for i in range(len(x))]
        for i, part in enumerate(parts):
            share[i] += part / sum(parts) * r[j]
    return share


def _zero(w, b, x, z, r):
    return _epsilon(w, b, x, z, r, 0.0)


RULES = {
    "zero": _zero,
    "epsilon": _epsilon,
    "gamma": _gamma,
    "alpha_beta": _alpha_beta,
    "flat": _flat,
    "box": _box,
}
