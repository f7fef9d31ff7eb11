"""Task arithmetic in the tangent space: linearized models, task vectors, tangent kernels.

    from tangent import linearize, TaskVector, disentanglement_error, Eigenfunctions, ntk_gram

Names are imported on first use, so `import tangent` needs neither torch nor open_clip.
docs/api.md walks through them.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

_NAMES = {
    "tangent.evaluation.disentanglement": (
        "DisentanglementError",
        "PairMember",
        "disentanglement_error",
    ),
    "tangent.evaluation.edited_model": ("EditedModel", "LinearizedEditedModel", "PlainEditedModel"),
    "tangent.jobs.errors": ("UserError",),
    "tangent.models.heads.stored": ("Head", "ZeroShotHead", "load_head"),
    "tangent.arithmetic.linearized": (
        "LinearizedModel",
        "jvp_features",
        "linearize",
        "multi_jvp_features",
        "parameters_of",
    ),
    "tangent.models.heads.metrics": ("accuracy", "normalized_accuracy", "predictions"),
    "tangent.ntk": (
        "Eigenfunctions",
        "MatrixFreeEigenfunctions",
        "TangentEigenfunctions",
        "check_proposition1",
        "classifier",
        "ntk_gram",
    ),
    "tangent.arithmetic.alphas": ("alpha_grid", "choose_addition_alpha", "choose_negation_alpha"),
    "tangent.arithmetic.task_vector": ("TaskVector",),
}
_HOMES = {name: module for module, names in _NAMES.items() for name in names}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """This package, in which `linearize` is always the function.

    The import system binds every submodule to its package, and so would hide the function behind
    the module of that name as soon as anything imports it.
    """

    @property
    def linearize(self) -> Any:
        return import_module("tangent.arithmetic.linearized").linearize

    @linearize.setter
    def linearize(self, module: ModuleType) -> None:
        pass


sys.modules[__name__].__class__ = _Package
