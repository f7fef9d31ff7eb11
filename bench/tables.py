"""Tables of the bench as Markdown and CSV, and their place in docs/performance.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.harness import Ratio
from tangent.jobs.errors import UserError
from tangent.jobs.files import write_csv, write_text

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


def write(tables: Sequence[Table], head: str, part: str, page: Path, folder: Path) -> None:
    """Put the tables of one part of the bench into the page, and a CSV of each beside it.

    Args:
        tables: those of an earlier run are replaced, their CSVs too.
        head: description of the machine.
        part: device and module, as `cpu linear_step`; the device begins the CSV files' names.
        page: Markdown with the lines `<!-- bench PART -->` and `<!-- /bench PART -->`.
        folder: of the CSV files.

    Raises:
        UserError: the page is missing, or does not have both lines once, in this order.
    """
    write_text(page, replaced(page, part, "\n".join([head, *map(markdown, tables)])))
    for table in tables:
        path = folder / f"{part.split()[0]}-{table.name}.csv"
        write_csv(path, table.columns, table.rows)


def replaced(page: Path, part: str, text: str) -> str:
    """The page with `text` between a part's two marks; errors are those of `write`."""
    first, last = f"<!-- bench {part} -->", f"<!-- /bench {part} -->"
    content = page.read_text(encoding="utf-8") if page.exists() else ""
    before, found, rest = content.partition(first)
    _, closed, after = rest.partition(last)
    if not (found and closed) or content.count(first) + content.count(last) != 2:
        raise UserError(
            f"{page} must hold the lines {first} and {last} once, in this order: the tables go "
            "between them."
        )
    return f"{before}{first}\n{text}\n{last}{after}"


def _cell(value: Cell) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else value
