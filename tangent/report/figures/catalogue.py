"""Figures: a module each, found in this folder, with what it reads, what it says and how it looks.

A figure is a module with
    INPUTS: the tidy tables that it reads, as a literal: planning reads it without Matplotlib;
    caption(config) -> Caption;
    draw(tables) -> matplotlib.figure.Figure.
A study has the figures whose tables it has.
"""

from __future__ import annotations

import ast
import importlib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from tangent.jobs import files
from tangent.jobs.errors import UserError
from tangent.results.columns import tables_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tangent.config.schema import Config


@dataclass(frozen=True)
class Caption:
    """Text around a figure.

    Attributes:
        title: the figure's title.
        shows: what one sees: axes, marks, averages.
        limits: what must not be read into it.
    """

    title: str
    shows: str
    limits: str


def _inputs(module: Path) -> tuple[str, ...] | None:
    """The literal `INPUTS` of a module's source; None: it is no figure."""
    for node in ast.parse(module.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets) == "INPUTS":
            return ast.literal_eval(node.value)
    return None


def _found() -> dict[str, tuple[str, ...]]:
    paths = sorted(Path(__file__).parent.glob("*.py"))
    found = {path.stem: inputs for path in paths if (inputs := _inputs(path)) is not None}
    # The paper's first.
    return dict(sorted(found.items(), key=lambda item: not item[0].startswith("figure")))


FIGURES = _found()
"""Name of each figure, in the order of the report -> the tidy tables that it reads."""


def figures_of(config: Config) -> list[str]:
    """The figures of a study."""
    tables = set(tables_of(config))
    return [name for name, inputs in FIGURES.items() if tables.issuperset(inputs)]


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
