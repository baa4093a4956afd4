"""A small vision transformer and the methods that read its attention, from their papers: loops and numpy."""

import math

import numpy as np


def _norm(x, layer):
    centred = x - x.mean(-1, keepdims=True)
    scale = np.sqrt((centred**2).mean(-1, keepdims=True) + layer.eps)
    return centred / scale * array(layer.weight) + array(layer.bias)


def array(tensor):
    return tensor.detach().numpy()


def softmax(x):
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


class SlowTransformer:
    """The network of `tests.attribution.token_variants`, one picture at a time.

    `nudge` is added to the weights of attention: [block, head, query, key].
    """

    def __init__(self, layers, n_blocks=2, n_heads=2):
        self.layers, self.n_blocks, self.n_heads = layers, n_blocks, n_heads

    def run(self, picture, nudge=None):
        """Logits, and the attention of each block and head."""
        own, step = self.layers, self.layers.first.stride[0]
        tokens = [array(own.prefix)[0, 0]]
        for row in range(0, picture.shape[1], step):
            for column in range(0, picture.shape[2], step):
                patch = picture[:, row : row + step, column : column + step]
                tokens.append(np.tensordot(array(own.first.weight), patch, 3) + array(own.first.bias))
        x = np.array(tokens) + array(own.positions)[0, : len(tokens)]
        seen = []
        for block in range(self.n_blocks):
            added, weights = self._attention(_norm(x, own.before), None if nudge is None else nudge[block])
            x = x + added
            seen.append(weights)
            hidden = _norm(x, own.norm) @ array(own.grow.weight).T + array(own.grow.bias)
            hidden = hidden * np.vectorize(lambda v: 0.5 * (1 + math.erf(v / math.sqrt(2))))(hidden)
            x = x + hidden @ array(own.shrink.weight).T + array(own.shrink.bias)
        logits = array(own.last.weight) @ _norm(x, own.end)[0] + array(own.last.bias)
        return logits, np.array(seen)

    def _attention(self, x, nudge):
        heads = self.layers.heads
        q, k, v = np.split(x @ array(heads.in_proj_weight).T + array(heads.in_proj_bias), 3, axis=1)
        mixed, seen = [], []
        for h, part in enumerate(np.split(np.arange(q.shape[1]), self.n_heads)):
            weights = softmax(q[:, part] @ k[:, part].T / math.sqrt(len(part)))
            if nudge is not None:
                weights = weights + nudge[h]
            seen.append(weights)
            mixed.append(weights @ v[:, part])
        out = np.concatenate(mixed, axis=1)
        return out @ array(heads.out_proj.weight).T + array(heads.out_proj.bias), np.array(seen)

    def slopes(self, picture, target, step=1e-5):
        """Derivative of a logit by each weight of attention: central differences."""
        shape = self.run(picture)[1].shape
        made = np.zeros(shape)
        for place in np.ndindex(*shape):
            nudge = np.zeros(shape)
            nudge[place] = step
            up, down = (self.run(picture, sign * nudge)[0][target] for sign in (1, -1))
            made[place] = (up - down) / (2 * step)
        return made


def rollout(attention, residual=0.5, fuse=np.mean, drop=0, start=0):
    """All layers' product (2005.00928), the last layer on the left; a matrix of tokens by tokens."""
    tokens = attention.shape[-1]
    product = np.eye(tokens)
    for layer in attention[start:]:
        fused = fuse(layer, axis=0)
        for row in fused:
            row[np.argsort(row)[:drop]] = 0
            row /= row.sum()
        product = ((1 - residual) * fused + residual * np.eye(tokens)) @ product
    return product


def gradient_rollout(attention, slopes, start=0):
    """``R <- R + A R``, A the mean over heads of ``(slope * attention)^+`` (2103.15679, eq. 5 and 6)."""
    relevance = np.eye(attention.shape[-1])
    for layer, slope in zip(attention[start:], slopes[start:], strict=True):
        relevance = relevance + np.maximum(slope * layer, 0).mean(0) @ relevance
    return relevance - np.eye(attention.shape[-1])
