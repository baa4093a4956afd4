"""Finished parts of the planted evidence in a folder, so that nothing is computed twice.

A part is a trained network (safetensors) or what one method got on one network (npz). Its name holds a digest
of everything that it depends on: parts of another configuration lie beside it and are not read. It is written
under another name first, and read whole before it is believed: a file that was cut off is computed anew.
"""

import hashlib
import io
import json
import os
import re
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from torch import nn

from saliscope.audit.engines import Finding
from saliscope.audit.measures import Row
from saliscope.audit.planted_result import Network
from saliscope.core.borrow import Borrowed, as_borrowed
from saliscope.demo import card, cnn, shortcut_cnn
from saliscope.demo.models import from_state
from saliscope.demo.train import RECIPES, Recipe, train, write
from saliscope.errors import InputError
from saliscope.faithfulness.protocol import check_count
from saliscope.records.fingerprint import fingerprint

Model = nn.Module | Borrowed

EPOCHS = 8
"""Of the networks that are trained here; the bundled ones had 14. Held-out digits are then read right in
about 98.8 of 100 scenes by the clean networks, where the bundled one gets 99.1; each takes about two
minutes on one core."""

BUNDLED = {"clean": ("cnn", cnn), "shortcut": ("shortcut_cnn", shortcut_cnn)}
"""Of each role the name of its recipe, and the network of seed 0."""

_ARRAYS = ("values", "blurred", "chance")
"""What is kept of a finding, beside its notes."""


def recipe(role: str, seed: int) -> Recipe:
    """How a network of another seed than 0 is trained: as the bundled one, in `EPOCHS` epochs."""
    return replace(RECIPES[BUNDLED[role][0]], seed=seed, n_epochs=EPOCHS)


