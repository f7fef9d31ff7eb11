"""Costs of tangent kernels: memory, how many gradients fit into it, and dense or matrix-free.

Cost is counted in forward passes of one image: a backward pass is 2, a tangent 2. The choice of a
method is a function of sizes and a budget alone, so that the same study gives the same bits
whenever it runs. No torch: `snakemake estimate` uses the same figures.
"""

from typing import Literal

PRODUCT = 6
"""Forward passes per image of a product J(Jᵀv): a gradient, then a value with its tangent."""

INNER_PRODUCTS_PER_PASS = 50
"""Inner products of two gradients that cost as much as a forward pass: tokens of ViT-B-32, since
every token of an image meets every weight once. Larger images have more, the demo's 17."""

DENSE_ROWS = 5000
"""Rows of the largest kernel matrix to diagonalise: a minute on one core, 600 MB in float64."""

GRADIENT_BYTES = {"cpu": 5 * 2**28, "cuda": 16 * 2**30}
"""Memory by device for gradients or directions held at once, where nobody says; what does not fit
is made again."""

CHUNK_SIZE = 10
"""Images whose gradients are made at once, where memory allows it."""

BATCH_SIZE = 32
"""Images per backward pass of products with the kernel."""

TANGENTS_PER_BATCH = 8
"""Images times directions of a forward-mode pass, for each image of a backward pass: without a
graph, activations live no longer than their block."""

DIRECTIONS = 16
"""Directions of one pass: more save no time, and leave too few images for efficient products."""


def kernel_method(
    images: int, outputs: int, components: int, held: int
) -> Literal["dense", "matrix-free"]:
    """How to find the leading eigenfunctions of one kernel: the cheaper way of those that can.

    Dense needs a matrix of at most `DENSE_ROWS` rows, and of several logits together the gradients
    of one image within a quarter of the memory for gradients. Lanczos finds fewer eigenpairs than
    there are rows. Kernels of one logit are cheaper dense up to thousands of images; those of all
    logits matrix-free from about a thousand rows on, or where one image's gradients are too many.

    Args:
        images: n of the sample.
        outputs: logits of the kernel, which has images × outputs rows.
        components: eigenfunctions.
        held: gradients that fit into memory (`gradients_held`).
    """
    rows = images * outputs
    if components >= rows:
        return "dense"
    if rows > DENSE_ROWS or (outputs > 1 and 4 * outputs > held):
        return "matrix-free"
    dense = dense_passes(images, 0, outputs, held) + rows**2 // INNER_PRODUCTS_PER_PASS
    matrix_free = matrix_free_passes(images, 0, outputs, components, held)
    return "dense" if dense <= matrix_free else "matrix-free"


def dense_passes(images: int, others: int, outputs: int, held: int) -> int:
    """Forward passes for the gradients of a dense kernel's eigenfunctions and of their values.

    `others` are further images to evaluate them on, besides the sample.
    """
    held_images = max(1, held // outputs)
    # A kernel made in parts ends with a pass over the sample for the eigenfunctions.
    again = images if images > held_images else 0
    gradients = gram_gradients(images, held_images) + again + images + others
    return gradients * (1 + 2 * outputs)


def matrix_free_passes(images: int, others: int, outputs: int, components: int, held: int) -> int:
    """The same for eigenfunctions from products."""
    directions = directions_per_pass(components, held)
    groups = -(-components // directions)
    extension = groups + 2 * components
    of_images = PRODUCT * products(images * outputs, components)
    return images * of_images + (2 * images + others) * extension


def products(rows: int, components: int) -> int:
    """Products with a kernel of `rows` that its leading eigenpairs are expected to take.

    Measured on the demo model's kernels and on spectra that fall as powers of the rank: 35 to 41
    for 10 components, 128 to 154 for 50. Slowly falling spectra need more.
    """
    return lanczos_vectors(rows, components) + components + 10


def gram_gradients(images: int, held: int) -> int:
    """Images whose gradients a kernel matrix makes: those of a part are held while later ones meet
    it, and made again for their own part.
    """
    return sum(range(images, 0, -held))


def gradients_held(weights: int, memory: int) -> int:
    """Gradients of one logit of one image that fit into `memory`; at least one.

    Both in bytes: `weights` those that are differentiated in, `memory` the budget,
    `compute.memory.kernels` in the pipeline.
    """
    return max(1, memory // weights)


def images_per_chunk(weights: int, memory: int, logits: int) -> int:
    """Images whose gradients of all `logits` are made at once: a quarter of `memory`, at most 10.

    10 was measured: with 2.7 million weights, 100 images and 3 logits, 10 need 2.3 GB in all and 25
    need 2.9 GB, at the same speed on a CPU.
    """
    return min(CHUNK_SIZE, max(1, memory // 4 // (logits * weights)))


def directions_per_pass(components: int, held: int) -> int:
    """Directions in the space of weights, one per eigenfunction, that are held at once.

    One is as large as a gradient, of which `held` fit into memory (`gradients_held`).
    """
    return min(components, held, DIRECTIONS)


def lanczos_vectors(rows: int, components: int) -> int:
    """Lanczos vectors of `rows` float64 numbers that are kept to find `components` eigenpairs."""
    return min(rows, max(2 * components + 1, 20))


def matrix_free_bytes(
    images: int, outputs: int, weights: int, components: int, memory: int, activations: int = 0
) -> int:
    """Bound on the memory of a kernel's eigenfunctions by products alone.

    The weights, a gradient and the directions held at once, one batch's activations and the
    Lanczos vectors in float64. Only the last grow with the images.

    Args:
        images, outputs, components: as for `kernel_method`.
        weights, memory: as for `gradients_held`, the latter for directions.
        activations: bytes that the backward pass of `BATCH_SIZE` images keeps.
    """
    rows = images * outputs
    directions = directions_per_pass(components, gradients_held(weights, memory))
    basis = 8 * rows * lanczos_vectors(rows, components)
    return (2 + directions) * weights + activations + basis
