"""Leading eigenfunctions of the tangent kernel of all logits: by products, and the dense method."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from bench.baselines import dense_kernel
from bench.harness import Ratio, alternate, peak_memory
from bench.subjects import PAPER_MODEL, Setting
from bench.tables import Line, Table, lines_table
from tangent.arithmetic.linearized import parameters_of
from tangent.config.cost.model_sizes import BYTES, architecture_of
from tangent.kernels.gram import classifier
from tangent.kernels.gram_memory import (
    BATCH_SIZE,
    GRADIENT_BYTES,
    dense_bytes,
    directions_per_pass,
    gradients_held,
    lanczos_vectors,
    matrix_free_bytes,
)
from tangent.kernels.matrix_free import MatrixFreeEigenfunctions

FULL_SIZE = (2000, 45, 50)  # images, outputs, eigenpairs: issue 4
OUTPUTS, COMPONENTS = 10, 5


def run(setting: Setting) -> list[Table]:
    """Comparison with the dense method, growth with images, and memory at full size."""
    return [_comparison(setting), _by_images(setting), _at_full_size()]


def _comparison(setting: Setting) -> Table:
    images = setting.scaled(40, 40, 4)
    ours, dense, held = _eigenfunctions(setting, images)
    measuring = setting.measuring | {"repetitions": (2, 5)}
    runs = {"ours": ours, "dense": dense}
    times = alternate(runs, setting.clock.seconds, **measuring, warm_up=0)
    peaks = [peak_memory(run, setting.device, held) / 1e6 for run in (ours, dense)]
    what = f"{_components(images)} eigenfunctions, {images} images × {OUTPUTS} logits"
    lines = [
        Line(what, "dense, all gradients in memory", Ratio.of(*times.values()), "s"),
        Line(f"peak memory, {what}", "dense", Ratio.of(peaks[:1], peaks[1:]), "MB"),
    ]
    notes = [f"{setting.subject.name}; one kernel of all logits. Ours: Lanczos on v ↦ J(Jᵀv)."]
    return lines_table("kernels", "Eigenfunctions of tangent kernels", lines, notes)


def _by_images(setting: Setting) -> Table:
    rows = []
    for images in (3, 6) if setting.quick else (10, 20, 40):
        ours, _, held = _eigenfunctions(setting, images)
        made: list[MatrixFreeEigenfunctions] = []
        seconds = setting.clock.seconds(lambda ours=ours, made=made: made.append(ours()))
        products = made[0].products
        peak = peak_memory(ours, setting.device, held) / 1e6
        rows.append((images, products, seconds, 1e3 * seconds / products / images, peak))
    title = f"Growth with images: {COMPONENTS} eigenfunctions of a kernel of {OUTPUTS} logits"
    columns = ("images", "products with the kernel", "s", "ms per product and image", "peak MB")
    return Table("kernels-images", title, columns, rows)


def _components(images: int) -> int:
    return min(COMPONENTS, images)


def _eigenfunctions(
    setting: Setting, images: int
) -> tuple[Callable[[], MatrixFreeEigenfunctions], Callable[[], object], list[Tensor]]:
    """Ours, the dense baseline, and the tensors that both find in memory."""
    subject = setting.subject
    encoder, head = subject.encoder(), subject.head(OUTPUTS)
    # Real images: eigenvalues of noise hardly differ, and Lanczos would have to tell them apart.
    batch = subject.test_images(images).whole()
    f, theta0 = classifier(encoder, head), parameters_of(encoder)

    def ours() -> MatrixFreeEigenfunctions:
        return MatrixFreeEigenfunctions(f, theta0, batch, "all", _components(images))

    def dense() -> object:
        with torch.no_grad():
            kernel = dense_kernel(f, theta0, batch)
        return np.linalg.eigh(kernel.double().cpu().numpy())

    return ours, dense, [*theta0.values(), batch]


def _at_full_size() -> Table:
    images, outputs, components = FULL_SIZE
    model = architecture_of(PAPER_MODEL, "ViT-B-32")
    weights, memory = BYTES * model.encoder_parameters, GRADIENT_BYTES["cuda"]
    activations = BATCH_SIZE * BYTES * model.image.activations
    bound = matrix_free_bytes(images, outputs, weights, components, memory, activations)
    directions = directions_per_pass(components, gradients_held(weights, memory))
    vectors = lanczos_vectors(images * outputs, components)
    row = (images, outputs, components, dense_bytes(images, outputs, weights) / 1e9, bound / 1e9)
    columns = ("images", "outputs", "eigenpairs", "dense method, GB", "ours at most, GB")
    notes = [
        f"ViT-B-32, {model.encoder_parameters:,} weights in float32. Dense: all gradients and the "
        f"kernel. Ours: weights, a gradient, {directions} directions at a time, the activations "
        f"of {BATCH_SIZE} images, and {vectors} Lanczos vectors, which alone grow with the images."
    ]
    title = "Eigenfunctions of ViT-B-32 at full size: memory by formula"
    return Table("kernels-full-size", title, columns, [row], notes)
