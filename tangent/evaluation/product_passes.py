"""Passes of Jacobian-vector products: how many task vectors and images share one; no torch.

The bits of the products depend on it, so it follows from sizes and a budget alone.
"""

DIRECTION_BYTES = {"cpu": 2 * 2**30, "cuda": 16 * 2**30}
"""Memory by device for the task vectors of a pass, where nobody says; those that do not fit get a
pass of their own. For 8 of ViT-L-14 it is 10 GB."""

TANGENT_IMAGES = 512
"""Most images times tangents of a pass: more tangents need no more memory for activations. On the
demo model (CPU) 8 tangents took 1.25 times their 17 forward passes in batches of 128 images, 1.0 in
batches of 64 and 1.1 in batches of 16."""


def tangents_per_pass(vectors: int, vector_bytes: int, memory: int) -> int:
    """How many of some task vectors share a pass: as many as fit, and equally many in each.

    A vector has `vector_bytes`; `memory` bytes are for them.
    """
    return _even(vectors, max(1, memory // vector_bytes))


def images_per_pass(images: int, batch_size: int, tangents: int) -> int:
    """How many of some images share a pass with some tangents: about equally many in each.

    `batch_size` are the most images of a pass.
    """
    return _even(images, min(batch_size, max(1, TANGENT_IMAGES // tangents)))


def _even(number: int, most: int) -> int:
    rounds = -(-number // most)
    return -(-number // rounds)
