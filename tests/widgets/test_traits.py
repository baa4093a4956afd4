"""Every trait is checked on the line that sets it, and says what would have been right."""

import numpy as np
import pytest
import torch

import saliscope as sp
from saliscope import BaselineError, InputError, LayerError, MethodError, SaliencyExplorer, TargetError
from saliscope import baselines as bl
from saliscope.attribution import KernelSHAP
from saliscope.widgets.state import ExplorerState
from tests.sessions.tools import PATIENCE, photo, tiny
from tests.widgets.tools import IG, NOISE, Explorer

NUMBER = "`{}`: got {}; expected a number from 0 to 1."
STEPS = "`n_steps`: got {}; expected an integer from 1 to 1024."
WRONG = [
    ("method", "gradcam", InputError, "`method`: got 'gradcam'; expected one of integrated_gradients"),
    ("method", "gradcam", InputError, "Did you mean 'grad_cam'?"),
    ("method", "Integrated Gradients", InputError, "Did you mean 'integrated_gradients'?"),
    ("method", None, InputError, "`method`: got None; expected one of"),
    ("method", 3, InputError, "`method`: got 3; expected one of"),
    ("method", ["saliency"], InputError, "`method`: got ['saliency']; expected one of"),
    ("method", "x" * 10**6, InputError, "`method`: got 'xxxxxxxxxxxx...xxxxxxxxxxxxx'; expected one of"),
    ("params", None, MethodError, "`params`: got None; expected a dict of the method's parameters by name."),
    ("params", [("rule", "right")], MethodError, "`params`: got [('rule', 'right')]; expected a dict"),
    ("params", {"rules": "right"}, MethodError, "`params`: got 'rules'; expected parameters of"),
    ("params", {"rule": "left"}, MethodError, "`rule`: got 'left'; expected one of midpoint, right"),
    ("params", {"n_steps": 3}, MethodError, "`params`: got 'n_steps'; expected parameters of"),
    ("n_steps", 0, InputError, STEPS.format(0)),
    ("n_steps", 1025, InputError, STEPS.format(1025)),
    ("n_steps", 2.5, InputError, STEPS.format(2.5)),
    ("n_steps", "8", InputError, STEPS.format("'8'")),
    ("n_steps", True, InputError, STEPS.format(True)),
    ("n_steps", None, InputError, STEPS.format(None)),
    ("n_steps", float("nan"), InputError, STEPS.format("nan")),
    ("n_steps", np.array([4, 8]), InputError, STEPS.format("array([4, 8])")),
    ("baseline", "green", BaselineError, "`baseline`: got 'green'; expected one of black, white, grey"),
    ("baseline", None, BaselineError, "`baseline`: got an object of type NoneType; expected one of black"),
    ("baseline", (), BaselineError, "`baseline`: got an empty sequence; expected at least one baseline."),
    ("baseline", ["black", "green"], BaselineError, "`baseline`: got 'green'; expected one of"),
    ("baseline", {"kind": "green"}, BaselineError, "`baseline`: got 'green'; expected one of"),
    ("baseline", {"sigma": 3}, BaselineError, "`baseline`: got None; expected one of black"),
    ("baseline", {"kind": "blur", "level": 3}, BaselineError, "`baseline`: got 'level'; expected parameters"),
    ("baseline", {"kind": "blur", "sigma": "3"}, BaselineError, "`sigma`: got '3'; expected a number."),
    ("baseline", {"kind": "grey", "level": 2}, BaselineError, "`level`: got 2.0; expected a number from 0"),
    ("baseline", 2.5, BaselineError, "`level`: got 2.5; expected a number from 0 to 1."),
    ("layer", "conv", LayerError, "`layer`: got 'conv'; expected the name of one of the model's 9 layers."),
    ("layer", 3, LayerError, "`layer`: got 3; expected a layer's name, a layer of the model, or None."),
    ("layer", torch.nn.ReLU(), LayerError, "`layer`: got a ReLU that is not part of the model; expected"),
    ("target", "aun", TargetError, "`target`: got 'aun'; expected one of the 5 labels. Did you mean 'aunt'?"),
    ("target", 5, TargetError, "`target`: got 5; expected an index from 0 to 4,"),
    ("target", -6, TargetError, "`target`: got -6; expected an index from 0 to 4,"),
    ("target", 1.5, TargetError, "`target`: got 1.5; expected an index, a label, a function, a saliscope.Ta"),
    ("target", True, TargetError, "`target`: got True; expected an index, a label, a function"),
    ("target", [1], TargetError, "`target`: got [1]; expected an index, a label, a function"),
    ("target", torch.tensor([1, 2]), TargetError, "`target`: got tensor([1, 2]); expected an index"),
    ("output", "softmax", InputError, "`output`: got 'softmax'; expected one of logit, probability"),
    ("output", None, InputError, "`output`: got None; expected one of logit"),
    ("index", 2, InputError, "`index`: got 2; expected a picture from 0 to 1."),
    ("index", -1, InputError, "`index`: got -1; expected an integer from 0."),
    ("index", 0.5, InputError, "`index`: got 0.5; expected an integer from 0."),
    ("index", 10**400, InputError, "`index`: got 1000"),
    ("alpha", -0.1, InputError, NUMBER.format("alpha", -0.1)),
    ("alpha", 1.1, InputError, NUMBER.format("alpha", 1.1)),
    ("alpha", "half", InputError, NUMBER.format("alpha", "'half'")),
    ("alpha", True, InputError, NUMBER.format("alpha", True)),
    ("alpha", None, InputError, NUMBER.format("alpha", None)),
    ("alpha", float("nan"), InputError, NUMBER.format("alpha", "nan")),
    ("alpha", 1j, InputError, NUMBER.format("alpha", "1j")),
    ("alpha", np.array([0.1, 0.2]), InputError, NUMBER.format("alpha", "array([0.1, 0.2])")),
    ("alpha", torch.rand(2, 2), InputError, "`alpha`: got tensor("),
    ("opacity", 2, InputError, NUMBER.format("opacity", 2)),
    ("threshold", 0, InputError, "`threshold`: got 0; expected a number above 0 to 1."),
    ("threshold", 1.5, InputError, "`threshold`: got 1.5; expected a number above 0 to 1."),
    ("sign", "+", InputError, "`sign`: got '+'; expected one of both, positive, negative, absolute."),
    ("sign", "postive", InputError, "Did you mean 'positive'?"),
    ("overlay", "over", InputError, "`overlay`: got 'over'; expected one of blend, map, multiply, contour."),
    ("scale", 0, InputError, "`scale`: got 0; expected a finite number above zero."),
    ("scale", -1.0, InputError, "`scale`: got -1.0; expected a finite number above zero."),
    ("scale", float("inf"), InputError, "`scale`: got inf; expected a finite number above zero."),
    ("scale", 10**400, InputError, "expected a finite number above zero."),
    ("scale", "auto", InputError, "`scale`: got 'auto'; expected a finite number above zero."),
    ("colormap", "jet", InputError, "`colormap`: got 'jet'; expected one of diverging"),
    ("theme", "solarized", InputError, "`theme`: got 'solarized'; expected one of auto, light, dark."),
]
RIGHT = [
    ("n_steps", np.int64(4), 4),
    ("n_steps", 4.0, 4),
    ("n_steps", torch.tensor(4), 4),
    ("alpha", np.float32(0.5), 0.5),
    ("alpha", 1, 1.0),
    ("alpha", torch.tensor(0.25), 0.25),
    ("alpha", np.array(0.25), 0.25),
    ("target", None, None),
    ("target", np.int64(2), 2),
    ("target", torch.tensor(2), 2),
    ("target", -1, 4),
    ("target", "aunt", 0),
    ("target", "BEE", 1),
    ("target", "class 4", 4),
    ("index", np.uint8(1), 1),
    ("layer", None, None),
    ("layer", "4", "4"),
    ("output", "margin", "margin"),
    ("baseline", "white", bl.White()),
    ("baseline", 0.25, bl.Grey(0.25)),
    ("baseline", np.float32(0.25), bl.Grey(0.25)),
    ("baseline", bl.Blur(3), bl.Blur(3)),
    ("baseline", {"kind": "blur", "sigma": np.int64(3)}, bl.Blur(3.0)),
    ("baseline", ["black", 0.5], (bl.Black(), bl.Grey(0.5))),
    ("params", {"rule": "right"}, IG | {"rule": "right"}),
    ("params", {}, IG),
]


