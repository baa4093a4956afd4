"""The explorer of maps in a page: its points as the mouse meets them, and as Python says they lie."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from playwright.sync_api import Locator, expect

from .widget import Widget

FILLED = 0.94  # of the shorter side of a map is the side of its square
NEAR = 4  # CSS pixels: a hand that wants one point meets no other

PLACE = """view => {
    const { left, top, width, height } = view.getBoundingClientRect();
    const [x, y] = [view.clientLeft, view.clientTop];
    return [left + x, top + y, width - 2 * x, height - 2 * y];
}"""
SPOKES = """view => {
    const read = selector => [...view.querySelectorAll(selector)].map(element => {
        const { stroke, fill, strokeDasharray } = getComputedStyle(element);
        const at = ['x1', 'y1', 'x2', 'y2', 'cx', 'cy'].map(name => Number(element.getAttribute(name)));
        const { id, kind } = element.dataset;
        return { id: Number(id), kind, at, stroke, fill, dashed: strokeDasharray !== 'none' };
    });
    return [read('line.spoke'), read('circle.false')];
}"""
Point = tuple[float, float]


@dataclass(frozen=True)
class Spokes:
    """What goes out from the point in focus: ids, and how they are drawn."""

    solid: set[int]
    dashed: set[int]
    hollow: set[int]
    colours: set[str]
    fills: set[str]
    ends: dict[int, Point]


class Embedding(Widget):
    """One view of an `EmbeddingExplorer`, by default that called `embedding` in the kernel."""

    name = "embedding"
    testid = "embedding"

    def view(self, map: int = 0) -> Locator:
        return self.part(f"map-view-{map}")

    def canvas(self, map: int = 0) -> Locator:
        return self.view(map).locator("canvas").first

    def pixels(self, map: int = 0) -> np.ndarray:
        """What is on a map, uint8 of shape (height, width, 4): opaque points, nothing between them."""
        return self.rgba(self.canvas(map))

    def changes(self, before: np.ndarray, map: int = 0) -> None:
        """Wait until a map shows something else than `before`."""
        self.until(lambda: not np.array_equal(self.pixels(map), before), f"another picture on map {map}")

    def drawn(self, map: int = 0) -> None:
        """Wait until a judged map is on the canvas, and the kernel has nothing more to do."""
        expect(self.part(f"map-{map}")).to_have_attribute("data-stage", "final")
        self.phase("done")
        expect(self.part("color-by")).to_be_visible()
        expect(self.part("side")).to_be_visible()  # the half of the front end that does not draw

    # Where points lie.

    def codes(self, coordinates: str = "embedding.coordinates") -> np.ndarray:
        """Where Python says that points lie: shares of the map's square, on its grid."""
        at = np.array(self.get(f"{coordinates}.tolist()"))
        return on_grid(at, at)

    def places(self, shares: np.ndarray | None = None, map: int = 0) -> np.ndarray:
        """Places of the points on the page, in CSS pixels from the top left of the map."""
        shares = self.codes(f"embeddings[{map}].coordinates") if shares is None else shares
        _, _, width, height = self.view(map).evaluate(PLACE)
        zoom, *centre = self.get("camera")
        side = FILLED * min(width, height) * zoom
        return np.array([width, height]) / 2 + (shares - centre) * side * [1, -1]

    def alone(self, places: np.ndarray, within: float = NEAR) -> list[int]:
        """Rows that a hand can mean: inside the map, with no other nearby."""
        _, _, width, height = self.view().evaluate(PLACE)
        far = np.linalg.norm(places[:, None] - places, axis=2) + 1e9 * np.eye(len(places))
        seen = ((places > 0) & (places < [width, height])).all(1)
        return np.flatnonzero((far.min(1) > within) & seen).tolist()

    # What a hand does.

    def at(self, spot: Sequence[float], map: int = 0) -> Point:
        """A place of a map as a place of the page."""
        left, top, _, _ = self.view(map).evaluate(PLACE)
        return left + spot[0], top + spot[1]

    def come(self, map: int = 0) -> None:
        """Bring a map on screen."""
        self.view(map).scroll_into_view_if_needed()

    def click(self, row: int, map: int = 0) -> None:
        self.come(map)
        self.page.mouse.click(*self.at(self.places(map=map)[row], map))

    def look(self, row: int, map: int = 0) -> None:
        """Click a point, and wait until everything about it has come."""
        self.click(row, map)
        self.becomes("point", row)
        expect(self.part("row-id")).to_have_text(str(row))
        expect(self.part("neighbour-words")).to_be_visible()

    def lasso(self, shares: Sequence[Point], map: int = 0) -> np.ndarray:
        """Draw around a polygon with these corners, as shares of the map; its corners as they were met."""
        self.part("tool-lasso").click()
        self.come(map)
        left, top, width, height = self.view(map).evaluate(PLACE)
        # A browser tells a mouse's place in whole pixels of the page.
        corners = np.rint(np.array(shares) * [width, height] + [left, top])
        self.page.mouse.move(*corners[0])
        self.page.mouse.down()
        for corner in corners[1:]:
            self.page.mouse.move(*corner)
        self.page.mouse.up()
        self.part("tool-look").click()
        return corners - [left, top]

    # What is drawn over the points.

    def spokes(self, map: int = 0) -> Spokes:
        lines, rings = self.view(map).evaluate(SPOKES)
        return Spokes(
            solid={line["id"] for line in lines if not line["dashed"]},
            dashed={line["id"] for line in lines if line["dashed"]},
            hollow={ring["id"] for ring in rings},
            colours={ring["stroke"] for ring in rings},
            fills={ring["fill"] for ring in rings},
            ends={line["id"]: tuple(line["at"][2:4]) for line in lines},
        )

    def focus(self, map: int = 0) -> Point:
        """Where the ring around the point in focus is."""
        ring = self.view(map).locator("circle.ring[data-kind=focus]")
        return float(ring.get_attribute("cx") or "nan"), float(ring.get_attribute("cy") or "nan")


def on_grid(coordinates: np.ndarray, *among: np.ndarray) -> np.ndarray:
    """Coordinates as shares of the square around `among`, in steps of the grid that the page is told of."""
    low = np.min([each.min(0) for each in among], 0)
    high = np.max([each.max(0) for each in among], 0)
    side = (high - low).max()
    return np.rint((coordinates - (low + high - side) / 2) / side * 65535) / 65535


def under(pixels: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The pixel under each place, where a pixel of the screen is one of the page."""
    x, y = places.astype(int).T
    return pixels[y, x]


def inside(corners: np.ndarray, places: np.ndarray) -> list[int]:
    """Places inside a polygon that does not cross itself: a ray to the right meets its border an odd time."""
    x, y = places.T[:, :, None]
    (x0, y0), (x1, y1) = corners.T, np.roll(corners, -1, 0).T
    with np.errstate(divide="ignore", invalid="ignore"):
        meets = ((y0 <= y) != (y1 <= y)) & (x < x0 + (y - y0) / (y1 - y0) * (x1 - x0))
    return np.flatnonzero(meets.sum(1) % 2).tolist()
