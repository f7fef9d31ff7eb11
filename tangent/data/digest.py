"""Digests of examples and splits: by content alone, whatever copy or order they came in.

An image is hashed as it was decoded: RGB, at its original size; a text as the columns that its
task's prompt reads. A row is an image or a text, and its label.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

BYTES = hashlib.sha256().digest_size


def digests(pixels: np.ndarray, label: int) -> tuple[bytes, bytes]:
    """Return the SHA-256 of an image and of its row.

    Args:
        pixels: uint8 [height, width, 3].
        label: index of the class.

    Returns:
        SHA-256 of `{height}x{width}x3:` and the pixels, and of the same followed by the label's
        eight bytes (little-endian).
    """
    digest = hashlib.sha256("x".join(map(str, pixels.shape)).encode() + b":")
    digest.update(np.ascontiguousarray(pixels))
    return _with_label(digest, label)


def text_digests(values: Mapping[str, Any], label: int) -> tuple[bytes, bytes]:
    """Return the SHA-256 of a text and of its row.

    Args:
        values: of the columns that the prompt reads.
        label: index of the class.

    Returns:
        SHA-256 of `text:` and the columns as JSON, sorted by name, and of the same followed by the
        label's eight bytes (little-endian).
    """
    content = json.dumps(dict(values), sort_keys=True, ensure_ascii=False)
    return _with_label(hashlib.sha256(f"text:{content}".encode()), label)


def _with_label(digest: hashlib._Hash, label: int) -> tuple[bytes, bytes]:
    content = digest.digest()
    digest.update(int(label).to_bytes(8, "little"))
    return content, digest.digest()


def by_content(rows: np.ndarray) -> np.ndarray:
    """Return the order [n] that sorts row digests (uint8 [n, 32])."""
    return np.array(sorted(range(len(rows)), key=lambda row: rows[row].tobytes()), np.int64)


def content_sha256(rows: np.ndarray) -> str:
    """Return the digest of a split: SHA-256 of its sorted row digests (uint8 [n, 32])."""
    return hashlib.sha256(rows[by_content(rows)].tobytes()).hexdigest()
