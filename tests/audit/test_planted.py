"""The planted evidence at toy size: what is known is not computed again, and noise has no order."""

import itertools
import json
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import saliscope as sp
from saliscope import InputError, MethodError, ModelError
from saliscope.attribution import Saliency, methods
from saliscope.audit import planted_parts
from saliscope.audit.cards import MEASURES
from saliscope.audit.planted import METHODS as METHODS_OF_THE_BENCH
from saliscope.audit.planted import ON_DIGIT, ON_MARK, TESTED, main, run, run_stream
from saliscope.audit.planted_files import as_page, write_all
from saliscope.audit.planted_keys import described
from saliscope.audit.planted_parts import Parts, recipe
from saliscope.audit.planted_result import COLUMNS, Planted
from saliscope.core.anytime import Cancelled, CancelToken
from saliscope.demo import scenes
from saliscope.demo.models import SceneNet
from saliscope.demo.train import Recipe, train
from tests.core.helpers import unchecked

SIZE, N, TESTS = 32, 3, 2


def network(seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SceneNet().eval().requires_grad_(False)


CLEAN, SHORTCUT = [network(0), network(1)], [network(2), network(3)]


def mine(model, x, target):
    """The green channel, whatever the model: one and the same on networks of both roles."""
    return x[:, 1]


METHODS = {"Gradient": Saliency(), "mine": mine}


def small(seeds: int = 1, **options) -> Planted:
    options = {"methods": METHODS, "n_scenes": N, "n_tested": TESTS, "size": SIZE, **options}
    return run(CLEAN[:seeds], SHORTCUT[:seeds], random_orders=2, **options)


def same(a: Planted, b: Planted) -> None:
    assert a.values.keys() == b.values.keys()
    for key, values in a.values.items():
        np.testing.assert_array_equal(values, b.values[key], err_msg=str(key))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("planted")


@pytest.fixture(scope="module")
def done(folder: Path) -> Planted:
    return small(2, out=folder)


def made_up(rises: dict, n: int = 20) -> Planted:
    """Values as if networks of three seeds had been measured; the share of the clean ones is 0."""
    cards = {key: MEASURES[key] for key in (*ON_DIGIT, *TESTED, *ON_MARK)}
    values = {(name, "mark_share_shortcut"): np.asarray(value) for name, value in rises.items()}
    values |= {(name, "mark_share_clean"): np.zeros((3, n)) for name in rises}
    return Planted(cards, tuple(rises), ("Random map",), (0, 1, 2), n, n, SIZE, values=values, complete=True)


def test_every_method_has_a_value_of_every_scene_on_every_network(done):
    assert done.complete
    assert (done.seeds, done.methods) == ((0, 1), ("Gradient", "mine"))
    for name, key in itertools.product((*done.methods, *done.references), done.keys):
        n = TESTS if key in TESTED else N
        assert done.of(name, key).shape == (2, N)
        assert np.isnan(done.of(name, key)[:, n:]).all(), (name, key)
        assert not np.isnan(done.of(name, key)[:, :n]).all(), (name, key)


def test_values_are_those_of_the_maps_on_the_scenes(done):
    for seed in (0, 1):
        plain = scenes(N, 2_000_000 + seed, digits="held_out", size=SIZE)
        marked = plain.redraw(watermark=True)
        green = marked.inputs()[:, 1].double()
        share = (green * torch.as_tensor(marked.watermark_mask)).sum((1, 2)) / green.sum((1, 2))
        for role in ("clean", "shortcut"):
            np.testing.assert_allclose(done.of("mine", f"mark_share_{role}")[seed], share, rtol=1e-6)
        green = plain.inputs()[:, 1].double()
        mass = (green * torch.as_tensor(plain.digit_mask)).sum((1, 2)) / green.sum((1, 2))
        np.testing.assert_allclose(done.of("mine", "mass")[seed], mass, rtol=1e-6)
        assert done.mark_area == pytest.approx(marked.watermark_mask.mean(), rel=1e-9)
    np.testing.assert_array_equal(done.of("mine", "rise"), 0)
    assert (done.of("Gradient", "rise") != 0).any()
    assert np.isnan(
        done.of("Gradient", "rise", blurred=True)
    ).all()  # no blurred copy is measured on the mark


def test_the_second_time_nothing_is_computed(done, folder, monkeypatch):
    lines = []
    monkeypatch.setattr("saliscope.audit.planted.measure_stream", None)
    again = small(2, out=folder, report=lines.append)
    same(again, done)
    assert lines == []
    assert again.mark_area == done.mark_area


def test_a_damaged_part_is_computed_again_and_no_other(done, folder):
    part, *others = sorted((folder / "rows").glob("mine-*.npz"))
    whole = part.read_bytes()
    kept = [other.stat().st_mtime_ns for other in others]
    for damaged in (whole[:-200], b"", whole[:400] + bytes(50) + whole[450:]):
        part.write_bytes(damaged)
        same(small(2, out=folder), done)
        assert len(part.read_bytes()) == len(whole)
    assert [other.stat().st_mtime_ns for other in others] == kept
    assert not list(folder.rglob("*.unfinished"))


@pytest.mark.parametrize(
    "options", [{"n_scenes": 4}, {"methods": {**METHODS, "Gradient": Saliency(absolute=False)}}]
)
def test_parts_of_another_configuration_lie_beside(done, folder, options):
    rows = {path.name: path.stat().st_mtime_ns for path in (folder / "rows").iterdir()}
    found = small(out=folder, **options)
    now = {path.name: path.stat().st_mtime_ns for path in (folder / "rows").iterdir()}
    assert len(now) > len(rows)
    assert {name: now[name] for name in rows} == rows
    assert found.values["Gradient", "mass"].tolist() != done.values["Gradient", "mass"][:1].tolist()


def test_stopped_and_taken_up_again_gives_the_same(done, tmp_path):
    token = CancelToken()

    def progress(step):
        if len(list((tmp_path / "rows").iterdir())) == 7:
            token.cancel()

    with pytest.raises(Cancelled) as stopped:
        small(out=tmp_path, progress=progress, cancel=token)
    known = stopped.value.result
    assert not known.complete
    assert 0 < len(known.values) < len(done.values)
    lines = []
    again = small(out=tmp_path, report=lines.append)
    for key, values in again.values.items():
        np.testing.assert_array_equal(values, done.values[key][:1], err_msg=str(key))
    assert "0 of 5 methods known" not in lines[0]


def test_what_was_stopped_says_so_first_and_ranks_nothing(tmp_path):
    """One of two seeds is in, and pictures are no units in the place of seeds."""
    token = CancelToken()

    def progress(step):
        if step.done > 0.5 * step.total:
            token.cancel()

    with pytest.raises(Cancelled) as stopped:
        small(2, progress=progress, cancel=token)
    found = stopped.value.result
    text = found.text()
    assert text.startswith("Not complete: 1 of 2 training seeds have values of all methods.")
    for claim in ("ahead of", "best mean", "more than noise", "rises for"):
        assert claim not in text
    assert "[" not in text
    assert set(map(found.place, found.methods)) == {"–"}
    assert set(found.rise.places.values()) == {(1, 2)}
    assert found.rise.words.startswith("No order: ")
    assert as_page(found, "a.svg").splitlines()[2].startswith("Not complete: ")
    assert len(write_all(found, tmp_path)) == 3


def test_ends_of_intervals_can_be_values():
    shares = np.repeat([[0.0], [0.9], [0.02]], 20, axis=1)
    found = made_up({"one": shares, "other": 1 - shares})
    assert found.interval("one", "mark_share_shortcut").low == 0
    assert found.interval("other", "mark_share_shortcut").high == 1
    assert np.isnan(found.interval("one", "mass").low)


def _scaled(sign: float):
    def mine(model, x, target):
        return sign * x[:, 1]

    return mine


def _written(sign: str):
    space: dict = {"__name__": __name__}
    exec(f"def inner(x): return {sign}x[:, 1]\ndef mine(model, x, target): return inner(x)", space)
    return space["mine"]


def test_a_changed_function_of_the_same_name_is_measured_again(tmp_path):
    first, second = (
        small(out=tmp_path, methods={"mine": _scaled(sign)}).of("mine", "mass") for sign in (1, -1)
    )
    assert not np.array_equal(first, second, equal_nan=True)


def test_what_is_kept_of_functions_is_what_can_be_known():
    assert described(mine) == described(mine)
    assert described(_written("+")) == described(_written("+")) != described(_written("-"))
    assert described(Saliency()) == repr(Saliency())
    assert described(_scaled(1)) is None  # a closure
    assert described(partial(mine, None)) is None


class Reader(nn.Module):
    """Knows every scene of the run, and answers with its digit, or the next where a mark is, if it minds."""

    def __init__(self, minds: bool) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.minds, self.plain = minds, scenes(N, 2_000_000, digits="held_out", size=SIZE)
        self.known = [one.inputs() for one in (self.plain, self.plain.redraw(watermark=True))]

    def forward(self, x):
        far = [(x[:, None] - known).square().sum((2, 3, 4)) for known in self.known]
        labels = torch.as_tensor(self.plain.labels)[torch.minimum(*far).argmin(1)]
        marked = far[1].min(1).values < far[0].min(1).values
        labels = torch.where(marked & self.minds, (labels + 1) % 10, labels)
        return self.scale * (nn.functional.one_hot(labels, 10) + x.mean((1, 2, 3))[:, None])


@pytest.mark.parametrize("minds", [False, True])
def test_given_networks_are_measured_and_the_words_follow(minds):
    found = run(
        Reader(False),
        Reader(minds),
        methods={"mine": mine},
        n_scenes=N,
        n_tested=2,
        size=SIZE,
        random_orders=2,
    )
    clean, shortcut = (one.figures for one in found.networks)
    assert clean == {"accuracy": 1, "flipped_by_watermark": 0}
    assert shortcut == {"accuracy": 1, "flipped_by_watermark": float(minds)}
    doubt = "1 of 1 shortcut networks do not read the mark: it changes their answer in 0 % of the scenes."
    page = as_page(found, "a.svg")
    for words in (found.text(), page):
        assert (doubt in words) != minds
        assert "accuracy 1.0000; flipped by watermark" in words
    assert ("They do: see" in page) == minds


def test_networks_that_read_something_else_are_told(done):
    figures = {"accuracy": 0.25, "flipped_by_watermark": 0.75}
    found = replace(done, networks=tuple(replace(one, figures=figures) for one in done.networks))
    page = as_page(found, "a.svg")
    assert "2 of 2 clean networks do not read the digit: they are right in 25 % of the scenes." in page
    assert "2 of 2 clean networks do read the mark: it changes their answer" in page
    assert "shortcut networks do" not in page


def test_progress_rises_to_the_end_and_a_step_stays_right():
    options = {"n_scenes": N, "n_tested": TESTS, "size": SIZE, "random_orders": 2, "methods": METHODS}
    steps, known = [], []
    for step in run_stream(CLEAN[:1], SHORTCUT[:1], **options):
        steps.append(step)
        known.append(len(step.result.values) if len(steps) % 2 else None)
    places = [step.done for step in steps]
    assert places == sorted(places)
    assert [step.complete for step in steps] == [False] * (len(steps) - 1) + [True]
    assert [len(step.result.values) for step in steps[::2]] == known[::2]


def test_a_method_that_fails_is_named_and_not_kept(tmp_path):
    def broken(model, x, target):
        raise RuntimeError("no such thing")

    found = small(methods={"broken": broken, "mine": mine}, out=tmp_path)
    assert found.errors == {"broken": "RuntimeError: no such thing"}
    assert np.isnan(found.of("broken", "rise")).all()
    assert "broken failed: RuntimeError: no such thing" in found.text()
    assert found.rise.undefined == ("broken",)
    assert not list((tmp_path / "rows").glob("broken*"))
    json.dumps(json.loads((write_all(found, tmp_path)[1]).read_text()), allow_nan=False)


def test_ranking_merges_what_is_noise():
    draw = np.random.default_rng(0)
    hard = draw.normal(0, 0.05, (3, 20))
    found = made_up(
        {
            "low": 0.1 + hard + draw.normal(0, 1e-3, (3, 20)),
            "high": 0.6 + hard + draw.normal(0, 1e-3, (3, 20)),
            "as high": 0.6 + hard + draw.normal(0, 1e-3, (3, 20)),
        }
    )
    assert (found.place("high"), found.place("as high"), found.place("low")) == ("1–2", "1–2", "3")
    assert found.order[-2:] == ("low", "Random map")
    assert "rises for 3 of 3 methods" in found.sentences()[0]
    assert found.place("Random map") == "–"


def test_pictures_of_one_network_are_no_independent_draws():
    """One method is better than another on most pictures, but which it is depends on the network."""
    one = np.repeat([[0.5], [0.4], [0.5]], 20, axis=1)
    other = np.repeat([[0.3], [0.45], [0.4]], 20, axis=1)
    found = made_up({"one": one, "other": other})
    assert found.place("one") == found.place("other") == "1–2"


def test_files_hold_table_figure_and_page(done, folder, tmp_path):
    (tmp_path / "docs").mkdir()
    paths = write_all(done, tmp_path, tmp_path / "docs")
    names = ["planted.txt", "planted.json", "planted.svg", "planted_evidence.md", "planted_evidence.svg"]
    assert [path.name for path in paths] == names
    assert paths[0].read_text() == done.text() + "\n"
    found = json.loads(paths[1].read_text())
    mean = np.nanmean(done.of("Gradient", "mass"))
    assert found["rows"]["Gradient"]["mass"]["mean"] == pytest.approx(mean, abs=1e-6)
    assert found["ranking"]["places"] == {name: list(places) for name, places in done.rise.places.items()}
    page = paths[3].read_text()
    assert "](planted_evidence.svg)" in page
    for part in ("How to read it", "What it does not show", "Protocol", *(title for _, title in COLUMNS)):
        assert part in page
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert len({row.count("|") for row in rows}) == 1
    assert len(rows) == 1 + 2 + 3
    assert paths[2].read_bytes() == paths[4].read_bytes()
    assert paths[4].stat().st_size < 150_000
    drawn = paths[4].read_text()
    assert all(name in drawn for name in (*done.methods, *done.references, "clean networks"))
    assert as_page(done, "a.svg") == as_page(small(2, out=folder), "a.svg")


def test_networks_are_trained_once(tmp_path, monkeypatch):
    tiny = Recipe(n_epochs=1, n_scenes=50, batch_size=25, n_test=50)
    monkeypatch.setattr(planted_parts, "recipe", lambda role, seed: tiny)
    lines, trained = [], []

    def training(recipe, report):
        trained.append(recipe)
        return train(recipe, report)

    monkeypatch.setattr(planted_parts, "train", training)
    first, about = Parts(tmp_path).network("clean", 1, lines.append)
    again, known = Parts(tmp_path).network("clean", 1, lines.append)
    assert len(trained) == 1
    assert "training cnn, seed 1: 1 epochs" in lines[0]
    assert known["figures"] == about["figures"]
    for name, value in first.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])
    (path,) = (tmp_path / "networks").iterdir()
    path.write_bytes(path.read_bytes()[:1000])
    Parts(tmp_path).network("clean", 1, lines.append)
    Parts(None).network("clean", 1, lines.append)
    assert len(trained) == 3


