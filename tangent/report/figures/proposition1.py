"""Proposition 1, checked numerically: localized eigenfunctions and interference of tasks."""

import pandas as pd
from matplotlib.figure import Figure

from tangent.report.figures import style
from tangent.report.figures.catalogue import Caption

INPUTS = ("proposition1",)

_PANELS = (
    ("localization", "localization of the eigenfunctions", style.BLUE, "o"),
    ("interference", "interference of the tasks", style.VERMILLION, "s"),
)

CAPTION = Caption(
    "Proposition 1. A numerical check",
    "{% set kernels = config.eigenfunctions %}The kernel at θ₀ on up to {{ kernels.images }} "
    "training examples each of {{ kernels.tasks | join(', ') }}, for one logit, its blocks "
    "between tasks multiplied by a coupling: 0 makes every eigenfunction local, 1 is the model's "
    "own kernel. Left: the largest share of a leading eigenfunction's energy on one task, "
    "weighted by eigenvalue (1 is localized, 1/{{ kernels.tasks | length }} spread evenly). "
    "Right: kernel regressions, one per task, are added; squared norm of the others' contribution "
    "on a task's examples, relative to the task's own.{% if seeds > 1 %} Lines are means over "
    "seeds, bands their range.{% endif %}",
    "The weakened kernels belong to no model. That nothing interferes at coupling 0 is what the "
    "proposition says, and that the interference grows as the square of the coupling is so by "
    "construction; the finding is the point at coupling 1, how far the model's own kernel is from "
    "it.",
)


def describe(tables: dict[str, pd.DataFrame]) -> str:
    """Both quantities at the ends of the axis."""
    means = tables["proposition1"].groupby(["model", "coupling"])[["localization", "interference"]]
    texts = []
    for model, rows in means.mean().groupby("model"):
        first, last = rows.iloc[0], rows.iloc[-1]
        texts.append(
            f"{model}: from coupling 0 to 1 localization goes from {first.localization:.2f} to "
            f"{last.localization:.2f}, interference from {first.interference:.2f} to "
            f"{last.interference:.2f}"
        )
    return f"Curves against the coupling. {'; '.join(texts)}."


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Localization and interference against coupling; means and, as bands, ranges over seeds."""
    table = tables["proposition1"]
    models = list(table.model.unique())
    figure = style.new_figure(7.2, 3.0)
    tints = style.assigned(style.MODEL_COLOURS, models)
    for axes, (column, label, colour, marker) in zip(figure.subplots(1, 2), _PANELS, strict=True):
        for model, tint in tints.items():
            style.draw_seeds(
                axes, table[table.model == model], "coupling", column, label=model, marker=marker,
                color=tint if models[1:] else colour, markersize=5, linewidth=1.6, clip_on=False,
            )  # fmt: skip
        axes.set(xlabel="coupling (1: the model's own kernel)", ylabel=label, ylim=(0, None))
        if len(models) > 1:
            axes.legend()
    return figure
