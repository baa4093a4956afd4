"""Whom the explorer shuts out: axe-core, 200 % zoom and narrow cells, on the demo page."""

import pytest
from playwright.sync_api import expect

from . import axe
from .demo import traits
from .looks import COLLISIONS, OVERFLOW

REGION = {"rect": [40, 30, 120, 60]}
PANELS = [{"method": "grad_cam"}, {"baseline": {"kind": "white"}}]


@pytest.fixture
def watch():
    """There is no notebook here to be watched."""


def press(*testids):
    def act(page):
        for testid in testids:
            page.get_by_test_id(testid).first.click()

    return act


STATES = {
    "as it starts": ({}, None),
    "at work": ({"state": "running", "stage": "partial"}, None),
    "three panels": ({"traits": traits(compare=PANELS, panel=1)}, None),
    "a region and a tool": ({"traits": traits(region=REGION)}, press("tool-brush")),
    "a list of classes": ({"labels": "hostile"}, press("target")),
    "the menu of exports": ({}, press("export")),
    "the menu of panels": ({}, press("compare")),
    "help": ({}, press("help")),
    "a card": ({}, press("card")),
    "code to copy": ({}, press("export", "copy-code")),
    "an error": ({"state": "error", "stage": "preview"}, None),
    "without a kernel": ({"offline": ""}, None),
    "guided, at the start": ({"traits": traits(mode="guided")}, press("brush")),
    "guided, baselines": (
        {"traits": traits(mode="guided", region=REGION)},
        press("next", "next", "next", "baseline-white"),
    ),
    "guided, at the end": (
        {"traits": traits(mode="guided", region=REGION)},
        press("next", "next", "next", "next", "propose"),
    ),
}


@pytest.mark.parametrize("name", STATES)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_grave(demo, theme, name):
    query, act = STATES[name]
    page = demo.open(theme=theme, **query)
    if act:
        act(page)
    assert axe.violations(page) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_grave_in_a_theme_by_name(demo, theme):
    other = {"light": "dark", "dark": "light"}[theme]
    page = demo.open(theme=other, traits=traits(theme=theme))
    assert axe.violations(page) == []


def test_axe_would_find_it(demo):
    page = demo.open()
    page.evaluate("() => document.querySelector('[data-testid=help]').removeAttribute('aria-label')")
    page.evaluate("() => document.querySelector('[data-testid=help]').removeAttribute('title')")
    page.add_style_tag(content=".saliscope .summary { color: #ccc }")
    assert {line.split()[0] for line in axe.violations(page)} == {"button-name", "color-contrast"}


@pytest.mark.parametrize("width", [620, 480, 320])  # 620 is 1240 at 200 %, 320 is 1280 at 400 %
@pytest.mark.parametrize("name", ["as it starts", "three panels", "guided, baselines", "guided, at the end"])
def test_nothing_is_lost_where_there_is_little_room(demo, name, width):
    query, act = STATES[name]
    page = demo.open(window=(width, 500), **query)
    if act:
        act(page)
    root = page.get_by_test_id("explorer")
    page.evaluate("new Promise(requestAnimationFrame)")
    assert root.evaluate(OVERFLOW) == []
    assert root.evaluate(COLLISIONS) == []
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    page.get_by_test_id("help").click()
    box = page.get_by_test_id("help-box")
    expect(page.get_by_test_id("close")).to_be_in_viewport()
    assert box.evaluate(OVERFLOW) == []
    box.locator("kbd").last.scroll_into_view_if_needed()
    expect(box.locator("kbd").last).to_be_in_viewport()
