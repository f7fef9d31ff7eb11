"""The linearized model is closed-form in α: f_lin(x; θ0 + Σα_tτ_t) = f(x; θ0) + Σ α_t J(x)τ_t."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tangent.edited.tables import FeatureTable, ProductTable
from tangent.errors import UserError


class LinearizedEditedModel:
    """An `EditedModel` that looks features up: no model, no device, no torch.

    Args:
        initial: f(x; θ0) of every image.
        products: J(x)τ of every image; the τ named `sum` is the sum of all task vectors.

    Source: section 3 of the paper (the linearization) and its linearity in θ − θ0.
    """

    def __init__(self, initial: FeatureTable, products: ProductTable) -> None:
        self._initial = initial
        self._products = products

    def features(
        self,
        coefficients: Mapping[str, float],
        dataset: str,
        split: str,
        rows: np.ndarray | None = None,
    ) -> np.ndarray:
        """See `EditedModel.features`."""
        initial = self._initial.table(dataset, split)
        features = np.array(_select(initial, rows), dtype=np.float32)
        for name, alpha in coefficients.items():
            product = self._products.product(name, dataset, split)
            if product.shape != initial.shape:
                raise UserError(
                    f"the products of task vector {name!r} with {dataset}, split {split}, have "
                    f"shape {product.shape}, its initial features {initial.shape}: they were made "
                    "from other images or another model; make both again."
                )
            if alpha != 0:
                features += np.float32(alpha) * _select(product, rows)
        return features


def _select(table: np.ndarray, rows: np.ndarray | None) -> np.ndarray:
    return table if rows is None else table[rows]
