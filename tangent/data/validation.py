"""The number of validation images, which the configuration's checks know before data is there."""


def held_out(n: int, fraction: float, maximum: int) -> int:
    """The number of validation images that a training set of `n` images gives.

    It is the share `fraction`, rounded down, and `maximum` at most.
    """
    return min(int(fraction * n), maximum)
