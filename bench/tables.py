"""Tables of the bench as Markdown and CSV, and their place in docs/performance.md."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.harness import Ratio
from tangent.errors import UserError
from tangent.files import write_csv, write_text

Cell = str | int | float | None


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        name: of its CSV file.
        title: its heading.
        columns: names, with units.
        rows: values in the columns' order; None is an empty cell.
        notes: sentences below it.
    """

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Line:
    """One comparison with a named baseline.

    Attributes:
        what: what is compared.
        baseline: its name.
        ratio: ours over the baseline's.
        unit: of the two values: `s`, `MB`, ….
        goal: largest ratio that meets the issue's goal; None if there is none.
    """

    what: str
    baseline: str
    ratio: Ratio
    unit: str
    goal: float | None = None

    @property
    def is_met(self) -> bool | None:
        """Whether the median meets the goal."""
        return None if self.goal is None else self.ratio.median <= self.goal

    def row(self) -> list[Cell]:
        """Cells of the columns `COLUMNS`."""
        ratio, met = self.ratio, {None: None, True: "yes", False: "no"}[self.is_met]
        values = [ratio.ours, ratio.baseline, ratio.median, ratio.low, ratio.high]
        return [self.what, self.baseline, self.unit, *values, ratio.repetitions, self.goal, met]


COLUMNS = (
    "what", "baseline", "unit", "ours", "baseline's", "ratio", "10 %", "90 %", "repetitions",
    "goal", "met",
)  # fmt: skip


def lines_table(name: str, title: str, lines: Sequence[Line], notes: Sequence[str] = ()) -> Table:
    """A table of comparisons."""
    return Table(name, title, COLUMNS, [line.row() for line in lines], notes)


def markdown(table: Table) -> str:
    """A heading, the table and its notes."""
    rows = [table.columns, *([_cell(value) for value in row] for row in table.rows)]
    ruler = "|" + "|".join("---" if n == 0 else "--:" for n in range(len(table.columns))) + "|"
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, ruler)
    notes = [f"\n{note}" for note in table.notes]
    return "\n".join([f"### {table.title}", "", *lines, *notes]) + "\n"


def write(tables: Sequence[Table], head: str, device: str, page: Path, folder: Path) -> None:
    """Put the tables of one device into the page, and a CSV of each beside it.

    Args:
        tables: all of them: those of an earlier run are replaced, their CSVs too.
        head: description of the machine.
        device: `cpu` or `cuda`: names the part of the page, and the CSV files begin with it.
        page: Markdown with the lines `<!-- bench DEVICE -->` and `<!-- /bench DEVICE -->`.
        folder: of the CSV files.

    Raises:
        UserError: the page is missing, or does not have both lines once, in this order.
    """
    text = "\n".join([head, *map(markdown, tables)])
    write_text(page, replaced(page, device, text))
    for table in tables:
        write_csv(folder / f"{device}-{table.name}.csv", table.columns, table.rows)


def replaced(page: Path, device: str, text: str) -> str:
    """The page with `text` between a device's two marks; errors are those of `write`."""
    first, last = f"<!-- bench {device} -->", f"<!-- /bench {device} -->"
    content = page.read_text(encoding="utf-8") if page.exists() else ""
    found = re.findall(f"{re.escape(first)}.*?{re.escape(last)}", content, re.DOTALL)
    if len(found) != 1 or content.count(first) != 1 or content.count(last) != 1:
        raise UserError(
            f"{page} must hold the lines {first} and {last} once, in this order: the tables go "
            "between them."
        )
    return content.replace(found[0], f"{first}\n{text}\n{last}")


def _cell(value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else value
