"""The linearized model f_lin(x; θ) = f(x; θ0) + J_θ f(x; θ0)·(θ − θ0) (section 3 of the paper).

Everything here goes through one forward pass of `torch.func.functional_call` under
`torch.func.jvp`, which carries the value f(x; θ0) and the product with the Jacobian together.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, jvp, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map, tree_unflatten

from tangent.arithmetic.activation_checkpointing import recompute_blocks
from tangent.arithmetic.task_vector import TaskVector, check_same_names_and_shapes
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


def parameters_of(module: nn.Module) -> dict[str, Tensor]:
    """The parameters of `module` by name, detached (they share the module's memory)."""
    return {name: parameter.detach() for name, parameter in module.named_parameters()}


def jvp_features(
    model: nn.Module, theta0: Mapping[str, Tensor], tau: Mapping[str, Tensor], *inputs: Any
) -> tuple[Tensor, Tensor]:
    """f(x; θ0) and J(x)·τ, both [batch, d], by one pass.

    Args:
        model: f, in evaluation mode.
        theta0: the weights to expand at, by name; parameters not named are the model's own.
        tau: the direction, with the names of `theta0`.
        inputs: the model's arguments, x.

    Raises:
        UserError: `tau` does not have the names or shapes of `theta0`, or an operation of the
            model has no forward-mode derivative.
    """
    check_same_names_and_shapes(theta0, tau, "the model", "the task vector")
    direction = {name: tau[name].to(value) for name, value in theta0.items()}
    return _value_and_product(model, theta0, direction, inputs, {})


def multi_jvp_features(
    model: nn.Module,
    theta0: Mapping[str, Tensor],
    taus: Sequence[Mapping[str, Tensor]],
    *inputs: Any,
) -> tuple[Tensor, list[Tensor]]:
    """f(x; θ0) [batch, d] and J(x)·τ [batch, d] for each of several directions τ, by one pass.

    The value is computed once and the tangents together. For many batches stack the directions once
    and call `stacked_jvp_features`.

    Args and errors are those of `jvp_features`; there must be at least one direction.
    """
    if not taus:
        raise UserError("no task vector is given: products with the Jacobian need at least one.")
    for tau in taus:
        check_same_names_and_shapes(theta0, tau, "the model", "the task vector")
    directions = {
        name: torch.stack([tau[name].to(value) for tau in taus]) for name, value in theta0.items()
    }
    value, products = stacked_jvp_features(model, theta0, directions, *inputs)
    return value, list(products)


def stacked_jvp_features(
    model: nn.Module,
    theta0: Mapping[str, Tensor],
    directions: Mapping[str, Tensor],
    *inputs: Any,
) -> tuple[Tensor, Tensor]:
    """f(x; θ0) [batch, d] and the products J(x)·τ [directions, batch, d], by one pass.

    n directions cost one forward pass and n tangents of two each, in the memory of n tangents. On
    the demo model (CPU, float32) a pass took, relative to these 1 + 2n forward passes,

        images   n = 1    2     4     8
            8     1.6   1.4   1.3   1.1
           16     1.3   1.2   1.2   1.1
           32     1.1   1.1   1.1   1.05
           64     1.2   1.1   1.1   1.0
          128     1.1   1.1   1.1   1.25

    Args:
        model: f, in evaluation mode.
        theta0: the weights to expand at, by name; parameters not named are the model's own.
        directions: of each weight all directions, [directions, *shape], of its type and device.
        inputs: the model's arguments, x.

    Raises:
        UserError: an operation of the model has no forward-mode derivative.
    """

    def along(direction: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        return _value_and_product(model, theta0, direction, inputs, {})

    with ContiguousInputs():
        return vmap(along, out_dims=(None, 0))(dict(directions))


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


def linearize(model: nn.Module, activation_checkpointing: bool = False) -> LinearizedModel:
    """The first-order Taylor expansion of `model` at its present weights θ0.

    The model is copied, so it can be trained on or edited without effect on its linearization.

    Args:
        model: f.
        activation_checkpointing: train in less memory and more time (`LinearizedModel`).

    Raises:
        UserError: the model has no parameter that requires a gradient.
    """
    return LinearizedModel(model, activation_checkpointing)


class LinearizedModel(nn.Module):
    """f_lin(x; θ) = f(x; θ0) + J_θ f(x; θ0)·(θ − θ0), with the signature of f.

    Its parameters are θ (they start at θ0; `model.` goes before the plain names), so optimisers
    and weight decay treat it as the plain model. θ0 is kept in buffers, so that a state dict holds
    both points. f is expanded in evaluation mode, whatever `train()` says: dropout and batch
    statistics would make it another function at every call. Parameters that need no gradient and
    the buffers of f are constants.

    Gradients: that of f_lin in θ is J(x; θ0)ᵀv, one vector-Jacobian product at θ0, so a step keeps
    no more than the plain model's for its backward pass. A step is 6 forward passes' worth of
    arithmetic, 5 if it is compiled, where value and product share a pass (`traceable`); a plain
    step is 3. Without gradients (evaluation) a call is one Jacobian-vector product. Inputs that
    require a gradient get the exact one, at higher cost.

    With `activation_checkpointing` the forward pass keeps no activations: the backward pass
    computes f at θ0 again, block by block where the model can (`set_grad_checkpointing`). The
    gradients are the same; a step takes one or two forward passes more.

    Source: section 3, equation of the linearized model.
    """

    def __init__(self, model: nn.Module, activation_checkpointing: bool = False) -> None:
        super().__init__()
        self.activation_checkpointing = activation_checkpointing
        self.model = copy.deepcopy(model).eval()
        self._names = [name for name, value in self.model.named_parameters() if value.requires_grad]
        if not self._names:
            raise UserError(
                "the model has no parameter that requires a gradient, so there is nothing to "
                "linearize: call model.requires_grad_() first."
            )
        self.initial = nn.Module()
        parameters = dict(self.model.named_parameters())
        for name in self._names:
            initial = parameters[name].detach().clone()
            self.initial.register_buffer(_buffer_name(name), initial)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """f_lin at the present θ; shapes and types are those of the plain model's output.

        Raises:
            UserError: an operation of the model has no forward-mode derivative.
        """
        theta0, theta = self.theta0(), self._theta()
        trains = torch.is_grad_enabled() and any(value.requires_grad for value in theta.values())
        if not trains or _require_gradient(args, kwargs):
            direction = {name: theta[name] - theta0[name] for name in theta}
            value, product = _value_and_product(self.model, theta0, direction, args, kwargs)
            return tree_map(torch.add, value, product)
        if self.activation_checkpointing:
            recomputed = _Recomputed(self.model, theta0, args, kwargs)
            leaves = _WithoutActivations.apply(recomputed, *theta.values())
            return tree_unflatten(leaves, recomputed.structure)
        # The value is computed at θ0 + (θ − θ), which is θ0 with θ's place in the graph: its
        # ordinary backward pass gives the gradient Jᵀv, and the product needs none of its own.
        point = {name: theta0[name] + (theta[name] - theta[name].detach()) for name in theta}
        direction = {name: theta[name].detach() - theta0[name] for name in theta}
        if torch.compiler.is_compiling():  # the compiler keeps nothing for the product's sake
            value, product = _value_and_product(self.model, point, direction, args, kwargs)
        else:
            # In one pass, autograd would keep all intermediate results of the product too.
            value = functional_call(self.model, point, args, dict(kwargs))
            with torch.no_grad():
                _, product = _value_and_product(self.model, theta0, direction, args, kwargs)
        return tree_map(lambda v, p: v + p.detach(), value, product)

    def train(self, mode: bool = True) -> LinearizedModel:
        """Change nothing but the flag `training`: f is expanded in evaluation mode."""
        super().train(mode)
        self.model.eval()
        return self

    @staticmethod
    def traceable() -> AbstractContextManager[None]:
        """The context in which `torch.compile` can trace and run this model."""
        return forward_mode_attention()

    def theta0(self) -> dict[str, Tensor]:
        """The point of expansion θ0, by the plain model's parameter names."""
        return {name: self.initial.get_buffer(_buffer_name(name)) for name in self._names}

    def task_vector(self) -> TaskVector:
        """τ = θ − θ0, by the plain model's parameter names; zero where f is not expanded."""
        theta = parameters_of(self.model)
        return TaskVector.from_checkpoints({**theta, **self.theta0()}, theta)

    def plain_state_dict(self) -> dict[str, Tensor]:
        """State dict of the plain model at θ: what a checkpoint holds (detached, not copied)."""
        return dict(self.model.state_dict())

    @torch.no_grad()
    def load_parameters(self, theta: Mapping[str, Tensor]) -> None:
        """Set θ from a checkpoint of the plain model; θ0 stays, and so do the model's buffers.

        Args:
            theta: tensors by the plain model's names: all its parameters, with or without buffers.

        Raises:
            UserError: a parameter is missing or unknown, has another shape, or differs although it
                is a constant here; nothing is changed.
        """
        parameters = dict(self.model.named_parameters())
        # A state dict also holds buffers and further names of parameters that are used twice.
        ignored = self.model.state_dict().keys() - parameters.keys()
        given = {name: value for name, value in theta.items() if name not in ignored}
        check_same_names_and_shapes(parameters, given, "the model", "the checkpoint")
        for name in parameters.keys() - set(self._names):
            if not torch.equal(parameters[name], given[name].to(parameters[name])):
                raise UserError(
                    f"{name} is a constant of this linearized model, but the checkpoint has other "
                    "values: linearize the model with requires_grad on it."
                )
        for name in self._names:
            parameters[name].copy_(given[name])

    def _theta(self) -> dict[str, Tensor]:
        parameters = dict(self.model.named_parameters())
        return {name: parameters[name] for name in self._names}


class _Recomputed:
    """One call of f_lin, whose gradient J(x; θ0)ᵀv comes from a forward pass made for it."""

    structure: Any  # of the outputs, as torch's pytrees describe it

    def __init__(
        self,
        model: nn.Module,
        theta0: Mapping[str, Tensor],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> None:
        self._model, self._theta0, self._args, self._kwargs = model, theta0, args, kwargs
        kind = next(iter(theta0.values())).device.type
        self._autocast = torch.autocast(
            kind,
            dtype=torch.get_autocast_dtype(kind),
            enabled=torch.is_autocast_enabled(kind),
            cache_enabled=torch.is_autocast_cache_enabled(),
        )

    def outputs(self, theta: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """f(x; θ0) + J(x)·(θ − θ0)."""
        pairs = zip(self._theta0.items(), theta, strict=True)
        direction = {name: value - initial for (name, initial), value in pairs}
        value, product = _value_and_product(
            self._model, self._theta0, direction, self._args, self._kwargs
        )
        leaves, self.structure = tree_flatten(tree_map(torch.add, value, product))
        return tuple(leaves)

    def gradients(self, cotangents: Sequence[Tensor]) -> list[Tensor | None]:
        """J(x; θ0)ᵀv for each parameter; None for one that f does not use."""
        point = {name: value.detach().requires_grad_() for name, value in self._theta0.items()}
        weights = {f"model.{name}": value for name, value in point.items()}
        pull = _Pull(self._model)
        # The backward pass happens inside the call too: recomputed blocks must see θ0 as well.
        with self._autocast, forward_mode_attention(), torch.enable_grad():
            functional_call(pull, weights, (cotangents, self._args, self._kwargs))
        return [value.grad for value in point.values()]


class _Pull(nn.Module):
    """Adds the gradients of ⟨f(x), v⟩ to its parameters."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, cotangents: Sequence[Tensor], args: Any, kwargs: Mapping[str, Any]) -> None:
        # Only here: forward-mode derivatives do not pass through recomputed blocks.
        recompute_blocks(self.model, True)
        try:
            outputs = tree_leaves(self.model(*args, **kwargs))
            torch.autograd.backward(outputs, cotangents)
        finally:
            recompute_blocks(self.model, False)


class _WithoutActivations(torch.autograd.Function):
    """f_lin as one operation of the graph, which keeps nothing but its inputs."""

    @staticmethod
    def forward(ctx: Any, recomputed: _Recomputed, *theta: Tensor) -> tuple[Tensor, ...]:
        ctx.recomputed = recomputed
        return recomputed.outputs(theta)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        return (None, *ctx.recomputed.gradients(cotangents))


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


def _value_and_product(
    model: nn.Module,
    point: Mapping[str, Tensor],
    direction: Mapping[str, Tensor],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
) -> tuple[Any, Any]:
    def at(weights: dict[str, Tensor]) -> Any:
        return functional_call(model, weights, args, dict(kwargs))

    return value_and_product(at, point, direction)


def _require_gradient(*inputs: Any) -> bool:
    return any(isinstance(leaf, Tensor) and leaf.requires_grad for leaf in tree_leaves(inputs))


def _buffer_name(name: str) -> str:
    return name.replace(".", "/")  # a buffer's name must not hold a dot
