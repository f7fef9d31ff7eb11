"""An exported model of a linearized mode: f(x; θ0) + α J(x)τ in the place of its image encoder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from tangent.arithmetic.linearized import jvp_features, parameters_of
from tangent.arithmetic.task_vector import TaskVector, check_same_names_and_shapes
from tangent.jobs.errors import UserError
from tangent.jobs.files import read_safetensors, write_safetensors


class LinearizedEncoder(nn.Module):
    """f(x; θ0) + α J(x)τ, with the signature of the encoder f.

    Source: section 3, equation of the linearized model, at θ = θ0 + ατ.

    Attributes:
        alpha: α, which may be changed at any time.

    Args:
        encoder: f at θ0; it is kept, not copied, and put into evaluation mode.
        tau: τ, a tensor per parameter of `encoder`.
        alpha: the coefficient; negative to forget.

    Raises:
        UserError: τ does not have the encoder's parameters.
    """

    def __init__(self, encoder: nn.Module, tau: Mapping[str, Tensor], alpha: float) -> None:
        super().__init__()
        theta0 = parameters_of(encoder)
        check_same_names_and_shapes(theta0, tau, "the encoder", "the task vector")
        self.encoder, self.alpha = encoder.eval(), alpha
        self.tau = nn.ParameterList(tau[name].to(value) for name, value in theta0.items())
        self.tau.requires_grad_(False)

    @classmethod
    def load(cls, encoder: nn.Module, path: str | os.PathLike[str]) -> LinearizedEncoder:
        """With τ and α of an exported `task_vector.safetensors`.

        Raises:
            UserError: the file is missing, damaged or holds no α, or as the constructor.
        """
        tau, about = read_safetensors(path)
        if "alpha" not in about:
            raise UserError(f"{path} says no alpha: give the task vector of an exported folder.")
        return cls(encoder, tau, float(about["alpha"]))

    def forward(self, *inputs: Any) -> Tensor:
        """Features [batch, d] of the encoder's inputs; errors are those of `jvp_features`."""
        theta0 = parameters_of(self.encoder)
        value, product = jvp_features(
            self.encoder, theta0, dict(zip(theta0, self.tau, strict=True)), *inputs
        )
        return value + self.alpha * product


def save_vector(path: os.PathLike[str], tau: TaskVector, alpha: float) -> None:
    """Write what `LinearizedEncoder.load` reads."""
    write_safetensors(path, tau, {"alpha": repr(alpha)})
