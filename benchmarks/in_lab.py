"""What a reader waits for, and what piles up: measured in JupyterLab, with its kernel."""

import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser

from tests.browser.explorer import Explorer
from tests.browser.lab import SETUP, Notebook, Server, open_page
from tests.browser.measure import COUNT_CONTEXTS, REGISTER, blank, counts, heap, saved_states

from .budgets import Measure

SHOW = "explorer = SaliencyExplorer(model, scenes.images, labels=digits)\ndisplay(explorer)"
MANY, RUNS, TURNS = 40, 50, 5
CHUNK_SECONDS = 0.2
CROWD = f"""
explorers = [SaliencyExplorer(model, scenes.images, labels=digits, index=i % 6) for i in range({MANY})]
for each in explorers:
    display(each)
"""
LINGER = 7
"""Seconds until an explorer that nobody shows is let go: 2 in the page, 3 in the kernel, and some more."""

FIRST_PAINT = """async source => {
    const { content } = jupyterapp.shell.currentWidget;
    content.activeCellIndex = 1;
    content.activeCell.model.sharedModel.setSource(source);
    const { node } = content.activeCell;
    const begun = performance.now();
    let opened = null;
    const painted = new Promise(resolve => {
        const look = () => {
            if (opened === null && node.querySelector('.jp-OutputArea-output')) opened = performance.now();
            if (!node.querySelector('[data-testid=explorer][data-stage]')) return;
            observer.disconnect();
            requestAnimationFrame(() => resolve(performance.now()));  // it was drawn in the frame before
        };
        const observer = new MutationObserver(look);
        observer.observe(node, { subtree: true, childList: true, attributeFilter: ['data-stage'] });
    });
    await jupyterapp.commands.execute('notebook:run-cell');
    const end = await painted;
    return [end - opened, end - begun];
}"""
FORGET_BUNDLE = "globalThis.saliscope1 = undefined"

CANCEL = """root => new Promise(resolve => {
    const status = root.querySelector('[data-testid=status]');
    const begun = performance.now();
    const observer = new MutationObserver(() => {
        if (status.dataset.phase !== 'cancelled') return;
        observer.disconnect();
        resolve(performance.now() - begun);
    });
    observer.observe(status, { attributeFilter: ['data-phase'] });
    root.querySelector('[data-testid=cancel]').click();
})"""
HOVER = """async root => {
    const view = root.querySelector('[data-testid=panel-map] .view');
    const box = view.getBoundingClientRect();
    const begun = performance.now();
    for (let i = 0; i < 10000; i++) {
        const clientX = box.left + (i * 7919) % Math.floor(box.width);
        const clientY = box.top + (i * 104729) % Math.floor(box.height);
        view.dispatchEvent(new PointerEvent('pointermove', { bubbles: true, clientX, clientY }));
        if (i % 500 === 0) await new Promise(requestAnimationFrame);
    }
    return performance.now() - begun;
}"""
DRAG = """async root => {
    const input = root.querySelector('[data-testid=opacity]');
    for (let i = 0; i < 10000; i++) {
        input.value = i % 1000;
        input.dispatchEvent(new Event('input', { bubbles: true }));
        if (i % 500 === 0) await new Promise(requestAnimationFrame);
    }
}"""
LET_GO = """root => {
    root.querySelector('[data-testid=opacity]').dispatchEvent(new Event('change', { bubbles: true }));
}"""
OPENED = """() => new Promise(resolve => {
    const look = () => document.querySelector('[data-testid=explorer][data-stage=final]')
        ? resolve(performance.now()) : requestAnimationFrame(look);
    look();
})"""
"""Milliseconds from the beginning of the navigation."""


