"""The zero-shot head of CLIP (docs/protocol.md, "Notation")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from tangent.models.heads.head import Head, TorchHead, to_device

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
    tensors: ClassVar[dict[str, str]] = {"weight": "float32 [classes, d]"}
    weight: np.ndarray

    @property
    def width(self) -> int:
        return self.weight.shape[1]

    def on(self, device: torch.device | str) -> TorchHead:
        return _TorchZeroShotHead(to_device(self.weight, device))

    def _scores(self, features: np.ndarray) -> np.ndarray:
        norms = np.linalg.norm(features, axis=1, keepdims=True)
        # torch's normalize has the same floor: a feature of zeros gives logits of zeros.
        return (features / np.maximum(norms, 1e-12)) @ self.weight.astype(np.float32).T


class _TorchZeroShotHead(TorchHead):
    def logits(self, features: Tensor) -> Tensor:
        import torch.nn.functional as F

        return F.normalize(features, dim=-1) @ self._weight.to(features).T
