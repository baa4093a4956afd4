"""Deletion and insertion beside their peers: the areas of both curves of one map, a row of pixels a step.

Both go to, and come from, zero in model space, which is what all of them can do.
"""

from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from .cases import Case
from .harness import Contender, Goal, Row
from .methods import CHUNKS, FLOOR, TRAINED
from .peers import import_torchvision

TWICE = Goal(faster=2.0)
_BATCH = 32
"""What torch-cam scores at once."""


def _map(case: Case) -> Tensor:
    """Any order costs the same."""
    shape = case.picture().shape[2:]
    return torch.rand(1, *shape, generator=torch.Generator().manual_seed(0))


def _ranks(case: Case) -> Tensor:
    """Place of each pixel by decreasing value, flat."""
    return _map(case).flatten().argsort(descending=True).argsort()


def ours(case: Case, chunk: int | str = "auto", **steps: Any) -> Any:
    from saliscope.faithfulness import Protocol, trial

    net, inputs, maps = case.build(), case.picture(), {"map": _map(case)}
    protocols = (Protocol("deletion", "zero", **steps), Protocol("insertion", "zero", **steps))
    options: dict[str, Any] = {"protocols": protocols, "n_random": 0, "chunk_size": chunk}

    def run() -> Tensor:
        made = trial(net, inputs, maps, case.target, **options)
        return torch.stack([curve.auc for curve in made.curves["map"]], 1)

    return run


def bare_loop(case: Case, chunk: int) -> Any:
    """What any implementation must do at least: the passes, chunk by chunk."""
    net, inputs, ranks = case.build(), case.picture(), _ranks(case)
    side = inputs.shape[2]
    places = ranks.reshape(1, 1, side, side)

    def run() -> Tensor:
        counts = torch.arange(side + 1).reshape(-1, 1, 1, 1) * side
        found = []
        with torch.no_grad():
            for inserted in (False, True):
                parts = [(places < part) == inserted for part in counts.split(chunk)]
                found.append(torch.cat([net(inputs * part).softmax(1)[:, case.target] for part in parts]))
        return _areas(*found)

    return run


def single_loop(case: Case) -> Any:
    """As in the code of RISE: picture by picture, and the next one is made from the last."""
    net, inputs, ranks = case.build(), case.picture(), _ranks(case)
    side, order = inputs.shape[2], ranks.argsort()

    def curve(start: Tensor, end: Tensor) -> Tensor:
        point, scores = start.clone(), []
        for pixels in [*order.split(side), None]:
            scores.append(net(point).softmax(1)[0, case.target])
            if pixels is not None:
                point.flatten(2)[..., pixels] = end.flatten(2)[..., pixels]
        return torch.stack(scores)

    def run() -> Tensor:
        zeros = torch.zeros_like(inputs)
        with torch.no_grad():
            return _areas(curve(inputs, zeros), curve(zeros, inputs))

    return run


def captum_loop(case: Case) -> Any:
    """Two features, what is gone and what is not: ablating either gives a point of one of the curves."""
    from captum.attr import FeatureAblation

    net, inputs, ranks = nn.Sequential(case.build(), nn.Softmax(1)), case.picture(), _ranks(case)
    side, ablation = inputs.shape[2], FeatureAblation(net)
    places = ranks.reshape(1, 1, side, side)

    def run() -> Tensor:
        with torch.no_grad():
            whole, nothing = (net(x)[0, case.target] for x in (inputs, torch.zeros_like(inputs)))
            fallen, risen = [whole], [nothing]
            for count in range(side, side * side, side):
                kept = (places >= count).long()
                options: dict[str, Any] = {"target": case.target, "feature_mask": kept}
                lost = ablation.attribute(inputs, perturbations_per_eval=2, **options)[0, 0].flatten()
                fallen.append(whole - lost[ranks.argmin()])
                risen.append(whole - lost[ranks.argmax()])
        return _areas(torch.stack([*fallen, nothing]), torch.stack([*risen, whole]))

    return run


def torch_cam(case: Case) -> Any:
    """`torchcam.metrics.DeletionInsertionMetric`, with this map in the place of a CAM."""
    import_torchvision()
    from torchcam.metrics import DeletionInsertionMetric

    net, inputs, given = case.build(), case.picture(), _map(case)

    class Extractor:  # what the metric asks of a CAM
        model = net

        def __call__(self, *_: Any, **__: Any) -> list[Tensor]:
            return [given.clone()]

        def fuse_cams(self, cams: list[Tensor]) -> Tensor:
            return cams[0]

        def _hooks_off(self) -> Any:
            return nullcontext()

    def run() -> Tensor:
        metric = DeletionInsertionMetric(Extractor(), lambda out: out.softmax(1), steps=inputs.shape[2])
        with torch.no_grad():
            metric.update(inputs, case.target)
        areas = metric.summary()
        names = [next(name for name in areas if kind in name) for kind in ("del", "ins")]
        return torch.tensor([[areas[name] for name in names]])

    return run


def _areas(fallen: Tensor, risen: Tensor) -> Tensor:
    return torch.stack(
        [torch.trapezoid(scores.double(), dx=1 / (len(scores) - 1)) for scores in (fallen, risen)]
    )[None]


CURVES = Row(
    "curves",
    "Deletion and insertion, a row of pixels a step",
    TRAINED,
    (
        Contender("saliscope", ours),
        Contender(f"saliscope, {_BATCH} at once", partial(ours, chunk=_BATCH)),
        Contender("bare loop, best chunk", bare_loop, CHUNKS, goal=FLOOR),
        Contender("loop, picture by picture", single_loop),
        Contender("torch-cam", torch_cam, goal=TWICE, needs="torchcam"),
        Contender("loop over captum", captum_loop, goal=TWICE, needs="captum"),
    ),
    agree=1e-3,
    memory=True,
)
