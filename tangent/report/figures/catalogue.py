"""Figures: a module each, found in this folder, with what it reads, what it says and how it looks.

A figure is a module with
    INPUTS: the tidy tables that it reads, as a literal: planning reads it without Matplotlib;
    COMPARES: the modes that it is about, if it does not show all there are, as a literal;
    CAPTION: the text around it, templates of Jinja that know `config` and the number of `seeds`;
    draw(tables) -> matplotlib.figure.Figure;
    describe(tables) -> str, if it has one: what is seen, with numbers, for those who do not see it;
    numbers(tables) -> what JSON holds, if it has one: what the report's script shows of it.
A study has the figures whose tables and modes it has.
"""

from __future__ import annotations

import ast
import importlib
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

from tangent.jobs import files
from tangent.jobs.errors import UserError
from tangent.results.columns import tables_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tangent.config.schema import Config


class Caption(NamedTuple):
    """Text around a figure: what one sees (axes, marks, averages); what not to read into it."""

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


# The paper's first.
_MODULES = sorted(
    Path(__file__).parent.glob("*.py"), key=lambda path: (not path.stem.startswith("figure"), path)
)
_FOUND = {path.stem: said for path in _MODULES if "INPUTS" in (said := _literals(path))}
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


def save(figure: Figure, svg: Path, pdf: Path, png: Path, seen: str | None = None) -> None:
    """Write a figure in all formats; the same figure gives the same bytes (no date, fixed ids).

    `seen`, what there is to see, becomes the files' title: the report reads it from the SVG.

    Raises:
        UserError: a file cannot be written.
    """
    title = {} if seen is None else {"Title": seen}
    # Other metadata of the SVG is left out: the report inlines the file.
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    # "tight": a long name beside or above the axes widens the picture instead of being cut off.
    whole = {"bbox_inches": "tight", "pad_inches": 0.06}
    with files.atomic_path(svg) as temporary:
        figure.savefig(temporary, format="svg", metadata=nothing | title, dpi=200, **whole)
    with files.atomic_path(pdf) as temporary:
        dateless = {"CreationDate": None, "Creator": None}
        figure.savefig(temporary, format="pdf", metadata=dateless | title, **whole)
    with files.atomic_path(png) as temporary:
        nameless = {"Software": None}
        figure.savefig(temporary, format="png", metadata=nameless | title, dpi=200, **whole)
