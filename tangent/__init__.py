"""Task arithmetic in the tangent space: linearized models, task vectors, tangent kernels.

    from tangent import linearize, TaskVector, disentanglement_error, Eigenfunctions, ntk_gram

Names are imported on first use, so `import tangent` needs neither torch nor open_clip.
docs/api.md walks through them.
"""

from importlib import import_module
from typing import Any

_NAMES = {
    "tangent.evaluation.disentanglement": (
        "DisentanglementError",
        "PairMember",
        "disentanglement_error",
    ),
    "tangent.evaluation.evaluation_task": ("EditedModel",),
    "tangent.evaluation.edited_linearized": ("LinearizedEditedModel",),
    "tangent.evaluation.edited_plain": ("PlainEditedModel",),
    "tangent.jobs.errors": ("UserError",),
    "tangent.models.export.linearized_encoder": ("LinearizedEncoder",),
    "tangent.models.heads.stored": ("load_head",),
    "tangent.models.heads.head": ("Head", "accuracy", "normalized_accuracy", "predictions"),
    "tangent.models.heads.zero_shot": ("ZeroShotHead",),
    "tangent.arithmetic.linearized": (
        "LinearizedModel",
        "jvp_features",
        "linearize",
        "multi_jvp_features",
        "parameters_of",
    ),
    "tangent.kernels.eigenfunctions": ("Eigenfunctions",),
    "tangent.kernels.gram": ("classifier", "ntk_gram"),
    "tangent.kernels.localization": ("TangentEigenfunctions",),
    "tangent.kernels.matrix_free": ("MatrixFreeEigenfunctions",),
    "tangent.kernels.coupling": ("check_proposition1",),
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
