"""Class activation maps again, from their papers: one input, loops, whole forwards, explicit derivatives."""

import torch
import torch.nn.functional as F


def layer_of(model, layer, x):
    """The output of a layer, as the network goes on with it."""
    caught = []
    handle = model.get_submodule(layer).register_forward_hook(lambda _m, _i, out: caught.append(out.clone()))
    with torch.no_grad():
        model.eval()(x)
    handle.remove()
    return caught[-1]


def _behind(model, layer, x, maps):
    """Output of the whole network with a layer's output replaced."""
    handle = model.get_submodule(layer).register_forward_hook(lambda *_: maps.clone())
    try:
        return model.eval()(x)
    finally:
        handle.remove()


def _score(outputs, target):
    if getattr(target, "output", "") == "probability":
        return outputs[0].softmax(0)[target.index]
    return outputs[0, target]


def grad_cam_plus_plus(model, layer, one, target):
    """1710.11063, equations 10, 19 and 20, of Y = exp(F): derivatives place by place, the map and exp(F)."""
    x = one[None]
    maps = layer_of(model, layer, x).requires_grad_()
    y = _score(_behind(model, layer, x, maps), target).exp()
    (first,) = torch.autograd.grad(y, maps, create_graph=True)
    total = torch.zeros(maps.shape[2:], dtype=maps.dtype)
    for k in range(maps.shape[1]):
        weight = 0.0
        channel = maps[0, k].sum().item()
        for i in range(maps.shape[2]):
            for j in range(maps.shape[3]):
                place = (0, k, i, j)
                slope = first[place]
                if slope.item() == 0:
                    continue
                (second,) = torch.autograd.grad(slope, maps, create_graph=True)
                (third,) = torch.autograd.grad(second[place], maps, retain_graph=True)
                alpha = second[place].item() / (2 * second[place].item() + channel * third[place].item())
                weight += alpha * max(slope.item(), 0.0)
        total += weight * maps[0, k].detach()
    return total, y.item()


def ablation(model, layer, one, target):
    """Falls of the score when a channel is zero everywhere; a whole forward for each."""
    x = one[None]
    maps = layer_of(model, layer, x)
    total = torch.zeros(maps.shape[2:], dtype=maps.dtype)
    with torch.no_grad():
        score = _score(model(x), target)
        for k in range(maps.shape[1]):
            without = maps.clone()
            without[:, k] = 0
            total += (score - _score(_behind(model, layer, x, without), target)) * maps[0, k]
    return total


def score_cam(model, layer, one, target, baseline, normalize):
    """1910.01279, equations 6 to 8, and the softmax of its algorithm 1."""
    maps = layer_of(model, layer, one[None])[0]
    rises = []
    with torch.no_grad():
        for channel in maps:
            mask = F.interpolate(channel[None, None], one.shape[1:], mode="bilinear")[0, 0]
            if mask.max() == mask.min():
                rises.append(torch.zeros((), dtype=maps.dtype))
                continue
            mask = (mask - mask.min()) / (mask.max() - mask.min())
            shown = mask * one + (1 - mask) * baseline
            rises.append(model(shown[None])[0, target] - model(baseline[None])[0, target])
    weights = torch.stack(rises)
    weights = weights.exp() / weights.exp().sum() if normalize else weights
    return sum(weight * channel for weight, channel in zip(weights, maps, strict=True))


def eigen(maps):
    """2008.00299 by power iteration on A'A; the sign makes the sum positive."""
    matrix = maps.flatten(1).T
    vector = torch.ones(matrix.shape[1], dtype=matrix.dtype)
    for _ in range(3000):
        vector = matrix.T @ (matrix @ vector)
        vector = vector / vector.norm()
    made = (matrix @ vector).reshape(maps.shape[1:])
    return -made if made.sum() < 0 else made
