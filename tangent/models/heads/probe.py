"""The linear probe of closed-vocabulary models (docs/families.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from tangent.jobs.errors import UserError
from tangent.models.heads.head import Head, TorchHead

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class ProbeHead(Head):
    """Logits are an affine map of the features as they are.

    Attributes:
        weight: float32 [classes, d].
        bias: float32 [classes].
    """

    kind: ClassVar[str] = "probe"
    weight: np.ndarray
    bias: np.ndarray

    @property
    def classes(self) -> int:
        return self.weight.shape[0]

    @property
    def width(self) -> int:
        return self.weight.shape[1]

    def arrays(self) -> dict[str, np.ndarray]:
        return {"weight": self.weight, "bias": self.bias}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], path: Path) -> ProbeHead:
        weight, bias = arrays.get("weight"), arrays.get("bias")
        fits = (
            weight is not None
            and bias is not None
            and weight.ndim == 2
            and bias.shape == weight.shape[:1]
            and weight.dtype == bias.dtype == np.float32
        )
        if not fits:
            raise UserError(
                f"{path} is not a linear probe (it needs `weight`, float32 [classes, d], and "
                "`bias`, float32 [classes])."
            )
        return cls(weight, bias)

    @classmethod
    def joined(cls, heads: Sequence[ProbeHead]) -> ProbeHead:
        weight = np.concatenate([head.weight for head in heads])
        return cls(weight, np.concatenate([head.bias for head in heads]))

    def on(self, device: torch.device | str) -> TorchHead:
        import torch

        weight, bias = (torch.from_numpy(np.array(part)) for part in (self.weight, self.bias))
        return _TorchProbeHead(weight.to(device), bias.to(device))

    def _scores(self, features: np.ndarray) -> np.ndarray:
        return features @ self.weight.T + self.bias


class _TorchProbeHead(TorchHead):
    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self._weight, self._bias = weight, bias
        self.classes, self.device = len(weight), weight.device

    def logits(self, features: Tensor) -> Tensor:
        return features @ self._weight.to(features).T + self._bias.to(features)
