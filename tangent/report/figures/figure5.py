"""Figure 5: single-task accuracy of models fine-tuned in the tangent space."""

import pandas as pd
from matplotlib.figure import Figure

from tangent.report.figures import scatter
from tangent.report.figures.catalogue import Caption

INPUTS = ("single_task", "addition")
COMPARES = ("standard", "linear")

CAPTION = Caption(
    "Figure 5. Fine-tuning in the tangent space",
    "Single-task test accuracy after linear against standard fine-tuning; a marker is a model, a "
    "colour a task.{% if seeds > 1 %} Bars are standard deviations over seeds.{% endif %} Near "
    "the diagonal, fine-tuning in the tangent space makes up for the loss of figure 2, whose axes "
    "are the same.",
    "The two trainings have a learning rate each; the picture depends on both.",
)


def describe(tables: dict[str, pd.DataFrame]) -> str:
    """Of the differences `linear` − `standard`."""
    return scatter.describe(tables, *COMPARES)


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Single-task test accuracy, `linear` against `standard`."""
    figure, *_ = scatter.compare_modes(tables, *COMPARES, width=5.4)
    return figure
