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
    Logits,
    held_gradients,
    images_held,
    images_per_chunk,
    inner_products,
    logit_gradients,
    ntk_gram,
)


class TangentEigenfunctions:
    """The leading eigenfunctions of the tangent kernel of each of several logits, at θ0.

    Memory: `memory` bytes and a quarter more for gradients, and with P weights and k components
    k × P numbers for each logit. A sample whose gradients of one logit do not fit has them made
    again for each part of the kernel matrix that does.

    Args:
        f: weights and images to logits, such as `tangent.ntk.classifier(encoder, head)`.
        theta0: the encoder's weights by name (`tangent.linearize.parameters_of`).
        sample: images [n, ...] that define the kernel matrix.
        logits: indices of the logits.
        components: eigenfunctions per logit.
        memory: bytes for the gradients that are held at once; `GRADIENT_BYTES` of the device if
            None.
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
        memory: int | None = None,
        on_logit: Callable[[], None] | None = None,
    ) -> None:
        self._f, self._theta0, self._logits = f, dict(theta0), list(logits)
        self._chunk_size = images_per_chunk(theta0, len(self._logits), memory)
        self._held = images_held(theta0, memory)
        self.per_logit: list[Eigenfunctions] = []
        directions: list[list[Tensor]] = []
        for logit in self._logits:
            fit = self._fit if len(sample) <= self._held else self._fit_in_parts
            fitted, of_logit = fit(sample, logit, components)
            self.per_logit.append(fitted)
            directions.append(of_logit)
            if on_logit is not None:
                on_logit()
        # One tensor [logits, components, weights] per tensor of θ0.
        self._directions = [torch.stack(parts) for parts in zip(*directions, strict=True)]

    def _fit(
        self, sample: Tensor, logit: int, components: int
    ) -> tuple[Eigenfunctions, list[Tensor]]:
        """Eigenpairs of one logit and their directions v_ρ, [components, weights] per tensor."""
        gradients = held_gradients(self._f, self._theta0, sample, logit, self._chunk_size)
        gram = inner_products(gradients, gradients)
        fitted = Eigenfunctions.fit(gram.cpu().numpy(), components)
        coefficients = torch.from_numpy(fitted.coefficients).to(gram)
        return fitted, [coefficients.T @ part for part in gradients]

    def _fit_in_parts(
        self, sample: Tensor, logit: int, components: int
    ) -> tuple[Eigenfunctions, list[Tensor]]:
        """The same for a sample whose gradients do not fit into memory together."""
        gram = ntk_gram(self._f, self._theta0, sample, None, [logit], self._chunk_size, self._held)[
            0
        ]
        fitted = Eigenfunctions.fit(gram.cpu().numpy(), components)
        coefficients = torch.from_numpy(fitted.coefficients).to(gram).split(self._chunk_size)
        chunks = logit_gradients(self._f, self._theta0, sample, [logit], self._chunk_size)
        directions: list[Tensor] = []
        for rows, chunk in zip(coefficients, chunks, strict=True):
            parts = [rows.T @ part[0] for part in chunk]
            directions = list(map(torch.add, directions, parts)) if directions else parts
        return fitted, directions

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
