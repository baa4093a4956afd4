"""Maps on trial as a figure: curves before those of random orders, areas, and what they come to."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from saliscope.errors import NotDefinedError
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
from saliscope.render.typeset import number, one_line, shortened, wrapped
from saliscope.specs.trial import Trial, TrialCurve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKERS = "os^Dv*"
_SCORES, _END, _AXIS = 22.0, 8.0, 22.0
_LEGEND = "Dashed: the map's blurred copy. Grey: the mean of the random orders, and where 95 % of them lie."
_SAMPLE, _NUMBER = 16.0, 46.0
_HINTS = {"deletion": "small is good", "insertion": "large is good"}
_DONE = {"deletion": "taken away", "insertion": "put in"}
_LOOKS = {
    "deletion": "Deletion: the strongest pixels are taken away first",
    "insertion": "Insertion: the strongest pixels are put in first",
}


def figure(trials: Sequence[Trial | None], *, width: float = 7.0, dpi: float = 200.0) -> "Figure":
    """Draw the curves of maps on trial, with their numbers and the sentences that sum them up.

    Parameters
    ----------
    trials : sequence of Trial or None
        In the order of the panels, whose numbers they get; None where nothing is known of a panel.
    width : float
        In inches; 7 is the text width of most journals.
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
    check_size(width, dpi)
    if not any(trial is not None and len(trial.at) > 1 for trial in trials):
        raise NotDefinedError("trial", "no curve yet", "a map on trial", "Set trial=True, and call wait().")
    with plain_text():
        return _Page(trials, width * INCH, dpi).figure


class _Page(Paper):
    """Measures first, then draws from the top down; all lengths in points."""

    def __init__(self, trials: Sequence[Trial | None], width: float, dpi: float) -> None:
        self.named = [
            (i, f"{i + 1}  {one_line(trial.title)}" if len(trials) > 1 else one_line(trial.title), trial)
            for i, trial in enumerate(trials)
            if trial is not None
        ]
        self.curved = [(i, trial) for i, _, trial in self.named if len(trial.at) > 1]
        self.kinds = [curve.kind for curve in self.curved[0][1].curves]
        room = width - 2 * MARGIN
        # Text of a figure is a little wider than that of a screen, by which lines are measured.
        line_width = 0.96 * room
        said = [
            line
            for _, name, trial in self.named
            for text in (f"{name}: {trial.error.message}" if trial.error else trial.sentence, *trial.notes)
            if text
            for line in wrapped([one_line(text)], SMALL, line_width, most=4)
        ]
        protocols = dict.fromkeys(curve.protocol for _, trial in self.curved for curve in trial.curves)
        small = [line for each in protocols for line in wrapped([one_line(each)], SMALL, line_width, most=3)]
        self.column = (room - GAP * (len(self.kinds) - 1)) / len(self.kinds)
        self.inner = self.column - _SCORES - _END
        plot = 0.62 * self.inner
        rows = len(self.named) + 4
        height = 2 * MARGIN + TITLE_LINE + plot + _AXIS + GAP + rows * LINE
        height += (len(said) + len(small)) * LINE + GAP
        super().__init__(width, height, dpi)
        for k, kind in enumerate(self.kinds):
            self._draw(kind, MARGIN + k * (self.column + GAP), plot)
        y = self._table(MARGIN + TITLE_LINE + plot + _AXIS + GAP) + GAP / 2
        for colour, lines in ((INK, said), (MUTED, small)):
            for line in lines:
                self.write(MARGIN, y, line, SMALL, colour)
                y += LINE

    def _draw(self, kind: str, x: float, height: float) -> None:
        self.write(x, MARGIN, shortened(_LOOKS[kind], TITLE, self.column, bold=True), TITLE, INK, bold=True)
        from matplotlib.ticker import MaxNLocator

        axes = self.axes(x + _SCORES, MARGIN + TITLE_LINE, self.inner, height)
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
        foot = MARGIN + TITLE_LINE + height + 11.5
        middle = x + _SCORES + self.inner / 2
        scores = dict.fromkeys(
            f"{trial.output.replace('_', ' ')} of {trial.target_label}" for _, trial, _ in drawn
        )
        told = f"share of the pixels {_DONE[kind]}; upright: {one_line(', '.join(scores))}"
        self.write(middle, foot, shortened(told, SMALL, self.inner), SMALL, MUTED, "center")

    def _table(self, y: float) -> float:
        """A row for each map and one for the random orders; returns where it ends."""
        cells = 3
        left = self.width - MARGIN - len(self.kinds) * cells * _NUMBER

        def at(k: int, cell: int) -> float:
            return left + (k * cells + cell + 1) * _NUMBER

        for k, kind in enumerate(self.kinds):
            self.write(at(k, 2), y, f"{kind}: {_HINTS[kind]}", SMALL, MUTED, "right")
            for cell, text in enumerate(("area", "÷ random", "beaten")):
                self.write(at(k, cell), y + LINE, text, SMALL, MUTED, "right")
        y += 2 * LINE
        for i, name, trial in self.named:
            self._sample(MARGIN, y, i)
            self.write(MARGIN + _SAMPLE + 3, y, shortened(name, SMALL, left - _SAMPLE - 30), SMALL, INK)
            for k, kind in enumerate(self.kinds if len(trial.at) > 1 else ()):
                for cell, text in enumerate(_numbers(_curve(trial, kind))):
                    self.write(at(k, cell), y, text, SMALL, INK, "right")
            y += LINE
        bands = [_curve(self.curved[0][1], kind).random for kind in self.kinds]
        for k, band in enumerate(bands):
            if band is None:
                continue
            if not k:
                self.write(MARGIN + _SAMPLE + 3, y, f"{band.n} random orders", SMALL, MUTED)
            self.write(at(k, 0), y, f"{band.auc:.3f}", SMALL, MUTED, "right")
            between = f"95 %: {band.auc_low:.3f} to {band.auc_high:.3f}"
            self.write(at(k, 2), y, between, SMALL, MUTED, "right")
        self.write(MARGIN, y + LINE, _LEGEND, SMALL, MUTED)
        return y + 2 * LINE

    def _sample(self, x: float, y: float, i: int) -> None:
        axes = self.axes(x, y, _SAMPLE, LINE - 2)
        axes.set_axis_off()
        axes.set(xlim=(-1, 1), ylim=(-1, 1))
        axes.plot([-1, 1], [0, 0], color=_colour(i), linewidth=1.3)
        axes.plot([0], [0], _MARKERS[i % len(_MARKERS)], color=_colour(i), markersize=3.5)


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
