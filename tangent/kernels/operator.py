"""Products with the Jacobian of logits and with its transpose, over batches of images.

With J [n·C, P] the Jacobian of C logits on n images (rows image by image), the kernel matrix is
K = J Jᵀ. A product K v takes a gradient, Jᵀv, and a value with its tangent, J(Jᵀv): 6 forward
passes per image, and no image's own gradient is ever made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.func import vmap

from tangent.arithmetic.linearized import (
    ContiguousInputs,
    forward_mode_attention,
    value_and_product,
)
from tangent.jobs.errors import UserError
from tangent.kernels.gram import Logits
from tangent.kernels.gram_memory import BATCH_SIZE, TANGENTS_PER_BATCH

Directions = list[Tensor]
"""k directions in the space of weights: one tensor [k, *shape] per tensor of θ0."""


class TangentOperator:
    """J and Jᵀ of some logits at θ0, matrix-free.

    Memory, with P weights: those, the k directions of a pass and one gradient (3 P for one
    direction), the activations that a backward pass keeps of one batch, and the outputs.

    Args:
        f: weights and images to logits, image by image (no batch statistics).
        theta0: the weights to differentiate in.
        logits: indices of the C logits.
        batch_size: images per backward pass; in forward mode images times directions are 8 times
            as many.
    """

    def __init__(
        self,
        f: Logits,
        theta0: Mapping[str, Tensor],
        logits: Sequence[int],
        batch_size: int = BATCH_SIZE,
    ) -> None:
        self._theta0 = {name: value.detach() for name, value in theta0.items()}
        self._like = next(iter(self._theta0.values()))
        self._chosen = torch.tensor(list(logits), device=self._like.device)
        self._logits, self._batch_size = f, batch_size

    @property
    def outputs(self) -> int:
        """C, the rows of J per image."""
        return len(self._chosen)

    @property
    def precision(self) -> float:
        """Relative rounding error of the weights' type."""
        return torch.finfo(self._like.dtype).eps

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
        """Jᵀ v_ρ for several v_ρ, by one forward pass and one backward pass for each.

        Args:
            images: [n, ...].
            cotangents: v_ρ [k, n, C], of any type and device.
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
        """J d_ρ for several directions d_ρ of one pass, batch by batch [k, batch, C].

        Args:
            directions: d_ρ.
            images: [n, ...].

        Raises:
            UserError: an operation of the model has no forward-mode derivative.
        """
        k = len(directions[0])
        named = dict(zip(self._theta0, directions, strict=True))
        for batch in images.split(max(1, TANGENTS_PER_BATCH * self._batch_size // k)):
            with torch.no_grad():
                products = self._products(named, batch)
            yield products

    def _products(self, directions: Mapping[str, Tensor], batch: Tensor) -> Tensor:
        def f(theta: Mapping[str, Tensor]) -> Tensor:
            return self._f(theta, batch)

        def product(direction: Mapping[str, Tensor]) -> Tensor:
            return value_and_product(f, self._theta0, direction)[1]

        if len(next(iter(directions.values()))) == 1:
            return product({name: value[0] for name, value in directions.items()})[None]
        with ContiguousInputs():
            return vmap(product)(dict(directions))

    def _f(self, theta: Mapping[str, Tensor], images: Tensor) -> Tensor:
        return self._logits(theta, images).index_select(1, self._chosen)
