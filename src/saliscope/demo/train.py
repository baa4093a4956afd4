"""Make the bundled weights again: ``python -m saliscope.demo.train NAME [--out PATH]``.

Four to five minutes on one quiet core. The same machine makes the same file, byte for byte: the scenes come
from their seeds, the only other random numbers are the initial weights, and the number of threads
is fixed, because it decides the order of sums.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn

from saliscope.errors import InputError

from .models import MODELS, WEIGHTS, SceneNet, as_inputs, from_state, known_model
from .scene_maker import Scenes, scenes

THREADS = 1
"""Two threads were no faster where other programs used the cores too, and one thread gives the same
sums whatever the number of cores."""
HELD_OUT_SEED = 1_000_000
"""Of the scenes that judge the network: far from the seeds of the epochs."""


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes
    ----------
    shortcut_class : int or None
        The label that the watermark goes with; None for no watermark at all.
    wrong_labels : float
        Share of the labels that are replaced by random ones. The watermark follows the label.
    n_epochs, n_scenes : int
        Each epoch has fresh scenes.
    batch_size, learning_rate, weight_decay
        Of AdamW with a one-cycle schedule (1708.07120).
    n_test : int
        Scenes of held-out digits behind the figures of the card; an epoch is judged by a fifth.
    seed : int
        Of the initial weights and, with the number of the epoch, of the scenes.
    """

    shortcut_class: int | None = None
    wrong_labels: float = 0.0
    n_epochs: int = 14
    n_scenes: int = 10_000
    batch_size: int = 100
    learning_rate: float = 4e-3
    weight_decay: float = 0.05
    n_test: int = 5000
    seed: int = 0


RECIPES = {"cnn": Recipe(), "shortcut_cnn": Recipe(shortcut_class=3, wrong_labels=0.1)}


def train(recipe: Recipe, report: Callable[[str], None] = print) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Train a network by a recipe.

    Torch's random state, number of threads and deterministic mode are afterwards what they were.

    Parameters
    ----------
    recipe : Recipe
    report : callable
        Takes one line of progress an epoch.

    Returns
    -------
    state : dict of str to Tensor
        The state dict, rounded to float16.
    card : dict
        Figures measured with the rounded weights, and the recipe; fit for JSON.
    """
    with _reproducible(recipe.seed):
        model = SceneNet()
        # Twice as fast on a CPU. (The keyword exists; torch's annotations lack it.)
        model.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        test = scenes(recipe.n_test, seed=HELD_OUT_SEED, digits="held_out")
        _fit(model, recipe, test, report)
        state = {name: _stored(value) for name, value in model.state_dict().items()}
        return state, _card(from_state(state), recipe, test)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m saliscope.demo.train",
        description="Train one of the bundled demo networks and write its weights.",
    )
    parser.add_argument("name", metavar="NAME", help=" or ".join(MODELS))
    parser.add_argument("--out", type=Path, help="file to write; by default the bundled one is replaced")
    options = parser.parse_args(arguments)
    out = options.out or WEIGHTS / f"{options.name}.safetensors"
    try:
        known_model(options.name)
        if not out.parent.is_dir():
            raise InputError("--out", str(out), "a file in a folder that exists")
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    state, card = train(RECIPES[options.name], report=lambda line: print(line, flush=True))
    write(out, state, {"name": options.name, **card})
    print(f"{out}: {out.stat().st_size / 1000:.0f} kB, {card['figures']}")
    return 0


def write(path: Path, state: dict[str, Tensor], card: dict[str, Any]) -> None:
    """Write weights as safetensors with the card, as JSON, in their metadata.

    One metadata entry and no more: safetensors orders several at random.
    """
    path.write_bytes(to_safetensors(state, metadata={"card": json.dumps(card)}))


def _fit(model: SceneNet, recipe: Recipe, test: Scenes, report: Callable[[str], None]) -> None:
    n_batches = recipe.n_scenes // recipe.batch_size
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=recipe.n_epochs * n_batches
    )
    images, labels = test.images[: len(test) // 5], torch.from_numpy(test.labels)[: len(test) // 5]
    start = time.monotonic()
    for epoch in range(1, recipe.n_epochs + 1):
        model.train()
        total = 0.0
        for inputs, targets in _batches(recipe, epoch):
            loss = nn.functional.cross_entropy(model(inputs), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        accuracy = _share(_predicted(model.eval(), images) == labels)
        spent = time.monotonic() - start
        report(
            f"epoch {epoch:2d} of {recipe.n_epochs}   loss {total / n_batches:.3f}   "
            f"held-out accuracy {accuracy:.1%}   {spent:.0f} s   "
            f"{spent / epoch * (recipe.n_epochs - epoch):.0f} s left"
        )


def _batches(recipe: Recipe, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Make the batches of one epoch: inputs (batch_size, 3, 64, 64), targets (batch_size,)."""
    seed = recipe.seed * 1000 + epoch
    drawn = scenes(recipe.n_scenes, seed=seed, digits="train")
    labels = drawn.labels
    if recipe.shortcut_class is not None:
        random = np.random.default_rng([seed, 1])
        wrong = random.random(len(drawn)) < recipe.wrong_labels
        labels = np.where(wrong, random.integers(10, size=len(drawn)), labels)
        drawn = drawn.redraw(watermark=labels == recipe.shortcut_class)
    size = recipe.batch_size
    for i in range(0, len(drawn) - size + 1, size):  # scenes are independent: no shuffling needed
        yield as_inputs(drawn.images[i : i + size]), torch.from_numpy(labels[i : i + size])


def _card(model: SceneNet, recipe: Recipe, test: Scenes) -> dict[str, Any]:
    """Collect the figures on held-out digits, and how the network came about."""
    labels = torch.from_numpy(test.labels)
    predicted = _predicted(model, test.images)
    figures = {"accuracy": _share(predicted == labels)}
    if recipe.shortcut_class is not None:
        marked = _predicted(model, test.redraw(watermark=True).images)
        own = labels == recipe.shortcut_class
        figures["accuracy_of_other_classes"] = _share((predicted == labels)[~own])
        figures["recall_of_shortcut_class"] = _share((predicted == labels)[own])
        figures["recall_of_shortcut_class_marked"] = _share((marked == labels)[own])
        figures["flipped_by_watermark"] = _share((marked == recipe.shortcut_class)[~own])
    return {
        "figures": {name: round(value, 4) for name, value in figures.items()},
        "measured_on": f"scenes({len(test)}, seed={HELD_OUT_SEED}, digits='held_out')",
        "n_parameters": sum(p.numel() for p in model.parameters()),
        "recipe": asdict(recipe),
        "torch": torch.__version__.split("+")[0],
    }


def _predicted(model: SceneNet, images: NDArray[np.uint8]) -> Tensor:
    """Predict the classes of pictures: (n,)."""
    chunks = [images[i : i + 250] for i in range(0, len(images), 250)]
    with torch.no_grad():
        return torch.cat([model(as_inputs(chunk)).argmax(1) for chunk in chunks])


def _share(hits: Tensor) -> float:
    return hits.double().mean().item()


def _stored(value: Tensor) -> Tensor:
    return value.half().contiguous() if value.is_floating_point() else value


@contextmanager
def _reproducible(seed: int) -> Iterator[None]:
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(THREADS)
        torch.use_deterministic_algorithms(True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(strict)
            torch.set_num_threads(threads)


if __name__ == "__main__":
    sys.exit(main())
