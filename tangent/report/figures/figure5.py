"""Figure 5: single-task accuracy of models fine-tuned in the tangent space."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from tangent.report.figures import scatter, style

INPUTS = ("single_task", "addition")


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Single-task test accuracy, `linear` against `standard`."""
    test = scatter.single_task_results(tables, ["standard", "linear"])
    looks = scatter.Looks.of(test)
    figure = style.new_figure(5.4, max(3.9, looks.legend_height))
    scatter.draw_accuracies(figure.subplots(), test, looks, "standard", "linear")
    scatter.add_legend(figure, looks)
    return figure
