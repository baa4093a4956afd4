"""Results of captum's and zennit's methods: readable without these packages, made again where possible."""

import importlib
import json
import re
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import saliscope
from saliscope import Record, RecordError, replay
from saliscope.attribution import SmoothGrad, adapt, methods, registry
from saliscope.attribution.adapters import adopt
from saliscope.attribution.foreign import rebuilt, recipe_of
from saliscope.attribution.source import source_of
from tests.records.tools import forged, inputs, model


class Slope:
    """What captum looks like from outside: a model, arguments that are not kept as they came, `attribute`."""

    __module__ = "captum.attr"

    def __init__(self, forward_func: Any, power: float = 1.0, flip: bool = False, hook: Any = None) -> None:
        self.forward_func = forward_func
        self._inner = SimpleNamespace(change=lambda g: g.sign() * g.abs() ** power, flipped=flip)
        self.hook = hook

    def attribute(self, inputs: Tensor, baselines: Any = None, target: Any = None, scale: Any = 1) -> Tensor:
        start = 0 if baselines is None else baselines
        (gradient,) = torch.autograd.grad(self.forward_func(inputs)[:, target].sum(), inputs)
        change = self._inner.change(gradient)
        return scale * (inputs - start) * (-change if self._inner.flipped else change)


class At(Slope):
    __module__ = "captum.attr"

    def __init__(self, model: nn.Module, layer: nn.Module) -> None:
        super().__init__(model)
        self.layer = layer


class Twice:
    __module__ = "captum.attr"

    def __init__(self, attribution_method: Slope) -> None:
        self.attribution_method, self.forward_func = attribution_method, attribution_method.forward_func

    def attribute(self, inputs: Tensor, **more: Any) -> Tensor:
        return 2 * self.attribution_method.attribute(inputs, **more)


@pytest.fixture(autouse=True)
def attr(monkeypatch) -> ModuleType:
    """A captum of three classes, in the place of the real one."""
    package, attr = ModuleType("captum"), ModuleType("captum.attr")
    package.__version__ = "9.1"  # type: ignore[attr-defined]
    package.attr = attr  # type: ignore[attr-defined]
    attr.Slope, attr.At, attr.Twice, attr.Tensor = Slope, At, Twice, Tensor  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "captum", package)
    monkeypatch.setitem(sys.modules, "captum.attr", attr)
    before = set(methods())
    yield attr
    for key in set(methods()) - before:
        registry.forget(key)


@pytest.fixture
def net() -> nn.Module:
    return model()


class TestRecipes:
    def test_arguments_are_found_wherever_they_went(self, net):
        assert recipe_of(Slope(net, power=3.0, flip=True)) == {
            "class": "captum.attr.Slope",
            "version": "9.1",
            "arguments": {"forward_func": {"model": ""}, "power": 3.0, "flip": True},
            "whole": True,
        }
        assert recipe_of(Slope(net.forward))["arguments"]["forward_func"] == {"model": ""}
        layer = {"model": {"model": ""}, "layer": {"layer": "last"}}
        assert recipe_of(At(net, net.last))["arguments"] == layer  # type: ignore[arg-type]
        inside = recipe_of(Twice(Slope(net, 2.0)))["arguments"]["attribution_method"]
        assert inside == dict(recipe_of(Slope(net, 2.0)))

    def test_made_again_it_is_the_same(self, net):
        for made in (Slope(net, 3.0, True), Twice(Slope(net, 2.0)), At(net, net.last)):  # type: ignore[arg-type]
            again = rebuilt(json.loads(json.dumps(recipe_of(made))), net)
            assert type(again) is type(made)
            assert recipe_of(again) == recipe_of(made)
            x = inputs().requires_grad_()
            assert torch.equal(again.attribute(x, target=1), made.attribute(x, target=1))

    def test_what_plain_data_cannot_hold_is_no_recipe(self, net):
        changed = Slope(net)
        changed._inner.more = 1
        own = type("Own", (Slope,), {"__module__": "captum.attr"})(net)
        for made in (Slope(lambda x: net(x)), Slope(net, hook=net.forward), changed, own, Twice(changed)):
            assert not recipe_of(made)["whole"]

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("os.system", "arguments that it could not hold"),
            ("captum.os.Slope", "arguments that it could not hold"),
            ("captum.attr.Tensor", "which captum 9.1 does not have"),
            ("captum.attr.Newer", "which captum 9.1 does not have"),
        ],
    )
    def test_nothing_else_is_ever_imported(self, net, monkeypatch, name, words):
        seen = []
        real = importlib.import_module
        monkeypatch.setattr(importlib, "import_module", lambda name: seen.append(name) or real(name))
        with pytest.raises(saliscope.MethodError, match=re.escape(words)):
            rebuilt({**recipe_of(Slope(net)), "class": name}, net)
        assert set(seen) <= {"captum.attr"}