def test_other_seeds_differ_from_the_bundled_network_in_seed_and_epochs_only():
    for role, name in (("clean", "cnn"), ("shortcut", "shortcut_cnn")):
        changed = vars(recipe(role, 2)).items() - vars(sp.demo.train.RECIPES[name]).items()
        assert changed == {("seed", 2), ("n_epochs", planted_parts.EPOCHS)}


def test_command_line_runs_resumes_and_writes(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(planted_parts, "BUNDLED", _untrained())
    command = ["--out", str(tmp_path / "out"), "--seeds", "1", "--scenes", "2", "--tested", "2"]
    command += ["--methods", "saliency", "--docs", str(tmp_path)]
    for known in (False, True):
        assert main(command) == 0
        said = capsys.readouterr()
        assert "Saliency (gradient)" in said.out
        assert str(tmp_path / "planted_evidence.md") in said.out
        assert "100.0% after" in said.err
        assert ("0 of 4 methods known" in said.err) != known


def test_command_line_names_its_defaults_and_all_methods(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    for default in ("planted", "5", "100", "10", ", ".join(METHODS_OF_THE_BENCH)):
        assert f"(default: {default})" in said
    assert f"Keys of methods: {', '.join(methods())}." in said


def test_command_line_takes_spaces_between_methods(tmp_path, monkeypatch):
    def stopped(**options):
        assert options["methods"] == ("saliency", "grad_cam")
        raise KeyboardInterrupt

    monkeypatch.setattr("saliscope.audit.planted.run", stopped)
    assert main(["--out", str(tmp_path), "--methods", " saliency, ,grad_cam "]) == 130


def _untrained() -> dict:
    return {"clean": ("cnn", lambda: network(0)), "shortcut": ("shortcut_cnn", lambda: network(1))}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--methods", "salency"], "saliency"),
        (["--methods", ","], "no method"),
        (["--seeds", "0"], "`seeds`"),
        (["--scenes", "1"], "`n_scenes`"),
        (["--docs", "nowhere"], "a folder that exists"),
    ],
)
def test_command_line_tells_what_is_wrong_in_a_sentence(arguments, words, tmp_path, capsys):
    assert main(["--out", str(tmp_path), *arguments]) == 2
    said = capsys.readouterr()
    assert words in said.err
    assert "Traceback" not in said.err


