"""What a record says, and that it comes back from JSON as it was."""

import copy
import json
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

import saliscope
from saliscope import Record, Target
from saliscope.attribution import GradCAM, InputXGradient, IntegratedGradients, Saliency, SmoothGrad
from saliscope.core.baselines import Blur, Custom, Mean, Painted
from saliscope.records.configuration import method_of, stand_in, written
from saliscope.records.fingerprint import distance, fingerprint, sketch, tensor_hash
from saliscope.render import scales
from tests.attribution.helpers import every_method
from tests.records.tools import changed, inputs, model


@pytest.mark.parametrize("method", every_method())
def test_a_record_comes_back_from_json_as_it_was(method, tmp_path):
    net = model(method)
    view = {"scale": {"mode": "auto"}, "zoom": (1, 0.5)}
    record = Record.of(method.attribute(net, inputs(2)), net, view=view)
    path = tmp_path / "figure.json"
    text = record.to_json(path)
    assert path.read_text() == text + "\n"
    for source in (text, path, str(path), json.loads(text)):
        assert Record.from_json(source) == record
    assert record.view == {"scale": {"mode": "auto"}, "zoom": [1, 0.5]}
    assert method_of(record.method, stand_in) == method
    assert Record.from_json(text).to_json() == text


def test_a_tool_that_writes_numbers_in_its_own_way_breaks_nothing():
    record = Record.of(
        Saliency().attribute(model(), inputs()), model(), view={"opacity": 1.0, "threshold": 1e-7}
    )
    as_javascript = record.to_json().replace("1.0,", "1,").replace("1e-07", "0.0000001").replace("\n", "")
    assert "0.0000001" in as_javascript
    assert Record.from_json(as_javascript).digest == record.digest


def test_what_a_record_says():
    x = inputs(2)
    borrowed = saliscope.borrow(model(), mean=[0.5, 0.5], std=[0.2, 0.2], labels=["a", "b", "c", "<d>"])
    method = IntegratedGradients(baseline=Blur(2), n_steps=3)
    made = method.attribute(borrowed, x, Target(["b", "<d>"], "margin", 0))
    record = Record.of(made, borrowed, index=4)
    assert record.method == {
        "key": "integrated_gradients",
        "params": {
            "baseline": {"kind": "blur", "sigma": 2},
            "n_steps": 3,
            "rule": "midpoint",
            "tolerance": 0.05,
            "layer": None,
        },
    }
    assert record.target == {
        "output": "margin",
        "indices": [1, 3],
        "against": [0, 0],
        "function": None,
        "labels": ["b over a", "<d> over a"],
        "layer": None,
        "unit": None,
    }
    assert record.inputs == {"hash": tensor_hash(x), "dtype": "float64", "shape": [2, 2, 6, 6]}
    assert record.score == made.score.tolist()
    assert made.convergence_delta is not None
    assert record.convergence_delta == made.convergence_delta.tolist()
    assert record.map["limit"] == [scales.limit(one.numpy()) for one in made.map]
    assert np.allclose(record.map["sum"], made.values.sum((1, 2, 3)))
    assert np.allclose(record.values["norm"], made.values.flatten(1).norm(dim=1))
    assert record.preprocessing == borrowed.preprocessing.source
    assert (record.index, record.seed, record.complete, record.layer) == (4, None, True, None)
    assert record.versions["saliscope"] == saliscope.__version__
    assert record.versions["torch"] == torch.__version__
    assert record.machine["device"] == "cpu"
    assert record.machine["threads"] == torch.get_num_threads()
    assert "Classifier" in repr(record)


def test_seed_and_layer():
    assert Record.of(SmoothGrad(n_samples=2, seed=7).attribute(model(), inputs())).seed == 7
    assert Record.of(GradCAM().attribute(model(), inputs())).layer == "features"


def test_a_record_holds_no_pixel_and_little_else():
    x, start = inputs(), torch.full((2, 6, 6), 0.123456789012345, dtype=torch.float64)
    record = Record.of(IntegratedGradients(baseline=start, n_steps=2).attribute(model(), x), model())
    text = record.to_json()
    assert not any(repr(value) in text for value in (*x.flatten().tolist(), 0.123456789012345))
    assert len(text) < 5000
    named = {"tensor": tensor_hash(start), "dtype": "float64", "shape": [2, 6, 6]}
    assert record.method["params"]["baseline"] == {"kind": "custom", "tensor": named}


def test_a_function_is_named():
    def logit_sum(outputs):
        return outputs.sum(1)

    record = Record.of(Saliency().attribute(model(), inputs(), logit_sum), model())
    assert record.target["function"] == "logit_sum"
    assert record.target["indices"] is None
    assert Record.from_json(record.to_json()) == record