class Parts:
    """What is finished.

    Parameters
    ----------
    folder : Path, optional
        Made where it does not exist. None: nothing is kept.

    Raises
    ------
    InputError
        If it is a file, or cannot be made.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        if folder is not None:
            try:
                for name in ("networks", "rows"):
                    (folder / name).mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InputError("out", f"{str(folder)!r} ({error})", "a folder to write to") from None

    def network(
        self, role: str, seed: int, report: Callable[[str], None]
    ) -> tuple[nn.Module, dict[str, Any]]:
        """The network of a role and seed, and its card; it is trained where it is not there.

        Parameters
        ----------
        role : {"clean", "shortcut"}
        seed : int
            0: the bundled one.
        report : callable
            Takes a line of progress.
        """
        name, bundled = BUNDLED[role]
        model, about = (bundled(), card(name)) if seed == 0 else self._trained(role, seed, report)
        # A third faster on a CPU. (The keyword exists; torch's annotations lack it.)
        return model.to(memory_format=torch.channels_last), about  # pyright: ignore[reportCallIssue]

    def _trained(
        self, role: str, seed: int, report: Callable[[str], None]
    ) -> tuple[nn.Module, dict[str, Any]]:
        name, how = BUNDLED[role][0], recipe(role, seed)
        path = self._path("networks", f"{name}-{seed}", asdict(how), "safetensors")
        known = _read_network(path, how)
        if known is not None:
            return known
        report(f"training {name}, seed {seed}: {how.n_epochs} epochs")
        state, about = train(how, report)
        if path is not None:
            kept = {"name": name, **about}
            _whole(path, lambda unfinished: write(unfinished, state, kept))
        return from_state(state), about

    def row(self, about: dict[str, Any] | None, row: Row, n: int) -> Row | None:
        """What a method got before, or None where that is not known.

        Parameters
        ----------
        about : dict, or None
            All that it depends on, as JSON has it. None where that is not known: nothing is kept.
        row : Row
            The method, with nothing measured.
        n : int
            Number of pictures.
        """
        path = self._path("rows", row.name, about, "npz")
        if path is None or not path.exists():
            return None
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}  # all of it: checksums are at the ends
            said = json.loads(str(arrays.pop("about")))
            if said["about"] != json.loads(json.dumps(about)):
                return None
            findings = {
                key: Finding(notes=tuple(notes), **_held(arrays, key))
                for key, notes in said["findings"].items()
            }
        except Exception:  # whatever is wrong with a file, the part is computed anew
            return None
        if any(len(one.values) != n for one in findings.values()):
            return None
        return replace(row, findings=findings, notes=tuple(said["notes"]))

    def keep(self, about: dict[str, Any] | None, row: Row) -> None:
        """Keep what a method got, unless it failed: it is tried again next time."""
        path = self._path("rows", row.name, about, "npz")
        if path is None or row.error:
            return
        arrays = {
            f"{key}.{name}": getattr(finding, name).numpy()
            for key, finding in row.findings.items()
            for name in _ARRAYS
            if getattr(finding, name) is not None
        }
        said = {
            "about": about,
            "findings": {key: finding.notes for key, finding in row.findings.items()},
            "notes": row.notes,
        }
        stream = io.BytesIO()
        np.savez(stream, allow_pickle=False, about=np.array(json.dumps(said)), **arrays)
        _whole(path, lambda unfinished: unfinished.write_bytes(stream.getvalue()))

    def _path(self, kind: str, name: str, about: dict[str, Any] | None, ending: str) -> Path | None:
        if self.folder is None or about is None:
            return None
        digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]
        plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
        return self.folder / kind / f"{plain}-{digest}.{ending}"


class Networks:
    """The networks by role and seed: given, bundled or trained."""

    def __init__(
        self, clean: Any, shortcut: Any, seeds: int, parts: Parts, report: Callable[[str], None] | None
    ) -> None:
        if (clean is None) != (shortcut is None):
            name, other = ("shortcut", "clean") if shortcut is None else ("clean", "shortcut")
            raise InputError(name, f"None beside {other} networks", "both, or neither")
        self.parts, self.say = parts, report or (lambda line: None)
        self.given = None if clean is None else {"clean": _several(clean), "shortcut": _several(shortcut)}
        if self.given is None:
            check_count("seeds", seeds, 1)
            self.seeds = tuple(range(seeds))
        else:
            n, other = len(self.given["clean"]), len(self.given["shortcut"])
            if n != other or not n:
                raise InputError("shortcut", f"{other} networks for {n} clean ones", "as many")
            self.seeds = tuple(range(n))

    def get(self, role: str, seed: int) -> tuple[Model, Network]:
        """The network, and what is known of it."""
        if self.given is not None:
            model = self.given[role][seed]
            name = fingerprint(as_borrowed(model).module)["name"]
            return model, Network(role, seed, name, "given")
        model, card = self.parts.network(role, seed, self.say)
        figures, epochs = card["figures"], card["recipe"]["n_epochs"]
        how = f"bundled, {epochs} epochs" if seed == 0 else f"{epochs} epochs"
        return model, Network(role, seed, BUNDLED[role][0], how, figures)


def _several(models: Any) -> list[Model]:
    several = list(models) if isinstance(models, (list, tuple)) else [models]
    for one in several:
        as_borrowed(one)  # tells what is no model
    return several


def _held(arrays: dict[str, np.ndarray], key: str) -> dict[str, Any]:
    """The arrays of one finding, as it names them."""
    return {name: torch.as_tensor(arrays[f"{key}.{name}"]) for name in _ARRAYS if f"{key}.{name}" in arrays}


def _read_network(path: Path | None, how: Recipe) -> tuple[nn.Module, dict[str, Any]] | None:
    if path is None or not path.exists():
        return None
    try:
        with safe_open(path, "pt") as file:
            about = json.loads(file.metadata()["card"])
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        return (from_state(state), about) if about["recipe"] == asdict(how) else None
    except Exception:  # as above
        return None


def _whole(path: Path, make: Callable[[Path], object]) -> None:
    """Write a file under another name, which it gets rid of when it is whole."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.unfinished")
    try:
        make(unfinished)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
