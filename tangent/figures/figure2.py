"""Figure 2: non-linear advantage, single-task accuracy of post-hoc linearized models."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from tangent.figures.scatter import draw_scatter

INPUTS = ("single_task", "addition")


def draw(tables: dict[str, pd.DataFrame]) -> Figure:
    """Single-task test accuracy, `posthoc` against `standard`."""
    models = list(tables["addition"].model.unique())
    return draw_scatter(tables["single_task"], models, "standard", "posthoc")
