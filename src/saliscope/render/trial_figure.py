"""Maps on trial as a figure: curves, areas beside those of random orders, sentences, randomised maps."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from saliscope.errors import NotDefinedError
from saliscope.render import colormaps
from saliscope.render.overlay import coloured
from saliscope.render.palette import categorical
from saliscope.render.paper import (
    GAP,
    HAIRLINE,
    INCH,
    INK,
    LINE,
    MARGIN,
    MUTED,
    SMALL,
    TITLE,
    TITLE_LINE,
    Paper,
    check_size,
    plain_text,
)
from saliscope.render.scales import Sign, apply_sign
from saliscope.render.typeset import number, one_line, shortened, wrapped
from saliscope.specs.blobs import Blob
from saliscope.specs.trial import RandomisationStrip, Trial, TrialCurve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKERS = "os^Dv*"
_SCORES, _END, _AXIS = 22.0, 8.0, 22.0
_LEGEND = "Dashed: the map's blurred copy. Grey: the mean of the random orders, and where 95 % of them lie."
_OF_STRIPS = (
    "randomisation: cascading, from the output down; rank correlation of the signed maps with that of the "
    "trained network; each map has its own scale"
)
_SAMPLE, _NUMBER = 16.0, 46.0
_ABREAST = 380.0
"""Width that two plots need side by side, with their numbers below them."""
_TILE, _LARGEST = 52.0, 80.0
"""Widths of a map in a strip: at least about, and at most."""
_HINTS = {"deletion": "small is good", "insertion": "large is good"}
_DONE = {"deletion": "taken away", "insertion": "put in"}
_LOOKS = {
    "deletion": "Deletion: the strongest pixels are taken away first",
    "insertion": "Insertion: the strongest pixels are put in first",
}


def figure(
    trials: Sequence[Trial | None],
    blobs: Mapping[str, Blob],
    *,
    sign: Sign = "both",
    colormap: str = colormaps.DEFAULT,
    width: float = 7.0,
    dpi: float = 200.0,
) -> "Figure":
    """Draw the curves of maps on trial, their numbers, the sentences that sum them up, and randomised maps.

    Parameters
    ----------
    trials : sequence of Trial or None
        In the order of the panels, whose numbers they get; None where nothing is known of a panel.
    blobs : dict of str to Blob
        Arrays by their names, of which the maps of the randomised network are drawn.
    sign : {"both", "positive", "negative", "absolute"}
        Which values of these maps are shown.
    colormap : str
        One of `saliscope.render.colormaps.names`.
    width : float
        In inches, at least 3; 7 is the text width of most journals, 3.4 a column of theirs.
    dpi : float
        Of the figure on screen and in a PNG; `savefig` takes another.

    Returns
    -------
    matplotlib.figure.Figure
        It belongs to no `pyplot` state.

    Raises
    ------
    NotDefinedError
        If no curve is known yet.
    InputError
        If width or dpi are out of range.
    """
    check_size(width, dpi, 3.0)
    if not any(trial is not None and len(trial.at) > 1 for trial in trials):
        raise NotDefinedError("trial", "no curve yet", "a map on trial", "Set trial=True, and call wait().")
    room = width * INCH - 2 * MARGIN
    strips = [
        _Strip(_name(i, trial, len(trials)), found, room, blobs, sign, colormap)
        for i, trial in enumerate(trials)
        if trial is not None and (found := trial.randomisation)
    ]
    with plain_text():
        return _Page(trials, strips, width * INCH, dpi).figure


def _name(panel: int, trial: Trial, panels: int) -> str:
    return f"{panel + 1}  {one_line(trial.title)}" if panels > 1 else one_line(trial.title)


@dataclass(frozen=True)
class _Strip:
    """A map as the network forgets: as trained, and after each block that was randomised."""

    name: str
    found: RandomisationStrip
    room: float
    blobs: Mapping[str, Blob]
    sign: Sign
    colormap: str

    @cached_property
    def tiles(self) -> list[tuple[np.ndarray, tuple[str, ...]]]:
        """Colours of each map, and the lines below it."""
        stages = [
            (stage.map, stage.limit, (stage.name, f"rank {_two(stage.signed)}", f"SSIM {_two(stage.ssim)}"))
            for stage in self.found.stages
        ]
        lut = colormaps.lut(self.colormap)

        def drawn(name: str, limit: float) -> np.ndarray:
            shown = apply_sign(self.blobs[name].array(), self.sign)
            return coloured(np.empty(0), shown, limit or 1.0, lut, 1.0, "map")

        return [
            (drawn(name, limit), lines)
            for name, limit, lines in ((self.found.map, self.found.limit, ("as trained",)), *stages)
        ]

    @cached_property
    def columns(self) -> int:
        """In as many rows of equal length as are needed for tiles that can be read."""
        rows = -(-len(self.tiles) // int((self.room + GAP) / (_TILE + GAP)))
        return -(-len(self.tiles) // rows)

    @cached_property
    def tile(self) -> tuple[float, float]:
        """Width and height of a map."""
        height, width = self.tiles[0][0].shape[:2]
        across = min(_LARGEST, (self.room + GAP) / self.columns - GAP)
        return across, across * height / width

    @property
    def row(self) -> float:
        """Height of a row with its words."""
        return self.tile[1] + 3 * LINE + GAP

    @property
    def height(self) -> float:
        return TITLE_LINE + self.row * -(-len(self.tiles) // self.columns)

    def draw(self, paper: Paper, y: float) -> None:
        """Write it from `y` down."""
        left = (
            "" if self.found.done == self.found.total else f", {self.found.done} of {self.found.total} so far"
        )
        title = f"{self.name}, weights randomised block by block{left}"
        paper.write(MARGIN, y, shortened(title, SMALL, 0.94 * self.room, bold=True), SMALL, INK, bold=True)
        across, down = self.tile
        for i, (rgb, lines) in enumerate(self.tiles):
            row, column = divmod(i, self.columns)
            x, top = MARGIN + column * (across + GAP), y + TITLE_LINE + row * self.row
            axes = paper.axes(x, top, across, down)
            axes.imshow(rgb, extent=(0, 1, 0, 1), aspect="auto", interpolation="antialiased")
            for k, line in enumerate(lines):
                text = shortened(line, SMALL, 0.94 * (across + GAP / 2))
                paper.write(x, top + down + 2 + k * LINE, text, SMALL, MUTED if k else INK)


def _two(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}".replace("-", "−")


class _Page(Paper):
    """Measures first, then draws from the top down; all lengths in points."""

    def __init__(
        self, trials: Sequence[Trial | None], strips: Sequence[_Strip], width: float, dpi: float
    ) -> None:
        self.named = [
            (i, _name(i, trial, len(trials)), trial) for i, trial in enumerate(trials) if trial is not None
        ]
        self.curved = [(i, trial) for i, _, trial in self.named if len(trial.at) > 1]
        self.kinds = [curve.kind for curve in self.curved[0][1].curves]
        room = width - 2 * MARGIN
        # Text of a figure is a little wider than that of a screen, by which lines are measured.
        line_width = 0.96 * room

        def lines(texts: Iterable[str], most: int) -> list[str]:
            return [line for text in texts for line in wrapped([one_line(text)], SMALL, line_width, most)]

        said = lines(filter(None, (text for _, name, trial in self.named for text in _said(name, trial))), 4)
        protocols = dict.fromkeys(c.protocol for _, trial in self.curved for c in trial.curves)
        small = lines([*protocols, *([_OF_STRIPS] if strips else [])], 3)
        legend = lines([_LEGEND], 3)
        # Side by side, or one below the other in a column of print.
        abreast = len(self.kinds) if room >= _ABREAST else 1
        groups = [self.kinds[i : i + abreast] for i in range(0, len(self.kinds), abreast)]
        self.column = (room - GAP * (abreast - 1)) / abreast
        self.inner = self.column - _SCORES - _END
        plot = 0.62 * self.inner
        down = TITLE_LINE + plot + _AXIS + GAP
        rows = len(groups) * (len(self.named) + 3) + len(legend)
        height = 2 * MARGIN + len(groups) * (down + GAP / 2) + rows * LINE
        height += (len(said) + len(small)) * LINE + GAP + sum(strip.height for strip in strips)
        super().__init__(width, height, dpi)
        y = MARGIN
        for group in groups:
            for k, kind in enumerate(group):
                self._draw(kind, MARGIN + k * (self.column + GAP), y, plot)
            y += down
        for group in groups:
            y = self._table(group, y) + GAP / 2
        y = self._lines(legend, y - GAP / 2, MUTED) + GAP / 2
        y = self._lines(said, y, INK)
        for strip in strips:
            strip.draw(self, y + GAP / 2)
            y += strip.height
        self._lines(small, y, MUTED)

    def _lines(self, lines: Iterable[str], y: float, colour: str) -> float:
        for line in lines:
            self.write(MARGIN, y, line, SMALL, colour)
            y += LINE
        return y

    def _draw(self, kind: str, x: float, y: float, height: float) -> None:
        self.write(x, y, shortened(_LOOKS[kind], TITLE, self.column, bold=True), TITLE, INK, bold=True)
        from matplotlib.ticker import MaxNLocator

        axes = self.axes(x + _SCORES, y + TITLE_LINE, self.inner, height)
        drawn = [(i, trial, _curve(trial, kind)) for i, trial in self.curved]
        probability = all(trial.output == "probability" for _, trial, _ in drawn)
        axes.set_xlim(0, 1)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
        if probability:
            axes.set(ylim=(-0.02, 1.02), yticks=[0, 0.25, 0.5, 0.75, 1])
        else:
            axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.tick_params(labelsize=SMALL, length=2, colors=MUTED, width=0.5, pad=2)
        axes.grid(color=HAIRLINE, linewidth=0.3)
        axes.set_axisbelow(True)
        # Maps of one question share their random orders.
        for band in {(b.auc, b.auc_low): b for _, _, c in drawn if (b := c.random)}.values():
            axes.fill_between(band.fractions, band.low, band.high, color=MUTED, alpha=0.18, linewidth=0)
            axes.plot(band.fractions, band.mean, color=MUTED, linewidth=0.8)
        for i, trial, curve in drawn:
            _draw_curve(axes, i, trial, curve)
        foot = y + TITLE_LINE + height + 11.5
        middle = x + _SCORES + self.inner / 2
        scores = dict.fromkeys(
            f"{trial.output.replace('_', ' ')} of {trial.target_label}" for _, trial, _ in drawn
        )
        told = f"share of the pixels {_DONE[kind]}; upright: {one_line(', '.join(scores))}"
        self.write(middle, foot, shortened(told, SMALL, self.inner), SMALL, MUTED, "center")

    def _table(self, kinds: Sequence[str], y: float) -> float:
        """A row for each map and one for the random orders; returns where it ends."""
        cells = 3
        left = self.width - MARGIN - len(kinds) * cells * _NUMBER

        def at(k: int, cell: int) -> float:
            return left + (k * cells + cell + 1) * _NUMBER

        for k, kind in enumerate(kinds):
            self.write(at(k, 2), y, f"{kind}: {_HINTS[kind]}", SMALL, MUTED, "right")
            for cell, text in enumerate(("area", "÷ random", "beaten")):
                self.write(at(k, cell), y + LINE, text, SMALL, MUTED, "right")
        y += 2 * LINE
        for i, name, trial in self.named:
            self._sample(MARGIN, y, i)
            self.write(MARGIN + _SAMPLE + 3, y, shortened(name, SMALL, left - _SAMPLE), SMALL, INK)
            for k, kind in enumerate(kinds if len(trial.at) > 1 else ()):
                for cell, text in enumerate(_numbers(_curve(trial, kind))):
                    self.write(at(k, cell), y, text, SMALL, INK, "right")
            y += LINE
        bands = [_curve(self.curved[0][1], kind).random for kind in kinds]
        for k, band in enumerate(bands):
            if band is None:
                continue
            if not k:
                self.write(MARGIN + _SAMPLE + 3, y, f"{band.n} random orders", SMALL, MUTED)
            self.write(at(k, 0), y, f"{band.auc:.3f}", SMALL, MUTED, "right")
            between = f"95 %: {band.auc_low:.3f} to {band.auc_high:.3f}"
            self.write(at(k, 2), y, between, SMALL, MUTED, "right")
        return y + LINE

    def _sample(self, x: float, y: float, i: int) -> None:
        axes = self.axes(x, y, _SAMPLE, LINE - 2)
        axes.set_axis_off()
        axes.set(xlim=(-1, 1), ylim=(-1, 1))
        axes.plot([-1, 1], [0, 0], color=_colour(i), linewidth=1.3)
        axes.plot([0], [0], _MARKERS[i % len(_MARKERS)], color=_colour(i), markersize=3.5)


def _said(name: str, trial: Trial) -> tuple[str, ...]:
    return f"{name}: {trial.error.message}" if trial.error else trial.sentence, *trial.notes


def _curve(trial: Trial, kind: str) -> TrialCurve:
    return next(curve for curve in trial.curves if curve.kind == kind)


def _draw_curve(axes: "Axes", i: int, trial: Trial, curve: TrialCurve) -> None:
    colour = _colour(i)
    if curve.blurred is not None:
        axes.plot(trial.fractions, curve.blurred.scores, "--", color=colour, linewidth=0.7, dashes=(3, 2))
    axes.plot(
        trial.fractions,
        curve.scores,
        color=colour,
        linewidth=1.3,
        marker=_MARKERS[i % len(_MARKERS)],
        markersize=3.5,
        markevery=(i / 40, 0.2),
        clip_on=False,
    )


def _numbers(curve: TrialCurve) -> tuple[str, str, str]:
    """Area, ratio to the random orders, how many of them are beaten; "–" what is not defined."""
    area = "–" if curve.auc is None else f"{curve.auc:.3f}"
    ratio = "–" if curve.ratio is None else number(curve.ratio, 2)
    if curve.beaten is None or curve.random is None:
        return area, ratio, "–"
    return area, ratio, f"{curve.beaten * curve.random.n:g} of {curve.random.n}"


def _colour(i: int) -> str:
    return "#{:02x}{:02x}{:02x}".format(*categorical(i + 1)[i])
