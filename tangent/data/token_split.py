"""One split of a prepared data set of texts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np


@dataclass(frozen=True)
class TokenSplit:
    """Tokens and labels of one split.

    Attributes:
        task: name of the task.
        name: `train` (without the validation texts), `validation` or `test`.
        classes: the answers in the order of the labels.
        geometry: the lengths L of a prompt and T of an answer.
        content: digest of the original texts and labels (`tangent.data.digest`).
        labels: int64 [n], indices into `classes`.
        hashes: row digests, uint8 [n, 32].
        tokens: int64 [n, L + C·T]: the prompt, then the C candidate answers, each padded.
    """

    task: str
    name: str
    classes: tuple[str, ...]
    geometry: dict[str, Any]
    content: str
    labels: np.ndarray
    hashes: np.ndarray
    tokens: np.ndarray

    kind: ClassVar[str] = "text"

    def __len__(self) -> int:
        return len(self.labels)

    def read(self, rows: np.ndarray) -> np.ndarray:
        """Read some rows of `tokens`, int64 [rows, L + C·T]."""
        return np.ascontiguousarray(self.tokens[rows])

    @classmethod
    def names(cls, split: str) -> tuple[set[str], ...]:
        """The sets of tensors that the file of a split may hold."""
        return ({"tokens", "labels", "hashes"},)

    @classmethod
    def of(
        cls, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str], labels: np.ndarray
    ) -> TokenSplit:
        """The split of a file's arrays and metadata, which have been checked."""
        return cls(
            task=metadata["task"],
            name=metadata["split"],
            classes=tuple(json.loads(metadata["classes"])),
            geometry=json.loads(metadata["geometry"]),
            content=metadata["content_sha256"],
            labels=labels,
            hashes=arrays["hashes"],
            tokens=arrays["tokens"],
        )
