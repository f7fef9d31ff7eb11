"""Eigenfunctions of tangent kernels by products J(Jᵀv) alone: no kernel matrix, no gradients.

With J [n·C, P] the Jacobian of C logits on n images (rows image by image), the kernel matrix is
K = J Jᵀ. A product K v takes a gradient, Jᵀv, and a value with its tangent, J(Jᵀv): 6 forward
passes per image, and no image's own gradient is ever made.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.func import vmap

from tangent.arithmetic.forward_mode import (
    ContiguousInputs,
    forward_mode_attention,
    value_and_product,
)
from tangent.jobs.errors import UserError
from tangent.kernels import kernel_cost
from tangent.kernels.eigenfunctions import leading_eigenfunctions
from tangent.kernels.gram import LogitGradients, Logits, budget
from tangent.kernels.localization import KernelEigenfunctions, OnImages, ignore

Directions = list[Tensor]
"""k directions in the space of weights: one tensor [k, *shape] per tensor of θ0."""


class TangentOperator:
    """J and Jᵀ of some logits at θ0, matrix-free.

    Memory, with P weights: those, the k directions of a pass and one gradient (3 P for one
    direction), the activations that a backward pass keeps of one batch, and the outputs.

    Args:
        f, theta0: as for `tangent.kernels.gram.LogitGradients`.
        logits: indices of the C logits.
        batch_size: images per backward pass; in forward mode images times directions are 8 times
            as many.

    Attributes:
        outputs: C, the rows of J per image.
        precision: relative rounding error of the weights' type.
    """

    def __init__(
        self,
        f: Logits,
        theta0: Mapping[str, Tensor],
        logits: Sequence[int],
        batch_size: int = kernel_cost.BATCH_SIZE,
    ) -> None:
        self._theta0 = {name: value.detach() for name, value in theta0.items()}
        self._like = next(iter(self._theta0.values()))
        self._chosen = torch.tensor(list(logits), device=self._like.device)
        self._logits, self._batch_size = f, batch_size
        self.outputs, self.precision = len(self._chosen), torch.finfo(self._like.dtype).eps

    def kernel_product(self, images: Tensor, vector: np.ndarray) -> np.ndarray:
        """K v [n·C] (float64) of images [n, ...]; passes compute in the type of the weights.

        Raises:
            UserError: the product is not finite, or an operation of the model has no forward-mode
                derivative.
        """
        cotangents = torch.from_numpy(vector).view(1, len(images), self.outputs)
        batches = list(self.along(self.transposed(images, cotangents), images))
        result = torch.cat(batches, dim=1).flatten().double().cpu().numpy()
        if not np.isfinite(result).all():
            raise UserError(
                "products with the tangent kernel are not finite: the model's weights or the "
                "images are damaged."
            )
        return result

    def transposed(self, images: Tensor, cotangents: Tensor) -> Directions:
        """Jᵀ v_ρ of images [n, ...] for several v_ρ, by a forward and a backward pass for each.

        The `cotangents` v_ρ are [k, n, C], of any type and device.
        """
        cotangents = cotangents.to(self._like)
        sums = [value.new_zeros(len(cotangents), *value.shape) for value in self._theta0.values()]
        # Detached again: θ0 itself stays a constant.
        weights = {n: value.detach().requires_grad_() for n, value in self._theta0.items()}
        leaves = list(weights.values())
        batches = zip(
            images.split(self._batch_size), cotangents.split(self._batch_size, dim=1), strict=True
        )
        for batch, rows in batches:
            with torch.enable_grad(), forward_mode_attention():
                outputs = self._f(weights, batch)
                for index, row in enumerate(rows):
                    is_last = index == len(rows) - 1
                    # Not given a name: one gradient is gone before the next is made.
                    torch._foreach_add_(
                        [value[index] for value in sums],
                        torch.autograd.grad(
                            outputs, leaves, row, retain_graph=not is_last, materialize_grads=True
                        ),
                    )
        return sums

    def along(self, directions: Directions, images: Tensor) -> Iterator[Tensor]:
        """J d_ρ of images [n, ...] for several directions of one pass, by batch [k, batch, C].

        Raises:
            UserError: an operation of the model has no forward-mode derivative.
        """
        k = len(directions[0])
        for batch in images.split(max(1, kernel_cost.TANGENTS_PER_BATCH * self._batch_size // k)):
            with torch.no_grad():
                products = self._products(dict(zip(self._theta0, directions, strict=True)), batch)
            yield products

    def _products(self, directions: dict[str, Tensor], batch: Tensor) -> Tensor:
        def product(direction: Mapping[str, Tensor]) -> Tensor:
            return value_and_product(lambda w: self._f(w, batch), self._theta0, direction)[1]

        if len(next(iter(directions.values()))) == 1:
            return product({name: value[0] for name, value in directions.items()})[None]
        with ContiguousInputs():
            return vmap(product)(directions)

    def _f(self, theta: Mapping[str, Tensor], images: Tensor) -> Tensor:
        return self._logits(theta, images).index_select(1, self._chosen)


class MatrixFreeEigenfunctions(KernelEigenfunctions):
    """The same eigenfunctions as `TangentEigenfunctions` up to rounding, for kernels of any size.

    Time: with k components about 3 k + 10 products of 6 forward passes per image of the sample,
    then a little over 2 k forward passes for each image of the sample and each one evaluated,
    whatever the number of logits of a kernel (`tangent.kernels.kernel_cost`).

    Memory is that of `tangent.kernels.kernel_cost.matrix_free_bytes`. Products are made in the type
    of the weights, the Lanczos vectors are float64.

    Directions that do not fit together are made again at every evaluation, so all sets of images
    are best evaluated in one call (`local_energies`).

    Args:
        f, theta0, sample, logits, components: as for `TangentEigenfunctions`.
        memory: bytes for the directions that are held at once; `GRADIENT_BYTES` of the device if
            None.
        on_product: called after each product with a kernel, for progress.

    Attributes:
        products: products with a kernel that were made, all kernels together.
        residual: how exact the eigenpairs are (`leading_eigenfunctions`), the worst kernel's.

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
        on_product: Callable[[], None] = ignore,
    ) -> None:
        kernels = LogitGradients(f, theta0).kernels(sample, logits)
        self._sample, self._on_product = sample, on_product
        self._operators = [TangentOperator(f, theta0, kernel) for kernel in kernels]
        held = kernel_cost.gradients_held(*budget(theta0, memory))
        self._group = kernel_cost.directions_per_pass(components, held)
        self.is_joint = logits == "all"
        self.passes = len(kernels) * -(-components // self._group)
        self.products = 0
        found = [
            leading_eigenfunctions(
                partial(self._multiply, of), len(sample), components, of.precision, of.outputs
            )
            for of in self._operators
        ]
        self.per_kernel = [fitted for fitted, _ in found]
        self.residual = max(residual for _, residual in found)
        # Where one kernel's directions fit into memory they are made once.
        self._kept = list(self._directions()) if self.passes == 1 else None

    def _multiply(self, operator: TangentOperator, vector: np.ndarray) -> np.ndarray:
        product = operator.kernel_product(self._sample, vector)
        self.products += 1
        self._on_product()
        return product

    def _directions(self) -> Iterator[tuple[int, Directions]]:
        """v_ρ = Jᵀ a_ρ with the kernel's index, as many components at a time as fit in memory."""
        for kernel, fitted in enumerate(self.per_kernel):
            for start in range(0, len(fitted.eigenvalues), self._group):
                group = fitted.coefficients[:, start : start + self._group]
                cotangents = torch.from_numpy(group.T.copy()).view(
                    -1, fitted.images, fitted.outputs
                )
                yield kernel, self._operators[kernel].transposed(self._sample, cotangents)

    def values_on(self, sets: Sequence[Tensor], on_images: OnImages = ignore) -> list[np.ndarray]:
        # Of each set and kernel, the values [C, m, group] of each group of components.
        found: list[list[list[np.ndarray]]] = [[[] for _ in self._operators] for _ in sets]
        for kernel, directions in self._kept or self._directions():
            for images, of_kernels in zip(sets, found, strict=True):
                batches = []
                for batch in self._operators[kernel].along(directions, images):
                    batches.append(batch)
                    on_images(batch.shape[1])
                group = torch.cat(batches, dim=1).permute(2, 1, 0)
                of_kernels[kernel].append(group.double().cpu().numpy())
            del directions  # before the next ones are made
        return [
            np.concatenate([np.concatenate(groups, axis=2) for groups in of_kernels])
            for of_kernels in found
        ]
