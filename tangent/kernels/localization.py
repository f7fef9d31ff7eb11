"""Eigenfunctions of a model's tangent kernel, evaluated on any images (section 6, figure 6).

Nyström's sum over the sample is taken once, in the space of weights: with v_ρ = Σ_i A_iρ ∇f(x_i),
φ_ρ(x) = Σ_i k(x, x_i) A_iρ = ∇f(x)·v_ρ. So new images need products with k vectors and not with the
gradients of all n images of the sample, which need not be kept.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from tangent.kernels.eigenfunctions import Eigenfunctions
from tangent.kernels.gram import LogitGradients, Logits, budget, inner_products
from tangent.kernels.kernel_cost import gradients_held, images_per_chunk

OnImages = Callable[[int], None]


def ignore(*counts: int) -> None:
    """Progress that nobody wants to see."""


class KernelEigenfunctions(ABC):
    """The leading eigenfunctions of tangent kernels at θ0 on a sample: one kernel per logit, or one
    of all logits together.

    Attributes:
        per_kernel: the eigenpairs, one `Eigenfunctions` per kernel.
        is_joint: whether it is one kernel of all logits, with vector-valued eigenfunctions.
        passes: how often evaluating them goes through the images.
    """

    per_kernel: list[Eigenfunctions]
    is_joint: bool
    passes: int

    @abstractmethod
    def values_on(self, sets: Sequence[Tensor], on_images: OnImages = ignore) -> list[np.ndarray]:
        """φ_ρ(x) on several sets of images, each [logits, m, components] (float64).

        With a kernel per logit that is the kernel's own φ_ρ, with one kernel its component for
        the logit.

        Args:
            sets: images [m, ...].
            on_images: called with the number of images of each batch, for progress; their sum is
                `passes` times the images.
        """

    def local_energies(
        self, sets: Sequence[Tensor], on_images: OnImages = ignore
    ) -> list[np.ndarray]:
        """E_loc(x) = Σ_ρ ‖φ_ρ(x)‖² of every kernel on several sets of images, each [kernels, m].

        Args are those of `values_on`.
        """
        energies = [np.square(values).sum(axis=2) for values in self.values_on(sets, on_images)]
        return [e.sum(axis=0, keepdims=True) if self.is_joint else e for e in energies]

    def local_energy(self, images: Tensor) -> np.ndarray:
        """The same on one set of images."""
        return self.local_energies([images])[0]


class TangentEigenfunctions(KernelEigenfunctions):
    """Eigenfunctions from kernel matrices: for as many rows as `tangent.kernels.kernel_cost` says.

    Memory: `memory` bytes and a quarter more for gradients, and with P weights and k components
    k × P numbers for each kernel. A sample whose gradients of one kernel do not fit has them made
    again for each part of the kernel matrix that does.

    Args:
        f: weights and images to logits, such as `tangent.kernels.gram.classifier(encoder, head)`.
        theta0: the encoder's weights by name (`tangent.arithmetic.linearized.parameters_of`).
        sample: images [n, ...] that define the kernel matrix.
        logits: indices of the logits, a kernel for each; or `all`, one kernel of all of them.
        components: eigenfunctions per kernel.
        memory: bytes for the gradients that are held at once; `GRADIENT_BYTES` of the device if
            None.
        on_kernel: called after each kernel, for progress.

    Raises:
        UserError: no image, a logit that f does not have, or fewer independent images than
            components.
    """

    def __init__(
        self,
        f: Logits,
        theta0: Mapping[str, Tensor],
        sample: Tensor,
        logits: Sequence[int] | Literal["all"],
        components: int,
        memory: int | None = None,
        on_kernel: Callable[[], None] = ignore,
    ) -> None:
        kernels = LogitGradients(f, theta0).kernels(sample, logits)
        self.is_joint, self.passes = logits == "all", 1
        self._logits = [logit for kernel in kernels for logit in kernel]
        weights, memory = budget(theta0, memory)
        chunk_size = images_per_chunk(weights, memory, len(self._logits))
        self._gradients = LogitGradients(f, theta0, chunk_size)
        self._held = max(1, gradients_held(weights, memory) // len(kernels[0]))
        self.per_kernel = []
        # One tensor [kernels, components, weights] per tensor of θ0, filled in place: a copy of all
        # directions may be larger than the gradients.
        shape = len(kernels), components
        self._directions = [value.new_zeros(*shape, value.numel()) for value in theta0.values()]
        for index, kernel in enumerate(kernels):
            of_kernel = [part[index] for part in self._directions]
            self.per_kernel.append(self._fit(sample, kernel, components, of_kernel))
            on_kernel()

    def _fit(
        self, sample: Tensor, kernel: list[int], components: int, directions: list[Tensor]
    ) -> Eigenfunctions:
        """Eigenpairs of one kernel; their v_ρ are added to [components, weights] per tensor."""
        if len(sample) <= self._held:
            gradients = [self._gradients.held(sample, kernel)]
            gram = inner_products(gradients[0], gradients[0])
        else:
            gram = self._gradients.gram(sample, None, kernel, self._held)
            gradients = self._gradients.rows(sample, kernel)  # made again
        fitted = Eigenfunctions.fit(gram.cpu().numpy(), components, len(kernel))
        coefficients = torch.from_numpy(fitted.coefficients).to(gram)
        for rows in gradients:
            of_rows, coefficients = coefficients.tensor_split([len(rows[0])])
            for direction, part in zip(directions, rows, strict=True):
                direction += of_rows.T @ part
        return fitted

    def values_on(self, sets: Sequence[Tensor], on_images: OnImages = ignore) -> list[np.ndarray]:
        return [self._values(images, on_images) for images in sets]

    def _values(self, images: Tensor, on_images: OnImages) -> np.ndarray:
        results = []
        for chunk in self._gradients.chunks(images, self._logits):
            results.append(
                sum(
                    # Of one kernel, the directions are not copied for every logit.
                    part @ (direction[0].T if self.is_joint else direction.transpose(1, 2))
                    for part, direction in zip(chunk, self._directions, strict=True)
                )
            )
            on_images(chunk[0].shape[1])
        return torch.cat(results, dim=1).double().cpu().numpy()
