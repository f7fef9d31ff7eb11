"""The published algorithm, re-written plainly from its description."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call, jvp

from tangent.models.heads.zero_shot import ZeroShotHead


def published_weights(clip: nn.Module, alpha: float, *taus: dict[str, Tensor]) -> dict[str, Tensor]:
    """θ0 + α Σ τ of the whole CLIP; nothing moves but the image tower."""
    weights = {name: value.detach().clone() for name, value in clip.named_parameters()}
    for tau in taus:
        for name, value in tau.items():
            weights[f"visual.{name}"] += alpha * value
    return weights


def published_plain(clip: nn.Module, weights: dict[str, Tensor], x: Tensor) -> Tensor:
    return functional_call(_ImageEncoder(clip), {f"clip.{n}": w for n, w in weights.items()}, (x,))


def published_linear(clip: nn.Module, weights: dict[str, Tensor], x: Tensor) -> Tensor:
    """f(x; θ0) + J(x)·(θ − θ0), one `jvp` with all parameters, those of the text tower too."""
    initial = {name: value.detach() for name, value in clip.named_parameters()}
    change = {name: weights[name] - initial[name] for name in initial}
    value, product = jvp(lambda theta: published_plain(clip, theta, x), (initial,), (change,))
    return value + product


PUBLISHED = {"standard": published_plain, "posthoc": published_linear}


class _ImageEncoder(nn.Module):
    def __init__(self, clip: nn.Module) -> None:
        super().__init__()
        self.clip = clip

    def forward(self, x: Tensor) -> Tensor:
        return self.clip.encode_image(x)


def published_logits(features: Tensor, head: ZeroShotHead) -> Tensor:
    unit = features / (features**2).sum(dim=1, keepdim=True).sqrt()
    return unit @ torch.from_numpy(head.weight).double().T


def published_loss(logits: Tensor, labels: Tensor) -> Tensor:
    rows = [row.exp().sum().log() - row[label] for row, label in zip(logits, labels, strict=True)]
    return sum(rows) / len(rows)


def published_best(metrics: dict[float, float], allowed: set[float], largest: bool) -> float:
    """The first of the best α, in the order of the grid."""
    best = None
    for alpha, value in metrics.items():
        better = best is None or (value > metrics[best] if largest else value < metrics[best])
        if alpha in allowed and better:
            best = alpha
    return best


# Features.
