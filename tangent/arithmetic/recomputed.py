"""Gradients that keep no activations between the passes: of a plain model, and a linearized one."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tangent.arithmetic.forward_mode import at_weights, forward_mode_attention, model_and_product
from tangent.arithmetic.outputs import Rebuild, plus, split


def recompute_blocks(encoder: nn.Module, enabled: bool) -> bool:
    """Have the backward pass compute each block again instead of keeping its activations.

    open_clip's and timm's models have the switch `set_grad_checkpointing`. That of some models does
    nothing, so the answer is read from the flags that it should have set.

    Returns:
        whether blocks are recomputed from now on.
    """
    switch = getattr(encoder, "set_grad_checkpointing", None)
    if switch is None:
        return False
    switch(enabled)
    return any(getattr(module, "grad_checkpointing", False) for module in encoder.modules())


class Recomputed:
    """One call of f_lin, whose gradient J(x; θ0)ᵀv comes from a forward pass made for it."""

    rebuild: Rebuild  # the outputs of their tensors

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
        value, product = model_and_product(
            self._model, self._theta0, direction, self._args, self._kwargs
        )
        tensors, self.rebuild = split(plus(value, product))
        return tuple(tensors)

    def gradients(self, cotangents: Sequence[Tensor]) -> list[Tensor | None]:
        """J(x; θ0)ᵀv for each parameter; None for one that f does not use."""
        point = {name: value.clone().requires_grad_() for name, value in self._theta0.items()}
        weights = {f"model.{name}": value for name, value in point.items()}
        pull = _Pull(self._model)
        # The backward pass happens inside the call too: recomputed blocks must see θ0 as well.
        with self._autocast, forward_mode_attention(), torch.enable_grad():
            at_weights(pull, weights, (cotangents, self._args, self._kwargs), {})
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
            outputs, _ = split(self.model(*args, **kwargs))
            pairs = zip(outputs, cotangents, strict=True)
            pulled = [pair for pair in pairs if pair[0].requires_grad]
            if pulled:
                torch.autograd.backward(*zip(*pulled, strict=True))
        finally:
            recompute_blocks(self.model, False)


class WithoutActivations(torch.autograd.Function):
    """f_lin as one operation of the graph, which keeps nothing but its inputs."""

    @staticmethod
    def forward(ctx: Any, recomputed: Recomputed, *theta: Tensor) -> tuple[Tensor, ...]:
        ctx.recomputed = recomputed
        return recomputed.outputs(theta)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        return (None, *ctx.recomputed.gradients(cotangents))
