"""What is said about maps, again, from the papers: lists, loops, float64, one point at a time."""

import math


def ranking(rows, i):
    """All other points, the nearest to point i first; of equally distant ones the smaller number."""
    others = [j for j in range(len(rows)) if j != i]
    return sorted(others, key=lambda j: (math.dist(rows[i], rows[j]), j))


def trustworthiness(data, coordinates, k, rows=None):
    """Venna and Kaski (ICANN 2001), eq. 1; over some of the points if `rows` names them."""
    n = len(data)
    rows = range(n) if rows is None else rows
    faults = 0
    for i in rows:
        ranks = {j: place + 1 for place, j in enumerate(ranking(data, i))}
        for j in ranking(coordinates, i)[:k]:
            if ranks[j] > k:
                faults += ranks[j] - k
    return 1 - 2 / (len(rows) * k * (2 * n - 3 * k - 1)) * faults


def quality(data, coordinates, k):
    """Shares kept, false and missing, and stretch, point by point."""
    n = len(data)
    near = [ranking(data, i)[:k] for i in range(n)]
    seen = [ranking(coordinates, i)[:k] for i in range(n)]
    kept = [len(set(near[i]) & set(seen[i])) / k for i in range(n)]
    false = [sum(j not in near[i] and i not in near[j] for j in seen[i]) / k for i in range(n)]
    missing = [sum(j not in seen[i] and i not in seen[j] for j in near[i]) / k for i in range(n)]
    logs = []
    for i in range(n):
        pairs = [(math.dist(coordinates[i], coordinates[j]), math.dist(data[i], data[j])) for j in near[i]]
        # The lower of two middle ones, as torch takes it.
        ratios = sorted(math.log(on_map / in_data) for on_map, in_data in pairs)
        logs.append(ratios[(k - 1) // 2])
    middle = sorted(logs)[(n - 1) // 2]
    return kept, false, missing, [one - middle for one in logs]


def divergence(place, coordinates, neighbors):
    """Of a new point's similarities on the map from equal ones to its neighbours (van der Maaten 2008)."""
    similar = [1 / (1 + math.dist(place, one) ** 2) for one in coordinates]
    p = 1 / len(neighbors)
    return sum(p * math.log(p / (similar[j] / sum(similar))) for j in neighbors)
