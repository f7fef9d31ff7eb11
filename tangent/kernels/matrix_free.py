"""Eigenfunctions of tangent kernels by products J(Jᵀv) alone: no kernel matrix, no gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from tangent.kernels.eigenfunctions import Eigenfunctions
from tangent.kernels.gram import Logits, budget, logits_of_kernels
from tangent.kernels.gram_memory import BATCH_SIZE, directions_per_pass, gradients_held
from tangent.kernels.lanczos import leading_eigenfunctions
from tangent.kernels.localization import KernelEigenfunctions, OnImages
from tangent.kernels.operator import Directions, TangentOperator


class MatrixFreeEigenfunctions(KernelEigenfunctions):
    """The same eigenfunctions as `TangentEigenfunctions` up to rounding, for kernels of any size.

    Time: with k components about 3 k + 10 products of 6 forward passes per image of the sample,
    then a little over 2 k forward passes for each image of the sample and each one evaluated,
    whatever the number of logits of a kernel (`tangent.kernels.cost`).

    Memory, with P weights and a kernel of n × C rows: 3 P numbers in products; afterwards 2 P and
    as many directions of P numbers as fit into `memory`, at most 16; the activations that the
    backward pass of one batch keeps; and n × C × (2 k + 1) float64 for Lanczos
    (`tangent.kernels.gram_memory`). Products are made in the type of the weights, the Lanczos vectors are
    float64.

    Directions that do not fit together are made again at every evaluation, so all sets of images
    are best evaluated in one call (`local_energies`).

    Args:
        f, theta0, sample, logits, components: as for `TangentEigenfunctions`.
        memory: bytes for the directions that are held at once; `GRADIENT_BYTES` of the device if
            None.
        batch_size: images per backward pass.
        on_product: called after each product with a kernel, for progress.

    Attributes:
        products: products with a kernel that were made, all kernels together.
        residual: how exact the eigenpairs are (`tangent.kernels.lanczos`), the worst kernel's.

    Raises:
        UserError: no image, a logit that f does not have, fewer independent images than
            components, eigenvalues that cannot be told apart, or an operation of the model that
            has no forward-mode derivative.
    """

    def __init__(
        self,
        f: Logits,
        theta0: Mapping[str, Tensor],
        sample: Tensor,
        logits: Sequence[int] | Literal["all"],
        components: int,
        memory: int | None = None,
        batch_size: int = BATCH_SIZE,
        on_product: Callable[[], None] | None = None,
    ) -> None:
        kernels = logits_of_kernels(f, theta0, sample, logits)
        self._sample = sample
        self._operators = [TangentOperator(f, theta0, kernel, batch_size) for kernel in kernels]
        held = gradients_held(*budget(theta0, memory))
        self._group = directions_per_pass(components, held)
        self.is_joint = logits == "all"
        self.passes = len(kernels) * -(-components // self._group)
        self.products, self.per_kernel, residuals = 0, [], []
        for operator in self._operators:
            fitted, residual = self._fit(operator, components, on_product)
            self.per_kernel.append(fitted)
            residuals.append(residual)
        self.residual = max(residuals)
        # Where one kernel's directions fit into memory they are made once.
        self._kept = list(self._directions()) if self.passes == 1 else None

    def _fit(
        self,
        operator: TangentOperator,
        components: int,
        on_product: Callable[[], None] | None,
    ) -> tuple[Eigenfunctions, float]:
        def multiply(vector: np.ndarray) -> np.ndarray:
            product = operator.kernel_product(self._sample, vector)
            self.products += 1
            if on_product is not None:
                on_product()
            return product

        return leading_eigenfunctions(
            multiply, len(self._sample), components, operator.precision, operator.outputs
        )

    def _directions(self) -> Iterator[tuple[int, Directions]]:
        """v_ρ = Jᵀ a_ρ with the kernel's index, as many components at a time as fit in memory."""
        for kernel, fitted in enumerate(self.per_kernel):
            for start in range(0, len(fitted.eigenvalues), self._group):
                group = fitted.coefficients[:, start : start + self._group]
                cotangents = torch.from_numpy(group.T.copy()).view(
                    -1, fitted.images, fitted.outputs
                )
                yield kernel, self._operators[kernel].transposed(self._sample, cotangents)

    def values_on(
        self, sets: Sequence[Tensor], on_images: OnImages | None = None
    ) -> list[np.ndarray]:
        # Of each set and kernel, the values [C, m, group] of each group of components.
        found: list[list[list[np.ndarray]]] = [[[] for _ in self._operators] for _ in sets]
        for kernel, directions in self._kept or self._directions():
            for images, of_kernels in zip(sets, found, strict=True):
                batches = []
                for batch in self._operators[kernel].along(directions, images):
                    batches.append(batch)
                    if on_images is not None:
                        on_images(batch.shape[1])
                group = torch.cat(batches, dim=1).permute(2, 1, 0)
                of_kernels[kernel].append(group.double().cpu().numpy())
            del directions  # before the next ones are made
        return [
            np.concatenate([np.concatenate(groups, axis=2) for groups in of_kernels])
            for of_kernels in found
        ]
