"""Tables of the bench as Markdown, and their place in docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.harness import Ratio
from tangent.jobs.errors import UserError

Cell = str | int | float | None


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        title: its heading.
        columns: names, with units.
        rows: values in the columns' order; None is an empty cell.
        notes: sentences below it.
    """

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


def lines_table(title: str, lines: Sequence[Line], notes: Sequence[str] = ()) -> Table:
    """A table of comparisons."""
    return Table(title, COLUMNS, [line.row() for line in lines], notes)


def markdown(table: Table) -> str:
    """A heading, the table and its notes."""
    rows = [table.columns, *([_cell(value) for value in row] for row in table.rows)]
    ruler = "|" + "|".join("---" if n == 0 else "--:" for n in range(len(table.columns))) + "|"
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, ruler)
    notes = [f"\n{note}" for note in table.notes]
    return "\n".join([f"### {table.title}", "", *lines, *notes]) + "\n"


def replaced(page: Path, part: str, text: str) -> str:
    """The page with `text` between a part's two marks.

    Args:
        page: Markdown with the lines `<!-- bench PART -->` and `<!-- /bench PART -->`.
        part: device and module, as `cpu linear_step`.
        text: takes the place of an earlier run's.

    Raises:
        UserError: the page is missing, or does not have both lines once, in this order.
    """
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
