"""Operations by one name, however they are spelled: operator, method, function, in place or not."""

import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SPELLINGS = {
    "add": "radd iadd",
    "sub": "subtract rsub isub",
    "mul": "multiply rmul imul",
    "div": "divide true_divide truediv itruediv idiv",
    "matmul": "mm bmm mv dot vdot inner rmatmul imatmul",
    "pow": "ipow float_power",
    "rdiv": "rtruediv",
    "neg": "negative",
    "abs": "absolute",
    "cat": "concat concatenate",
    "clamp": "clip",
    "sigmoid": "expit",
    "silu": "swish",
    "maximum": "fmax",
    "minimum": "fmin",
    "log_sigmoid": "logsigmoid",
    "max_pool1d": "max_pool1d_with_indices",
    "max_pool2d": "max_pool2d_with_indices",
    "max_pool3d": "max_pool3d_with_indices",
    "batch_norm": "native_batch_norm cudnn_batch_norm",
    "layer_norm": "native_layer_norm",
    "scaled_dot_product_attention": "_scaled_dot_product_attention",
}
_ALIASES = {alias: name for name, aliases in _SPELLINGS.items() for alias in aliases.split()}

SIGNATURES: Mapping[str, Sequence[str]] = {
    name: arguments.split()
    for names, arguments in {
        "linear": "input weight bias",
        "conv1d conv2d conv3d": "input weight bias stride padding dilation groups",
        "conv_transpose1d conv_transpose2d conv_transpose3d": (
            "input weight bias stride padding output_padding groups dilation"
        ),
        "batch_norm": "input weight bias running_mean running_var training momentum eps cudnn_enabled",
        "instance_norm": "input weight bias running_mean running_var use_input_stats momentum eps",
        "layer_norm": "input normalized_shape weight bias eps",
        "group_norm": "input num_groups weight bias eps",
        "rms_norm": "input normalized_shape weight eps",
        "softmax log_softmax": "input dim dtype",
        "scaled_dot_product_attention": "query key value attn_mask dropout_p is_causal",
        "addmm addmv addbmm baddbmm": "input first second",
        "add sub mul div matmul maximum minimum max min": "input other",
        "clamp": "input min max",
        "clamp_min": "input min",
        "hardtanh": "input min_val max_val",
        "threshold": "input threshold value",
        "leaky_relu": "input negative_slope",
        "pow": "input exponent",
        "cat stack": "tensors dim",
        "mean sum logsumexp": "input dim keepdim dtype",
        "max_pool1d max_pool2d max_pool3d": "input kernel_size stride padding dilation ceil_mode",
    }.items()
    for name in names.split()
}
"""Arguments of the operations whose rules ask for one by name, in the order of the innermost function."""

RECTIFIERS = frozenset({"relu", "relu6"})
"""Zero below zero; "relu6" is every one that also has a ceiling."""

MOVES = _words(
    """
    view view_as reshape reshape_as permute transpose t swapaxes swapdims movedim moveaxis flatten
    unflatten squeeze unsqueeze expand expand_as broadcast_to repeat tile repeat_interleave cat stack
    hstack vstack dstack split chunk tensor_split unbind getitem setitem narrow select index_select
    gather take_along_dim pad constant_pad_nd roll flip rot90 contiguous clone to type type_as float
    double half bfloat16 alias dropout feature_dropout alpha_dropout feature_alpha_dropout identity
    unfold fold im2col col2im copy pixel_shuffle pixel_unshuffle channel_shuffle
    native_channel_shuffle tril triu masked_fill diagonal mT T mH H adjoint requires_grad meshgrid
    broadcast_tensors as_strided ravel atleast_1d atleast_2d atleast_3d column_stack index put scatter
    masked_select scatter_add index_add index_copy select_scatter slice_scatter masked_scatter
    max_unpool2d embedding get index_put index_fill fill zero diagonal_scatter
    """
)
"""Operations that only move values about: the gradient is right for them under every rule."""

AVERAGES = _words(
    """
    mean sum avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d
    adaptive_avg_pool3d upsample_nearest1d upsample_nearest2d upsample_nearest3d
    _upsample_nearest_exact2d upsample_bilinear2d upsample_linear1d upsample_trilinear3d
    _upsample_bilinear2d_aa cumsum nansum
    """
)
"""Sums of one tensor's values with weights that are not negative and not learned."""

LEARNED = _words(
    """
    linear conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d convolution
    """
)
"""Weighted sums with weights of the model's own."""

POOLS = _words(
    """
    max_pool1d max_pool2d max_pool3d adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d amax
    amin max min
    """
)
"""Operations that pick the largest or the smallest of several values of one tensor."""

ELEMENTWISE = _words(
    """
    relu relu6 leaky_relu prelu rrelu elu selu celu gelu silu mish softplus hardtanh hardswish
    hardsigmoid hardshrink softshrink threshold sigmoid tanh log_sigmoid exp exp2 expm1 log log2 log10
    log1p sqrt rsqrt square reciprocal abs sin cos tan sinh cosh asin acos atan erf erfc clamp
    clamp_max erfinv sinc asinh acosh atanh digamma lgamma nan_to_num log_ndtr ndtr
    """
)
"""Functions of each value by itself."""

