"""Random classifiers and their Jacobians, materialised by torch: oracles for tangent kernels."""

from __future__ import annotations

import numpy as np
import torch
from families import make, more_like
from torch import Tensor, nn
from torch.func import functional_call, jacrev

from tangent.arithmetic.linearized import forward_mode_attention, parameters_of
from tangent.models.heads.answers import AnswersHead
from tangent.models.heads.head import Head
from tangent.models.heads.probe import ProbeHead
from tangent.models.heads.zero_shot import ZeroShotHead

HEADS = {"timm ViT": "probe", "timm ConvNeXt": "probe", "text-to-text": "answers"}
"""Kinds of the families' heads; others have zero-shot heads."""


def random_head(kind: str, model: nn.Module, x: Tensor, classes: int) -> tuple[Head, Tensor]:
    """A head in float64, and the inputs that ask its question."""
    width = model(x[:2]).shape[1]
    weight = 10 * torch.randn(classes, width).double().numpy()
    if kind == "zero_shot":
        return ZeroShotHead(weight), x
    if kind == "probe":
        return ProbeHead(weight, torch.randn(classes).double().numpy()), x
    vocabulary, depth = model.table.shape
    tokens = torch.randint(1, vocabulary, (classes, model.answer_length))
    tokens[::2, -1] = 0  # shorter answers
    table = torch.randn(vocabulary, depth).double().numpy()
    asked = tokens.flatten().expand(len(x), -1)
    inputs = torch.cat([x[:, : model.input_length], asked], dim=1)
    return AnswersHead(table, tokens.numpy(), model.input_length), inputs


def scores(head: Head, features: Tensor) -> Tensor:
    """Its class scores [batch, classes], by the definition written out."""
    arrays = {name: torch.from_numpy(value) for name, value in head.arrays().items()}
    if isinstance(head, ZeroShotHead):
        return features / features.norm(dim=1, keepdim=True) @ arrays["weight"].T
    if isinstance(head, ProbeHead):
        return torch.stack([features @ w for w in arrays["weight"]], dim=1) + arrays["bias"]
    states, table = features.unflatten(1, (*head.tokens.shape, -1)), arrays["table"]
    each = []
    for answer, tokens in enumerate(head.tokens):
        score = features.new_zeros(len(features))
        for place, token in enumerate(tokens):
            if token != 0:
                logits = states[:, answer, place] @ table.T
                score = score + torch.log_softmax(logits, dim=1)[:, token]
        each.append(score)
    return torch.stack(each, dim=1)


def explicit_jacobian(model: nn.Module, head: Head, x: Tensor) -> np.ndarray:
    """∂logits/∂θ by reverse mode, materialised: [batch, classes, P]."""

    def logits(weights: dict[str, Tensor]) -> Tensor:
        return scores(head, functional_call(model, weights, (x,)))

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


def problem(family: str, images: int = 5, classes: int = 4) -> tuple[nn.Module, Tensor, Head]:
    """A family's model, inputs and a random head of the family's kind, in float64."""
    model, x = make(family)
    head, x = random_head(HEADS.get(family, "zero_shot"), model, more_like(x, images), classes)
    return model, x, head
