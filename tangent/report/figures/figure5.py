"""Figure 5: single-task accuracy of models fine-tuned in the tangent space."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.figure import Figure

from tangent.report.figures import scatter, style
from tangent.report.figures.catalogue import Caption

if TYPE_CHECKING:
    from tangent.config.schema import Config

INPUTS = ("single_task", "addition")
COMPARES = ("standard", "linear")


def caption(config: Config) -> Caption:
    """The text around it."""
    return Caption(
        "Figure 5. Fine-tuning in the tangent space",
        "Single-task test accuracy after linear against standard fine-tuning; a marker is a model, "
        "a colour a task."
        + (" Bars are standard deviations over seeds." if config.seeds[1:] else "")
        + " Near the diagonal, fine-tuning in the tangent space makes up for the loss of figure 2.",
        "The two trainings have a learning rate each; the picture depends on both.",
    )


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Single-task test accuracy, `linear` against `standard`."""
    test = scatter.single_task_results(tables, ["standard", "linear"])
    looks = scatter.Looks.of(test)
    figure = style.new_figure(5.4, max(3.9, looks.legend_height))
    scatter.draw_accuracies(figure.subplots(), test, looks, "standard", "linear")
    scatter.add_legend(figure, looks)
    return figure
