"""axe-core, injected into a page: what it finds wrong, in a line each."""

from pathlib import Path

from playwright.sync_api import Page

SOURCE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
GRAVE = ("serious", "critical")

_RUN = """async root => {
    const { violations } = await axe.run(root, { resultTypes: ['violations'] });
    return violations.map(({ id, impact, help, nodes }) => ({
        id, impact, help,
        nodes: nodes.map(({ html, any }) => [html.slice(0, 160), ...any.map(a => a.message)].join(' ')),
    }));
}"""


def violations(page: Page, root: str = "[data-testid=explorer]") -> list[str]:
    """What axe calls serious or critical within an element, best practices included."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(SOURCE.read_text(encoding="utf-8"))
    found = page.evaluate(_RUN, root)
    return [
        f"{one['id']} ({one['impact']}): {one['help']}: {node}"
        for one in found
        if one["impact"] in GRAVE
        for node in one["nodes"]
    ]
