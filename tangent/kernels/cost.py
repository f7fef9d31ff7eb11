"""Dense or matrix-free: what eigenfunctions of a tangent kernel cost either way, and the choice.

Cost is counted in forward passes of one image: a backward pass is 2, a tangent 2. The choice is a
function of sizes alone, so that the same study gives the same bits whenever it runs. No torch.
"""

from __future__ import annotations

from typing import Literal

from tangent.kernels.gram_memory import directions_per_pass, lanczos_vectors

Method = Literal["dense", "matrix-free"]

PRODUCT = 6
"""Forward passes per image of a product J(Jᵀv): a gradient, then a value with its tangent."""

INNER_PRODUCTS_PER_PASS = 50
"""Inner products of two gradients that cost as much as a forward pass: tokens of ViT-B-32, since
every token of an image meets every weight once. Larger images have more, the demo's 17."""

DENSE_ROWS = 5000
"""Rows of the largest kernel matrix to diagonalise: a minute on one core, 600 MB in float64."""


def kernel_method(images: int, outputs: int, components: int, held: int) -> Method:
    """How to find the leading eigenfunctions of one kernel: the cheaper way of those that can.

    Dense needs a matrix of at most `DENSE_ROWS` rows, and of several logits together the gradients
    of one image within a quarter of the memory for gradients. Lanczos finds fewer eigenpairs than
    there are rows. Kernels of one logit are cheaper dense up to thousands of images; those of all
    logits matrix-free from about a thousand rows on, or where one image's gradients are too many.

    Args:
        images: n of the sample.
        outputs: logits of the kernel, which has images × outputs rows.
        components: eigenfunctions.
        held: gradients that fit into memory, from the weights' size and the device's budget
            (`tangent.kernels.gram_memory.gradients_held`).
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

    Args:
        images, outputs, held: as for `kernel_method`.
        others: further images to evaluate them on, besides the sample.
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
