"""Edited models: features at θ0 + Σ α_t τ_t, by one signature for plain and linearized models.

Every evaluation asks an `EditedModel` for features and never knows which kind answers:

    LinearizedEditedModel   f(x; θ0) + Σ α_t J(x)τ_t: a table look-up, no model, no torch
    PlainEditedModel        f(x; θ0 + Σ α_t τ_t): a pass with the weights edited in place

`PlainEditedModel` is imported on first use: steps that only look up tables must not wait for torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tangent.evaluation.edited_linearized import LinearizedEditedModel
from tangent.evaluation.feature_tables import (
    FeatureTable,
    ProductsOfArrays,
    ProductTable,
    StoredFeatures,
    StoredProducts,
    TableOfArrays,
)

if TYPE_CHECKING:
    from tangent.evaluation.edited_plain import PlainEditedModel

__all__ = [
    "EditedModel",
    "FeatureTable",
    "LinearizedEditedModel",
    "PlainEditedModel",
    "ProductTable",
    "ProductsOfArrays",
    "StoredFeatures",
    "StoredProducts",
    "TableOfArrays",
]


class EditedModel(Protocol):
    """A model at θ0 + Σ α_t τ_t, seen through its features."""

    def features(
        self,
        coefficients: Mapping[str, float],
        dataset: str,
        split: str,
        rows: np.ndarray | None = None,
    ) -> np.ndarray:
        """Encoder features [images, features] (float32) of the edited model.

        Args:
            coefficients: α of each task vector by name; those not named are zero. `sum` names the
                sum of all task vectors (task addition with one shared α).
            dataset: name of the data set whose images are encoded.
            split: `validation` or `test`.
            rows: the images wanted, as indices into the split; all of them if None.

        Raises:
            UserError: a task vector, data set or split that this model does not have.
        """
        ...


def __getattr__(name: str) -> Any:
    if name == "PlainEditedModel":
        from tangent.evaluation.edited_plain import PlainEditedModel

        return PlainEditedModel
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