SOFT_RECTIFIERS = _words(
    """
    leaky_relu prelu rrelu elu selu celu gelu silu mish softplus hardswish softshrink hardshrink
    """
)
"""What stands in a rectifier's place in other networks, and lets something through below zero."""

CHOICE = "choice by comparison"
"""A product with, or a choice by, what a comparison of the input's own values says: `DECIDES`."""

ACTIVATION = "x * g(x)"
"""A product of x with a function of x, value by value: an activation spelled out."""

_KNOWN = (
    MOVES
    | AVERAGES
    | LEARNED
    | POOLS
    | ELEMENTWISE
    | _words(
        """
    add sub mul div rdiv neg pow rpow matmul einsum maximum minimum addmm addmv addbmm baddbmm addcmul
    addcdiv lerp batch_norm layer_norm group_norm rms_norm instance_norm softmax log_softmax norm
    linalg_vector_norm var std var_mean scaled_dot_product_attention logsumexp bilinear prod cumprod
    where
    """
    )
)


def known(name: str) -> bool:
    """Whether it is clear what an operation does; a recurrent layer is one that may do anything inside."""
    return name in _KNOWN


@dataclass(frozen=True)
class Spelling:
    """What a function that torch calls tells of itself."""

    name: str
    in_place: bool
    composite: bool


_ASKS = _words(
    """
    size dim ndimension numel nelement element_size stride storage_offset is_contiguous
    is_floating_point is_complex is_cuda data_ptr item tolist len bool int index repr format hash str
    get_device is_same_size is_inference is_set_to untyped_storage storage requires_grad register_hook
    retain_grad is_pinned dir contains detach isfinite isnan isinf isposinf isneginf allclose equal
    argmax argmin argsort all any bernoulli rand_like randn_like zeros_like ones_like empty_like
    full_like new_zeros new_ones new_empty new_full new_tensor result_type
    """
)
DECIDES = _words(
    """
    eq ne lt le gt ge greater greater_equal less less_equal not_equal sign sgn heaviside
    """
)
"""Operations whose result says which way an input has gone, and has no gradient."""

_PROPERTIES = _words("T mT H mH real imag")

_known: dict[Any, Spelling | None] = {}


def spelling(func: Any) -> Spelling | None:
    """Name of an operation, and whether it writes; None for questions about a tensor, such as its shape."""
    try:
        return _known[func]
    except KeyError:
        _known[func] = made = _spelling(func)
        return made


def _spelling(func: Any) -> Spelling | None:
    spelled = getattr(func, "__name__", None) or str(func)
    if spelled == "__set__":  # of a property, such as x.grad
        return None
    if spelled == "__get__":  # x.T, x.shape
        spelled = getattr(getattr(func, "__self__", None), "__name__", "get")
        if spelled not in _PROPERTIES:
            return None
    base = spelled.removeprefix("special_").partition(".")[0]
    dunder = base.startswith("__") and base.endswith("__")
    plain = base.strip("_") if dunder else base.removesuffix("_")
    in_place = (dunder and plain[:1] == "i" and plain in _ALIASES) or (not dunder and base != plain)
    in_place = in_place or plain == "setitem"
    if plain in _ASKS and not in_place:
        return None
    # Written in Python: these call others, which have rules of their own.
    composite = isinstance(func, types.FunctionType) and func.__module__ in (
        "torch.nn.functional",
        "torch.functional",
    )
    return Spelling(_ALIASES.get(plain, plain), in_place, composite)


def special_name(name: str, argument: Callable[[str, Any], Any]) -> str:
    """The name that the arguments of a call give to it: a clamp at zero is a rectifier."""
    if name in ("clamp", "hardtanh"):
        low, high = ("min", "max") if name == "clamp" else ("min_val", "max_val")
        low, high = argument(low, None if name == "clamp" else -1.0), argument(high, None)
        if _is_zero(low):
            return "relu" if high is None and name == "clamp" else "relu6"
    if name == "clamp_min":
        return "relu" if _is_zero(argument("min", None)) else "clamp"
    if name == "threshold" and _is_zero(argument("threshold", None)) and _is_zero(argument("value", None)):
        return "relu"
    if name == "leaky_relu" and argument("negative_slope", 0.01) == 0:
        return "relu"
    if name in ("max", "min") and isinstance(argument("other", None), Tensor):
        name += "imum"
    if name == "maximum" and any(_is_zero(argument(side, None)) for side in ("input", "other")):
        return "relu"
    return name


def _is_zero(value: Any) -> bool:
    if isinstance(value, Tensor):
        return not value.requires_grad and not bool(value.any())
    return isinstance(value, (int, float)) and value == 0


def opened(func: types.FunctionType) -> types.FunctionType:
    """One of torch's own functions written in Python, without its question whether somebody listens.

    Its parts are then called one by one, and each is heard by itself.
    """
    deaf = dict.fromkeys(
        ("has_torch_function", "has_torch_function_unary", "has_torch_function_variadic"), _nobody
    )
    made = types.FunctionType(
        func.__code__, func.__globals__ | deaf, func.__name__, func.__defaults__, func.__closure__
    )
    made.__kwdefaults__ = func.__kwdefaults__
    return made


def _nobody(*_tensors: Any) -> bool:
    return False
