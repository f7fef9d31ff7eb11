"""The first pass over a data set: its rows are decoded, hashed and put in order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from tangent.data.digest import BYTES, by_content, content_sha256, digests, text_digests
from tangent.data.parallel import for_each
from tangent.data.sources.rows import Rows
from tangent.jobs.progress import Progress


class Official(ABC):
    """An official split: its rows, their labels as class indices, and what the first pass found.

    Attributes:
        contents: SHA-256 of each example without its label, uint8 [n, 32].
        digests: row digests, uint8 [n, 32].
        noun: what an example is called.
    """

    noun: ClassVar[str]

    def __init__(self, name: str, rows: Rows, labels: np.ndarray) -> None:
        self.name, self.rows, self.labels = name, rows, labels
        n = len(rows)
        self.contents, self.digests = np.zeros((2, n, BYTES), np.uint8)
        self._is_examined = np.zeros(n, bool)

    def examine(self, rows: np.ndarray, threads: int, what: str) -> None:
        """Decode and hash those of the rows that have not been."""

        def work(row: int) -> None:
            content, digest = self._digests(row, self.rows[row])
            self.contents[row] = np.frombuffer(content, np.uint8)
            self.digests[row] = np.frombuffer(digest, np.uint8)
            self._is_examined[row] = True

        left = rows[~self._is_examined[rows]]
        with Progress(f"check {what}, {self.name}", len(left), self.noun) as progress:
            for_each(left, work, threads, progress)

    @abstractmethod
    def _digests(self, row: int, content: Any) -> tuple[bytes, bytes]:
        """Digests of the decoded content of a row, and of the row."""

    def ordered(self, order: str, threads: int, what: str) -> np.ndarray:
        """Return all rows by `content`, by `name`, or as the `source` has them."""
        every = np.arange(len(self.rows))
        if order == "content":
            self.examine(every, threads, what)
            return by_content(self.digests)
        if order == "name":
            return np.array(sorted(every.tolist(), key=self.rows.key), np.int64)
        return every


class OfficialImages(Official):
    """An official split of images.

    Attributes:
        originals: heights and widths, int64 [n, 2].
    """

    noun = "image"

    def __init__(self, name: str, rows: Rows, labels: np.ndarray) -> None:
        super().__init__(name, rows, labels)
        self.originals = np.zeros((len(rows), 2), np.int64)

    def _digests(self, row: int, content: np.ndarray) -> tuple[bytes, bytes]:
        self.originals[row] = content.shape[:2]
        return digests(content, self.labels[row])


class OfficialTexts(Official):
    """An official split of texts."""

    noun = "text"

    def _digests(self, row: int, content: dict[str, Any]) -> tuple[bytes, bytes]:
        return text_digests(content, self.labels[row])


@dataclass(frozen=True)
class Member:
    """A split to be written: rows of an official split, in the order of the file."""

    official: Official
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def of(self, name: str) -> np.ndarray:
        """Return an array of the official split for these rows."""
        return getattr(self.official, name)[self.rows]

    @cached_property
    def content_sha256(self) -> str:
        """The split's digest; its rows must have been examined."""
        return content_sha256(self.of("digests"))
