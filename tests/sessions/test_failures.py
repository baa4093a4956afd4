"""Whatever goes wrong is said, the screen stays, the next request works, and the model is as it was."""

import gc
import traceback
import weakref

import pytest
import torch
from torch import nn

import saliscope as sp
from saliscope.attribution import GradCAM, InputXGradient, IntegratedGradients, Saliency, SmoothGrad
from saliscope.sessions.answers import Request
from saliscope.sessions.failures import in_our_words
from tests.sessions.tools import PATIENCE, Session, Watched, fingerprint, photo, tiny

IG = IntegratedGradients(n_steps=8)


@pytest.fixture
def model():
    return Watched()


@pytest.fixture
def board(model):
    return model.board


def failure(session, *request):
    """What a request ends with, and the words that the page shows."""
    session.explain(Request(*request))
    assert session.wait(PATIENCE)
    assert session.state.phase == "error"
    told = session.state.error
    assert (told.type, told.message) == (type(session.error).__name__, str(session.error))
    return session.error


class TestRecovery:
    def test_an_error_in_the_middle_and_what_comes_after_it(self, model, board):
        session = Session(model, chunk_size=1)
        first = session.answer(Saliency())
        attribution = session.attribution
        session.heard.clear()
        board.hold()
        session.explain(Request(IG))
        assert board.reached()
        board.error = ZeroDivisionError("half of the way")
        board.open.set()
        assert session.wait(PATIENCE)
        assert session.story == ["running", "error"]
        assert session.state.error.argument == "model"
        assert (session.result, session.attribution) == (first, attribution)
        board.error = None
        assert session.answer(IG).method == "integrated_gradients"
        assert (session.state.phase, session.error) == ("done", None)

    def test_an_error_of_an_older_request_is_not_told(self, model, board):
        session = Session(model)
        session.answer(Saliency())
        session.heard.clear()
        board.hold()
        board.error_of_the_held = ZeroDivisionError("nobody cares any more")
        session.explain(Request(IG))
        assert board.reached()
        failed = session._job
        session.explain(Request(GradCAM()))
        board.open.set()
        assert failed.wait(PATIENCE)
        assert session.error is None
        assert session.wait(PATIENCE)
        assert session.story == ["running", "running", "final", "done"]

    def test_a_first_request_that_fails_leaves_nothing_half_done(self, model, board):
        board.error = ValueError("not yet")
        session = Session(model)
        assert isinstance(failure(session, IG), sp.errors.ModelError)
        assert (session.result, session.attribution) == (None, None)
        board.error = None
        session.answer(IG)
        assert session.story == ["running", "error", "running", "info", "preview", "final", "done"]

    def test_a_listener_that_fails_ends_its_own_request_only(self, model):
        session = Session(model)
        keep = session.listener

        def broken(message, blobs):
            if getattr(message, "stage", "") == "final":
                raise OSError("the page is gone")
            keep(message, blobs)

        session.listener = broken
        assert str(failure(session, Saliency())) == "the page is gone"
        session.listener = keep
        assert session.answer(IG).method == "integrated_gradients"


