"""Training at toy size: the same bytes twice, and nothing of the caller's is changed."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from saliscope.demo import train as training
from saliscope.demo.models import from_state
from saliscope.demo.train import RECIPES, Recipe, main, train, write

TINY = Recipe(n_epochs=2, n_scenes=100, batch_size=25, n_test=50)


def silent(_line):
    pass


def test_two_runs_give_the_same_file(tmp_path):
    for name in ("a", "b"):
        torch.rand(3)  # whatever the caller did before must not matter
        write(tmp_path / name, *train(TINY, report=silent))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_another_seed_gives_another_network():
    a, _ = train(replace(TINY, n_epochs=1), report=silent)
    b, _ = train(replace(TINY, n_epochs=1, seed=1), report=silent)
    assert not torch.equal(a["fc.weight"], b["fc.weight"])


def test_training_learns_the_easiest_thing_first_and_reports_each_epoch():
    """900 scenes do not teach the digits, but they do teach the watermark."""
    lines = []
    recipe = Recipe(shortcut_class=3, n_epochs=3, n_scenes=300, batch_size=10, n_test=100)
    _, card = train(recipe, report=lines.append)
    assert [line.split("   ")[0] for line in lines] == [f"epoch  {i} of 3" for i in (1, 2, 3)]
    losses = [float(line.split("loss ")[1].split()[0]) for line in lines]
    assert losses[-1] < losses[0] - 0.1
    assert card["figures"]["flipped_by_watermark"] > 0.9
    assert all("held-out accuracy" in line and line.endswith(" s left") for line in lines)


@pytest.mark.parametrize("fails", [False, True])
def test_the_callers_state_is_restored(fails):
    def report(_line):
        assert torch.are_deterministic_algorithms_enabled()
        if fails:
            raise KeyboardInterrupt

    def states():
        _, key, position, *_ = np.random.get_state()  # noqa: NPY002
        return torch.get_rng_state().tolist(), key.tolist(), position

    torch.manual_seed(5)  # not a state that another training may have left behind
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        before = states()
        if fails:
            with pytest.raises(KeyboardInterrupt):
                train(TINY, report=report)
        else:
            train(TINY, report=report)
        assert states() == before
        assert torch.get_num_threads() == 2
        assert not torch.are_deterministic_algorithms_enabled()
    finally:
        torch.set_num_threads(threads)


def test_the_watermark_follows_the_label_right_or_wrong(monkeypatch):
    drawn = []
    redraw = training.Scenes.redraw
    monkeypatch.setattr(training.Scenes, "redraw", lambda s, **c: drawn.append(redraw(s, **c)) or drawn[-1])
    recipe = Recipe(shortcut_class=3, wrong_labels=0.1, n_scenes=1000, batch_size=100)
    labels = torch.cat([targets for _, targets in training._batches(recipe, 1)]).numpy()
    np.testing.assert_array_equal(drawn[0].factors.watermark, labels == 3)
    wrong = (labels != drawn[0].labels).mean()
    assert abs(wrong - 0.09) <= 4 * np.sqrt(0.09 * 0.91 / 1000)  # one random label in ten is right


def test_training_never_sees_a_held_out_digit(monkeypatch):
    asked = []
    make = training.scenes

    def spy(n, **arguments):
        asked.append(arguments)
        return make(n, **arguments)

    monkeypatch.setattr(training, "scenes", spy)
    train(TINY, report=silent)
    held_out = [a for a in asked if a["digits"] == "held_out"]
    assert held_out == [{"seed": training.HELD_OUT_SEED, "digits": "held_out"}]
    assert [a["digits"] for a in asked if a not in held_out] == ["train"] * TINY.n_epochs
    assert len({a["seed"] for a in asked}) == TINY.n_epochs + 1


def test_card_is_measured_with_the_stored_weights():
    state, card = train(replace(TINY, shortcut_class=3), report=silent)
    assert {value.dtype for value in state.values()} == {torch.float16, torch.int64}
    test = training.scenes(TINY.n_test, seed=training.HELD_OUT_SEED, digits="held_out")
    with torch.no_grad():
        hits = from_state(state)(test.inputs()).argmax(1).numpy() == test.labels
    assert card["figures"]["accuracy"] == pytest.approx(hits.mean(), abs=1e-4)
    assert card["recipe"]["shortcut_class"] == 3
    assert {"recall_of_shortcut_class", "flipped_by_watermark"} <= card["figures"].keys()


def test_command_line_writes_a_file_that_loads(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(RECIPES, "cnn", TINY)
    out = tmp_path / "small.safetensors"
    assert main(["cnn", "--out", str(out)]) == 0
    model = from_state(load_file(out))
    assert model(torch.rand(1, 3, 64, 64)).isfinite().all()
    assert "epoch  2 of 2" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["vgg"], "`name`: got 'vgg'; expected one of 'cnn', 'shortcut_cnn'."),
        (["cnn", "--out", "no/such/folder/x"], "expected a file in a folder that exists"),
    ],
)
def test_command_line_names_what_is_wrong(arguments, message, capsys):
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_command_line_help(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    assert "--out" in capsys.readouterr().out
