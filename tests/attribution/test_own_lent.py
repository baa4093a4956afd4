"""What a user's function does between two yields, and that the model is given back at each of them."""

import re

import pytest
import torch

from saliscope import MethodError, ModelError
from saliscope.attribution import Saliency, method
from saliscope.core.anytime import Cancelled, CancelToken
from tests.attribution.helpers import Affine, Counted, pictures, plain_gradient
from tests.attribution.test_borrowed import FailsAt, Restless
from tests.attribution.variants import Layers, plain
from tests.core.helpers import changed, fingerprint, unchecked

TIGHT = {"rtol": 1e-12, "atol": 1e-12}
pytestmark = pytest.mark.usefixtures("registry_as_before")


@pytest.fixture
def model():
    return plain(Layers())


def test_nothing_happens_before_the_first_step():
    counted = Counted(plain(Layers()))
    stream = method(plain_gradient)().stream(counted, pictures(1), 0)
    assert counted.seen() == []
    next(stream)
    assert counted.seen() != []


def test_partial_answers_cost_no_run_of_the_model():
    counted = Counted(plain(Layers()))
    for step in method(TestRandomNumbers.noise)().stream(counted, pictures(2), 1):
        before = counted.seen()
        assert step.result.score.shape == (2,)
        assert counted.seen() == before


class TestGenerators:
    def test_every_yield_is_a_step(self, model):
        @method
        def growing(model, inputs, target, n: int = 4):
            for done in range(1, n + 1):
                yield plain_gradient(model, inputs, target) * done, done, n

        x = pictures(2)
        steps = list(growing().stream(model, x, 1))
        assert [(s.done, s.total, s.complete) for s in steps] == [
            (1, 8, False), (2, 8, False), (3, 8, False), (4, 8, False),
            (5, 8, False), (6, 8, False), (7, 8, False), (8, 8, True),
        ]  # fmt: skip
        assert [s.result.complete for s in steps] == [False] * 7 + [True]
        known = Saliency(absolute=False).attribute(model, x, 1).values
        for k, factors in ((0, (1, 0)), (3, (4, 0)), (5, (4, 2)), (7, (4, 4))):
            expected = known * torch.tensor(factors)[:, None, None, None]
            torch.testing.assert_close(steps[k].result.values, expected, **TIGHT)

    def test_without_a_count_the_end_is_known_at_the_end(self, model):
        @method
        def growing(model, inputs, target):
            for _ in range(3):
                yield plain_gradient(model, inputs, target)

        steps = list(growing().stream(model, pictures(2), 1))
        assert [s.complete for s in steps] == [False] * (len(steps) - 1) + [True]
        assert [s.done for s in steps] == sorted(s.done for s in steps)
        assert all(s.done < s.total for s in steps[:-1])

    def test_what_it_goes_on_writing_into_was_taken_before(self, model):
        @method
        def running(model, inputs, target):
            total = torch.zeros_like(inputs.detach())
            for done in (1, 2, 3):
                total += 1
                yield total, done, 3

        late = [step.result for step in list(running().stream(model, pictures(1), 1))]
        assert [made.values.unique().item() for made in late] == [1, 2, 3]

        @method
        def untidy(model, inputs, target):
            total = torch.ones_like(inputs.detach())
            yield total
            total.zero_()

        assert untidy().attribute(model, pictures(1), 1).values.unique().item() == 1

    @pytest.mark.parametrize(
        ("items", "text"),
        [
            ([], "got a generator without a yield; expected at least one map."),
            ([(1, 2)], "got an object of type tuple; expected a tensor."),
            ([(torch.ones(1, 4, 4), 3, 2)], "got progress 3 of 2; expected 1 <= done <= total."),
            ([(torch.ones(1, 4, 4), 0, 2)], "got progress 0 of 2; expected"),
            ([(torch.ones(1, 4, 4), 0.5, 2)], "got progress 0.5 of 2; expected"),
            ([torch.ones(1, 4, 4), torch.ones(3)], "got values of shape (3,); expected"),
        ],
    )
    def test_bad_yields(self, model, items, text):
        @method
        def yields(model, inputs, target):
            yield from items

        with pytest.raises(MethodError, match="^" + re.escape(f"`yields`: {text}")):
            yields().attribute(model, pictures(1), 0)

    def test_after_its_last_step_and_when_stopped_it_is_closed_with_the_model_at_hand(self, model):
        seen = []

        @method
        def careful(model, inputs, target, last: int = 9):
            try:
                for done in range(1, 99):
                    yield plain_gradient(model, inputs, target), min(done, last), last
            finally:
                seen.append(model.module.training)

        model.train()
        careful(last=3).attribute(model, pictures(1), 0)
        token = CancelToken()
        token.cancel()
        with pytest.raises(Cancelled) as stopped:
            careful().attribute(model, pictures(1), 0, cancel=token)
        assert not stopped.value.result.complete
        assert seen == [False, False]
        assert model.training


