"""The size of a validation split that is cut from a training set (docs/protocol.md, "Data")."""

from __future__ import annotations


def held_out(n: int, fraction: float, maximum: int) -> int:
    """The number of validation images that a training set of `n` images gives.

    Args:
        n: size of the source's training set.
        fraction: share of it to hold out, rounded down.
        maximum: the largest number of images to hold out.
    """
    return min(int(fraction * n), maximum)
