"""A strict page: no `eval`, no WebGL, no network beyond this machine."""

import pytest
from playwright.sync_api import Browser, expect

from .lab import SETUP, Notebook, Server, open_page
from .watch import FLAGS

SCRIPTS = "script-src 'self' 'unsafe-inline' blob:"
"""What is left to scripts. anywidget imports a widget's code from a blob URL; there is no `unsafe-eval`."""

FROM_THE_SERVER = "; ".join(
    (
        "default-src 'self'",
        f"{SCRIPTS} 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
    )
)
"""JupyterLab 4 compiles the schemas of its settings, and does not start without `unsafe-eval`. So the page
begins with it, and gives it up before the first widget; a policy can only become stricter."""

TIGHTEN = """policy => {
    window.violations = [];
    document.addEventListener('securitypolicyviolation', event => {
        window.violations.push(`${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}`);
    });
    const meta = document.createElement('meta');
    meta.httpEquiv = 'Content-Security-Policy';
    meta.content = policy;
    document.head.append(meta);
}"""
TRY_EVAL = """() => new Promise(resolve => setTimeout(() => {  // by then the debugger's own licence has ended
    try { resolve(new Function('return true')()); }
    catch { resolve(false); }
}))"""
WEBGL = "() => ['webgl', 'webgl2'].some(kind => document.createElement('canvas').getContext(kind))"
NO_WEBGL = ["--disable-webgl", "--disable-webgl2", "--disable-3d-apis"]
NO_NETWORK = ["--proxy-server=http://127.0.0.1:9", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]


@pytest.fixture(scope="module")
def bare(browser: Browser, chromium: str):
    """A browser without WebGL for which nothing exists but this machine."""
    bare = browser.browser_type.launch(executable_path=chromium, args=[*FLAGS, *NO_WEBGL, *NO_NETWORK])
    yield bare
    bare.close()


@pytest.fixture(scope="module")
def strict(bare, tmp_path_factory):
    settings = f'{{"headers": {{"Content-Security-Policy": "{FROM_THE_SERVER}"}}}}'
    options = [f"--ServerApp.tornado_settings={settings}"]
    with Server(tmp_path_factory.mktemp("strict"), options=options) as server:
        notebook = Notebook.write(open_page(bare), server, "strict.ipynb", [SETUP, ""])
        notebook.open()
        notebook.run_cell(0)
        notebook.page.evaluate(TIGHTEN, SCRIPTS)
        yield notebook


@pytest.fixture
def notebook(strict):
    return strict


def test_the_page_is_as_strict_as_it_says(notebook, watch):
    page = notebook.page
    assert page.evaluate(TRY_EVAL) is False
    assert page.evaluate(WEBGL) is False
    elsewhere = "fetch('http://192.0.2.1/').then(() => 'there', () => 'nowhere')"
    assert page.evaluate(elsewhere) == "nowhere"
    page.wait_for_function("() => window.violations.length >= 2")
    page.evaluate("window.violations.length = 0")
    watch.forgive("Content Security Policy")
    watch.addresses[:] = [address for address in watch.addresses if "192.0.2.1" not in address]


def test_the_explorer_works_there(notebook, explorer):
    with explorer.held("alpha") as move:
        move(0.5)
    explorer.becomes("alpha", pytest.approx(0.5, abs=0.006))
    explorer.is_true(alpha=explorer.get("alpha"))
    explorer.set(alpha=1.0)
    explorer.choose("method", "smooth_grad")
    explorer.is_true()
    explorer.set(colormap="green_violet")
    explorer.is_true(colormap="green_violet")
    explorer.set(compare=[{"target": 3}, {"difference": [0, 1]}], smoothing=1.5, overlay="contour")
    for panel in ("panel-map-1", "panel-map-2"):
        expect(explorer.part(panel)).to_have_attribute("data-stage", "final")
    explorer.root.focus()
    explorer.page.keyboard.press("?")
    expect(explorer.root.get_by_role("dialog")).to_be_visible()
    explorer.page.keyboard.press("Escape")
    assert notebook.page.evaluate("window.violations") == []
