"""Maps again, from their papers: all pairs, loops or whole matrices, float64."""

import numpy as np
import torch


def nearest(data, k, queries=None):
    """The k nearest rows by true differences, of equally near ones the smaller number; not the row itself."""
    data = np.asarray(data, dtype=np.float64)
    rows = data if queries is None else np.asarray(queries, dtype=np.float64)
    indices, distances = [], []
    for i, row in enumerate(rows):
        squared = ((data - row) ** 2).sum(1)
        if queries is None:
            squared[i] = np.inf
        order = np.argsort(squared, kind="stable")[:k]
        indices.append(order)
        distances.append(np.sqrt(squared[order]))
    return np.array(indices), np.array(distances)


def conditional(distances, perplexity):
    """p_{j|i} of van der Maaten and Hinton (2008): each row's β by bisection on its entropy."""
    rows = []
    for row in np.asarray(distances, dtype=np.float64) ** 2:
        low, high = 1e-30, 1e30
        for _ in range(400):
            beta = np.sqrt(low * high)
            p = np.exp(-beta * (row - row.min()))
            p /= p.sum()
            entropy = -sum(share * np.log(share) for share in p if share > 0)
            low, high = (beta, high) if entropy > np.log(perplexity) else (low, beta)
        rows.append(p)
    return np.array(rows)


def joint(indices, weights, union=False):
    """The dense matrix (n, n) of both directions together, summing to 1."""
    one = np.zeros((len(indices), len(indices)))
    for i, (others, values) in enumerate(zip(indices, weights, strict=True)):
        one[i, others] = values
    both = one + one.T - one * one.T if union else one + one.T
    return both / both.sum()


def fuzzy(distances):
    """Directed weights of UMAP (1802.03426), k + 1 neighbours with the point itself."""
    rows = []
    for row in np.asarray(distances, dtype=np.float64):
        rho = row[row > 0].min()
        low, high = 1e-9, 1e9
        for _ in range(400):
            sigma = np.sqrt(low * high)
            weights = np.exp(-np.maximum(row - rho, 0) / sigma)
            low, high = (low, sigma) if weights.sum() > np.log2(len(row) + 1) else (sigma, high)
        rows.append(weights)
    return np.array(rows)


def similarities(coordinates):
    """w_ij = 1 / (1 + |y_i - y_j|²), zero on the diagonal; differentiable."""
    apart = coordinates[:, None] - coordinates[None]
    w = 1 / (1 + (apart**2).sum(2))
    return w * (1 - torch.eye(len(w), dtype=w.dtype))


def divergence(p, coordinates, attraction=1.0):
    """KL(P || Q) of van der Maaten and Hinton (2008), its attractive part times `attraction`."""
    w = similarities(coordinates)
    some = p > 0
    entropy = (p[some] * p[some].log()).sum()
    return entropy - attraction * (p[some] * w[some].log()).sum() + w.sum().log()


def repulsion(coordinates):
    """Sum over j of w² (y_i - y_j), and the sum of w."""
    w = similarities(coordinates)
    apart = coordinates[:, None] - coordinates[None]
    return (w[:, :, None] ** 2 * apart).sum(1), w.sum()