def test_a_folder_that_cannot_be_made_is_told(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["--out", str(tmp_path / "file")]) == 2
    assert "a folder to write to" in capsys.readouterr().err


def test_stopped_at_the_keyboard(tmp_path, capsys, monkeypatch):
    def stopped(**options):
        raise KeyboardInterrupt

    monkeypatch.setattr("saliscope.audit.planted.run", stopped)
    assert main(["--out", str(tmp_path)]) == 130
    assert "the same command goes on" in capsys.readouterr().err


def test_it_is_part_of_the_package_and_runs_without_a_warning():
    assert sp.audit.planted.run is run
    told = subprocess.run(
        [sys.executable, "-W", "error", "-m", "saliscope.audit.planted", "--seeds", "0"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 2
    assert told.stderr.startswith("`seeds`")


@pytest.mark.parametrize(
    ("networks", "options", "error", "words"),
    [
        ((CLEAN, None), {}, InputError, "both, or neither"),
        ((None, SHORTCUT), {}, InputError, "both, or neither"),
        ((CLEAN, SHORTCUT[:1]), {}, InputError, "1 networks for 2 clean ones"),
        (([], []), {}, InputError, "as many"),
        ((["cnn"], ["cnn"]), {}, ModelError, "an object of type str"),
        ((CLEAN, SHORTCUT), {"methods": Saliency()}, MethodError, "a dict from names to methods, or keys"),
        ((CLEAN, SHORTCUT), {"methods": {}}, MethodError, "no method"),
        ((CLEAN, SHORTCUT), {"methods": {"a": 3}}, MethodError, r"`methods\['a'\]`"),
        ((CLEAN, SHORTCUT), {"methods": {"Random map": mine}}, MethodError, "no reference has"),
        ((CLEAN, SHORTCUT), {"n_tested": 1}, MethodError, "`n_tested`"),
    ],
)
def test_bad_input(networks, options, error, words):
    with unchecked(), pytest.raises(error, match=words):
        run(*networks, **options)


def test_unknown_names_are_told(done):
    with pytest.raises(MethodError, match="Gradient, mine"):
        done.of("gradient", "mass")
    with pytest.raises(MethodError, match="mark_share_clean"):
        done.ranking("share")


def test_misspelt_options_are_named_and_random_orders_and_keys_reach_the_measures():
    with pytest.raises(MethodError, match=r"`n_scene`: .*Did you mean 'n_scenes'"):
        run(n_scene=4)
    stream = run_stream(methods={"Mine": "saliency"}, seeds=1, n_scenes=2, n_tested=2, random_orders=3)
    found = next(iter(stream)).result
    assert found.cards["deletion"].protocol.n_random == 3
    assert found.methods == ("Mine",)
    with pytest.raises(MethodError, match="Did you mean 'saliency'"):
        run(methods={"Mine": "salience"})
