"""Random classifiers and their Jacobians, materialised by torch: oracles for tangent kernels."""

from __future__ import annotations

import numpy as np
import torch
from families import make, more_like
from torch import Tensor, nn
from torch.func import functional_call, jacrev

from tangent.heads import TorchHead, ZeroShotHead
from tangent.linearize import forward_mode_attention, parameters_of


def zero_shot(weight: Tensor) -> TorchHead:
    """A head of these weights [classes, d], in their precision."""
    return ZeroShotHead(weight.numpy()).on("cpu")


def explicit_jacobian(model: nn.Module, head: Tensor, x: Tensor) -> np.ndarray:
    """∂logits/∂θ by reverse mode, materialised: [batch, classes, P]."""

    def logits(weights: dict[str, Tensor]) -> Tensor:
        features = functional_call(model, weights, (x,))
        return features / features.norm(dim=1, keepdim=True) @ head.T

    with forward_mode_attention():
        jacobian = jacrev(logits)(parameters_of(model))
    return torch.cat([block.flatten(2) for block in jacobian.values()], dim=2).numpy()


def perturbation(spectrum: np.ndarray, k: int) -> float:
    """Bound on what rounding does to the k leading eigenfunctions, relative to the largest value.

    Eigenvectors turn by rounding errors of the kernel over the gap to the next eigenvalue, and
    Nyström's sum divides by the eigenvalue; kernels of convolutional networks may have small ones.

    Args:
        spectrum: all eigenvalues, largest first.
        k: eigenfunctions, fewer than there are eigenvalues.
    """
    gaps = np.append(-np.diff(spectrum[: k + 1]), spectrum[k - 1])
    return 1e3 * np.finfo(np.float64).eps * spectrum[0] / gaps.min()


def problem(family: str, images: int = 5, classes: int = 4) -> tuple[nn.Module, Tensor, Tensor]:
    model, x = make(family)
    x = more_like(x, images)
    width = model(x[:2]).shape[1]
    return model, x, 10 * torch.randn(classes, width).double()
