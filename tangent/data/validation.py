"""The number of validation images, which the configuration's checks know before data is there."""


def held_out(n: int, fraction: float, maximum: int) -> int:
    """The number of validation images that a training set of `n` images gives.

    Args:
        n: size of the source's training set.
        fraction, maximum: share of it to hold out, rounded down, and the largest number.
    """
    return min(int(fraction * n), maximum)
