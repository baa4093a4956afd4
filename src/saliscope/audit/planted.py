"""Planted evidence: methods on scenes whose every cause is known, over networks of several training seeds.

``python -m saliscope.audit.planted --out FOLDER`` runs it; `run` is the same as a function, for any networks
that were trained on the scenes.

The clean networks read the digit: there, a map should lie on the digit. The shortcut networks read the
watermark, and a map should tell: on the same marked scenes its share on the mark must rise. Each seed
has a network of either kind and scenes of its own, of held-out digits; so a mean over seeds, with an interval
over seeds, covers what would change if everything were drawn again. The networks of seed 0 are
bundled. Those of other seeds are trained by the same recipe in fewer epochs; see
`saliscope.audit.planted_parts.EPOCHS` for what that costs in accuracy.
"""

import argparse
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from saliscope.attribution.registry import find_method
from saliscope.attribution.registry import methods as known_methods
from saliscope.audit.cards import chosen
from saliscope.audit.choice import REFERENCES, Explain, as_method
from saliscope.audit.measures import Row, measure_stream
from saliscope.audit.planted_files import write_all
from saliscope.audit.planted_keys import described
from saliscope.audit.planted_parts import Model, Networks, Parts
from saliscope.audit.planted_result import Planted
from saliscope.core.anytime import CancelToken, Step, closed, drive, steadily
from saliscope.core.borrow import Borrowed, as_borrowed
from saliscope.core.preprocess import inputs_of
from saliscope.core.query import Query
from saliscope.demo import Scenes, scenes
from saliscope.errors import InputError, MethodError, SaliscopeError
from saliscope.faithfulness.protocol import check_count, check_options
from saliscope.records.fingerprint import fingerprint
from saliscope.version import __version__

METHODS = (
    "saliency",
    "input_x_gradient",
    "integrated_gradients",
    "smooth_grad",
    "grad_cam",
    "grad_cam_plus_plus",
    "layer_cam",
    "ablation_cam",
    "guided_grad_cam",
    "occlusion",
    "lrp",
    "deep_lift",
    "guided_backprop",
    "deconvnet",
    "excitation_backprop",
)
"""Those that take less than 50 ms a picture on one core, without CAMs that are Grad-CAM in these networks."""

ON_DIGIT = ("pointing", "pointing_near", "mass", "rank")
"""Measured of maps of the clean networks, on scenes without the mark."""

TESTED = ("deletion", "insertion", "road", "randomisation", "randomisation_ssim")
"""Measured there too, on the first few of the scenes: each runs the network, or the method, many times."""

ON_MARK = ("mark_share", "mark_hit")
"""Measured of maps of both networks, on the same scenes with the mark."""

FIRST_SCENES = 2_000_000
"""Seed of the first scenes, far from those of training and of its test; each training seed has the next."""

_FINE = 100
_TRAINING = 1000
"""Units of work of one method on one network, and of the training of a network."""


@dataclass(frozen=True)
class _Trial:
    """Methods on one network."""

    role: str
    marked: bool
    measures: tuple[str, ...]
    seed: int = 0

    def words(self, n: int) -> str:
        kind = "marked" if self.marked else "plain"
        return f"{self.role} network of seed {self.seed}, {n} {kind} scenes, {self.measures[0]} and others"


_TRIALS = (
    _Trial("clean", False, ON_DIGIT),
    _Trial("clean", False, TESTED),
    _Trial("clean", True, ON_MARK),
    _Trial("shortcut", True, ON_MARK),
)