def test_a_value_that_is_no_number_is_null():
    class Root(nn.Module):
        def forward(self, x):
            return x.clamp(min=0).sqrt().flatten(1).sum(1, keepdim=True)

    x = inputs()
    x[0, 0, 0, 0] = 0
    made = InputXGradient().attribute(Root(), x)
    assert not torch.isfinite(made.values).all()
    record = Record.of(made, Root())
    assert (record.map["sum"], record.map["limit"]) == ([None], [None])
    assert Record.from_json(record.to_json()) == record


@dataclass(frozen=True)
class Exotic(Saliency):
    key = "exotic"
    function: object = len
    thing: object = None


@pytest.mark.parametrize(
    "method",
    [
        SmoothGrad(
            IntegratedGradients(baseline=("white", 0.25, Painted((1, 2, 3, 1), Blur(3), "grey")), n_steps=3)
        ),
        IntegratedGradients(
            baseline=[Custom(torch.zeros(2, 1, 1)), Mean(torch.ones(1, 2, 6, 6)), np.ones((2, 6, 6))]
        ),
    ],
    ids=["nested", "tensors"],
)
def test_configurations_come_back(method):
    spec = json.loads(json.dumps(written(method)))
    tensors = {
        tensor_hash(torch.as_tensor(t)): t
        for t in (torch.zeros(2, 1, 1), torch.ones(1, 2, 6, 6), np.ones((2, 6, 6)))
    }
    made = method_of(spec, lambda name, reference: tensors[reference["tensor"]])
    assert written(made) == spec


def test_what_plain_data_cannot_hold_is_named():
    assert written(Exotic(thing=slice(2)))["params"] == {
        "absolute": True,
        "layer": None,
        "function": {"callable": "len"},
        "thing": {"object": "slice"},
    }


class TestFingerprint:
    def test_the_same_model_has_the_same(self):
        net = model()
        assert fingerprint(net) == fingerprint(copy.deepcopy(net).train())
        net(inputs()).sum().backward()
        assert fingerprint(net) == fingerprint(model())

    def test_other_weights(self):
        net = model()
        one, other = fingerprint(net), fingerprint(changed(net))
        assert one["architecture"] == other["architecture"]
        assert one["weights"] != other["weights"]

    def test_other_buffers(self):
        net, other = model(), model()
        next(other.buffers()).add_(1)
        assert fingerprint(net)["weights"] != fingerprint(other)["weights"]

    @pytest.mark.parametrize(
        "other", [nn.Sequential(nn.Linear(2, 2), nn.GELU()), nn.Sequential(nn.ReLU(), nn.Linear(2, 2))]
    )
    def test_other_architectures(self, other):
        assert (
            fingerprint(nn.Sequential(nn.Linear(2, 2), nn.ReLU()))["architecture"]
            != fingerprint(other)["architecture"]
        )

    def test_through_a_wider_dtype_and_back(self):
        net = model().float()
        assert fingerprint(net)["weights"] != fingerprint(copy.deepcopy(net).double())["weights"]
        assert (
            fingerprint(net)["weights"] == fingerprint(copy.deepcopy(net).double(), torch.float32)["weights"]
        )

    def test_compiled_is_what_it_wraps(self):
        net = model()
        assert fingerprint(torch.compile(net)) == fingerprint(net)  # type: ignore[arg-type]

    def test_strange_tensors(self):
        class Strange(nn.Module):
            def __init__(self):
                super().__init__()
                self.register_buffer("complex", torch.ones(2, dtype=torch.complex64).conj())
                self.register_buffer("empty", torch.zeros(0, 3))
                self.register_buffer("truth", torch.tensor(True))
                self.register_buffer("sparse", torch.eye(3).to_sparse())
                self.register_buffer("halves", torch.ones(3, dtype=torch.bfloat16)[::2])
                self.lazy = nn.LazyLinear(3)
                self.meta = nn.Linear(2, 2, device="meta")

        assert fingerprint(Strange()) == fingerprint(Strange())


class TestSketch:
    def test_it_tells_distances(self):
        draw = torch.Generator().manual_seed(3)
        maps = torch.randn(20, 1, 40, 41, generator=draw)
        others = maps + torch.logspace(-6, 1, 20).reshape(-1, 1, 1, 1) * torch.randn(
            maps.shape, generator=draw
        )
        for one, other in zip(maps.double(), others.double(), strict=True):
            true = float((one - other).norm())
            assert distance(sketch(one[None]), sketch(other[None])) == pytest.approx(true, rel=0.35)

    def test_the_signs_are_those_of_every_version(self):
        (row,) = sketch(torch.arange(1, 101, dtype=torch.float64).reshape(1, 1, 10, 10))
        assert row[:4] == [-512.0, 274.0, 538.0, -530.0]

    def test_a_batch_is_its_inputs(self):
        x = inputs(3)
        assert np.allclose(sketch(x), [sketch(one[None])[0] for one in x], rtol=1e-12, atol=1e-12)