class TestReplay:
    def test_to_the_bit_in_a_session_that_never_saw_the_object(self, net, tmp_path):
        made = adapt(Slope(net, 3.0, flip=True), scale=2).attribute(net, inputs(2), 1)
        record = Record.of(made, net)
        assert record.method["params"] == {"scale": 2}
        saliscope.save(made, tmp_path / "a.safetensors", net)
        for source in (record.to_json(), tmp_path / "a.safetensors"):
            again = replay(source, net, inputs(2))
            assert (again.verdict, again.differences) == ("identical", ())

    def test_inside_a_method_of_ours(self, net):
        record = Record.of(SmoothGrad(adapt(Slope(net)), n_samples=2).attribute(net, inputs(), 1), net)
        assert replay(record.to_json(), net, inputs()).verdict == "identical"

    def test_its_tensors_are_in_the_file(self, net, tmp_path):
        made = adapt(Slope(net), scale=torch.full((2, 6, 6), 0.5).double()).attribute(net, inputs(), 1)
        saliscope.save(made, tmp_path / "a.safetensors", net)
        assert replay(tmp_path / "a.safetensors", net, inputs()).verdict == "identical"
        saliscope.save(saliscope.load(tmp_path / "a.safetensors"), tmp_path / "b.safetensors", net)
        assert replay(tmp_path / "b.safetensors", net, inputs()).verdict == "identical"
        with pytest.raises(RecordError, match="only names a tensor of shape"):
            replay(Record.of(made, net), net, inputs())

    def test_what_it_cannot_hold_has_to_be_given(self, net):
        made = Slope(net, hook=print)
        record = Record.of(adapt(made).attribute(net, inputs(), 1), net).to_json()
        text = (
            "captum.attr.Slope with arguments that it could not hold; expected the object itself. Pass it: "
        )
        with pytest.raises(
            RecordError, match=re.escape(text) + r"saliscope\.replay\(.*method=Slope\(\.\.\.\)"
        ):
            replay(record, net, inputs())
        assert replay(record, net, inputs(), method=made).verdict == "identical"
        adopt(made)  # the explorer has it in its menu: then it is here
        assert replay(record, net, inputs()).verdict == "identical"
        with pytest.raises(RecordError, match="arguments that it could not hold"):
            replay(record, model(), inputs())

    def test_another_version_and_other_arguments_are_named(self, net, attr):
        record = Record.of(adapt(Slope(net)).attribute(net, inputs(), 1), net)
        sys.modules["captum"].__version__ = "9.2"  # type: ignore[attr-defined]
        again = replay(record, net, inputs())
        assert again.differences == ("captum: 9.2 here, 9.1 when it was recorded",)
        again = replay(record, net, inputs(), method=Slope(net, 2.0))
        assert "method: made otherwise" in again.differences
        attr.Slope = type("Slope", (), {"attribute": None})
        with pytest.raises(RecordError, match=r"Slope, which captum 9\.2 does not have"):
            replay(record, net, inputs())

    def test_baselines_of_the_explorer_are_recorded(self, net):
        method: Any = adapt(Slope(net))
        chosen = type(method)(baseline=("white", 0.25))
        made = chosen.attribute(net, inputs(), 1)
        ends = [type(method)(baseline=one).attribute(net, inputs(), 1).values for one in ("white", 0.25)]
        torch.testing.assert_close(made.values, (ends[0] + ends[1]) / 2)
        assert not torch.equal(ends[0], ends[1])
        assert replay(Record.of(made, net).to_json(), net, inputs()).verdict == "identical"


def test_words_that_would_break_a_page(net):
    record = Record.of(adapt(Slope(net)).attribute(net, inputs(), 1), net)
    long = "<b>" * 10_000
    for path in ("key", "made.title", "made.version", "made.class"):
        other = Record.from_json(forged(record, f"method.{path}", long))
        assert len(repr(other)) < 500
        if path != "made.class":
            assert len(repr(replay(other, net, inputs()))) < 800
        else:
            with pytest.raises(RecordError) as error:
                replay(other, net, inputs())
            assert len(str(error.value)) < 800


