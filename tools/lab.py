"""JupyterLab, open on a lesson that has already run: `python tools/lab.py [options of jupyter lab]`.

JupyterLab has no setting that runs a notebook when it is opened. What it does well is to come back to a
running kernel, as after a reload of the page. So the server starts the kernel of the lesson, runs the cells
in it and saves their outputs; only then does it listen and open the browser. The page finds the session by
the path of the notebook, takes the widgets from the kernel, and they are alive.

The lesson is a copy in `playground/`, so that outputs and edits never reach the committed notebook. Cells
tagged `skip-execution` are left to the reader: what goes to the network must not delay the first picture.
"""

import shutil
import sys
from pathlib import Path
from typing import Any

import nbformat
from jupyter_core.utils import ensure_async
from jupyter_server.serverapp import ServerApp
from jupyterlab.labapp import LabApp
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
LESSON = ROOT / "notebooks" / "01_quickstart.ipynb"
PLAYGROUND = ROOT / "playground"
CELL_TIMEOUT = 120  # seconds; then the cell is interrupted and the page opens all the same


class LessonServer(ServerApp):
    """A Jupyter server that lets nobody in before the lesson has run.

    A page that came earlier would keep the notebook without its outputs.
    """

    lesson: Path

    def init_httpserver(self) -> None:
        """Run the lesson, then begin to listen."""
        self.io_loop.run_sync(self.run_lesson)
        super().init_httpserver()

    async def run_lesson(self) -> None:
        """Run the cells in a session that the page will find by the path, and save the outputs."""
        notebook: Any = nbformat.read(self.lesson, as_version=4)
        path = self.lesson.relative_to(ROOT).as_posix()
        session: Any = await self.session_manager.create_session(
            path=path, name=self.lesson.name, type="notebook", kernel_name="python3"
        )

        def report(cell: Any, cell_index: int) -> None:
            self.log.info(f"{path}: cell {cell_index + 1} of {len(notebook.cells)}")

        client = NotebookClient(
            notebook,
            km=self.kernel_manager.get_kernel(session["kernel"]["id"]),
            allow_errors=True,  # a traceback in its cell says more than a page that does not open
            interrupt_on_timeout=True,
            timeout=CELL_TIMEOUT,
            on_cell_execute=report,
            record_timing=False,
            store_widget_state=False,  # it stays in the kernel, which goes on living
        )
        await client.async_execute()
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.metadata.trusted = True  # run here and now: signed, so that the page shows its widgets
        await ensure_async(self.contents_manager.save({"type": "notebook", "content": notebook}, path))


def copy_of(lesson: Path) -> Path:
    """Return the copy to work on: the reader's own while the lesson has not changed since."""
    copy = PLAYGROUND / lesson.name
    if copy.exists() and copy.stat().st_mtime >= lesson.stat().st_mtime:
        return copy
    PLAYGROUND.mkdir(exist_ok=True)
    if copy.exists():
        copy.replace(copy.with_stem(f"{copy.stem}_{int(copy.stat().st_mtime)}"))
    return Path(shutil.copyfile(lesson, copy))


def main(arguments: list[str]) -> None:
    """Start the server on the lesson; it ends with the server."""
    LessonServer.lesson = copy_of(LESSON)
    address = LessonServer.lesson.relative_to(ROOT).as_posix()
    settings = [f"--ServerApp.root_dir={ROOT}", f"--LabApp.default_url=/lab/tree/{address}"]
    LabApp.serverapp_class = LessonServer
    LabApp.launch_instance([*settings, *arguments])


if __name__ == "__main__":
    main(sys.argv[1:])
