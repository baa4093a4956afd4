"""Occlusion and RISE beside their peers; ``python -m benchmarks.perturbations``: error by number of masks."""

from typing import Any

import torch
from torch import Tensor, nn

from .cases import CASES, Case
from .harness import Run
from .peers import ZEROS, Of, gradient, ours

N_MASKS = 500
MANY = 20000
N_ITERATIONS = 50
CELLS = 7


def _window(case: Case) -> tuple[int, int]:
    window = case.picture().shape[2] // 8  # 225 windows, each beside the next by half of itself
    return window, window // 2


WINDOW = Of(lambda case: _window(case)[0])
STRIDE = Of(lambda case: _window(case)[1])


def captum_occlusion(case: Case, chunk: int = 1) -> Run:
    from captum.attr import Occlusion

    net, inputs, (window, stride) = case.build(), case.picture(), _window(case)
    peer, sides = Occlusion(net), ((3, window, window), (3, stride, stride))
    options: dict[str, Any] = {"target": case.target, "baselines": 0, "perturbations_per_eval": chunk}

    def run() -> Tensor:
        with torch.no_grad():
            return peer.attribute(inputs, *sides, **options)[:, :1]

    return run


def window_loop(case: Case, chunk: int) -> Run:
    """What any implementation must do at least: the passes, chunk by chunk."""
    net, inputs, (window, stride) = case.build(), case.picture(), _window(case)
    firsts = range(0, inputs.shape[2] - window + 1, stride)
    corners = [(top, left) for top in firsts for left in firsts]

    def run() -> Tensor:
        total, count = torch.zeros_like(inputs[:, :1]), torch.zeros_like(inputs[:, :1])
        with torch.no_grad():
            score = net(inputs)[0, case.target]
            for begin in range(0, len(corners), chunk):
                part = corners[begin : begin + chunk]
                points = inputs.repeat(len(part), 1, 1, 1)
                for point, (top, left) in zip(points, part, strict=True):
                    point[:, top : top + window, left : left + window] = 0
                for (top, left), one in zip(part, net(points)[:, case.target], strict=True):
                    total[:, :, top : top + window, left : left + window] += score - one
                    count[:, :, top : top + window, left : left + window] += 1
        return total / count

    return run


def rise_loop(case: Case, chunk: int) -> Run:
    """As in the paper and TorchRay: masks enlarged and cropped, scores times masks, the mean left in."""
    net, inputs = case.build(), case.picture()

    def run() -> Tensor:
        with torch.no_grad():
            total = torch.zeros(inputs.shape[2:])
            for begin in range(0, N_MASKS, chunk):
                masks = plain_masks(min(chunk, N_MASKS - begin), inputs.shape[2])
                total += torch.tensordot(net(inputs * masks)[:, case.target], masks[:, 0], 1)
        return total / N_MASKS / 0.5

    return run


def centred(run: Run) -> Tensor:
    """Without its mean, which says nothing about any place."""
    values = run().flatten(-2)
    return (values - values.mean(-1, keepdim=True)).reshape(1, -1)


def many_masks(case: Case) -> Run:
    """A map that hardly holds noise."""
    run = ours("RISE", baseline=ZEROS, n_masks=MANY, cells=CELLS, seed=999)(case)
    return lambda: centred(run)


def search_loop(case: Case) -> Run:
    """What a search of so many iterations must do at least: a gradient each, one after the other."""
    net, inputs = case.build(), case.picture()
    return lambda: [gradient(net, inputs, case.target) for _ in range(N_ITERATIONS)]


def plain_masks(count: int, side: int) -> Tensor:
    """The masks of the paper: a grid, one cell larger than the picture, enlarged and cropped at random."""
    cell = -(-side // CELLS)
    grids = (torch.rand(count, 1, CELLS + 1, CELLS + 1) < 0.5).float()
    large = nn.functional.interpolate(grids, scale_factor=cell, mode="bilinear", align_corners=False)
    crops = torch.randint(0, cell, (count, 2)).tolist()
    return torch.stack([m[:, y : y + side, x : x + side] for m, (y, x) in zip(large, crops, strict=True)])


def errors(case: Case, counts: tuple[int, ...], n_reference: int, n_seeds: int = 5) -> None:
    """Print the error of the map, relative L2 after its mean, of our masks with and without centring."""
    from saliscope.attribution import RISE
    from saliscope.attribution.random_masks import MaskSource

    net, inputs = case.build(), case.picture()
    baseline, like = torch.zeros_like(inputs), inputs.double()
    exact = RISE(baseline, n_reference, CELLS, seed=999).attribute(net, inputs, case.target)
    reference = exact.map[0].double() - exact.map.double().mean()
    print(f"{case.name}: relative error against {n_reference} masks, mean of {n_seeds} seeds", flush=True)
    for count in counts:
        found = []
        for seed in range(n_seeds):
            made = RISE(baseline, count, CELLS, seed=seed).attribute(net, inputs, case.target)
            assert made.sample_scores is not None
            assert made.standard_error is not None
            masks = MaskSource(seed, CELLS, 0.5, (like.shape[2], like.shape[3])).draw(0, count, like)
            plain = torch.tensordot(made.sample_scores[:, 0], masks, 1) / count / 0.5
            maps = [one - one.mean() for one in (made.map[0].double(), plain)]
            errors = [float((one - reference).norm() / reference.norm()) for one in maps]
            found.append([*errors, float(made.standard_error.double().norm() / reference.norm())])
        ours, theirs, claimed = torch.tensor(found).mean(0).tolist()
        print(f"  {count:5} masks: ours {ours:.3f} (standard error {claimed:.3f}), paper's {theirs:.3f}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    errors(CASES["demo"], (250, 1000, 4000), 40000)