class TestWithoutThePackage:
    @pytest.fixture
    def path(self, net, tmp_path, monkeypatch):
        saliscope.save(
            adapt(Slope(net, 2.0), scale=3).attribute(net, inputs(), 1), tmp_path / "a.safetensors", net
        )
        monkeypatch.setitem(sys.modules, "captum.attr", None)
        return tmp_path / "a.safetensors"

    def test_the_result_is_there(self, path, net):
        loaded = saliscope.load(path)
        assert loaded.map.abs().sum() > 0
        assert loaded.method.title == "captum Slope(scale=3)"
        assert (loaded.signed, loaded.unit) == (True, "value of captum Slope(scale=3)")
        assert loaded.method == saliscope.load(path).method
        record = Record.of(loaded, net)
        assert record.method["made"]["arguments"]["power"] == 2.0
        with pytest.raises(saliscope.MethodError, match=r"Use saliscope\.replay"):
            loaded.method.attribute(net, inputs(), 1)

    def test_a_replay_says_what_is_missing(self, path, net):
        with pytest.raises(RecordError, match=r"Slope 9\.1, and no captum here; .* pip install captum"):
            replay(path, net, inputs())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("made", {}),
        ("made.class", 3),
        ("made.whole", "yes"),
        ("made.arguments", []),
        ("made.arguments.power", [1, 2]),
        ("made.arguments.power", {"layer": 3}),
        ("made.arguments.power", {"path": "/etc"}),
        ("made.more", 1),
        ("params", []),
        ("params.title", "x"),
        ("more", 1),
    ],
)
def test_what_is_damaged_is_named(net, path, value):
    record = Record.of(adapt(Slope(net)).attribute(net, inputs(), 1), net)
    with pytest.raises(RecordError, match="`method`: got "):
        Record.from_json(forged(record, f"method.{path}", value))


@pytest.mark.filterwarnings("ignore")
class TestTheRealOnes:
    @pytest.fixture(autouse=True)
    def attr(self):
        """Not the captum of the other tests."""
        before = set(methods())
        yield
        for key in set(methods()) - before:
            registry.forget(key)

    def test_captum(self, net):
        captum = pytest.importorskip("captum.attr")
        for made, options in (
            (captum.IntegratedGradients(net, multiply_by_inputs=False), {"n_steps": 3}),
            (captum.DeepLift(net, eps=1e-4), {}),
            (captum.LayerGradCam(net, net.last), {}),
            (captum.GuidedGradCam(net, net.features.after), {}),
            (captum.NoiseTunnel(captum.Saliency(net)), {"nt_samples": 2}),
            (captum.Occlusion(net), {"sliding_window_shapes": (2, 3, 3)}),
            (captum.KernelShap(net), {"n_samples": 4}),
        ):
            assert recipe_of(made)["whole"], made
            method = adapt(made, **options)
            if not isinstance(made, captum.LayerGradCam | captum.GuidedGradCam):
                record = Record.of(method.attribute(net, inputs(), 1), net)
                assert replay(record.to_json(), net, inputs()).verdict == "identical", made

    def test_zennit(self, net, torchvision):
        pytest.importorskip("zennit")
        from zennit import composites
        from zennit.canonizers import SequentialMergeBatchNorm

        made = composites.EpsilonPlus(epsilon=0.1)
        assert recipe_of(made)["arguments"] == {"epsilon": 0.1, "stabilizer": 1e-6}
        record = Record.of(adapt(made).attribute(net, inputs(), 1), net)
        assert replay(record.to_json(), net, inputs()).verdict == "identical"
        boxed = adapt(composites.EpsilonGammaBox(low=-2.0, high=2.0))
        assert boxed.recipe["whole"]  # type: ignore[attr-defined]
        text = "EpsilonGammaBox(low=-2.0, high=2.0, epsilon=1e-06, gamma=0.25, stabilizer=1e-06)"
        assert source_of(type(boxed)).text == f"zennit.composites.{text}"
        low, high = torch.zeros(1), torch.ones(1)
        for made, own in (
            (composites.EpsilonPlus(canonizers=[SequentialMergeBatchNorm()]), ["canonizers"]),
            (composites.EpsilonPlus(zero_params=["bias"]), ["zero_params"]),
            (composites.EpsilonPlus(layer_map=[(nn.Linear, None)]), ["layer_map"]),
            (composites.EpsilonGammaBox(low=low, high=high), ["low", "high"]),
        ):
            source = source_of(type(adapt(made)))
            assert not recipe_of(made)["whole"]
            assert source.before[1:] == tuple(f"# my_{name}: your own {name}" for name in own)
            assert all(f"{name}=my_{name}" in source.text for name in own)
