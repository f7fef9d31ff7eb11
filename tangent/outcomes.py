"""Which images were classified correctly, as text in a JSON result: paired comparisons need it."""

from __future__ import annotations

import base64
import binascii

import numpy as np

from tangent.errors import UserError


def encode(correct: np.ndarray) -> str:
    """The outcomes bool [n] as base64 of one bit per image, in the images' order."""
    return base64.b64encode(np.packbits(np.asarray(correct, dtype=bool))).decode("ascii")


def decode(text: str, n: int) -> np.ndarray:
    """The outcomes bool [n] of a text that `encode` made of n images.

    Raises:
        UserError: the text is something else, or of another number of images.
    """
    try:
        packed = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
    except (binascii.Error, ValueError, TypeError):
        packed = None
    if packed is None or len(packed) != -(-n // 8):
        raise UserError(
            f"{str(text)[:20]!r}… does not say which of {n} images were right: delete the result "
            "that holds it and run its step again."
        )
    return np.unpackbits(packed, count=n).astype(bool)
