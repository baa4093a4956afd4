"""The report of an audit: its numbers, its sentences, its files, and what it refuses."""

import base64
import gc
import json
import re
import weakref
import zlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import saliscope as sp
from saliscope.attribution import GradCAM, InputXGradient, Saliency
from saliscope.audit import MEASURES, Finding, Measures, Row, report, report_stream
from saliscope.audit import report_data as page_data
from saliscope.audit.intervals import interval, ranking
from saliscope.audit.report_words import answer, best_group, softness, verdicts
from saliscope.core.anytime import Cancelled, CancelToken
from saliscope.errors import InputError, MethodError, SaliscopeError, TargetError
from saliscope.faithfulness import ControlProtocol, Protocol, RoadProtocol

SIZE, N = 12, 6
NAMES = ["left", "right", "<b>neither</b>"]
METHODS = {"Gradient": Saliency(absolute=False), "Product": InputXGradient()}


class Net(nn.Module):
    """Reads how bright the two halves of a picture are."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3, padding=1)
        with torch.no_grad():
            self.conv.weight.copy_(torch.linspace(-0.2, 0.5, 54).reshape(2, 3, 3, 3))
            self.conv.bias.zero_()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        half = x.shape[3] // 2
        seen = self.conv(x).relu()
        left, right = seen[..., :half].mean((1, 2, 3)), seen[..., half:].mean((1, 2, 3))
        return torch.stack([8 * (left - right), 8 * (right - left), 0 * left], 1)


def pictures() -> tuple[np.ndarray, list[int], np.ndarray]:
    """Pictures with one bright half, its number, and where it is."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 60, (N, SIZE, SIZE, 3)).astype(np.uint8)
    labels = [i % 2 for i in range(N)]
    masks = np.zeros((N, SIZE, SIZE), bool)
    for i, label in enumerate(labels):
        masks[i, :, SIZE // 2 * label :][:, : SIZE // 2] = True
        images[i][masks[i]] += 150
    return images, labels, masks


def quick() -> list:
    """Measures of a few steps."""
    curves = [
        replace(MEASURES[kind], protocol=ControlProtocol(Protocol(kind, fill, n_steps=4)))
        for kind, fill in (("deletion", "zero"), ("insertion", "blur"))
    ]
    return [*curves, replace(MEASURES["road"], protocol=RoadProtocol((0.2, 0.5))), "mass", "seconds"]


def audit(model=None, images=None, labels=None, **options):
    given, truth, masks = pictures()
    options = {"methods": METHODS, "measures": quick(), "random_orders": 4, "progress": False} | options
    if images is None:
        images, labels = given, truth if labels is None else labels
        options.setdefault("masks", masks)
    return report(sp.borrow(Net(), labels=NAMES) if model is None else model, images, labels, **options)


@pytest.fixture(scope="module")
def done():
    return audit()


def of_page(text: str, name: str):
    """The data of a page's script."""
    source = re.search(r'<script type="application/json" id="saliscope-data">(.*?)</script>', text, re.S)
    return json.loads(source.group(1))[name]


def unpacked(blob) -> np.ndarray:
    """What the page makes of a packed array of bytes (see `saliscope.render.packing`)."""
    raw = np.frombuffer(zlib.decompress(base64.b64decode(blob["data"])), np.uint8)
    values = ((raw >> 1) ^ (-(raw & 1).astype(np.int16))).astype(np.uint8).reshape(blob["shape"])
    for _ in range(blob["order"]):
        values = np.cumsum(values, axis=0, dtype=np.uint64).astype(np.uint8)
    return values


# --- numbers ---------------------------------------------------------------------------------------------


def test_a_cell_is_the_mean_over_the_pictures_with_its_interval(done):
    for row in done.measures.rows:
        for card in done.measures.cards:
            values, number = done.measures.values(row.name, card.key).numpy(), done.table[row.name][card.key]
            expected = interval(values, hits=card.hits)
            if card.key == "seconds":  # of all pictures at once
                expected = replace(expected, low=np.nan, high=np.nan)
            np.testing.assert_equal((number.mean, number.low, number.high, number.n), (
                expected.value, expected.low, expected.high, expected.n
            ))  # fmt: skip
    soft = done.measures.row("Product").findings["deletion"].blurred
    assert done.table["Product"]["deletion"].blurred == pytest.approx(float(soft.nanmean()))
    assert done.table["Product"]["mass"].chance == pytest.approx(0.5)


def test_references_are_measured_and_not_ranked(done):
    assert [row.name for row in done.rows if row.reference] == [row.name for row in done.rows][2:]
    assert {one.name for one in done.ranking} == set(METHODS)
    assert not any(row["seconds"].best for row in done.table.values())
    assert not any(number.best for row in done.rows[2:] for number in done.table[row.name].values())


def test_what_is_true_of_the_model_comes_out(done):
    product = done.table["Product"]
    assert product["mass"].mean > 0.9 > done.table["Centre of the picture"]["mass"].mean
    assert product["deletion"].high < 0 < product["insertion"].low


def test_the_label_is_explained_where_that_is_asked_for_by_number_or_name(done):
    _, labels, _ = pictures()
    named = audit(labels=[NAMES[label] for label in labels], explain="label")
    assert [case.target for case in named.cases] == [NAMES[label] for label in labels]
    np.testing.assert_equal(
        named.measures.values("Product", "deletion").numpy(),
        done.measures.values("Product", "deletion").numpy(),
    )
    wrong = audit(labels=np.array(labels)[::-1].copy(), explain="label")
    assert [case.target for case in wrong.cases] == [NAMES[label] for label in labels[::-1]]
    assert any(f"on {N} of {N} pictures not the one the model says" in each for each in wrong.caveats)


def test_labels_tell_where_the_model_is_wrong_and_its_own_class_is_explained(done):
    images, labels, _ = pictures()
    found = audit(labels=[1 - labels[0], *labels[1:]])
    assert [case.target for case in found.cases] == [case.predicted for case in found.cases]
    assert [case.wrong for case in found.cases] == [True] + [False] * (N - 1)
    assert f"The model is wrong on 1 of {N} pictures: 1." in found.caveats
    assert f"Net on {N} pictures, right on {N - 1} of them;" in found.what
    assert "right on" not in audit(images=images, measures=["seconds"]).what
    np.testing.assert_equal(
        found.measures.values("Product", "deletion").numpy(),
        done.measures.values("Product", "deletion").numpy(),
    )
    captions = page_data.script_words(found, page_data.Arrays())["captions"]
    assert captions[0]["note"].endswith(f"which is wrong: the label is {NAMES[1 - labels[0]]}.")
    assert captions[1]["note"].endswith("which is right.")


def test_a_model_that_is_mostly_wrong_is_said_to_be_before_all_but_the_verdict():
    _, labels, _ = pictures()
    swapped = [1 - label for label in labels]
    assert audit(labels=swapped).sentences[1].startswith(f"The model is wrong on {N} of {N} pictures: maps")
    assert not any("wrong" in each for each in audit(labels=[swapped[0], *labels[1:]]).sentences)


class Corner(nn.Module):
    """Says the first class where a corner is bright, whatever else there is."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        seen = 12 * x[..., :3, :3].mean((1, 2, 3))
        return torch.stack([seen, 0 * seen, x.mean((1, 2, 3))], 1)


def test_a_mark_that_the_model_reads_is_told_though_labels_say_another_class():
    images, _, _ = pictures()
    marks = np.zeros((N, SIZE, SIZE), bool)
    marks[:, :3, :3] = True
    images[marks] = 255
    options = {"methods": {"Product": METHODS["Product"]}, "measures": [*quick()[:1], "mark_share"]}
    said = [
        " ".join(audit(Corner(), images, [2] * N, marks=marks, explain=explain, **options).sentences)
        for explain in ("model", "label")
    ]
    assert "The model seems to use the mark" in said[0]
    assert all(f"The model is wrong on {N} of {N} pictures" in each for each in said)
    assert "Trusted maps do not lie on the mark" not in said[1]


def test_without_labels_the_top_class_is_explained():
    images, labels, _ = pictures()
    found = audit(images=list(images), measures=quick()[:1])
    assert [case.predicted for case in found.cases] == [case.target for case in found.cases]
    assert [case.target for case in found.cases] == [NAMES[label] for label in labels]
    assert all(case.truth is None for case in found.cases)
    assert "on the object" in " ".join(found.sentences)


def test_a_sample_is_drawn_by_the_seed_and_takes_labels_and_masks_along():
    images, labels, masks = pictures()
    found = audit(n_images=3, seed=1)
    picks = [case.number for case in found.cases]
    assert len(picks) == 3
    assert picks == sorted(picks)
    assert found.given == N
    assert [case.truth for case in found.cases] == [NAMES[labels[i]] for i in picks]
    np.testing.assert_array_equal(found.pictures, images[picks])
    alone = audit(images=[images[i] for i in picks], labels=[labels[i] for i in picks], masks=masks[picks])
    np.testing.assert_allclose(
        found.measures.values("Product", "mass").numpy(), alone.measures.values("Product", "mass").numpy()
    )
    assert [case.number for case in audit(n_images=3, seed=1).cases] == picks
    others = {
        tuple(case.number for case in audit(n_images=3, seed=s, measures=["seconds"]).cases) for s in range(4)
    }
    assert len(others) > 1


def test_a_layer_is_read_by_maps_that_have_none_of_their_own():
    methods = [GradCAM(), GradCAM(layer="conv"), Saliency(), "saliency"]
    found = audit(methods=methods, measures=["seconds"], layer="conv")
    titles = [row.name for row in found.rows if not row.reference]
    assert titles == ["Grad-CAM", "Grad-CAM (2)", "Saliency (gradient)", "Saliency (gradient) (2)"]
    assert all(found.measures.row(title).method.layer == "conv" for title in titles[:2])
    assert found.measures.row(titles[2]).method.layer is None


def test_the_model_comes_back_and_is_let_go():
    model = Net().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = audit(model)
    assert model.training
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None
    assert found.model == "Net"


# --- what has no number ----------------------------------------------------------------------------------


def broken(model, inputs, target):
    raise RuntimeError("it <i>broke</i>")


def flat(model, inputs, target):
    return torch.ones(len(inputs), SIZE, SIZE)


def test_one_output_is_told_and_a_map_of_scores_refused():
    class One(Net):
        def forward(self, x):
            return super().forward(x)[:, :1]

    images, _, _ = pictures()
    note = "The model has one output"
    assert any(note in each for each in audit(One(), images, measures=quick()[:1]).caveats)
    assert not any(note in each for each in audit(Net(), images[:1], measures=quick()[:1]).caveats)
    with pytest.raises(TargetError, match=r"`model`: got one whose output has shape.*model\(x\)\['out'\]"):
        audit(nn.Conv2d(3, 2, 3), images)


def test_where_the_class_has_no_probability_curves_are_doubted(done):
    images, _, _ = pictures()
    found = audit(Net(), images, [2] * N, measures=quick()[:1], explain="label")
    low = sum(case.score < 0.1 for case in found.cases)
    assert low
    assert any(f"On {low} of {N} pictures the class that is explained has" in each for each in found.caveats)
    assert not any("has a probability below" in each for each in done.caveats)


@pytest.fixture(scope="module")
def poor():
    return audit(methods={**METHODS, "Broken": broken, "Flat": flat})


def test_a_method_that_fails_says_why_and_the_others_go_on(poor, tmp_path):
    assert "it <i>broke</i>" in poor.measures.row("Broken").error
    assert {one.name for one in poor.ranking} == {*METHODS, "Flat"}
    assert poor.ranking[-1].name == "Flat"  # of which nothing is defined
    assert "Broken, which failed" in poor.sentences[-1]
    text = poor.to_html(tmp_path / "r.html").read_text()
    assert "it &lt;i&gt;broke&lt;/i&gt;" in text
    assert "<i>broke" not in text


def test_what_is_not_defined_is_no_number_and_has_its_reason(poor, tmp_path):
    number = poor.table["Flat"]["deletion"]
    assert number.n == 0
    assert np.isnan(number.mean)
    assert not number.best
    text = poor.to_html(tmp_path / "r.html").read_text()
    row = re.search(r'<tr data-method="\d+"><th scope="row">Flat.*?</tr>', text).group()
    assert "not defined" in row
    assert "nan" not in row.lower()
    why = re.search(r'not defined<sup><a href="#(reason-\d+)"', row).group(1)
    assert "one value throughout" in re.search(f'id="{why}">(.*?)</li>', text).group(1)
    method = next(one for one in json.loads(poor.to_json())["methods"] if one["name"] == "Flat")
    assert method["numbers"]["deletion"]["mean"] is None
    assert method["values"]["deletion"] == [None] * N
    assert any("one value throughout" in note for note in method["notes"]["deletion"])


# --- stopped ---------------------------------------------------------------------------------------------


def test_a_cancelled_audit_gives_and_writes_what_it_has(tmp_path):
    token, file = CancelToken(), tmp_path / "r.html"

    def progress(step):
        if len(step.result.measures.rows) == 2:
            token.cancel()

    with pytest.raises(Cancelled) as stop:
        audit(cancel=token, progress=progress, out=file)
    part = stop.value.result
    assert not part.complete
    assert "stopped before its end" in part.sentences[0]
    assert part.table["Gradient"]["deletion"].n == N
    assert "stopped before its end" in file.read_text()


def test_an_interrupt_from_the_keyboard_gives_what_is_known():
    def interrupted(model, inputs, target):
        raise KeyboardInterrupt

    part = audit(methods={"Gradient": METHODS["Gradient"], "Later": interrupted})
    assert not part.complete
    assert part.table["Gradient"]["deletion"].n == N


def test_every_step_of_the_stream_is_a_report(done):
    images, labels, masks = pictures()
    options = {"methods": METHODS, "masks": masks, "measures": quick(), "random_orders": 4}
    steps = list(report_stream(sp.borrow(Net(), labels=NAMES), images, labels, **options))
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert [step.complete for step in steps] == [False] * (len(steps) - 1) + [True]
    for step in steps[:: len(steps) // 5]:
        assert step.result.sentences
        assert step.result.to_json()
    assert steps[-1].result.table["Product"]["road"] == done.table["Product"]["road"]


def test_progress_is_told_in_one_line(capsys):
    audit(progress=True, measures=["seconds"])
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.endswith("\n")
    assert "audit: 100 %" in said.err
    assert said.err.count("\n") == 1


# --- files -----------------------------------------------------------------------------------------------


def test_the_page_asks_for_nothing_and_ends_no_element_early(done, tmp_path):
    text = done.to_html(tmp_path / "r.html", title="<Title> & more").read_text()
    assert "default-src 'none'" in text
    assert "unsafe-eval" not in text
    assert not re.findall(r'(?:src|href)="(?!data:|#)', text)
    assert "&lt;Title&gt; &amp; more" in text
    assert "<b>neither" not in text
    assert text.count("</script>") == 2
    for sentence in done.sentences:
        assert sentence in text


def test_the_page_carries_pictures_maps_and_curves_without_loss(done, tmp_path):
    text = done.to_html(tmp_path / "r.html").read_text()
    blobs, methods = of_page(text, "blobs"), of_page(text, "methods")
    np.testing.assert_array_equal(unpacked(blobs[of_page(text, "pictures")]), done.pictures)
    assert [one["title"] for one in methods] == [one.name for one in done.ranking]
    assert [blobs[one["maps"]]["shape"] for one in methods] == [[N, SIZE, SIZE]] * 2
    deletion, insertion = of_page(text, "curves")
    assert (deletion["better"], insertion["better"]) == ("low", "high")
    assert blobs[deletion["scores"]]["shape"] == [2 * N, len(deletion["fractions"])]
    values = of_page(text, "measures")[0]["values"]
    own = done.measures.values(done.ranking[0].name, "deletion").tolist()
    np.testing.assert_allclose(values[0], own, rtol=1e-5)


def test_a_page_that_would_be_large_shows_smaller_maps_and_says_so(done, tmp_path, monkeypatch):
    assert "are shown as means" not in done.to_html(tmp_path / "r.html").read_text()
    monkeypatch.setattr(page_data, "MOST", N * SIZE * SIZE)
    text = done.to_html(tmp_path / "r.html").read_text()
    assert f"{SIZE} × {SIZE} pixels are shown as means of 2 × 2" in text
    assert of_page(text, "blobs")[of_page(text, "pictures")]["shape"] == [N, SIZE // 2, SIZE // 2, 3]


def test_json_has_every_number_once_and_is_written(done, tmp_path):
    file = tmp_path / "r.json"
    text = done.to_json(file)
    plain = json.loads(file.read_text(), parse_constant=lambda name: pytest.fail(name))
    assert plain == json.loads(text)
    method = next(one for one in plain["methods"] if one["name"] == "Product")
    assert method["values"]["road"] == done.measures.values("Product", "road").tolist()
    assert plain["sentences"] == list(done.sentences)
    assert plain["seed"] == 0
    assert set(plain["versions"]) >= {"saliscope", "torch", "python"}


def test_text_has_the_answer_and_every_mean(done, poor):
    text = str(done)
    assert all(sentence in text for sentence in done.sentences)
    row = next(line for line in text.splitlines() if line.startswith("Product"))
    for number in done.table["Product"].values():
        assert (f"● {number.mean:.2f}" if number.best else f"{number.mean:.2f}").replace("-", "−")[:4] in row
    assert "failed" in str(poor)
    assert "not defined" in str(poor)


def test_a_protocol_is_told_in_words():
    measures = [*quick()[:1], "infidelity"]
    found = audit(measures=measures).protocol
    assert "deletion: pixels taken away to zero by decreasing value, 4 steps" in found["deletion"]
    assert "random orders: 4" in found["deletion"]
    assert "replacement: zero" in found["infidelity"]
    assert audit(measures=["completeness"]).protocol["completeness"] == "as the method itself has it"
    assert "samples: 50" in found["infidelity"]
    assert "None" not in found["infidelity"]


def test_saving_goes_by_the_name(done, tmp_path):
    assert done.save(tmp_path / "r.JSON").read_text().startswith("{")
    assert done.save(str(tmp_path / "r.html")).read_text().startswith("<!doctype html>")


def test_a_notebook_shows_sentences_and_means(done, poor):
    text = done._repr_html_()
    assert all(sentence in text for sentence in done.sentences)
    assert "<script" not in text
    assert f"{done.table['Product']['mass'].mean:.2f}" in text
    assert "failed" in poor._repr_html_()
    assert "not defined" in poor._repr_html_()
    assert "AuditReport(Net on 6 pictures" in repr(done)


# --- sentences, on made-up numbers -----------------------------------------------------------------------


def made_up(findings: dict[str, dict[str, list[float]]], blurred=None, chance=None, **more) -> Measures:
    """Measures of methods whose values are given by measure; "~" before a name makes a reference.

    Areas are given with 1 for chance, which is 0.
    """
    keys = list(dict.fromkeys(key for own in findings.values() for key in own))
    rows = tuple(
        Row(
            name.removeprefix("~"),
            Saliency(),
            name.startswith("~"),
            findings={
                key: Finding(
                    torch.tensor(v, dtype=torch.float64) - float(key in ("deletion", "insertion")),
                    blurred=(blurred or {}).get((name, key)),
                    chance=(chance or {}).get(key),
                )
                for key, v in own.items()
            },
        )
        for name, own in findings.items()
    )
    n = len(next(iter(findings.values()))[keys[0]])
    cards = tuple(MEASURES[key] for key in keys)
    return Measures(cards, rows, torch.ones(n, dtype=torch.float64), None, complete=True, **more)


def ranked(measures: Measures):
    methods = [row.name for row in measures.rows if not row.reference]
    return {
        card.key: ranking(
            {n: measures.values(n, card.key).numpy() for n in methods}, better=card.better, hits=card.hits
        )
        for card in measures.cards
    }


def around(mean: float, spread: float = 0.02, n: int = 10) -> list[float]:
    return (mean + spread * np.linspace(-1, 1, n) * np.resize([1, -1, 1], n)).tolist()


def test_the_method_that_is_better_everywhere_is_named_and_the_others_are_not():
    found = made_up({
        "Good": {"deletion": around(0.2), "road": around(-0.6)},
        "Fair": {"deletion": around(0.5), "road": around(-0.3)},
        "Blind": {"deletion": around(1.0, 0.3), "road": around(0.0, 0.2)},
    })  # fmt: skip
    said = answer(found, ranked(found), 10)
    assert said[0].startswith("Trust Good first")
    assert "Fair" not in said[0]
    assert said[1].startswith("Be wary of Blind:")
    assert "Fair" not in said[1]
    assert "knows nothing by Deletion and ROAD" in said[1]
    assert [one.name for one in verdicts(found, ranked(found))] == ["Good", "Fair", "Blind"]


def test_methods_that_differ_by_noise_are_named_together():
    a, b = np.random.default_rng(0).normal(0.4, 0.05, (2, 10))
    found = made_up({
        "A": {"deletion": a.tolist()}, "B": {"deletion": b.tolist()}, "C": {"deletion": around(0.8)}
    })  # fmt: skip
    said = answer(found, ranked(found), 10)
    first = sorted([("A", a.mean()), ("B", b.mean())], key=lambda one: one[1])[0][0]
    assert said[0].startswith(f"Trust {first} and")
    assert (
        f"On average {first} comes first by Deletion (−{1 - min(a.mean(), b.mean()):.2g}), a lead that may be"
        in said[0]
    )
    assert "2 of 3 methods by Deletion" in " ".join(said)


def test_nobody_is_among_the_best_or_first_where_the_numbers_do_not_say_so():
    found = made_up({
        "Even": {"deletion": around(0.50), "insertion": around(1.50)},
        "Steep": {"deletion": [0.01, 1.6] * 5, "insertion": around(1.49)},
        "Wild": {"deletion": [0.3, 0.75] * 5, "insertion": [0.1, 9.0] * 5},
    })  # fmt: skip
    said = answer(found, ranked(found), 10)
    assert said[0].startswith("Trust Even and Wild first")
    assert all(one.best == () for one in verdicts(found, ranked(found)))
    assert "best group" not in said[0]
    assert "which of them is the best cannot be told from noise" in said[0]
    assert "comes first by Deletion (−0.5)" in said[0]
    assert "(−0.5) and Insertion" not in said[0]
    found = made_up({
        "A": {"deletion": around(0.1), "road": around(-0.2)},
        "B": {"deletion": around(0.3), "road": around(-0.6)},
    })  # fmt: skip
    said = answer(found, ranked(found), 10)
    assert "in the best group by 1 of the 2 tests that have one" in said[0]
    assert "On average A comes first by Deletion (−0.9)." in said[0]


def test_nothing_is_recommended_before_the_maps_of_no_model_are_in():
    values = {"A": {"deletion": around(0.5), "road": around(-0.5)}}
    whole = made_up(values | {"~Centre": {"deletion": around(0.4), "road": around(-0.6)}})
    part = replace(whole, rows=whole.rows[:1], complete=False)
    said = answer(part, ranked(part), 10)
    assert said[0].startswith("The audit was stopped before its end: no method is recommended")
    assert not any(each.startswith("Trust") for each in said)
    assert any("A: by no test shown" in each for each in answer(whole, ranked(whole), 10))


def test_a_map_that_stays_when_the_network_forgets_is_not_trusted():
    found = made_up({
        "Edges": {"deletion": around(0.2), "randomisation": around(0.9)},
        "Other": {"deletion": around(0.5), "randomisation": around(0.1)},
    })  # fmt: skip
    said = answer(found, ranked(found), 10)
    assert said[0].startswith("Trust Other first")
    assert "Edges: much the same when the network forgets (rank correlation 0.90)" in said[1]


def test_a_map_that_jumps_is_not_trusted():
    found = made_up({
        "Steady": {"deletion": around(0.3), "sensitivity": around(0.5)},
        "Wild": {"deletion": around(0.3), "sensitivity": [0.1] * 8 + [1.1, 9.0]},
    })  # fmt: skip
    said = answer(found, ranked(found), 10)
    assert said[0].startswith("Trust Steady first")
    assert "Be wary of Wild: changed by more than its own size on 2 of 10 pictures" in " ".join(said)


def test_one_that_scatters_is_not_among_the_best_behind_one_that_is_worse():
    values = {"A": [0.1] * 10, "B": around(0.2), "C": [0.0] * 9 + [9.0]}
    assert best_group(ranking({n: np.array(v) for n, v in values.items()}, better="low")) == ("A",)
    assert best_group(ranking({n: np.array(values["C"]) for n in "AB"}, better="low")) == ()


def test_knowing_nothing_is_what_a_random_map_gets_where_it_is_no_constant():
    found = made_up({
        "A": {"infidelity": around(0.2)}, "B": {"infidelity": around(0.7)},
        "~Random map": {"infidelity": around(0.5)},
    })  # fmt: skip
    said = answer(found, ranked(found), 10)
    assert said[0].startswith("Trust A first")
    assert "Be wary of B: not shown to be better than a map that knows nothing by Infidelity." in said


def test_a_method_must_beat_the_maps_of_no_model_by_some_test():
    values = {"A": {"deletion": around(0.5), "road": around(-0.5)}}
    level = {"~Centre": {"deletion": around(0.4), "road": around(-0.6)}}
    worse = {"~Centre": {"deletion": around(0.4), "road": around(-0.3)}}
    said = [answer(one := made_up(values | other), ranked(one), 10) for other in (level, worse)]
    assert "A: by no test shown to be better than every map that looks at no model" in " ".join(said[0])
    assert said[1][0].startswith("Trust A first")


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (
            around(0.4),
            "which has 0.05 of the picture: 1 of 1 trusted methods put more of their mass on it, 0.40 (A)",
        ),
        (around(0.05), "nothing shows that the model uses it"),
        ([0.4] + [np.nan] * 9, "cannot be told from 1 picture with one"),
    ],
)
def test_what_trusted_maps_put_on_the_mark_is_told_of_the_model(share, words):
    flat = torch.full((10,), 0.05, dtype=torch.float64)
    found = made_up({"A": {"deletion": around(0.3), "mark_share": share}}, chance={"mark_share": flat})
    assert words in " ".join(answer(found, ranked(found), 10))


def test_maps_of_a_class_that_the_model_does_not_say_tell_nothing_of_the_mark():
    flat = torch.full((10,), 0.05, dtype=torch.float64)
    found = made_up({"A": {"deletion": around(0.3), "mark_share": around(0.01)}}, chance={"mark_share": flat})
    said = " ".join(answer(found, ranked(found), 10, wrong=9, other=9))
    assert "cannot be told from maps of another class than the one that it says, as here on 9 of 10" in said
    assert "nothing shows that the model uses it" not in said


def test_a_curve_is_drawn_only_where_its_number_is_defined(poor):
    words = page_data.script_words(poor, arrays := page_data.Arrays())
    known = np.isfinite(arrays.blobs[words["curves"][0]["scores"]].array())
    at = [one["title"] for one in words["methods"]].index("Flat")
    assert not known[N * at : N * (at + 1)].any()
    assert known[: N * at].all()


def test_caveats_are_of_what_was_measured(done):
    told = " ".join(audit(measures=["seconds"]).caveats)
    assert not any(word in told for word in ("Sensitivity", "ROAD", "blur", "object", "Altered"))
    assert "Deletion, Insertion and ROAD reward blur" in " ".join(done.caveats)
    assert "most on the object, not most true" in " ".join(done.caveats)


def test_trusted_maps_beside_the_object_are_told():
    flat = torch.full((10,), 0.2, dtype=torch.float64)
    for mass, told in ((0.1, True), (0.6, False)):
        found = made_up({"A": {"deletion": around(0.3), "mass": around(mass)}}, chance={"mass": flat})
        said = " ".join(answer(found, ranked(found), 10))
        assert ("the model may look at something else" in said) == told


def test_few_pictures_are_a_hint():
    for n, told in ((5, True), (10, False)):
        found = made_up({"A": {"deletion": around(0.3, n=n)}})
        assert ("take it as a hint" in answer(found, ranked(found), n)[0]) == told


def test_where_nothing_beats_chance_nothing_is_trusted():
    found = made_up({"A": {"deletion": around(0.97, 0.3)}, "B": {"deletion": around(1.1, 0.3)}})
    said = answer(found, ranked(found), 10)
    assert said[0].startswith("No method earns trust")
    assert not any(each.startswith("Trust") for each in said)


@pytest.mark.parametrize(
    ("values", "n", "words"),
    [
        ({"A": {"deletion": [0.2]}, "B": {"deletion": [0.4]}}, 1, "nothing can be told"),
        ({"A": {"deletion": [np.nan] * 4}}, 4, "nothing can be told"),
        ({"A": {"seconds": [1.0] * 4}}, 4, "is not known: no test of that was measured"),
        ({"~Random": {"deletion": [1.0] * 4}}, 4, "no method has given maps"),
    ],
)
def test_too_little_is_no_answer(values, n, words):
    found = made_up(values)
    assert words in answer(found, ranked(found), n)[0]


def test_a_copy_that_does_as_well_and_a_map_of_no_model_are_told():
    soft = {("A", "deletion"): torch.tensor(around(0.2), dtype=torch.float64) - 1}
    found = made_up({"A": {"deletion": around(0.3)}, "~Centre": {"deletion": around(0.25)}}, soft)
    assert softness(found, ranked(found)).startswith("A does no better than its own blurred copy")
    assert "are not shown to be better than ‘Centre’ by Deletion:" in " ".join(
        answer(found, ranked(found), 10)
    )
    sharp = {("A", "deletion"): torch.tensor(around(0.6), dtype=torch.float64) - 1}
    found = made_up({"A": {"deletion": around(0.3)}, "~Centre": {"deletion": around(0.7)}}, sharp)
    assert softness(found, ranked(found)) == ""
    assert "‘Centre’" not in " ".join(answer(found, ranked(found), 10))


# --- what is refused -------------------------------------------------------------------------------------

IMAGES, LABELS, MASKS = pictures()


@pytest.mark.parametrize(
    ("error", "words", "options"),
    [
        (InputError, "`images`: got an empty list", {"images": []}),
        (InputError, "`images`: got a batch of shape", {"images": IMAGES[:0]}),
        (InputError, r"`images\[0\]`: got an object of type int", {"images": [3]}),
        (InputError, "`labels`: got 3 labels for 6 pictures", {"labels": NAMES}),
        (InputError, "names of all classes go into sp.borrow", {"labels": NAMES}),
        (InputError, r"`labels\[1\]`: got 0.5", {"labels": [0, 0.5, 1, 0, 1, 0]}),
        (InputError, "`labels`: got an object of type object", {"labels": object()}),
        (TargetError, "`labels`: got 'centre'", {"labels": ["centre"] * N}),
        (InputError, "`labels`: got None", {"explain": "label"}),
        (MethodError, "`explain`: got 'truth'", {"explain": "truth"}),
        (TargetError, "`labels`: got 7", {"labels": [7] * N}),
        (TargetError, "sp.borrow", {"model": Net(), "labels": ["left"] * N}),
        (InputError, r"`masks\[0\]`: got shape \(5, 5\)", {"masks": np.zeros((N, 5, 5), bool)}),
        (InputError, "`masks`: got 2 of them for 6 pictures", {"masks": MASKS[:2]}),
        (InputError, "`masks`: got values beside 0 and 1", {"masks": 7 * MASKS}),
        (InputError, "`marks`: got an object of type object", {"marks": object()}),
        (MethodError, "`n_images`: got 0", {"n_images": 0}),
        (MethodError, "`seed`: got -1", {"seed": -1}),
        (MethodError, "`method`: got 'grad_camera'.*'grad_cam'", {"methods": ["grad_camera"]}),
        (MethodError, "`methods`: got an object of type int", {"methods": [3]}),
        (MethodError, "`methods`: got an empty list", {"methods": []}),
        (MethodError, "`measures`: got 'deleting'", {"measures": ["deleting"]}),
        (InputError, "`out`: got .*no folder", {"out": "/nowhere/at/all.html"}),
    ],
)
def test_bad_input_is_refused_in_words(error, words, options):
    options = {"images": IMAGES} | options
    with pytest.raises(error, match=words) as caught:
        audit(**options)
    assert isinstance(caught.value, SaliscopeError)
