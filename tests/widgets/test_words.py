"""What a reader is told: about the target, the baseline, the labels, and slips of the pen."""

import re

import pytest
import torch
from torch import nn

import saliscope as sp
from saliscope import SaliencyExplorer
from tests.sessions.tools import PATIENCE, Watched, photo, tiny


@pytest.fixture
def explorer():
    explorer = SaliencyExplorer(Watched(), photo(), n_steps=4, labels=list("abcde"))
    explorer.wait(PATIENCE)
    return explorer


def result(explorer):
    assert explorer.wait(PATIENCE)
    return explorer._panels.lead.result


def test_a_function_of_the_output_is_no_logit(explorer):
    explorer.target = lambda out: out[:, 0] - out[:, 1]
    assert (result(explorer).output, result(explorer).target_label) == ("score", "the given function")

    def contrast(out):
        return out[:, 0] - out[:, 1]

    explorer.target = contrast
    assert result(explorer).target_label == "contrast"


def test_the_baseline_and_its_seed_stand_beside_the_picture(explorer):
    assert result(explorer).baseline == "black"
    explorer.baseline = sp.baselines.Noise(level=0.3, seed=7)
    assert result(explorer).baseline == "noise (level=0.3, seed=7)"
    explorer.baseline = ("black", sp.baselines.Grey(0.25))
    assert result(explorer).baseline == "black, grey (level=0.25)"
    explorer.method = "saliency"
    assert result(explorer).baseline is None


@pytest.mark.parametrize(("n", "noted"), [(2, True), (5, False), (6, True)])
def test_labels_that_do_not_fit_the_classes_are_noted(n, noted):
    explorer = SaliencyExplorer(Watched(), photo(), n_steps=4, labels=list("abcdef"[:n]))
    note = f"{n} labels were given for 5 classes."
    assert (note in result(explorer).notes) is noted


def test_an_attribute_that_is_no_trait_is_a_slip(explorer):
    text = "`methd`: got an unknown argument; expected"
    with pytest.raises(sp.InputError, match=re.escape(text)) as caught:
        explorer.methd = "saliency"
    assert "Did you mean 'method'?" in str(caught.value)


def test_run_computes_anew_after_a_change_that_nobody_could_see(explorer):
    before = result(explorer).score
    last = [m for m in explorer._panels.subjects[0].borrowed.module.modules() if isinstance(m, nn.Linear)][-1]
    last.bias.data += 5  # a write through .data counts no version
    explorer.run()
    assert result(explorer).score == pytest.approx(before + 5, abs=1e-4)


def test_torchscript_has_no_layers_to_choose_but_all_gradients():
    module = torch.jit.trace(tiny().eval(), torch.rand(1, 3, 8, 10))
    explorer = SaliencyExplorer(module, photo(), n_steps=4)
    assert result(explorer).stage == "final"
    assert explorer._panels.info()[0].models[0].layers == ()


def test_a_result_at_the_end_of_a_cell_is_one_line(explorer):
    explorer.target = 2
    explorer.wait(PATIENCE)
    assert repr(explorer.attribution) == (
        "Attribution(1×3×8×10, "
        "IntegratedGradients(baseline=Black(), n_steps=4, rule='adaptive', tolerance=0.05, layer=None), of c)"
    )


def test_advice_fits_the_error():
    class Moody(nn.Module):
        def forward(self, x):
            raise ValueError("boom")

    explorer = SaliencyExplorer(Moody(), photo())
    with pytest.raises(sp.ModelError, match="boom") as caught:
        explorer.wait(PATIENCE)
    assert "size" not in str(caught.value)


def test_statistics_of_bytes_are_refused():
    text = "`mean`: got (123, 117, 104); expected the mean of pixels between 0 and 1. They are those of bytes"
    with pytest.raises(sp.InputError, match=re.escape(text)):
        SaliencyExplorer(tiny(), photo(), mean=(123, 117, 104), std=(58, 57, 57))


def test_a_baseline_is_guessed(explorer):
    with pytest.raises(sp.BaselineError, match=re.escape("Did you mean 'blur'?")):
        explorer.baseline = "blurr"