def run(
    clean: Any = None,
    shortcut: Any = None,
    *,
    progress: Callable[[Step[Planted]], None] | None = None,
    cancel: CancelToken | None = None,
    **options: Any,
) -> Planted:
    """Drive `run_stream` to its end; same parameters.

    Parameters
    ----------
    progress : callable, optional
        Called with every `Step`.
    cancel : CancelToken, optional
        Stops between two steps with `Cancelled`, which carries what is known.

    Returns
    -------
    Planted

    Examples
    --------
    >>> import saliscope as sp
    >>> found = sp.audit.planted.run(seeds=1, n_scenes=4, n_tested=2, methods=("saliency", "grad_cam"))
    >>> found.rise.order
    ('Grad-CAM', 'Saliency (gradient)')
    """
    check_options(options, (*signature(run_stream).parameters, "progress", "cancel"))
    return drive(run_stream(clean, shortcut, **options), progress, cancel)


def run_stream(
    clean: Model | Sequence[Model] | None = None,
    shortcut: Model | Sequence[Model] | None = None,
    *,
    seeds: int = 5,
    n_scenes: int = 100,
    n_tested: int = 10,
    methods: Mapping[str, Explain | str] | Sequence[str] = METHODS,
    random_orders: int = 20,
    size: int = 64,
    out: str | Path | None = None,
    report: Callable[[str], None] | None = None,
) -> Iterator[Step[Planted]]:
    """Every method on every network.

    Parameters
    ----------
    clean, shortcut : nn.Module or Borrowed, or a sequence of them, optional
        Networks that read the digit, and as many that read the watermark: one of each for a training seed.
        Whether they do is measured on the scenes of the run.
        They take scenes as `saliscope.demo.Scenes.inputs` gives them; one that was borrowed with a
        normalisation, or a transform, takes them so. None: those of `saliscope.demo`, trained where they
        are not bundled.
    seeds : int
        Number of training seeds, where no networks are given.
    n_scenes, n_tested : int
        For each seed; and for how many of them the network is run again, see `TESTED`.
    methods : dict of str to Method, key or callable, or sequence of str
        By the name of their row, or keys of `saliscope.attribution.methods`.
    random_orders : int
        Beside which areas of deletion and insertion stand.
    size : int
        Side of the scenes, in pixels.
    out : str or Path, optional
        Folder in which finished parts are kept: trained networks, and what a method got on a network. They
        are not computed again. A function of your own is known there by its code; one that cannot be known,
        as it uses a closure or an object of yours, is computed each time.
    report : callable, optional
        Takes a line of progress: of training too, during which there is no step.

    Yields
    ------
    Step of Planted

    Raises
    ------
    InputError, MethodError
        At the first step, if networks, numbers or methods are none.
    """

    def steps() -> Generator[Step[Planted], None, None]:
        named = _named(methods)
        for name, value in (("n_scenes", n_scenes), ("n_tested", n_tested), ("random_orders", random_orders)):
            check_count(name, value, 2)
        counts = n_scenes, min(n_tested, n_scenes)
        networks = Networks(clean, shortcut, seeds, Parts(None if out is None else Path(out)), report)
        yield from _Run(networks, named, counts, random_orders, size).steps()

    return steadily(steps())


