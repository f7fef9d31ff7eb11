"""Forward-mode differentiation of models: value and Jacobian product in one pass."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, jvp
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

from tangent.arithmetic.linearizable import copies_of, explained
from tangent.arithmetic.outputs import split


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
    model: nn.Module | None = None,
) -> tuple[Any, Any]:
    """f(θ) and its derivative along a direction at θ = `point`, by one pass.

    What has no derivative in f's outputs (`outputs.split`) is f's in both.

    Args:
        f: weights by name to outputs.
        point: the weights; f may write to what it is given, which changes none of these.
        direction: with the names and shapes of `point`.
        model: whose modules a message may name.

    Raises:
        UserError: an operation of f has no forward-mode derivative, or f changes its weights.
    """
    if torch.compiler.is_compiling():
        # It traces neither the switches (who compiles enters forward_mode_attention outside) nor
        # what looks into outputs: models that are compiled give one tensor.
        with LayerNormsInOneType():
            return jvp(f, (dict(point),), (dict(direction),))
    rebuilds = []

    def tensors_of(weights: dict[str, Tensor]) -> tuple[Tensor, ...]:
        tensors, rebuild = split(f(weights))
        rebuilds.append(rebuild)
        return tuple(tensors) or (torch.zeros(()),)  # torch wants an output; no place asks for it

    try:
        with forward_mode_attention(), LayerNormsInOneType(), copies_of(point) as weights:
            values, products = jvp(tensors_of, (weights,), (dict(direction),))
    except RuntimeError as error:  # NotImplementedError is one of these
        if (explanation := explained(error, model)) is None:
            raise
        raise explanation from error
    return rebuilds[0](values), rebuilds[0](products)


def model_and_product(
    model: nn.Module,
    point: Mapping[str, Tensor],
    direction: Mapping[str, Tensor],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> tuple[Any, Any]:
    """The same for a model at some of its weights, by name, and inputs `args` and `kwargs`."""

    def at(weights: dict[str, Tensor]) -> Any:
        return at_weights(model, weights, args, kwargs)

    return value_and_product(at, point, direction, model)


def at_weights(
    model: nn.Module,
    weights: Mapping[str, Tensor],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> Any:
    """f at some of its weights; a buffer that the pass replaces (`self.x = …`) is put back."""
    weights = {**dict(model.named_buffers()), **weights}
    return functional_call(model, weights, args, dict(kwargs))


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
