"""Gradients of a linearized model that keeps no activations: those of one that does."""

from __future__ import annotations

import pytest
import torch
from families import FAMILIES, cast, make, moved, random_direction
from torch import Tensor, nn

from tangent.arithmetic.forward_mode import forward_mode_attention
from tangent.arithmetic.linearized import linearize

pytestmark = pytest.mark.usefixtures("seed")
families = pytest.mark.parametrize("family", FAMILIES)


@families
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)], ids=str
)
def test_activation_checkpointing_changes_no_gradient(family, dtype, tolerance) -> None:
    model, x = make(family)
    weights, results = moved(model, random_direction(model)), []
    cotangent = torch.randn_like(model(x), dtype=dtype)
    for activation_checkpointing in (False, True):
        linearized = linearize(model.to(dtype), activation_checkpointing)
        linearized.load_parameters(weights)
        with forward_mode_attention():  # float32 tells it from the fused one
            output = linearized(cast(x, dtype))
        (output * cotangent).sum().backward()
        results.append([output, *(value.grad for value in linearized.parameters())])
    for kept, recomputed in zip(*results, strict=True):
        if kept is None:
            assert recomputed is None
            continue
        scale = kept.abs().max().item()
        torch.testing.assert_close(recomputed, kept, rtol=0, atol=tolerance * max(scale, 1))


def test_activation_checkpointing_restores_autocast() -> None:
    """Under autocast, gradients differ from float32's by the rounding of bfloat16, as without."""
    model, x = make("vision transformer")
    model, x = model.float(), x.float()
    weights, gradients = moved(model, random_direction(model)), []
    for activation_checkpointing in (False, True):
        linearized = linearize(model, activation_checkpointing)
        linearized.load_parameters(weights)
        with torch.autocast("cpu", torch.bfloat16):
            output = linearized(x)
        assert output.dtype == torch.bfloat16
        output.float().square().sum().backward()
        gradients.append(torch.cat([value.grad.flatten() for value in linearized.parameters()]))
    torch.testing.assert_close(*gradients, rtol=0, atol=0.03 * gradients[0].abs().max().item())
    assert gradients[0].dtype == torch.float32


def test_activation_checkpointing_supports_unused_parameters_and_several_outputs() -> None:
    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear, self.unused = nn.Linear(3, 3), nn.Linear(3, 3)

        def forward(self, x: Tensor, *, scale: float) -> dict[str, Tensor]:
            return {"a": self.linear(x), "b": torch.tanh(self.linear(x)) * scale}

    model, x = Pair(), torch.randn(2, 3)
    linearized = linearize(model, activation_checkpointing=True)
    linearized.load_parameters(moved(model, random_direction(model)))
    outputs = linearized(x, scale=2.0)
    with torch.no_grad():
        torch.testing.assert_close(outputs, linearized(x, scale=2.0))
    outputs["b"].sum().backward()  # the other output has no gradient
    assert linearized.model.linear.weight.grad.norm() > 0
    assert linearized.model.unused.weight.grad is None
