"""Forward-mode differentiation of models: value and Jacobian product in one pass."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, jvp
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

from tangent.jobs.errors import UserError

# How torch says that it cannot differentiate an operation in forward mode; it names native ones.
_NO_FORWARD_MODE = re.compile(r"forward AD with (\S+) that does not support|autograd\.Function")


@contextmanager
def forward_mode_attention() -> Iterator[None]:
    """Run attention by operations that have a forward-mode derivative; restored on leaving.

    Fused attention and the fast path of `nn.MultiheadAttention` have none. On a CPU the math
    backend is also the faster one for short sequences.
    """
    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)


def value_and_product(
    f: Callable[[dict[str, Tensor]], Any],
    point: Mapping[str, Tensor],
    direction: Mapping[str, Tensor],
) -> tuple[Any, Any]:
    """f(θ) and its derivative along a direction at θ = `point`, by one pass.

    Args:
        f: weights by name to outputs.
        point: the weights.
        direction: with the names and shapes of `point`.

    Raises:
        UserError: an operation of f has no forward-mode derivative.
    """
    # The compiler cannot trace the switches: who compiles enters forward_mode_attention outside.
    compiling = torch.compiler.is_compiling()
    try:
        with nullcontext() if compiling else forward_mode_attention(), LayerNormsInOneType():
            return jvp(f, (dict(point),), (dict(direction),))
    except RuntimeError as error:  # NotImplementedError is one of these
        unsupported = _NO_FORWARD_MODE.search(str(error))
        if unsupported is None:
            raise
        operation = unsupported[1] or "an autograd.Function without a `jvp` method"
        raise UserError(
            f"the model uses {operation}, which has no forward-mode derivative in torch "
            f"{torch.__version__}, so it cannot be linearized: replace it by operations that have "
            "one (a fused kernel usually has a plain equivalent)."
        ) from error


def model_and_product(
    model: nn.Module,
    point: Mapping[str, Tensor],
    direction: Mapping[str, Tensor],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> tuple[Any, Any]:
    """The same for a model at some of its weights, by name, and inputs `args` and `kwargs`."""

    def at(weights: dict[str, Tensor]) -> Any:
        return functional_call(model, weights, args, dict(kwargs))

    return value_and_product(at, point, direction)


class LayerNormsInOneType(TorchFunctionMode):
    """Gives layer normalisations inputs of the type of their weights, as autocast does on a GPU.

    On a CPU autocast leaves them alone, and where types differ torch's forward-mode derivative is
    of another type than the value: the convolution that follows refuses the two.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is not F.layer_norm:
            return func(*args, **kwargs)
        inputs, weight = args[0], (*args, kwargs.get("weight"))[2]
        return func(inputs if weight is None else inputs.to(weight.dtype), *args[1:], **kwargs)


class ContiguousInputs(TorchFunctionMode):
    """Gives linear layers, and attention's, contiguous inputs; enter it around a `vmap`.

    To others (attention transposes its tokens) torch multiplies token by token, and copies the
    directions of the weight for each: 26 GB in ViT-L-14 with 8 directions.
    """

    # How many of the first arguments; torch does not ask again for the layers within attention.
    _INPUTS = {F.linear: 1, F.multi_head_attention_forward: 3}

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        inputs = args[: self._INPUTS.get(func, 0)]
        # One copy of a tensor given thrice: attention looks whether the three are the same.
        copies = {id(value): value.contiguous() for value in inputs}
        contiguous = (copies[id(value)] for value in inputs)
        return func(*contiguous, *args[len(inputs) :], **(kwargs or {}))
