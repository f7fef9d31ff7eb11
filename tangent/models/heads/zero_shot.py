"""The zero-shot head of CLIP (docs/protocol.md, "Notation")."""

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
class ZeroShotHead(Head):
    """Logits are L2-normalised features times class embeddings.

    Attributes:
        weight: class embeddings × exp(logit_scale), float32 [classes, d].
    """

    kind: ClassVar[str] = "zero_shot"
    weight: np.ndarray

    @property
    def classes(self) -> int:
        return self.weight.shape[0]

    @property
    def width(self) -> int:
        return self.weight.shape[1]

    def arrays(self) -> dict[str, np.ndarray]:
        return {"weight": self.weight}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], path: Path) -> ZeroShotHead:
        weight = arrays.get("weight")
        if weight is None or weight.ndim != 2 or weight.dtype != np.float32:
            raise UserError(f"{path} is not a head (it needs `weight`, float32 [classes, d]).")
        return cls(weight)

    @classmethod
    def joined(cls, heads: Sequence[ZeroShotHead]) -> ZeroShotHead:
        return cls(np.concatenate([head.weight for head in heads]))

    def on(self, device: torch.device | str) -> TorchHead:
        import torch

        return _TorchZeroShotHead(torch.from_numpy(np.array(self.weight)).to(device))

    def _scores(self, features: np.ndarray) -> np.ndarray:
        norms = np.linalg.norm(features, axis=1, keepdims=True)
        # torch's normalize has the same floor: a feature of zeros gives logits of zeros.
        return (features / np.maximum(norms, 1e-12)) @ self.weight.astype(np.float32).T


class _TorchZeroShotHead(TorchHead):
    def __init__(self, weight: Tensor) -> None:
        self._weight, self.classes, self.device = weight, len(weight), weight.device

    def logits(self, features: Tensor) -> Tensor:
        import torch.nn.functional as F

        return F.normalize(features, dim=-1) @ self._weight.to(features).T
