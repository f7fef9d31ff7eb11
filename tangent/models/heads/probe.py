"""The linear probe of closed-vocabulary models (docs/families.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from tangent.models.heads.head import Head, TorchHead, to_device

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class ProbeHead(Head):
    """Logits are an affine map of the features as they are."""

    kind: ClassVar[str] = "probe"
    title: ClassVar[str] = "a linear probe"
    tensors: ClassVar[dict[str, str]] = {
        "weight": "float32 [classes, d]",
        "bias": "float32 [classes]",
    }
    weight: np.ndarray
    bias: np.ndarray

    @property
    def width(self) -> int:
        return self.weight.shape[1]

    def on(self, device: torch.device | str) -> TorchHead:
        return _TorchProbeHead(to_device(self.weight, device), to_device(self.bias, device))

    def _scores(self, features: np.ndarray) -> np.ndarray:
        return features @ self.weight.T + self.bias


class _TorchProbeHead(TorchHead):
    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__(weight)
        self._bias = bias

    def logits(self, features: Tensor) -> Tensor:
        return features @ self._weight.to(features).T + self._bias.to(features)
