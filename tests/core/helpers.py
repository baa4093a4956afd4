"""What the tests of the engine rooms share."""

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jaxtyping
import numpy as np
import torch
from torch import Tensor, nn


@contextmanager
def unchecked() -> Iterator[None]:
    """No annotation is checked inside, as outside of tests: for what users pass against all annotations."""
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


def fingerprint(model: nn.Module) -> dict[str, Any]:
    """Everything that a computation must leave as it was: of the model, of this thread, of the process.

    Objects are compared by identity, tensors and random states by their bytes as well.
    """
    made: dict[str, Any] = {
        "torch rng": _digest(torch.get_rng_state()),
        "numpy rng": repr(np.random.get_state()),  # noqa: NPY002
        "python rng": hash(random.getstate()),
        "default dtype": torch.get_default_dtype(),
        "gradients": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "anomalies": torch.is_anomaly_enabled(),
    }
    for name, parameter in model.named_parameters():
        gradient = parameter.grad
        made[f"{name}"] = (id(parameter), _digest(parameter), parameter.requires_grad, parameter._version)
        made[f"{name}.grad"] = None if gradient is None else (id(gradient), _digest(gradient))
    for name, module in model.named_modules():
        for key, value in vars(module).items():
            made[f"{name}:{key}"] = _contents(value)
    return made


def changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Names of what differs between two fingerprints."""
    return [name for name in before | after if before.get(name, "missing") != after.get(name, "missing")]


def _contents(value: Any) -> Any:
    if isinstance(value, dict):
        return id(value), {key: _contents(item) for key, item in value.items()}, list(value)
    if isinstance(value, (list, tuple, set)):
        return id(value), [_contents(item) for item in value]
    if isinstance(value, Tensor) and not isinstance(value, nn.Parameter):
        return id(value), _digest(value)
    return id(value)


def _digest(tensor: Tensor) -> str:
    return hashlib.sha256(tensor.detach().flatten().view(torch.uint8).numpy().tobytes()).hexdigest()
