"""Local energy of the tangent kernel's eigenfunctions on each data set (section 6, figure 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

import numpy as np
from torch import Tensor, nn

from tangent.arithmetic.linearized import parameters_of
from tangent.jobs.progress import Progress
from tangent.kernels.gram import budget, classifier
from tangent.kernels.kernel_cost import gradients_held, kernel_method, products
from tangent.kernels.localization import TangentEigenfunctions
from tangent.kernels.matrix_free import MatrixFreeEigenfunctions
from tangent.models.heads.head import Head


@dataclass(frozen=True)
class Sample:
    """Images of one split of a data set.

    Attributes:
        dataset: its name.
        split: `sample` for the training images that define the kernel, `test` for held-out ones.
        rows: which images of the split [images].
        images: normalised [images, 3, height, width].
    """

    dataset: str
    split: str
    rows: np.ndarray
    images: Tensor


@dataclass(frozen=True)
class Localization:
    """Eigenvalues of every kernel and local energies on every sample.

    Attributes:
        kernels: the logit of each kernel; `all` is one kernel of all logits together.
        spectra: eigenvalues of K/n per kernel, largest first: all of them if the kernel matrix was
            made, otherwise the leading ones [kernels, n·C or components].
        energies: E_loc(x) per sample [kernels, images]; its mean on the kernel's own sample is the
            number of components, by construction.
        method: how the eigenfunctions were found: the kernels' `method`, and, matrix-free, the
            number of `products` and their `residual` (`kernels.eigenfunctions`).
    """

    kernels: Sequence[int | str]
    spectra: np.ndarray
    energies: Mapping[tuple[str, str], np.ndarray]
    method: Mapping[str, str | int | float]

    def means(self) -> list[dict[str, str | float]]:
        """Mean energy over kernels and images, one entry per sample."""
        return [
            {"dataset": dataset, "split": split, "energy": fmean(energies.ravel())}
            for (dataset, split), energies in self.energies.items()
        ]


def localization(
    encoder: nn.Module,
    head: Head,
    samples: Sequence[Sample],
    logits: Sequence[int] | Literal["all"],
    components: int,
) -> Localization:
    """Local energies of the leading eigenfunctions of tangent kernels at θ0.

    Args:
        encoder: at θ0.
        head: of the task whose kernel it is.
        samples: the first one defines the kernel; energies are given on all of them.
        logits: classes, one kernel each; or `all`, one kernel of all of them.
        components: leading eigenfunctions per kernel.

    Raises:
        UserError: the sample has fewer independent images than components.
    """
    theta0 = parameters_of(encoder)
    f = classifier(encoder, head.on(next(iter(theta0.values())).device))
    name, sample = samples[0].dataset, samples[0].images
    outputs = head.classes if logits == "all" else 1
    method = kernel_method(len(sample), outputs, components, gradients_held(*budget(theta0)))
    kernels = ["all"] if logits == "all" else list(logits)
    if method == "dense":
        with Progress(f"kernels of {name}", len(kernels), "kernel") as progress:
            found = TangentEigenfunctions(
                f, theta0, sample, logits, components, on_kernel=progress.update
            )
        how = {"method": method}
    else:
        expected = len(kernels) * products(outputs * len(sample), components)
        with Progress(f"about {expected} products with kernels of {name}", expected) as progress:
            found = MatrixFreeEigenfunctions(
                f, theta0, sample, logits, components, on_product=progress.update
            )
        how = {"method": method, "products": found.products, "residual": found.residual}
    total = found.passes * sum(len(of.rows) for of in samples)
    with Progress(f"local energies of {name}", total, "image") as progress:
        energies = found.local_energies([of.images for of in samples], progress.update)
    return Localization(
        kernels,
        np.stack([fitted.spectrum for fitted in found.per_kernel]),
        dict(zip([(of.dataset, of.split) for of in samples], energies, strict=True)),
        how,
    )
