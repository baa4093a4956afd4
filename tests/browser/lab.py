"""JupyterLab as a reader meets it: a server of our own, a notebook in a page, its kernel."""

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
from playwright.sync_api import Browser, Locator

import saliscope

from .watch import Watch

PATIENCE = 30_000  # milliseconds for anything in a page, on a machine that does something else beside

OPTIONS = (
    "--no-browser",
    "--ip=127.0.0.1",
    "--IdentityProvider.token=",
    "--PasswordIdentityProvider.password_required=False",
    "--expose-app-in-browser",
    "--LabApp.news_url=",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    *(["--allow-root"] if hasattr(os, "getuid") and os.getuid() == 0 else []),
)
FOLDERS = {
    "JUPYTER_CONFIG_DIR": "config",
    "JUPYTER_DATA_DIR": "data",
    "JUPYTER_RUNTIME_DIR": "runtime",
    "JUPYTERLAB_SETTINGS_DIR": "settings",
    "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
    "IPYTHONDIR": "ipython",
}

SETUP = '''\
import time

import torch
import saliscope as sp
from saliscope import SaliencyExplorer
from IPython.display import display

model = sp.demo.cnn()
scenes = sp.demo.scenes(6, seed=1)
digits = [f"digit {i}" for i in range(10)]


class Moody(torch.nn.Module):
    """The same model, slow or out of order on request."""

    seconds, words = 0.0, None

    def __init__(self):
        super().__init__()
        self.inner = model

    def forward(self, x):
        time.sleep(self.seconds)
        if self.words:
            raise ValueError(self.words)
        return self.inner(x)
'''
"""First cell of a notebook: a model and pictures."""


def environment(home: Path) -> dict[str, str]:
    """Keep Jupyter's files in `home`, and its kernels on this package, one core and no network."""
    settings = home / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text('{"fetchNews": "false"}')  # else a question covers the page
    source = str(Path(saliscope.__file__).parents[1])
    return {
        **os.environ,
        **{variable: str(home / folder) for variable, folder in FOLDERS.items()},
        "PYTHONPATH": os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH")])),
        "OMP_NUM_THREADS": "1",
        "SALISCOPE_OFFLINE": "1",
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def open_page(browser: Browser, **options: Any) -> Watch:
    """Open a page that shares nothing with the others."""
    context = browser.new_context(viewport={"width": 1440, "height": 1100}, **options)
    context.set_default_timeout(PATIENCE)
    return Watch(context.new_page())


class Server:
    """A Jupyter server with its files in `home`, started by `command`."""

    def __init__(
        self,
        home: Path,
        command: Sequence[str] = (sys.executable, "-m", "jupyterlab"),
        options: Sequence[str] = (),
    ) -> None:
        self.root = home / "root"
        self.root.mkdir()
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        self._log = home / "server.log"
        self._process = subprocess.Popen(
            [*command, *OPTIONS, *options, f"--ServerApp.port={port}", "--ServerApp.port_retries=0"],
            cwd=self.root,
            env=environment(home),
            stdin=subprocess.DEVNULL,
            stdout=self._log.open("w"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def __enter__(self) -> "Server":
        try:
            self.wait()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait(self, seconds: float = 60) -> None:
        """Wait until it answers; a cold disk needs its time."""
        until = time.monotonic() + seconds
        while True:
            try:
                with urlopen(f"{self.url}/api/status", timeout=5):
                    return
            except URLError:
                if self._process.poll() is not None or time.monotonic() > until:
                    raise AssertionError(f"no server at {self.url}:\n{self._log.read_text()}") from None
                time.sleep(0.1)

    def stop(self) -> None:
        """Ask the server to go, as a terminal does; it takes its kernels with it."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


class Notebook:
    """A notebook in a page; cells are numbered by their place."""

    def __init__(self, watch: Watch, server: Server, path: str) -> None:
        self.watch, self.page, self.server, self.path = watch, watch.page, server, path

    @classmethod
    def write(cls, watch: Watch, server: Server, path: str, cells: Sequence[str]) -> "Notebook":
        """Make a file of code cells; see `open`."""
        kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata={"kernelspec": kernelspec}
        )
        nbformat.write(notebook, server.root / path)
        return cls(watch, server, path)

    def open(self) -> None:
        """Go there, in a workspace of its own: else a reload brings the notebooks of other pages as well."""
        workspace = Path(self.path).stem
        self.page.goto(f"{self.server.url}/lab/workspaces/{workspace}/tree/{self.path}")
        self.ready()

    def ready(self) -> None:
        """Wait until the kernel answers; a cell that is run before that opens a dialog."""
        self.page.wait_for_function(
            """path => {
                const panel = window.jupyterapp?.shell.currentWidget;
                const session = panel?.sessionContext;
                return panel?.context?.path === path && session?.isReady && panel.context.isReady
                    && session.session?.kernel?.status === 'idle';
            }""",
            arg=self.path,
            timeout=2 * PATIENCE,
        )

    def command(self, name: str, **arguments: Any) -> None:
        """Execute a command of JupyterLab, as its menus do."""
        self.page.evaluate("([name, args]) => jupyterapp.commands.execute(name, args)", [name, arguments])

    def save(self) -> None:
        self.command("docmanager:save")

    def shut_down(self) -> None:
        """End the kernel."""
        self.command("kernelmenu:shutdown")
        self.page.wait_for_function("() => !jupyterapp.shell.currentWidget.sessionContext.session?.kernel")

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
        for output in self.outputs()[index]:
            assert output["output_type"] != "error", "\n".join(output["traceback"])

    def outputs(self) -> list[list[dict[str, Any]]]:
        """The outputs of each cell, as the notebook keeps them."""
        return self.page.evaluate(
            """() => jupyterapp.shell.currentWidget.content.widgets.map(
                ({ model }) => model.outputs?.toJSON() ?? [])"""
        )

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
        assert done["error"] is None, f"{code}\n{done['error']}"
        return done["text"]

    def value(self, expression: str) -> Any:
        """Value of an expression in the kernel, as plain data."""
        return json.loads(self.execute(f"import json\nprint(json.dumps({expression}))"))
