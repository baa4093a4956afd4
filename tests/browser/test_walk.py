"""A walk through every control by Tab, on the demo page: all are reached, named, seen and left again."""

import json

import pytest
from playwright.sync_api import expect

from .demo import traits
from .test_axe import PANELS, REGION

# What a keyboard has to reach: everything that works, one stop for a group in which arrows move.
CONTROLS = """root => {
    const all = root.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex]');
    const seen = one => one.checkVisibility({ visibilityProperty: true }) && !one.closest('[inert]');
    const works = one => !one.matches(':disabled') && one.tabIndex >= 0;
    return [...all].filter(one => seen(one) && works(one)).length;
}"""
# Where the focus is: which control, whether it has a name, and whether anything around it shows the focus.
HERE = """root => {
    const here = document.activeElement;
    if (!root.contains(here) || here === root) return null;
    window.walked ??= new Set();
    walked.add(here);
    const name = here.getAttribute('aria-label') || here.textContent.trim()
        || [...here.labels ?? []].map(label => label.textContent.trim()).join() || here.title;
    const style = getComputedStyle(here);
    const ring = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
    // A slider shows it around its thumb, which no script can see.
    return { name, ring: ring || here.matches('.track'), count: walked.size };
}"""


@pytest.fixture
def watch():
    """There is no notebook here to be watched."""


def walk(page, root, key="Tab"):
    places = []
    while (place := root.evaluate(HERE)) is not None:
        places.append(place)
        assert len(places) < 200, places[-5:]
        page.keyboard.press(key)
    return places


FENCE = """root => {
    const neighbour = () => Object.assign(document.createElement('button'), { textContent: 'the notebook' });
    root.before(neighbour());
    root.after(neighbour());
    root.previousElementSibling.focus();
}"""


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"traits": traits(compare=PANELS, panel=2, region=REGION, alpha=0.5), "images": 3},
        {"traits": traits(mode="guided", region=REGION)},
        {"state": "running", "stage": "partial"},
        {"offline": ""},
    ],
    ids=["alone", "panels", "guided", "running", "offline"],
)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_tab_reaches_every_control_and_leaves_again(demo, theme, query):
    page = demo.open(theme=theme, **query)
    root = page.get_by_test_id("explorer")
    wanted = root.evaluate(CONTROLS)
    root.evaluate(FENCE)
    page.keyboard.press("Tab")
    places = walk(page, root)
    assert places[-1]["count"] == wanted
    assert len(places) == wanted, "once each"
    assert [place for place in places if not place["name"]] == []
    assert [place["name"] for place in places if not place["ring"]] == []
    page.keyboard.press("Shift+Tab")
    back = walk(page, root, "Shift+Tab")
    assert len(back) == root.evaluate(CONTROLS), "whichever panel was the last one passed"


def test_a_box_holds_the_focus_until_it_is_closed(demo):
    page = demo.open()
    root = page.get_by_test_id("explorer")
    page.get_by_test_id("help").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("close")).to_be_focused()
    for key in ("Tab", "Tab", "Tab", "Tab", "Shift+Tab", "Shift+Tab"):
        page.keyboard.press(key)
        assert root.evaluate("root => !!document.activeElement.closest('[role=dialog]')")
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("help")).to_be_focused()


def test_the_guided_tour_by_keyboard_alone(demo):
    page = demo.open(traits=json.dumps({"mode": "guided"}))
    keyboard = page.keyboard
    page.get_by_test_id("brush").focus()
    keyboard.press("Enter")
    page.get_by_test_id("panel-input").get_by_role("group").focus()
    for key in ("ArrowRight", "Enter", "ArrowRight", "Enter"):
        keyboard.press(key)
    expect(page.get_by_test_id("marked")).to_contain_text("covers")
    page.get_by_test_id("next").focus()
    for _ in range(2):
        keyboard.press("Enter")  # the focus goes along with the card; its button is the last one
        keyboard.press("Tab")
        while page.evaluate("() => document.activeElement.dataset.testid") != "next":
            keyboard.press("Tab")
    expect(page.get_by_test_id("revealed")).to_contain_text("times its share")


@pytest.mark.parametrize("key", ["?", "n", "b", "m", "r", "+"])
def test_a_key_of_the_widget_works_from_a_picture(demo, key):
    page = demo.open()
    root = page.get_by_test_id("explorer")
    page.get_by_test_id("panel-map").get_by_role("group").focus()
    before = root.evaluate("root => root.innerHTML")
    page.keyboard.press(key)
    page.wait_for_function(
        "([before]) => document.querySelector('[data-testid=explorer]').innerHTML !== before", arg=[before]
    )
