"""Leading eigenfunctions of the tangent kernel of all logits: by products, and the dense method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.baselines import dense_kernel
from bench.harness import Setting, compared, table
from bench.subjects import CLASSES, subject_of
from tangent.arithmetic.linearized import parameters_of
from tangent.kernels.gram import classifier
from tangent.kernels.matrix_free import MatrixFreeEigenfunctions

COMPONENTS = 5


def run(setting: Setting) -> str:
    """Comparison with the dense method, and growth with images."""
    return f"{_comparison(setting)}\n{_by_images(setting)}"


def _comparison(setting: Setting) -> str:
    images = setting.scaled(40, 40, 2)
    ours, dense, held = _eigenfunctions(setting, images)
    times = setting.alternate({"ours": ours, "dense": dense}, fewest=2, most=5, warm_up=0)
    peaks = [[setting.peak_memory(run, held)] for run in (ours, dense)]
    what = f"{min(COMPONENTS, images)} eigenfunctions, {images} images × {CLASSES} logits"
    rows = [
        compared(what, "dense, all gradients in memory", "s", *times.values()),
        compared(f"peak memory, {what}", "dense", "MB", *peaks),
    ]
    name = subject_of(setting).folder.name
    note = f"{name}; one kernel of all logits. Ours: Lanczos on v ↦ J(Jᵀv)."
    return table("Eigenfunctions of tangent kernels", rows, note)


def _by_images(setting: Setting) -> str:
    rows = []
    for images in (3, 6) if setting.quick else (10, 20, 40):
        ours, _, held = _eigenfunctions(setting, images)
        started = setting.now()
        products = ours().products
        seconds = setting.now() - started
        row = {"images": images, "products with the kernel": products, "s": seconds}
        row["ms per product and image"] = 1e3 * seconds / products / images
        rows.append(row | {"peak MB": setting.peak_memory(ours, held)})
    title = f"Growth with images: {COMPONENTS} eigenfunctions of a kernel of {CLASSES} logits"
    return table(title, rows)


def _eigenfunctions(
    setting: Setting, images: int
) -> tuple[Callable[[], MatrixFreeEigenfunctions], Callable[[], Any], list[Tensor]]:
    """Ours, the dense baseline, and the tensors that both find in memory."""
    subject = subject_of(setting)
    encoder = subject.encoder()
    # Real images: eigenvalues of noise hardly differ, and Lanczos would have to tell them apart.
    batch = subject.test_images(images).whole()
    f, theta0 = classifier(encoder, subject.head()), parameters_of(encoder)

    def ours() -> MatrixFreeEigenfunctions:
        return MatrixFreeEigenfunctions(f, theta0, batch, "all", min(COMPONENTS, images))

    def dense() -> Any:
        with torch.no_grad():
            kernel = dense_kernel(f, theta0, batch)
        return np.linalg.eigh(kernel.double().cpu().numpy())

    return ours, dense, [*theta0.values(), batch]