class TestRandomNumbers:
    @staticmethod
    def noise(model, inputs, target, seed: int = 0):
        for done in (1, 2, 3):
            yield torch.randn_like(inputs), done, 3

    def test_every_step_draws_others(self, model):
        steps = [s.result.values for s in method(self.noise)().stream(model, pictures(1), 0)]
        assert not torch.equal(steps[0], steps[1])
        assert not torch.equal(steps[1], steps[2])
        drawn = torch.randn(3, 1, 2, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(torch.stack(steps), drawn)

    def test_they_depend_on_the_seed_and_on_nothing_else(self, model):
        own = method(self.noise)
        first = own().attribute(model, pictures(3), 0).values
        torch.randn(7)
        again = own().attribute(model, pictures(1), 0).values
        assert torch.equal(first, again.expand_as(first))
        assert not torch.equal(own(seed=1).attribute(model, pictures(1), 0).values, again)

    def test_the_users_own_go_on_as_if_nothing_had_been_drawn(self, model):
        torch.manual_seed(5)
        expected = torch.randn(4)
        torch.manual_seed(5)
        drawn = []
        for _ in method(self.noise)().stream(model, pictures(1), 0):
            drawn.append(torch.randn(1))
        assert torch.equal(torch.cat(drawn), expected[:3])


class TestBorrowed:
    @staticmethod
    def careless(model, inputs, target, steps: int = 3):
        """Leaves traces wherever it can."""
        for done in range(1, steps + 1):
            module = model.module
            module.train()
            module.noticed = True
            module.model.last.register_forward_hook(lambda *_: None)
            module.requires_grad_(done % 2 == 0)
            module.eval()
            torch.manual_seed(done)
            inputs.grad = None
            model(inputs)[:, target].sum().backward()
            yield inputs.grad, done, steps

    @pytest.fixture(autouse=True)
    def no_draws_of_the_type_checker(self):
        with unchecked():
            yield

    def test_after_success_and_between_any_two_steps(self):
        model = Restless(plain(Layers()))
        before = fingerprint(model)
        for step in method(self.careless)().stream(model, pictures(2), 1):
            assert changed(before, fingerprint(model)) == []
            assert step.result.values.shape == (2, 2, 4, 4)

    def test_after_stopping_at_every_step(self):
        model = Restless(plain(Layers()))
        before = fingerprint(model)
        for stop in range(6):
            stream = method(self.careless)().stream(model, pictures(2), 1)
            for _ in range(stop):
                next(stream)
            stream.close()
            assert changed(before, fingerprint(model)) == []

    @pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt()], ids=["error", "interrupt"])
    def test_after_an_exception_of_the_model_at_every_call(self, error):
        for call in range(1, 8):
            model = Restless(plain(Layers()), FailsAt(call, error))
            before = fingerprint(model)
            with pytest.raises((ModelError, KeyboardInterrupt)):
                method(self.careless)().attribute(model, pictures(2), 1)
            assert changed(before, fingerprint(model)) == []

    def test_after_an_exception_of_the_function(self):
        @method
        def fails(model, inputs, target):
            next(TestBorrowed.careless(model, inputs, target))
            raise KeyError("missing")

        model = Restless(plain(Layers()))
        before = fingerprint(model)
        with pytest.raises(MethodError, match="`fails`: got KeyError: 'missing'"):
            fails().attribute(model, pictures(2), 1)
        assert changed(before, fingerprint(model)) == []

    def test_the_gradients_of_the_weights_are_the_users(self):
        """What was there is not added to, and nothing is left where nothing was."""
        model = Affine()
        model.weight.grad = torch.full_like(model.weight, 7)
        given = model.weight.grad

        @method
        def backward(model, inputs, target):
            model(inputs)[:, target].sum().backward()
            assert model.module.bias.grad is not None
            return inputs.grad

        backward().attribute(model, pictures(2), 1)
        assert model.weight.grad is given
        assert given.unique().tolist() == [7]
        assert model.bias.grad is None

    def test_writing_into_weights_is_said(self):
        @method
        def randomised(model, inputs, target):
            with torch.no_grad():
                model.module.weight.normal_()
            return plain_gradient(model, inputs, target)

        with pytest.raises(ModelError, match=r"`model`: got weights that were written to; .* Work on copy"):
            randomised().attribute(Affine(), pictures(1), 1)
