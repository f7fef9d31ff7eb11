"""Local energy of the tangent kernel's eigenfunctions on each data set (section 6, figure 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
import torch
from torch import Tensor, nn

from tangent.linearize import parameters_of
from tangent.ntk import TangentEigenfunctions, classifier
from tangent.progress import Progress


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
        logits: classes whose kernels these are.
        spectra: all eigenvalues of K/n per logit, largest first [logits, n].
        energies: E_loc(x) per sample [logits, images]; its mean on the kernel's own sample is the
            number of components, by construction.
    """

    logits: Sequence[int]
    spectra: np.ndarray
    energies: Mapping[tuple[str, str], np.ndarray]

    def means(self) -> list[dict[str, str | float]]:
        """Mean energy over logits and images, one entry per sample."""
        return [
            {"dataset": dataset, "split": split, "energy": fmean(energies.ravel())}
            for (dataset, split), energies in self.energies.items()
        ]


def localization(
    encoder: nn.Module,
    head: np.ndarray,
    samples: Sequence[Sample],
    logits: Sequence[int],
    components: int,
) -> Localization:
    """Local energies of the leading eigenfunctions of each logit's tangent kernel at θ0.

    Args:
        encoder: at θ0.
        head: zero-shot weight [classes, d] of the task whose kernel it is.
        samples: the first one defines the kernel; energies are given on all of them.
        logits: classes, one kernel each.
        components: leading eigenfunctions per kernel.

    Raises:
        UserError: the sample has fewer independent images than components.
    """
    theta0 = parameters_of(encoder)
    f = classifier(encoder, torch.from_numpy(head).to(next(iter(theta0.values()))))
    kernel_sample = samples[0]
    with Progress(f"kernels of {kernel_sample.dataset}", len(logits), "logit") as progress:
        eigenfunctions = TangentEigenfunctions(
            f, theta0, kernel_sample.images, logits, components, on_logit=progress.update
        )
    total = sum(len(sample.rows) for sample in samples)
    with Progress(f"local energies of {kernel_sample.dataset}", total, "image") as progress:
        energies = {
            (sample.dataset, sample.split): eigenfunctions.local_energy(
                sample.images, progress.update
            )
            for sample in samples
        }
    spectra = np.stack([fitted.spectrum for fitted in eigenfunctions.per_logit])
    return Localization(list(logits), spectra, energies)