@pytest.fixture(scope="module")
def explorer():
    made = Explorer(images=[photo(0), photo(1)], labels=["aunt", "bee", "cat"], n_steps=2)
    return made.ready()


def short(value):
    return f"{value!r}"[:20]


@pytest.mark.parametrize(("name", "value", "error", "text"), WRONG, ids=short)
def test_wrong_by_assignment(name, value, error, text, explorer):
    before = getattr(explorer, name)
    with pytest.raises(error) as caught:
        setattr(explorer, name, value)
    assert text in str(caught.value)
    assert len(str(caught.value)) < 400
    assert getattr(explorer, name) is before
    assert isinstance(caught.value, sp.SaliscopeError)


@pytest.mark.parametrize(("name", "value", "error", "text"), WRONG, ids=short)
def test_wrong_in_the_constructor(name, value, error, text):
    def made():
        return SaliencyExplorer(tiny(), [photo(0), photo(1)], labels=["aunt", "bee", "cat"], **{name: value})

    if "an index from 0 to 4" in text:  # how many classes there are is not known yet
        text = "expected an index from 0 "
        if value == 5:
            explorer = made()
            with pytest.raises(error, match=text):
                explorer.wait(PATIENCE)
            return
    with pytest.raises(error) as caught:
        made()
    assert text.replace("one of the 5 labels", "one of the 3 labels") in str(caught.value)


