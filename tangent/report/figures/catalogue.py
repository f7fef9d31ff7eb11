"""The paper's figures: a module each, with `INPUTS` (tidy tables) and `draw(tables) -> Figure`."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from tangent.jobs import files
from tangent.jobs.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tangent.config.schema import Config

FIGURES = (
    "figure2", "figure3", "figure5", "figure6", "alpha_curves", "proposition1", "subsets",
    "emergence", "rate_sensitivity",
)  # fmt: skip

SECTIONS = {
    "subsets": "combinations",
    "emergence": "emergence",
    "rate_sensitivity": "rate_sensitivity",
}
"""Figures that a study has only if this section of its configuration names models."""


def figures_of(config: Config) -> list[str]:
    """The figures of a study."""
    return [
        name for name in FIGURES if name not in SECTIONS or getattr(config, SECTIONS[name]).models
    ]


def load_figure(name: str) -> ModuleType:
    """The module that draws figure `name`.

    Raises:
        UserError: there is no such figure.
    """
    if name not in FIGURES:
        raise UserError(f"unknown figure {name!r}: the figures are {', '.join(FIGURES)}.")
    return importlib.import_module(f"tangent.report.figures.catalogue.{name}")


def save(figure: Figure, svg: Path, pdf: Path) -> None:
    """Write a figure as SVG and PDF; the same figure gives the same bytes (no date, fixed ids).

    Raises:
        UserError: a file cannot be written.
    """
    # Metadata of the SVG is left out as a whole: the report inlines the file.
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    # "tight": a long name beside or above the axes widens the picture instead of being cut off.
    whole = {"bbox_inches": "tight", "pad_inches": 0.06}
    with files.atomic_path(svg) as temporary:
        figure.savefig(temporary, format="svg", metadata=nothing, dpi=200, **whole)
    with files.atomic_path(pdf) as temporary:
        dateless = {"CreationDate": None, "Creator": None}
        figure.savefig(temporary, format="pdf", metadata=dateless, **whole)