@contextmanager
def opened(browser: Browser, *cells: str, script: str | None = None) -> Iterator[Notebook]:
    """A notebook in a JupyterLab of its own; the first cell has run."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home, Server(Path(home)) as server:
        watch = open_page(browser)
        if script is not None:
            watch.page.add_init_script(script)
        notebook = Notebook.write(watch, server, "bench.ipynb", [SETUP, *cells])
        notebook.open()
        notebook.run_cell(0)
        yield notebook
        watch.page.context.close()


def measures(browser: Browser) -> Iterator[Measure]:
    """First paint, cancel, and what is sent while nobody lets go."""
    with opened(browser, SHOW, "") as notebook:
        yield from _first_paint(notebook)
        yield from _messages(notebook)
        yield from _cancel(notebook)


def _first_paint(notebook: Notebook) -> Iterator[Measure]:
    cold, warm = [], []
    for bundle, times in ((False, cold), (True, warm)):
        for _ in range(TURNS):
            notebook.run_cell(1, "")
            if not bundle:
                notebook.page.evaluate(FORGET_BUNDLE)
            times.append(notebook.page.evaluate(FIRST_PAINT, SHOW))
            Explorer(notebook).drawn()
    for times, what in ((cold, "the first of its page"), (warm, "a further one")):
        paint, run = ([pair[i] for pair in times] for i in (0, 1))
        note = (
            f"{min(paint):.0f} to {max(paint):.0f} ms; from running the cell {statistics.median(run):.0f} ms"
        )
        yield Measure(
            f"first paint after the widget opens, {what}", statistics.median(paint), "ms", 300, note
        )


def _messages(notebook: Notebook) -> Iterator[Measure]:
    notebook.run_cell(1, SHOW)
    explorer, watch = Explorer(notebook), notebook.watch
    explorer.drawn()
    notebook.page.wait_for_timeout(1000 * LINGER)  # the last words of explorers that were shown before
    watch.clear()
    took = explorer.root.evaluate(HOVER)
    explorer.frame()
    note = f"{took / 10000:.2f} ms each, in the page"
    yield Measure("messages for 10 000 hovers", _widgets_say(watch.sent), "", 0, note)
    watch.clear()
    explorer.root.evaluate(DRAG)
    explorer.frame()
    yield Measure("messages for 10 000 moves of opacity, before release", _widgets_say(watch.sent), "", 0)
    explorer.root.evaluate(LET_GO)
    explorer.until(lambda: watch.updates, "the value is sent")
    explorer.frame()
    yield Measure("messages on release", _widgets_say(watch.sent), "", 1)


def _widgets_say(sent: Sequence[dict]) -> int:
    return sum(message["type"] == "comm_msg" for message in sent)


def _cancel(notebook: Notebook) -> Iterator[Measure]:
    notebook.run_cell(
        1,
        "moody = Moody()\nexplorer = SaliencyExplorer(moody, scenes.images, chunk_size=1)\n"
        "explorer.wait()\ndisplay(explorer)",
    )
    explorer = Explorer(notebook)
    explorer.drawn()
    notebook.execute(f"moody.seconds = {CHUNK_SECONDS}")
    times = []
    for turn in range(TURNS):
        explorer.set(n_steps=50 + turn)  # nothing that is remembered
        explorer.phase("running")
        explorer.page.wait_for_timeout(1000 * CHUNK_SECONDS * (2 + turn / TURNS))
        times.append(explorer.root.evaluate(CANCEL))
    slowest = max(times) - 1000 * CHUNK_SECONDS
    note = f"clicks took {', '.join(f'{took:.0f}' for took in times)} ms; a chunk takes {CHUNK_SECONDS:g} s"
    yield Measure("cancel shown after the click, less one chunk, slowest", slowest, "ms", 150, note)


def many(browser: Browser) -> Iterator[Measure]:
    """Forty explorers on one page."""
    with opened(browser, CROWD, script=COUNT_CONTEXTS) as notebook:
        page, watch = notebook.page, notebook.watch
        before = heap(page)
        watch.clear()
        begun = time.perf_counter()
        notebook.run_cell(1)
        final = "[data-testid=explorer][data-stage=final]"
        page.wait_for_function(f"() => document.querySelectorAll('{final}').length === {MANY}")
        took = time.perf_counter() - begun
        contexts = page.evaluate("window.contexts")
        yield Measure(f"{MANY} explorers: blank pictures", sum(blank(page)), "", 0, f"of {len(blank(page))}")
        yield Measure(f"{MANY} explorers: WebGL contexts", sum(name != "2d" for name in contexts), "", 1)
        yield Measure(f"{MANY} explorers: the front end travels", watch.requests.count("code"), "times", 1)
        yield Measure(
            f"{MANY} explorers: until all are finished", took, "s", note=f"{took / MANY:.2f} s each"
        )
        grown = (heap(page) - before) / 1e6
        yield Measure(
            f"{MANY} explorers: memory of the page", grown, "MB", note=f"{grown / MANY:.2f} MB each"
        )
        sizes = saved_states(notebook)
        yield Measure("saved state of a widget, largest", max(sizes) / 1000, "kB", 4)


def again(browser: Browser) -> Iterator[Measure]:
    """A cell that is run fifty times."""
    with opened(browser, "", "") as notebook:
        notebook.execute(REGISTER)
        source = "display(SaliencyExplorer(model, scenes.images, labels=digits))"
        sizes = {}
        for run in range(1, 1 + RUNS):
            notebook.run_cell(1, source)
            Explorer(notebook).drawn()
            if run in (RUNS // 5, RUNS):
                notebook.page.wait_for_timeout(1000 * LINGER)
                sizes[run] = (counts(notebook), heap(notebook.page))
        (first, begun), (last, ended) = sizes.values()
        what = f"{RUNS} runs of a cell: "
        for name in first:
            yield Measure(
                f"{what}{name} more than after {RUNS // 5}", last[name] - first[name], "", 0, f"{last[name]}"
            )
        grown = (ended - begun) / (RUNS - RUNS // 5) / 1000
        note = f"{begun / 1e6:.1f} MB, then {ended / 1e6:.1f} MB; JupyterLab keeps about 50 kB of any run"
        yield Measure(f"{what}memory of the page, a run", grown, "kB", 100, note)


def export(browser: Browser) -> Iterator[Measure]:
    """The explorer as a file."""
    with opened(browser, "", "") as notebook:
        file = notebook.server.root.resolve() / "explorer.html"
        wide = "torch.nn.functional.interpolate(torch.tensor(scenes.inputs()[:1]), size=(224, 224))"
        notebook.run_cell(1, f"explorer = SaliencyExplorer(model, {wide}, labels=digits)\nexplorer.wait()")
        begun = time.perf_counter()
        notebook.execute(f"explorer.to_html({str(file)!r})")
        wrote = time.perf_counter() - begun
        yield Measure(
            "exported page, 224 x 224, 32 steps",
            file.stat().st_size / 1e6,
            "MB",
            4,
            f"written in {wrote:.1f} s",
        )
        times = []
        for _ in range(TURNS):
            watch = open_page(browser)
            watch.page.goto(file.as_uri(), wait_until="commit")
            times.append(watch.page.evaluate(OPENED))
            watch.page.context.close()
        note = f"{min(times):.0f} to {max(times):.0f} ms"
        yield Measure("exported page, until its picture is drawn", statistics.median(times), "ms", 1000, note)
