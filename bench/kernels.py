"""Leading eigenfunctions of the tangent kernel of all logits: by products, and the dense method."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.func import jacrev, vmap

from bench.harness import Setting, compared, table
from bench.subjects import CLASSES, subject_of
from tangent.arithmetic.forward_mode import forward_mode_attention
from tangent.arithmetic.linearized import parameters_of
from tangent.kernels.gram import classifier
from tangent.kernels.matrix_free import MatrixFreeEigenfunctions


def run(setting: Setting) -> str:
    """One table: time and memory beside those of the dense method."""
    subject, images, components = subject_of(setting), setting.scaled(40, 40, 2), 5
    encoder = subject.encoder()
    # Real images: eigenvalues of noise hardly differ, and Lanczos would have to tell them apart.
    batch = subject.pictures(images).whole()
    f, theta0 = classifier(encoder, subject.head()), parameters_of(encoder)

    def ours() -> MatrixFreeEigenfunctions:
        return MatrixFreeEigenfunctions(f, theta0, batch, "all", min(components, images))

    def dense() -> Any:
        return np.linalg.eigh(dense_kernel(f, theta0, batch).double().cpu().numpy())

    times = setting.in_turn({"ours": ours, "dense": dense})
    held = [*theta0.values(), batch]
    peaks = [[setting.peak_memory(run, held)] for run in (ours, dense)]
    what = f"{components} eigenfunctions, {images} images × {CLASSES} logits"
    rows = [
        compared(what, "dense, all gradients in memory", "s", *times.values()),
        compared(f"peak memory, {what}", "dense", "MB", *peaks),
    ]
    note = f"{subject.folder.name}; one kernel of all logits. Ours: Lanczos on v ↦ J(Jᵀv)."
    return table("Eigenfunctions of tangent kernels", rows, note)


def dense_kernel(
    f: Callable[[Mapping[str, Tensor], Tensor], Tensor],
    theta0: Mapping[str, Tensor],
    images: Tensor,
    chunk: int = 10,
) -> Tensor:
    """The baseline: the kernel of all logits from the gradients of all images in memory.

    Args:
        f: weights and images to logits [batch, classes].
        theta0: the weights.
        images: [n, ...].
        chunk: images whose gradients are made at once.

    Returns:
        [n·classes, n·classes], image by image.
    """

    def of_image(image: Tensor) -> dict[str, Tensor]:
        return jacrev(lambda theta: f(theta, image[None])[0])(theta0)

    with torch.no_grad(), forward_mode_attention():
        parts = [vmap(of_image)(part) for part in images.split(chunk)]
    of_weights = (torch.cat([part.pop(name) for part in parts]) for name in theta0)
    rows = (gradients.flatten(end_dim=1).flatten(start_dim=1) for gradients in of_weights)
    return sum(row @ row.T for row in rows)
