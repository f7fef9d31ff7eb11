"""How much memory tangent kernels take, and how many gradients fit into what they may take.

No torch: `snakemake estimate` and the choice of a method use the same figures.
"""

from __future__ import annotations

GRADIENT_BYTES = {"cpu": 5 * 2**28, "cuda": 16 * 2**30}
"""Memory, by device, for gradients or directions held at once; what does not fit is made again."""

CHUNK_SIZE = 10
"""Images whose gradients are made at once, where memory allows it."""

BATCH_SIZE = 32
"""Images per backward pass of products with the kernel."""

TANGENTS_PER_BATCH = 8
"""Images times directions of a forward-mode pass, for each image of a backward pass: without a
graph, activations live no longer than their block."""

DIRECTIONS = 16
"""Directions of one pass: more save no time, and leave too few images for efficient products."""


def gradients_held(weights: int, memory: int) -> int:
    """Gradients of one logit of one image that fit into `memory`; at least one.

    Args:
        weights: size of the differentiated weights, in bytes.
        memory: in bytes; `GRADIENT_BYTES` of the device in the pipeline.
    """
    return max(1, memory // weights)


def images_per_chunk(weights: int, memory: int, logits: int) -> int:
    """Images whose gradients of all `logits` are made at once: a quarter of `memory`, at most 10.

    10 was measured: with 2.7 million weights, 100 images and 3 logits, 10 need 2.3 GB in all and 25
    need 2.9 GB, at the same speed on a CPU.
    """
    return min(CHUNK_SIZE, max(1, memory // 4 // (logits * weights)))


def directions_per_pass(components: int, held: int) -> int:
    """Eigenfunctions whose directions in the space of weights are held at once.

    Args:
        components: eigenfunctions of a kernel.
        held: gradients that fit into memory (`gradients_held`); a direction is as large.
    """
    return min(components, held, DIRECTIONS)


def lanczos_vectors(rows: int, components: int) -> int:
    """Lanczos vectors of `rows` float64 numbers that are kept to find `components` eigenpairs."""
    return min(rows, max(2 * components + 1, 20))


def dense_bytes(images: int, outputs: int, weights: int) -> int:
    """Memory of a kernel's eigenfunctions from a matrix of gradients, all held at once.

    The gradients of n × C rows with P weights each and the kernel matrix in float64. (The dense
    method here holds as many gradients as fit and makes the others again: time instead of memory.)

    Args:
        images: n.
        outputs: logits C of one kernel.
        weights: size of the weights, in bytes.
    """
    rows = images * outputs
    return rows * weights + 8 * rows**2


def matrix_free_bytes(
    images: int, outputs: int, weights: int, components: int, memory: int, activations: int = 0
) -> int:
    """Bound on the memory of a kernel's eigenfunctions by products alone.

    The weights, a gradient and the directions held at once, one batch's activations and the
    Lanczos vectors in float64. Only the last grow with the images.

    Args:
        images, outputs, weights: as for `dense_bytes`.
        components: eigenfunctions.
        memory: for directions, in bytes.
        activations: bytes that the backward pass of `BATCH_SIZE` images keeps.
    """
    rows = images * outputs
    directions = directions_per_pass(components, gradients_held(weights, memory))
    basis = 8 * rows * lanczos_vectors(rows, components)
    return (2 + directions) * weights + activations + basis
