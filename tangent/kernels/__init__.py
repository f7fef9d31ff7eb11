"""The neural tangent kernel at θ0: Gram matrices, eigenfunctions, localization, proposition 1."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "Eigenfunctions": "eigenfunctions",
    "classifier": "gram",
    "logit_gradients": "gram",
    "joint_gram": "gram",
    "ntk_gram": "gram",
    "KernelEigenfunctions": "localization",
    "TangentEigenfunctions": "localization",
    "MatrixFreeEigenfunctions": "matrix_free",
    "TangentOperator": "operator",
    "CouplingResult": "proposition1",
    "check_proposition1": "proposition1",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    # Imported on first use: half of these modules need no torch.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
