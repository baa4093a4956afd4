"""JupyterLab as a reader meets it: a server of our own, a page in Chromium, a notebook, its kernel."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import nbformat
from playwright.sync_api import Locator, Page

import saliscope

START = 60  # seconds for a server; a cold disk needs many of them
PATIENCE = 30_000  # milliseconds for anything in the page, on a machine that does something else beside

QUIET = (
    "--no-browser",
    "--ip=127.0.0.1",
    "--IdentityProvider.token=",
    "--PasswordIdentityProvider.password_required=False",
    "--expose-app-in-browser",
    "--LabApp.news_url=",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    *(["--allow-root"] if hasattr(os, "getuid") and os.getuid() == 0 else []),
)
NEVER_ASK = {
    "apputils-extension/notification.jupyterlab-settings": {"fetchNews": "false"},
    # What a person types in a cell of a test is typed as it is.
    "completer-extension/manager.jupyterlab-settings": {"autoCompletion": False},
}


def environment(home: Path) -> dict[str, str]:
    """Variables that keep Jupyter's files in `home` and its kernels on this package, one core and no network."""
    folders = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "IPYTHONDIR": "ipython",
    }
    for name, content in NEVER_ASK.items():
        file = home / "settings" / "@jupyterlab" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content))
    source = str(Path(saliscope.__file__).parents[1])
    return {
        **os.environ,
        **{variable: str(home / folder) for variable, folder in folders.items()},
        "PYTHONPATH": os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH")])),
        "OMP_NUM_THREADS": "1",
        "SALISCOPE_OFFLINE": "1",
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A Jupyter server with its files in `home`, started by `command`."""

    def __init__(self, home: Path, command: Sequence[str] = (sys.executable, "-m", "jupyterlab")) -> None:
        self.root = home / "root"
        self.root.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.log = home / "server.log"
        self._process = subprocess.Popen(
            [*command, *QUIET, f"--ServerApp.port={self.port}", "--ServerApp.port_retries=0"],
            cwd=self.root,
            env=environment(home),
            stdin=subprocess.DEVNULL,
            stdout=self.log.open("w"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def wait(self, seconds: float = START) -> None:
        until = time.monotonic() + seconds
        while True:
            try:
                with urlopen(f"{self.url}/api/status", timeout=5):
                    return
            except URLError:
                if self._process.poll() is not None or time.monotonic() > until:
                    raise AssertionError(f"no server at {self.url}:\n{self.log.read_text()}") from None
                time.sleep(0.1)

    def stop(self) -> None:
        """Ask the server to go, as a terminal does; it takes its kernels with it."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()


class Notebook:
    """A notebook in a page, its cells numbered by their place."""

    def __init__(self, page: Page, server: Server, path: str) -> None:
        self.page, self.server, self.path = page, server, path

    @classmethod
    def write(cls, page: Page, server: Server, name: str, cells: Sequence[str]) -> "Notebook":
        """Make a notebook of code cells; see `open`."""
        kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata={"kernelspec": kernelspec}
        )
        nbformat.write(notebook, server.root / name)
        return cls(page, server, name)

    def open(self) -> None:
        self.page.goto(f"{self.server.url}/lab/tree/{self.path}?reset")
        self.ready()

    def ready(self) -> None:
        """Wait until the kernel answers; running cells before that opens a dialog."""
        self.page.wait_for_function(
            """path => {
                const panel = window.jupyterapp?.shell.currentWidget;
                const session = panel?.sessionContext;
                return panel?.context?.path === path && session?.isReady && panel.context.isReady
                    && session.session?.kernel?.status === 'idle';
            }""",
            arg=self.path,
            timeout=PATIENCE * 2,
        )

    def command(self, name: str, **arguments: Any) -> None:
        self.page.evaluate("([name, args]) => jupyterapp.commands.execute(name, args)", [name, arguments])

    def save(self) -> None:
        self.command("docmanager:save")

    def run_all(self) -> None:
        """Run all cells, to the end of the last."""
        self.command("notebook:run-all-cells")

    def cell(self, index: int) -> Locator:
        return self.page.locator(".jp-Notebook .jp-Cell").nth(index)

    def run_cell(self, index: int, source: str | None = None) -> None:
        """Select a cell, replace its source if asked, run it and wait for its end."""
        self.page.evaluate(
            """async ([index, source]) => {
                const { content } = jupyterapp.shell.currentWidget;
                content.activeCellIndex = index;
                content.deselectAll();
                if (source !== null) content.activeCell.model.sharedModel.setSource(source);
                await jupyterapp.commands.execute('notebook:run-cell');
            }""",
            [index, source],
        )
        for output in self.outputs(index):
            if output["output_type"] == "error":
                raise AssertionError("in the cell:\n" + "\n".join(output["traceback"]))

    def outputs(self, index: int) -> list[dict[str, Any]]:
        """The outputs of a cell, as the notebook keeps them."""
        return self.page.evaluate(
            "index => jupyterapp.shell.currentWidget.content.widgets[index].model.outputs?.toJSON() ?? []", index
        )

    def every_output(self) -> list[dict[str, Any]]:
        """The outputs of all cells."""
        count = self.page.evaluate("jupyterapp.shell.currentWidget.content.widgets.length")
        return [output for index in range(count) for output in self.outputs(index)]

    def execute(self, code: str) -> str:
        """Run code in the kernel beside the cells; give back what it printed."""
        done = self.page.evaluate(
            """async code => {
                const { kernel } = jupyterapp.shell.currentWidget.sessionContext.session;
                const future = kernel.requestExecute({ code, store_history: false, allow_stdin: false });
                let text = '';
                future.onIOPub = ({ header, content }) => {
                    if (header.msg_type === 'stream') text += content.text;
                };
                const { content } = await future.done;
                return { text, error: content.status === 'error' ? content.traceback.join('\\n') : null };
            }""",
            code,
        )
        if done["error"]:
            raise AssertionError(f"in the kernel:\n{code}\n{done['error']}\n{done['text']}")
        return done["text"]

    def value(self, expression: str) -> Any:
        """Value of an expression in the kernel, as plain data."""
        return json.loads(self.execute(f"import json\nprint(json.dumps({expression}))"))

    def becomes(self, expression: str, expected: Any) -> None:
        """Wait until an expression in the kernel is equal to `expected`: what a page writes takes its way."""
        until = time.monotonic() + PATIENCE / 1000
        while (value := self.value(expression)) != expected:
            assert time.monotonic() < until, f"{expression} is {value!r}, not {expected!r}"