class _Run:
    """Seed by seed, network by network, method by method."""

    def __init__(
        self,
        networks: Networks,
        methods: dict[str, Explain],
        counts: tuple[int, int],
        random_orders: int,
        size: int,
    ) -> None:
        self.networks, self.size, self.random_orders = networks, size, random_orders
        self.rows = [Row(name, method) for name, method in methods.items()]
        self.rows += [Row(name, method, True) for name, method in REFERENCES.items()]
        seeds = networks.seeds
        keys = (*ON_DIGIT, *TESTED, *ON_MARK)
        cards = chosen(keys, ("maps", "masks", "marks"), random_orders, 0)
        self.found = Planted.empty(cards, self.rows, seeds, counts, size)
        # Training costs more than anything else, unless the networks are there.
        self.training = _TRAINING if networks.given is None else 0
        self.total = len(seeds) * (2 * self.training + _FINE * len(_TRIALS) * len(self.rows))
        self.done = 0

    def steps(self) -> Iterator[Step[Planted]]:
        for seed in self.networks.seeds:
            models: dict[str, Model] = {}
            for role in ("clean", "shortcut"):
                models[role], about = self.networks.get(role, seed)
                if self.networks.given is not None:
                    about = replace(about, figures=self._figures(seed, models[role]))
                self.done += self.training
                self.found = replace(self.found, networks=(*self.found.networks, about))
                yield self._step()
            for trial in _TRIALS:
                yield from self._trial(replace(trial, seed=seed), models[trial.role])

    def _trial(self, trial: _Trial, model: Model) -> Iterator[Step[Planted]]:
        parts, start, rows = self.networks.parts, self.done, len(self.rows)
        n = self.found.n_tested if trial.measures is TESTED else self.found.n_scenes
        about = {row.name: self._about(trial, n, model, row) for row in self.rows}  # None: not to be kept
        missing: list[Row] = []
        for row in self.rows:
            known = parts.row(about[row.name], row, n)
            missing += [row] if known is None else []
            if known is not None:
                self._take(trial, known)
        if missing:
            self.networks.say(f"{trial.words(n)}: {rows - len(missing)} of {rows} methods known")
            taken = 0
            with closed(self._measured(trial, n, model, missing)) as stream:
                for step in stream:
                    finished = [row for row in step.result.rows if row.complete]
                    for row in finished[taken:]:
                        parts.keep(about[row.name], row)
                        self._take(trial, row)
                    taken = len(finished)
                    share = 1 - len(missing) / rows * (1 - step.done / step.total)
                    self.done = start + int(_FINE * rows * share)
                    if not step.complete:
                        yield self._step()
        self.done = start + _FINE * rows
        yield self._step()

    def _measured(self, trial: _Trial, n: int, model: Model, missing: list[Row]) -> Iterator[Any]:
        pictures = self._scenes(n, trial.seed, trial.marked)
        return measure_stream(
            model,
            _inputs(model, pictures),
            {row.name: row.method for row in missing if not row.reference},
            masks=pictures.digit_mask,
            marks=pictures.watermark_mask,
            measures=[self.found.cards[key] for key in trial.measures],
            references={row.name: row.method for row in missing if row.reference},
            random_orders=self.random_orders,
        )

    def _scenes(self, n: int, seed: int, marked: bool) -> Scenes:
        # The first scenes of many are those of few.
        pictures = scenes(n, FIRST_SCENES + seed, digits="held_out", size=self.size)
        return pictures.redraw(watermark=True) if marked else pictures

    def _figures(self, seed: int, model: Model) -> dict[str, float]:
        """What a given network reads, on the scenes of the run."""
        plain, marked = (self._scenes(self.found.n_scenes, seed, one) for one in (False, True))
        before, after = (_top(model, one) for one in (plain, marked))
        return {
            "accuracy": float((before == plain.labels).mean()),
            "flipped_by_watermark": float((before != after).mean()),
        }

    def _take(self, trial: _Trial, row: Row) -> None:
        self.found = self.found.taking(trial.role, trial.seed, row)

    def _about(self, trial: _Trial, n: int, model: Model, row: Row) -> dict[str, Any] | None:
        """All that a part depends on, or None where that cannot be known."""
        borrowed, method = as_borrowed(model), described(row.method)
        if method is None:
            return None
        cards = self.found.cards
        return {
            "trial": [trial.role, trial.seed, trial.marked],
            "model": [fingerprint(borrowed.module), repr(borrowed.preprocessing)],
            "scenes": [n, self.size, FIRST_SCENES],
            "method": [row.name, method],
            "measures": {key: [cards[key].unit, repr(cards[key].protocol)] for key in trial.measures},
            "versions": [__version__, torch.__version__],
        }

    def _step(self) -> Step[Planted]:
        found = replace(self.found, complete=self.done == self.total)
        return Step(partial(_same, found), self.done, self.total)


def _same(found: Planted) -> Planted:
    return found


