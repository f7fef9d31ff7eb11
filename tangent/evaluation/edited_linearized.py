"""The linearized model is closed-form in α: f_lin(x; θ0 + Σα_tτ_t) = f(x; θ0) + Σ α_t J(x)τ_t."""

from collections.abc import Callable, Mapping

import numpy as np

from tangent.evaluation.feature_tables import Table, features_in
from tangent.jobs.errors import UserError


class LinearizedEditedModel:
    """An `EditedModel` that looks features up: no model, no device, no torch.

    Args:
        initial: f(x; θ0) [images, features] of every image, by (data set, split).
        products: J(x)τ of every image, the same by name of the task vector τ; the one named `sum`
            is the sum of all task vectors.

    Source: section 3 of the paper (the linearization) and its linearity in θ − θ0.
    """

    def __init__(self, initial: Table, products: Mapping[str, Table]) -> None:
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
        initial = features_in(self._initial, dataset, split)
        wanted = slice(None) if rows is None else rows
        features = np.array(initial[wanted], dtype=np.float32)
        for name, alpha in coefficients.items():
            product = self._product(name, dataset, split, initial.shape)
            if alpha != 0:
                features += np.float32(alpha) * product[wanted]
        return features

    def line(
        self,
        direction: Mapping[str, float],
        dataset: str,
        split: str,
        origin: Mapping[str, float] | None = None,
    ) -> Callable[[float], np.ndarray]:
        """Features at θ0 + Σ origin_t τ_t + α Σ direction_t τ_t, as a function of α.

        Both sums are made once, whatever the number of α.

        Args:
            direction, origin: coefficients of task vectors by name; no origin is θ0.
            dataset, split: as for `features`.

        Returns:
            From α to features [images, features] (float32).

        Raises:
            UserError: as `features`.
        """
        start = self.features(origin or {}, dataset, split)
        step = np.zeros_like(start)
        for name, coefficient in direction.items():
            step += np.float32(coefficient) * self._product(name, dataset, split, start.shape)

        def at(alpha: float) -> np.ndarray:
            return start if alpha == 0 else start + np.float32(alpha) * step

        return at

    def _product(self, name: str, dataset: str, split: str, shape: tuple[int, ...]) -> np.ndarray:
        try:
            table = self._products[name]
        except KeyError:
            raise UserError(
                f"there are no products of task vector {name!r}, only of "
                f"{', '.join(self._products)}."
            ) from None
        product = features_in(table, dataset, split)
        if product.shape != shape:
            raise UserError(
                f"the products of task vector {name!r} with {dataset}, split {split}, have "
                f"shape {product.shape}, its initial features {shape}: they were made "
                "from other images or another model; make both again."
            )
        return product