@pytest.mark.parametrize(("name", "value", "kept"), RIGHT, ids=short)
def test_right(name, value, kept, explorer):
    before = getattr(explorer, name)
    setattr(explorer, name, value)
    assert getattr(explorer, name) == kept
    assert type(getattr(explorer, name)) is type(kept)
    explorer.ready()
    setattr(explorer, name, before)


def test_a_layer_itself_becomes_its_name(explorer):
    explorer.layer = explorer._panels.subjects[0].borrowed.module[4]
    assert explorer.layer == "4"
    explorer.layer = None


def test_functions_and_target_objects_stand_for_themselves(explorer):
    def first(outputs):
        return outputs[:, 0]

    for target in (first, sp.Target(3, "probability")):
        explorer.target = target
        explorer.ready()
        assert explorer.target is target
    explorer.target = None


def test_a_tensor_is_a_baseline(explorer):
    explorer.baseline = torch.zeros(3, 8, 10)
    explorer.ready()
    assert explorer.get_state("baseline") == {"baseline": {"kind": "custom"}}
    explorer.baseline = "black"


def test_a_method_brings_its_parameters_and_finds_them_again(explorer):
    explorer.method = "smooth_grad"
    explorer.params = {"n_samples": np.int64(3), "noise_level": 0}
    assert explorer.params == NOISE | {"n_samples": 3, "noise_level": 0.0}
    explorer.method = "kernel_shap"
    assert explorer.params["n_samples"] == KernelSHAP().n_samples  # not those of the method before
    explorer.params = {"n_samples": 64}
    explorer.method = "saliency"
    assert explorer.params == {"absolute": True}
    explorer.method = "smooth_grad"
    assert explorer.params == NOISE | {"n_samples": 3, "noise_level": 0.0}
    explorer.method = "kernel_shap"
    assert explorer.params["n_samples"] == 64
    explorer.method = "integrated_gradients"
    assert explorer.params == IG
    explorer.ready()


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("alhpa", " Did you mean 'alpha'?"),
        ("label", " Did you mean 'labels'?"),
        ("image", " Did you mean 'images'?"),
        ("baselines", " Did you mean 'baseline'?"),
        ("_esm", ""),
        ("keys", ""),
        ("comm", ""),
        ("zzz", ""),
    ],
)
def test_an_unknown_keyword(name, hint):
    with pytest.raises(InputError) as caught:
        SaliencyExplorer(tiny(), photo(), **{name: 1})
    text = f"`{name}`: got an unknown argument; expected an argument or trait of SaliencyExplorer."
    assert str(caught.value) == text + hint


def test_every_trait_is_documented_and_sent():
    own = set(ExplorerState.class_own_traits())
    assert len(own) == 27
    for name in own:
        trait = getattr(SaliencyExplorer, name)
        assert trait.help
        assert trait.metadata["sync"]
