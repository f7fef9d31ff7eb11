"""The tidy tables: their names and columns, in order. docs/results.md says what they mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tangent.config.schema import Config

TABLES: dict[str, tuple[str, ...]] = {
    "learning_rates": (
        "model", "training", "rate", "task", "seed", "accuracy", "n", "chosen", "se_difference",
    ),
    "single_task": (
        "model", "mode", "task", "split", "seed", "accuracy", "n", "classes",
        "nonlinear_advantage",
    ),
    "alpha_sweep": (
        "model", "mode", "operation", "task", "split", "seed", "alpha", "accuracy", "normalized",
        "target",
    ),
    "addition": ("model", "mode", "seed", "alpha", "absolute", "normalized"),
    "addition_tasks": ("model", "mode", "task", "seed", "alpha", "accuracy", "normalized", "n"),
    "negation": (
        "model", "mode", "task", "seed", "alpha", "target", "control", "control_pretrained",
        "target_pretrained", "control_threshold", "n_target", "n_control",
    ),
    "disentanglement": (
        "model", "mode", "task_1", "task_2", "seed", "alpha_1", "alpha_2", "error",
    ),
    "eigenfunctions": ("model", "task", "dataset", "split", "seed", "logit", "image", "energy"),
    "eigenvalues": (
        "model", "task", "seed", "images", "components", "logit", "component", "eigenvalue",
    ),
    "random_init": (
        "model", "initialization", "mode", "seed", "tasks", "zero_shot", "single_task",
        "tasks_added", "alpha", "absolute", "normalized",
    ),
    "proposition1": ("model", "seed", "coupling", "localization", "interference"),
    "proposition1_functions": ("model", "seed", "task", "image", "own", "others"),
    "outcomes": (
        "model", "mode", "seed", "quantity", "task", "dataset", "n", "points", "outcomes",
    ),
    "emergence": (
        "model", "step", "mode", "seed", "zero_shot", "single_task", "absolute", "normalized",
        "disentanglement", "localization",
    ),
    "rate_sensitivity": (
        "model", "mode", "rate", "seed", "single_task", "alpha", "absolute", "normalized",
    ),
    "subsets": ("model", "mode", "seed", "size", "subset", "alpha", "absolute", "normalized"),
    "per_task_alpha": (
        "model", "mode", "task", "seed", "alpha", "accuracy", "normalized", "shared_alpha",
        "shared_accuracy", "shared_normalized", "n",
    ),
    "analogies": (
        "model", "mode", "seed", "a", "b", "c", "d", "alpha", "accuracy", "baseline_alpha",
        "baseline_accuracy", "zero_shot", "single_task", "n",
    ),
    "claims": (
        "family", "model", "claim", "statement", "criterion", "verdict", "units", "unit_name",
        "seeds", "seeds_met", "quantity", "unit", "mean", "low", "high", "covers", "low_other",
        "high_other", "spread", "minimum", "maximum", "measured", "paper",
    ),
    "comparison": (
        "table", "model", "mode", "task", "quantity", "paper", "rerun_low", "rerun_high", "ours",
        "spread", "seeds", "difference", "within",
    ),
}  # fmt: skip

DERIVED = ("claims", "comparison")
"""Tables that are computed from the others."""

COLLECTED = tuple(name for name in TABLES if name not in DERIVED)
"""Tables that hold results."""

SECTIONS = {
    "subsets": "combinations",
    "per_task_alpha": "combinations",
    "analogies": "combinations",
    "emergence": "emergence",
    "rate_sensitivity": "rate_sensitivity",
}
"""Tables that a study has only if this section of its configuration names models."""


def tables_of(config: Config) -> list[str]:
    """The tables that hold a study's results."""
    left_out = {name for name, section in SECTIONS.items() if not getattr(config, section).models}
    if not config.searches:
        left_out.add("learning_rates")
    return [name for name in COLLECTED if name not in left_out]
