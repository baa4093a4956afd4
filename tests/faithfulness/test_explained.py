"""Maps with channels, and running a method again, whatever it is."""

import pytest
import torch
from torch import Tensor, nn

from saliscope import InputError, MethodError
from saliscope.attribution import GradCAM, InputXGradient, Saliency, adapt
from saliscope.core.query import Query
from saliscope.faithfulness.order import as_maps, as_values, asked, explained
from tests.attribution.helpers import Affine
from tests.core.helpers import changed, fingerprint, unchecked


def pictures(n: int = 2) -> Tensor:
    return torch.randn(n, 2, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def query() -> Query:
    return Query(Affine(), pictures(), 1, "auto")


@pytest.mark.parametrize("shape", [(2, 4, 4), (2, 1, 4, 4), (2, 2, 4, 4)])
def test_values_keep_their_channels_and_maps_sum_them(shape):
    given = torch.randn(shape)
    values = as_values(given, pictures())
    assert values.shape == (2, shape[1] if len(shape) == 4 else 1, 4, 4)
    assert torch.equal(values.sum(1), as_maps(given, pictures()))
    assert as_values(given[0, None].numpy(), pictures(1)).dtype == torch.float64


def test_a_single_map_needs_no_batch():
    assert as_values(torch.ones(4, 4), pictures(1)).shape == (1, 1, 4, 4)


def test_an_attribution_gives_its_values_and_its_target(query):
    made = InputXGradient().attribute(query.borrowed, query.inputs, 1)
    assert torch.equal(as_values(made, query.inputs), made.values)
    assert asked(made, None) is made.target
    assert asked(made, 0) == 0
    assert asked(made.values, None) is None


@pytest.mark.parametrize("shape", [(3, 4, 4), (2, 4, 5), (2, 0, 4, 4), (4, 4), (16,), (2, 1, 1, 4, 4)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(InputError, match="maps"):
        as_values(torch.ones(shape), pictures())


def test_a_value_that_is_no_number_is_named():
    values = torch.ones(2, 2, 4, 4)
    values[1, 0, 3, 2] = torch.inf
    with pytest.raises(InputError, match=r"1 NaN or infinite values, the first at index \(1, 0, 3, 2\)"):
        as_values(values, pictures())


def test_methods_and_functions_give_the_same(query):
    def with_torch(model: nn.Module, inputs: Tensor, target: object) -> Tensor:
        inputs = inputs.clone().requires_grad_()
        with torch.enable_grad():
            model(inputs)[range(len(inputs)), target.indices].sum().backward()
        return inputs.grad * inputs

    model = Affine()
    before = fingerprint(model)
    with unchecked():
        answer, values = explained(InputXGradient(), model, query.inputs, query.target)
        _, other = explained(with_torch, model, query.inputs, query.target)
        _, third = explained(
            lambda *given: InputXGradient().attribute(*given), model, query.inputs, query.target
        )
    assert changed(before, fingerprint(model)) == []
    assert torch.equal(values, answer.values)
    assert values == pytest.approx(other, rel=1e-12)
    assert torch.equal(values, third)


def test_random_functions_start_from_the_same_numbers_and_leave_the_process_its_own(query):
    maps = []
    for seed in (3, 4):
        torch.manual_seed(seed)
        expected = torch.rand(2)
        torch.manual_seed(seed)
        given = Affine(), query.inputs, query.target
        maps.append(explained(lambda model, inputs, target: torch.rand(2, 4, 4), *given)[1])
        assert torch.equal(torch.rand(2), expected)
    assert torch.equal(*maps)


class Told(Saliency):
    """Says in its map how large a chunk it was told to take."""

    def attribute(self, model, inputs, target=None, *, chunk_size="auto", **options):
        return torch.full((2, 4, 4), -1.0 if chunk_size == "auto" else chunk_size)


def test_a_method_is_told_the_size_of_chunks_and_nobody_else(query):
    given = Affine(), query.inputs, query.target
    assert explained(Told(), *given, 3)[1].unique().tolist() == [3]
    assert explained(Told(), *given)[1].unique().tolist() == [-1]
    assert explained(lambda model, inputs, target: inputs.sum(1), *given, 3)[1].shape == (2, 1, 4, 4)


def test_objects_of_captum_and_zennit_become_methods_first(query):
    captum = pytest.importorskip("captum.attr")
    model = Affine()
    given = model, query.inputs, query.target
    with unchecked():
        with pytest.raises(MethodError, match=r"InputXGradient of captum.*saliscope\.attribution\.adapt"):
            explained(captum.InputXGradient(model), *given)
        _, values = explained(adapt(captum.InputXGradient(model)), *given)
        _, ours = explained(InputXGradient(), *given)
    assert values == pytest.approx(ours, rel=1e-12)


@pytest.mark.parametrize("explain", ["saliency", None, Saliency, GradCAM])
def test_what_is_no_method_is_refused(query, explain):
    with pytest.raises(MethodError, match=r"explain.*attribute\(model, inputs, target\)"):
        explained(explain, Affine(), query.inputs, query.target)
