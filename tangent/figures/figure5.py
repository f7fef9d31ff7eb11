"""Figure 5: single-task accuracy of models fine-tuned in the tangent space."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from tangent.figures.scatter import draw_scatter

INPUTS = ("single_task", "addition")


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Single-task test accuracy, `linear` against `standard`."""
    models = list(tables["addition"].model.unique())
    return draw_scatter(tables["single_task"], models, "standard", "linear")