class TestWords:
    def test_a_model_that_raises(self, model, board):
        board.error = KeyError("head")
        error = failure(Session(model), IG)
        assert str(error).startswith(
            "`model`: got KeyError from Watched: 'head'; expected an output for inputs of shape (1, 3, 8, 10)"
        )
        lines = "".join(traceback.format_exception(error))
        assert "self.board.call(len(x))" in lines  # the user's own line

    def test_out_of_memory_in_a_plain_pass(self, model, board):
        board.error = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        session = Session(model)
        error = failure(session, IG)
        assert str(error) == (
            "`images`: got a picture that needs more memory than there is; expected one that fits. "
            "Use a smaller picture, a smaller model, or a device with more memory."
        )
        assert isinstance(error, sp.OutOfMemoryError)
        assert error.__cause__ is board.error
        board.error = None
        session.answer(IG)

    def test_out_of_memory_with_a_chunk_of_one(self, model, board):
        session = Session(model)
        session.answer(Saliency())
        board.error = RuntimeError(
            "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
        )
        error = failure(session, GradCAM())
        assert isinstance(error, sp.OutOfMemoryError)
        assert str(error).startswith("`images`: got ")
        assert session.state.error.argument == "images"

    def test_out_of_memory_with_larger_chunks_is_only_slower(self):
        class Small(nn.Module):
            def __init__(self):
                super().__init__()
                self.net = tiny()

            def forward(self, x):
                if len(x) > 2:
                    raise torch.OutOfMemoryError("out of memory")
                return self.net(x)

        session = Session(Small())
        assert session.answer(IG).stage == "final"

    def test_half_precision_that_overflows(self):
        net = tiny().half()
        with torch.no_grad():
            net[-1].weight.mul_(6e4)
            net[-1].bias.fill_(6e4)
        error = failure(Session(net), Saliency(), lambda out: out.sum(1))
        assert str(error) == (
            "`target`: got a score that is NaN or infinite; expected a finite score. "
            "Half precision overflows easily: try model.float()."
        )

    @pytest.mark.parametrize("method", [Saliency(), InputXGradient(), IG, SmoothGrad(n_samples=2)])
    def test_a_gradient_that_does_not_exist(self, method):
        class Root(nn.Module):
            def forward(self, x):
                return (x - x.detach()).sqrt().sum((1, 2, 3))[:, None]

        error = failure(Session(Root()), method)
        assert isinstance(error, sp.NotDefinedError)
        assert "`attribution`: got 80 pixels whose value is NaN or infinite" in str(error)

    def test_a_score_that_does_not_depend_on_the_picture(self):
        def constant(out):
            return torch.ones(len(out))

        session = Session(tiny())
        for method in (Saliency(), IG, SmoothGrad(n_samples=2), GradCAM("4")):
            error = failure(session, method, constant)
            assert "which does not depend on the input" in str(error) or "the score does not" in str(error)
        session.answer(IG)

    def test_a_target_function_that_raises(self):
        error = failure(Session(tiny()), IG, lambda out: out.logits)
        assert str(error).startswith("`target`: got ")
        assert "from the target function" in str(error)

    def test_names_are_those_that_the_user_wrote(self):
        inner = sp.InputError("inputs[1]", "(3, 4) from inputs[1]", "inputs of one shape", "Cut inputs[1].")
        assert str(in_our_words(inner)) == (
            "`images[1]`: got (3, 4) from images[1]; expected inputs of one shape. Cut images[1]."
        )
        assert type(in_our_words(inner)) is sp.InputError
        for other in (sp.LayerError("layer", "inputs", "x"), KeyError("inputs")):
            assert in_our_words(other) is other

    def test_a_cause_is_kept(self):
        inner, cause = sp.InputError("inputs", "a", "b"), OSError("the disk")
        inner.__cause__ = cause
        assert in_our_words(inner).__cause__ is cause


def test_a_kept_error_keeps_no_tensors():
    class Activations:
        pass

    watch = []

    class Failing(nn.Module):
        def forward(self, x):
            activations = Activations()
            watch.append(weakref.ref(activations))
            raise ValueError("after much was computed")

    session = Session(Failing())
    error = failure(session, IG)
    gc.collect()
    assert session.error is error
    assert watch[-1]() is None


class TestModelUntouched:
    @pytest.fixture
    def model(self):
        model = Watched(tiny())
        model.net[2].eval()  # a mixture of modes
        model.net[0].weight.requires_grad_(False)
        model.net(torch.rand(2, 3, 8, 8)).sum().backward()
        model.net[4].register_forward_hook(lambda module, inputs, output: None)
        return model

    def test_the_fingerprint_sees_everything(self, model):
        seen = {fingerprint(model)}
        changes = [
            lambda: model.net[2].train(),
            lambda: model.net[0].weight.requires_grad_(),
            lambda: model.net[4].weight.data.mul_(1.5),
            lambda: setattr(model.net[4].weight, "grad", None),
            lambda: model.net[2].running_mean.add_(1),
            lambda: model.net[1].register_forward_hook(print),
            lambda: setattr(model.net[1], "note", 1),
            lambda: torch.rand(1),
        ]
        for change in changes:
            change()
            seen.add(fingerprint(model))
        assert len(seen) == 1 + len(changes)

    @pytest.mark.parametrize("method", [IG, Saliency(), InputXGradient(), SmoothGrad(n_samples=4), GradCAM()])
    def test_after_an_answer(self, method, model):
        session = Session(model)
        before = fingerprint(model)
        session.answer(method)
        assert fingerprint(model) == before

    def test_after_a_refinement(self, model):
        session = Session(model)
        before = fingerprint(model)
        session.answer(IG)
        session.refine()
        assert session.wait(PATIENCE)
        assert fingerprint(model) == before

    @pytest.mark.parametrize("call", range(6))
    def test_after_a_cancel_at_any_call(self, call, model, board):
        session = Session(model, photo(), chunk_size=1)
        before = fingerprint(model)
        board.hold(call)
        session.explain(Request(IntegratedGradients(n_steps=4)))
        assert board.reached()
        session.cancel()
        board.open.set()
        assert session.wait(PATIENCE)
        assert session.state.phase == "cancelled"
        assert fingerprint(model) == before

    @pytest.mark.parametrize("call", range(6))
    def test_after_an_error_at_any_call(self, call, model, board):
        session = Session(model, chunk_size=1)
        before = fingerprint(model)
        board.hold_at, board.error = call, ValueError("a defect")
        board.open.set()
        failure(session, IntegratedGradients(n_steps=4))
        assert len(board.rows) == call + 1
        assert fingerprint(model) == before
