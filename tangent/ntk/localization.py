"""Eigenfunctions of a model's tangent kernel, evaluated on any images (section 6, figure 6).

Nyström's sum over the sample is taken once, in the space of weights: with v_ρ = Σ_i A_iρ ∇f(x_i),
φ_ρ(x) = Σ_i k(x, x_i) A_iρ = ∇f(x)·v_ρ. So new images need products with k vectors and not with the
gradients of all n images of the sample, which need not be kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from tangent.ntk.eigenfunctions import Eigenfunctions
from tangent.ntk.gram import (
    CHUNK_SIZE,
    Logits,
    held_gradients,
    inner_products,
    logit_gradients,
)


class TangentEigenfunctions:
    """The leading eigenfunctions of the tangent kernel of each of several logits, at θ0.

    Memory: with n images in the sample, P weights and k components, fitting holds
    (n + chunk_size) × P numbers at a time (one logit after the other) plus k × P for each logit;
    later calls hold (k + chunk_size) × P for each logit.

    Args:
        f: weights and images to logits, such as `tangent.ntk.classifier(encoder, head)`.
        theta0: the encoder's weights by name (`tangent.linearize.parameters_of`).
        sample: images [n, ...] that define the kernel matrix.
        logits: indices of the logits.
        components: eigenfunctions per logit.
        chunk_size: images whose gradients are in memory at once.
        on_logit: called after each logit, for progress.

    Attributes:
        per_logit: the eigenpairs, one `Eigenfunctions` per logit.

    Raises:
        UserError: no image, a logit that f does not have, or fewer independent images than
            components.
    """

    def __init__(
        self,
        f: Logits,
        theta0: Mapping[str, Tensor],
        sample: Tensor,
        logits: Sequence[int],
        components: int,
        chunk_size: int = CHUNK_SIZE,
        on_logit: Callable[[], None] | None = None,
    ) -> None:
        self._f, self._theta0, self._logits = f, dict(theta0), list(logits)
        self._chunk_size = chunk_size
        self.per_logit: list[Eigenfunctions] = []
        directions: list[list[Tensor]] = []
        for logit in self._logits:
            gradients = held_gradients(f, theta0, sample, logit, chunk_size)
            gram = inner_products(gradients, gradients)
            fitted = Eigenfunctions.fit(gram.cpu().numpy(), components)
            self.per_logit.append(fitted)
            coefficients = torch.from_numpy(fitted.coefficients).to(gram)
            directions.append([coefficients.T @ part for part in gradients])
            del gradients
            if on_logit is not None:
                on_logit()
        # One tensor [logits, components, weights] per tensor of θ0.
        self._directions = [torch.stack(parts) for parts in zip(*directions, strict=True)]

    def values(self, images: Tensor, on_chunk: Callable[[int], None] | None = None) -> np.ndarray:
        """φ_ρ(x) of every logit [logits, m, components] (float64).

        Args:
            images: [m, ...].
            on_chunk: called with the number of images of each chunk, for progress.
        """
        results = []
        chunks = logit_gradients(self._f, self._theta0, images, self._logits, self._chunk_size)
        for chunk in chunks:
            results.append(
                sum(
                    part @ direction.transpose(1, 2)
                    for part, direction in zip(chunk, self._directions, strict=True)
                )
            )
            if on_chunk is not None:
                on_chunk(chunk[0].shape[1])
        return torch.cat(results, dim=1).double().cpu().numpy()

    def local_energy(
        self, images: Tensor, on_chunk: Callable[[int], None] | None = None
    ) -> np.ndarray:
        """E_loc(x) = Σ_ρ φ_ρ(x)² of every logit [logits, m]; args are those of `values`."""
        return np.square(self.values(images, on_chunk)).sum(axis=2)
