"""The linearized model f_lin(x; θ) = f(x; θ0) + J_θ f(x; θ0)·(θ − θ0) (section 3 of the paper).

Everything here goes through one forward pass of `torch.func.functional_call` under
`torch.func.jvp`, which carries the value f(x; θ0) and the product with the Jacobian together.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import vmap
from torch.utils._pytree import tree_leaves

from tangent.arithmetic.forward_mode import (
    ContiguousInputs,
    at_weights,
    forward_mode_attention,
    model_and_product,
)
from tangent.arithmetic.linearizable import check_evaluation_mode, check_modules
from tangent.arithmetic.outputs import plus
from tangent.arithmetic.recomputed import Recomputed, WithoutActivations
from tangent.arithmetic.task_vector import TaskVector, check_same_names_and_shapes
from tangent.jobs.errors import UserError, first_line


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
        UserError: `tau` does not have the names or shapes of `theta0`, or the model is in training
            mode, changes its weights, or has an operation without a forward-mode derivative.
    """
    check_same_names_and_shapes(theta0, tau, "the model", "the task vector")
    check_evaluation_mode(model)
    direction = {name: tau[name].to(value) for name, value in theta0.items()}
    return model_and_product(model, theta0, direction, inputs, {})


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
    check_evaluation_mode(model)
    directions = {
        name: torch.stack([tau[name].to(value) for tau in taus]) for name, value in theta0.items()
    }
    value, products = stacked_jvp_features(model, theta0, directions, *inputs)
    return value, list(products)


def stacked_jvp_features(
    model: nn.Module, theta0: Mapping[str, Tensor], directions: Mapping[str, Tensor], *inputs: Any
) -> tuple[Tensor, Tensor]:
    """f(x; θ0) [batch, d] and the products J(x)·τ [directions, batch, d], by one pass.

    n directions cost one forward pass and n tangents of two each, in the memory of n tangents. On
    the demo model (CPU, float32) a pass takes 1.0 to 1.6 times as long as these 1 + 2n forward
    passes; docs/benchmarks.md measures it.

    The model must be in evaluation mode: nothing checks it here, for each batch.

    Args:
        model: f, in evaluation mode.
        theta0: the weights to expand at, by name; parameters not named are the model's own.
        directions: of each weight all directions, [directions, *shape], of its type and device.
        inputs: the model's arguments, x.

    Raises:
        UserError: as `jvp_features`, but for the mode.
    """

    def along(direction: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        return model_and_product(model, theta0, direction, inputs, {})

    with ContiguousInputs():
        return vmap(along, out_dims=(None, 0))(dict(directions))


def linearize(model: nn.Module, activation_checkpointing: bool = False) -> LinearizedModel:
    """The first-order Taylor expansion of `model` at its present weights θ0.

    The model is copied, so it can be trained on or edited without effect on its linearization.
    Outputs keep their structure: tensors with a derivative are linearized, the rest (None, numbers,
    caches, integer tensors) is f's at θ0.

    Args:
        model: f.
        activation_checkpointing: train in less memory and more time (`LinearizedModel`).

    Raises:
        UserError: the model has no parameter that requires a gradient, or cannot be linearized (old
            weight_norm, TorchScript, wrappers for several GPUs, parameters kept in plain lists).
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
        check_modules(model)
        try:
            self.model = copy.deepcopy(model).eval()
        except Exception as error:  # of whatever hangs on the module
            raise UserError(
                f"the model ({type(model).__name__}) cannot be copied ({first_line(error)}): keep "
                "in it only what copy.deepcopy can copy."
            ) from error
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
            value, product = model_and_product(self.model, theta0, direction, args, kwargs)
            return plus(value, product)
        if self.activation_checkpointing:
            recomputed = Recomputed(self.model, theta0, args, kwargs)
            leaves = WithoutActivations.apply(recomputed, *theta.values())
            return recomputed.rebuild(leaves)
        # The value is computed at θ0 + (θ − θ), which is θ0 with θ's place in the graph: its
        # ordinary backward pass gives the gradient Jᵀv, and the product needs none of its own.
        point = {name: theta0[name] + (theta[name] - theta[name].detach()) for name in theta}
        direction = {name: theta[name].detach() - theta0[name] for name in theta}
        if torch.compiler.is_compiling():  # the compiler keeps nothing for the product's sake
            value, product = model_and_product(self.model, point, direction, args, kwargs)
            return value + product.detach()
        # In one pass, autograd would keep all intermediate results of the product too.
        with torch.no_grad():
            _, product = model_and_product(self.model, theta0, direction, args, kwargs)
        return plus(at_weights(self.model, point, args, kwargs), product)

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


def _require_gradient(*inputs: Any) -> bool:
    return any(isinstance(leaf, Tensor) and leaf.requires_grad for leaf in tree_leaves(inputs))


def _buffer_name(name: str) -> str:
    return name.replace(".", "/")  # a buffer's name must not hold a dot