def _named(methods: Any) -> dict[str, Explain]:
    if isinstance(methods, Mapping):
        named: dict[str, Explain] = {
            str(name): as_method(one, f"methods[{name!r}]") for name, one in methods.items()
        }
    elif isinstance(methods, Sequence) and not isinstance(methods, str):
        made = [find_method(key)() for key in methods]
        named = {one.title: one for one in made}
    else:
        raise MethodError("methods", f"a {type(methods).__name__}", "a dict from names to methods, or keys")
    twice = [name for name in named if name in REFERENCES]
    if not named or twice:
        got = repr(twice[0]) if twice else "no method"
        raise MethodError("methods", got, "methods by names that no reference has")
    return named


def _inputs(model: Model, pictures: Scenes) -> Float[Tensor, "n channels height width"]:
    if not isinstance(model, Borrowed):
        return pictures.inputs()
    inputs, _ = inputs_of(list(pictures.images), model.preprocessing, model.module)
    if inputs.shape[2:] != pictures.digit_mask.shape[1:]:
        size = pictures.digit_mask.shape[1]
        got = f"pictures of {tuple(inputs.shape[2:])} from its transform"
        raise InputError("clean", got, f"scenes as they are, {size} x {size}", "Give size=, or no resizing.")
    return inputs


def _top(model: Model, pictures: Scenes) -> Int[np.ndarray, " n"]:
    """The classes that a network gives scenes."""
    indices = Query(model, _inputs(model, pictures), None, "auto").target.indices
    assert indices is not None  # None is of a target that is a function
    return indices.cpu().numpy()


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m saliscope.audit.planted",
        description="Methods on scenes whose every cause is known, over networks of several training seeds.",
        epilog=f"Keys of methods: {', '.join(known_methods())}.",
    )

    def add(name: str, words: str, **how: Any) -> None:
        parser.add_argument(name, help=f"{words} (default: %(default)s)", **how)

    add("--out", "folder for table, figure and parts", type=Path, default=Path("planted"))
    add("--seeds", "training seeds, from 0 on", type=int, default=5)
    add("--scenes", "scenes of each seed", type=int, default=100)
    add("--tested", "scenes of each seed for the slow measures", type=int, default=10)
    add("--methods", "keys of methods, with commas between", default=", ".join(METHODS))
    parser.add_argument("--docs", type=Path, help="folder that gets planted_evidence.md and its figure too")
    options = parser.parse_args(arguments)
    tell = _Told()
    try:
        if options.docs is not None and not options.docs.is_dir():
            raise InputError("--docs", str(options.docs), "a folder that exists")
        found = run(
            seeds=options.seeds,
            n_scenes=options.scenes,
            n_tested=options.tested,
            methods=tuple(key.strip() for key in options.methods.split(",") if key.strip()),
            out=options.out,
            progress=tell.step,
            report=tell.line,
        )
    except SaliscopeError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\nStopped. Finished parts are in {options.out}; the same command goes on.", file=sys.stderr)
        return 130
    tell.line("")
    print(found.text())
    for path in write_all(found, options.out, options.docs):
        print(path)
    return 0


class _Told:
    """Progress on the terminal: a line that is written over, where there is a terminal."""

    def __init__(self) -> None:
        self.start, self.shown, self.over = time.monotonic(), 0.0, sys.stderr.isatty()

    def step(self, step: Step[Planted]) -> None:
        now = time.monotonic()
        if now - self.shown < (0.2 if self.over else 30) and not step.complete:
            return
        self.shown = now
        minutes, seconds = divmod(int(now - self.start), 60)
        said = f"{step.done / step.total:6.1%} after {minutes}:{seconds:02d}"
        print(f"\r{said} " if self.over else said, end="" if self.over else "\n", file=sys.stderr, flush=True)

    def line(self, line: str) -> None:
        print(("\r\033[K" if self.over else "") + line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
