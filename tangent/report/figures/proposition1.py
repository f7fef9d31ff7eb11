"""Proposition 1, checked numerically: localized eigenfunctions and interference of tasks."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from tangent.report.figures import style

INPUTS = ("proposition1",)

_PANELS = (
    ("localization", "localization of the eigenfunctions", style.BLUE, "o"),
    ("interference", "interference of the tasks", style.VERMILLION, "s"),
)


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Localization and interference against coupling; means and, as bands, ranges over seeds."""
    table = tables["proposition1"]
    figure = style.new_figure(7.2, 3.0)
    for axes, (column, label, colour, marker) in zip(figure.subplots(1, 2), _PANELS, strict=True):
        models = list(table.model.unique())
        for model, tint in zip(models, style.model_colours(models).values(), strict=True):
            curves = table[table.model == model].pivot(
                index="coupling", columns="seed", values=column
            )
            shade = colour if len(models) == 1 else tint
            axes.plot(
                curves.index, curves.mean(axis=1), color=shade, marker=marker, markersize=5,
                linewidth=1.6, label=model, clip_on=False,
            )  # fmt: skip
            if curves.shape[1] > 1:
                low, high = curves.min(axis=1), curves.max(axis=1)
                axes.fill_between(curves.index, low, high, color=shade, alpha=0.15, linewidth=0)
        axes.set(xlabel="coupling (1: the model's own kernel)", ylabel=label, ylim=(0, None))
        if len(models) > 1:
            axes.legend()
    return figure
