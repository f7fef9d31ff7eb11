"""Outcomes of images, as text in a JSON result: comparisons on the same images need them."""

import base64

import numpy as np

from tangent.jobs.errors import UserError


def encode(correct: np.ndarray) -> str:
    """The outcomes bool [n] as base64 of one bit per image, in the images' order."""
    return base64.b64encode(np.packbits(np.asarray(correct, dtype=bool))).decode("ascii")


def decode(text: str, n: int) -> np.ndarray:
    """The outcomes bool [n] of a text that `encode` made of n images.

    Raises:
        UserError: the text is something else, or of another number of images.
    """
    packed = _read(text, np.dtype(np.uint8), -(-n // 8), f"which of {n} images were right")
    return np.unpackbits(packed, count=n).astype(bool)


def encode_counts(counts: np.ndarray, largest: int) -> str:
    """Counts [n] of 0 to `largest` as base64 of as few bytes an image as that takes."""
    return base64.b64encode(np.asarray(counts).astype(_of_counts(largest)).tobytes()).decode(
        "ascii"
    )


def decode_counts(text: str, n: int, largest: int) -> np.ndarray:
    """The counts int64 [n] of a text that `encode_counts` made of n images.

    Raises:
        UserError: the text is something else, or of another number of images.
    """
    return _read(text, _of_counts(largest), n, f"the counts of {n} images").astype(np.int64)


def _of_counts(largest: int) -> np.dtype:
    return np.min_scalar_type(largest).newbyteorder("<")


def _read(text: str, kind: np.dtype, n: int, what: str) -> np.ndarray:
    try:
        data = base64.b64decode(text, validate=True)
    except (ValueError, TypeError):
        data = None
    if data is None or len(data) != n * kind.itemsize:
        raise UserError(
            f"{str(text)[:20]!r}… does not say {what}: delete the result that holds it and run its "
            "step again."
        )
    return np.frombuffer(data, kind)
