"""Figures: a module each, found in this folder, with what it reads, what it says and how it looks.

A figure is a module with
    INPUTS: the tidy tables that it reads, as a literal: planning reads it without Matplotlib;
    COMPARES: the modes that it is about, if it does not show all there are, as a literal;
    caption(config) -> Caption;
    draw(tables) -> matplotlib.figure.Figure.
A study has the figures whose tables and modes it has.
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


def _literals(module: Path) -> dict[str, tuple[str, ...]]:
    """`INPUTS` and `COMPARES` of a module's source; without the first it is no figure."""
    return {
        ast.unparse(node.targets): ast.literal_eval(node.value)
        for node in ast.parse(module.read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets) in ("INPUTS", "COMPARES")
    }


def _found() -> dict[str, dict[str, tuple[str, ...]]]:
    paths = sorted(Path(__file__).parent.glob("*.py"))
    found = {path.stem: said for path in paths if "INPUTS" in (said := _literals(path))}
    # The paper's first.
    return dict(sorted(found.items(), key=lambda item: not item[0].startswith("figure")))


_FOUND = _found()
FIGURES = {name: said["INPUTS"] for name, said in _FOUND.items()}
"""Name of each figure, in the order of the report -> the tidy tables that it reads."""


def figures_of(config: Config) -> list[str]:
    """The figures of a study."""
    tables, modes = set(tables_of(config)), set(config.modes)
    return [
        name
        for name, said in _FOUND.items()
        if tables.issuperset(said["INPUTS"]) and modes.issuperset(said.get("COMPARES", ()))
    ]


def load_figure(name: str) -> ModuleType:
    """The module that draws figure `name`.

    Raises:
        UserError: there is no such figure.
    """
    if name not in FIGURES:
        raise UserError(f"unknown figure {name!r}: the figures are {', '.join(FIGURES)}.")
    return importlib.import_module(f"tangent.report.figures.{name}")


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
