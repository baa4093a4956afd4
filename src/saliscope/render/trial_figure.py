"""Maps on trial as a figure: curves, areas beside those of random orders, sentences, randomised maps."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from saliscope.errors import NotDefinedError
from saliscope.render import colormaps
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
from saliscope.render.scales import Sign
from saliscope.render.trial_strip import PROTOCOL, Strip
from saliscope.render.typeset import number, one_line, shortened, wrapped
from saliscope.specs.blobs import Blob
from saliscope.specs.trial import RandomBand, Trial, TrialCurve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKERS = "os^Dv*"
_SCORES, _LONG_SCORES, _END, _AXIS = 22.0, 36.0, 8.0, 22.0
_LEGEND = "Dashed: the map's blurred copy. Grey: the mean of the random orders, and where 95 % of them lie."
_SAMPLE, _NUMBER = 16.0, 46.0
_TALL = 0.1
"""Probabilities that reach no higher have an axis of their own."""
_ABREAST = 380.0
"""Width that two plots need side by side, with their numbers below them."""
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
    named = _named(trials)
    strips = [
        Strip(name, trial.randomisation, room, blobs, sign, colormap)
        for _, name, trial in named
        if trial.randomisation
    ]
    with plain_text():
        return _Page(named, strips, width * INCH, dpi).figure


def _named(trials: Sequence[Trial | None]) -> list[tuple[int, str, Trial]]:
    """What is known, with its place; number and class are said where there are several."""
    known = [(i, trial) for i, trial in enumerate(trials) if trial is not None]
    classes = {(trial.target, trial.target_label) for _, trial in known}

    def name(i: int, trial: Trial) -> str:
        words = trial.title if len(classes) == 1 else f"{trial.title}, {trial.target_label}"
        return one_line(words if len(trials) == 1 else f"{i + 1}  {words}")

    return [(i, name(i, trial), trial) for i, trial in known]


class _Page(Paper):
    """Measures first, then draws from the top down; all lengths in points."""

    def __init__(
        self, named: list[tuple[int, str, Trial]], strips: Sequence[Strip], width: float, dpi: float
    ) -> None:
        self.named = named
        self.curved = [(i, trial) for i, _, trial in self.named if len(trial.at) > 1]
        self.kinds = [curve.kind for curve in self.curved[0][1].curves]
        room = width - 2 * MARGIN
        # Text of a figure is a little wider than that of a screen, by which lines are measured.
        line_width = 0.96 * room

        def lines(texts: Iterable[str], most: int) -> list[str]:
            return [line for text in texts for line in wrapped([one_line(text)], SMALL, line_width, most)]

        sentences = [text for _, name, trial in named for text in _said(name, trial, len(named) > 1)]
        said = lines(filter(None, dict.fromkeys(sentences)), 8)
        protocols = dict.fromkeys(c.protocol for _, trial in self.curved for c in trial.curves)
        small = lines([*protocols, *([PROTOCOL] if strips else [])], 3)
        legend = lines([_LEGEND], 3)
        # Side by side, or one below the other in a column of print.
        abreast = len(self.kinds) if room >= _ABREAST else 1
        groups = [self.kinds[i : i + abreast] for i in range(0, len(self.kinds), abreast)]
        self.column = (room - GAP * (abreast - 1)) / abreast
        highest = max(max(curve.scores) for _, trial in self.curved for curve in trial.curves)
        self.probable = highest > _TALL and all(trial.output == "probability" for _, trial in self.curved)
        self.scores = _SCORES if self.probable else _LONG_SCORES
        self.inner = self.column - self.scores - _END
        plot = 0.62 * self.inner
        down = TITLE_LINE + plot + _AXIS + GAP
        rows = sum(len(named) + 2 + len(self._bands(group)) for group in groups) + len(legend)
        height = 2 * MARGIN + len(groups) * (down + GAP / 2) + rows * LINE
        height += (len(said) + len(small)) * LINE + 1.5 * GAP + sum(strip.height for strip in strips)
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
        self._lines(small, y + GAP / 2, MUTED)

    def _lines(self, lines: Iterable[str], y: float, colour: str) -> float:
        for line in lines:
            self.write(MARGIN, y, line, SMALL, colour)
            y += LINE
        return y

    def _draw(self, kind: str, x: float, y: float, height: float) -> None:
        self.write(x, y, shortened(_LOOKS[kind], TITLE, self.column, bold=True), TITLE, INK, bold=True)
        from matplotlib.ticker import MaxNLocator

        axes = self.axes(x + self.scores, y + TITLE_LINE, self.inner, height)
        drawn = [(i, trial, _curve(trial, kind)) for i, trial in self.curved]
        axes.set_xlim(0, 1)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
        if self.probable:
            axes.set(ylim=(-0.02, 1.02), yticks=[0, 0.25, 0.5, 0.75, 1])
        else:
            axes.yaxis.set_major_locator(MaxNLocator(5))
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", "−"))
        axes.tick_params(labelsize=SMALL, length=2, colors=MUTED, width=0.5, pad=2)
        axes.grid(color=HAIRLINE, linewidth=0.3)
        axes.set_axisbelow(True)
        # Maps of one question share their random orders.
        for _, (band,), _ in self._bands([kind]):
            assert band is not None
            axes.fill_between(band.fractions, band.low, band.high, color=MUTED, alpha=0.18, linewidth=0)
            axes.plot(band.fractions, band.mean, color=MUTED, linewidth=0.8)
        for i, trial, curve in drawn:
            _draw_curve(axes, i, trial, curve)
        foot = y + TITLE_LINE + height + 11.5
        middle = x + self.scores + self.inner / 2
        outputs = {trial.output.replace("_", " ") for _, trial, _ in drawn}
        classes = {trial.target_label for _, trial, _ in drawn}
        score = outputs.pop() if len(outputs) == 1 else "score"
        score += f" of {one_line(classes.pop())}" if len(classes) == 1 else ", each of its own class"
        told = f"pixels {_DONE[kind]}; upright: {score}"
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
                for cell, text in enumerate(_numbers(_curve(trial, kind), trial)):
                    self.write(at(k, cell), y, text, SMALL, INK, "right")
            y += LINE
        bands = self._bands(kinds)
        for panels, found, trial in bands:
            whose = "" if len(bands) == 1 else f" ({', '.join(str(i + 1) for i in panels)})"
            words = f"{next(band.n for band in found if band)} random orders{whose}"
            self.write(MARGIN + _SAMPLE + 3, y, shortened(words, SMALL, left - _SAMPLE), SMALL, MUTED)
            for k, band in enumerate(found):
                if band is None or band.auc is None:
                    continue
                low, high = (_area(value, trial) for value in (band.auc_low, band.auc_high))
                self.write(at(k, 0), y, _area(band.auc, trial), SMALL, MUTED, "right")
                self.write(at(k, 2), y, f"95 %: {low} to {high}", SMALL, MUTED, "right")
            y += LINE
        return y

    def _bands(self, kinds: Sequence[str]) -> list[tuple[list[int], list[RandomBand | None], Trial]]:
        """Random orders of these curves, and the panels that share them: those of one question do."""
        found: dict[object, tuple[list[int], list[RandomBand | None], Trial]] = {}
        for i, trial in self.curved:
            bands = [_curve(trial, kind).random for kind in kinds]
            if any(bands):
                key = tuple(band and (band.n, *band.mean) for band in bands)
                found.setdefault(key, ([], bands, trial))[0].append(i)
        return list(found.values())

    def _sample(self, x: float, y: float, i: int) -> None:
        axes = self.axes(x, y, _SAMPLE, LINE - 2)
        axes.set_axis_off()
        axes.set(xlim=(-1, 1), ylim=(-1, 1))
        axes.plot([-1, 1], [0, 0], color=_colour(i), linewidth=1.3)
        axes.plot([0], [0], _MARKERS[i % len(_MARKERS)], color=_colour(i), markersize=3.5)


def _said(name: str, trial: Trial, several: bool) -> tuple[str, ...]:
    if trial.error:
        return f"{name}: {trial.error.message}", *trial.notes
    number = f"{name.split()[0]}  " if several and trial.sentence else ""
    return number + trial.sentence, *trial.notes


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


def _area(value: float | None, trial: Trial) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if trial.output == "probability" and value >= 0.01 else number(value)


def _numbers(curve: TrialCurve, trial: Trial) -> tuple[str, str, str]:
    """Area, ratio to the random orders, how many of them are beaten; "–" what is not defined."""
    area = _area(curve.auc if len(trial.at) == trial.points else None, trial)
    ratio = "–" if curve.ratio is None else number(curve.ratio, 2)
    if curve.beaten is None or curve.random is None:
        return area, ratio, "–"
    return area, ratio, f"{curve.beaten * curve.random.n:g} of {curve.random.n}"


def _colour(i: int) -> str:
    return "#{:02x}{:02x}{:02x}".format(*categorical(i + 1)[i])
