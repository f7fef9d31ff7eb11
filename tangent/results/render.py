"""A table as the paper prints it, in Markdown and LaTeX; the report renders it as HTML."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MISSING = "–"
"""A number that does not exist."""

NOT_RUN = "not run"
"""A number that this study could have and has not."""

Row = tuple[str, Sequence[str]]


@dataclass(frozen=True)
class Table:
    """Cells ready to print.

    Attributes:
        name: file name without suffix.
        caption: what the table shows, with units.
        stub: header of the column of row labels.
        groups: (title, columns) of adjacent columns under one title, left to right.
        rows: (label, one cell per column); a heading of the rows below it has no cells.
        notes: sentences below the table.
    """

    name: str
    caption: str
    stub: str
    groups: Sequence[tuple[str, Sequence[str]]]
    rows: Sequence[Row]
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name in ("groups", "rows"):
            texts = tuple((title, tuple(cells)) for title, cells in getattr(self, name))
            object.__setattr__(self, name, texts)
        if any(len(cells) not in (0, self.width) for _, cells in self.rows):
            raise ValueError(f"table {self.name}: a row has not {self.width} cells")

    @property
    def width(self) -> int:
        """The number of columns, but for the labels'."""
        return sum(len(columns) for _, columns in self.groups)

    @property
    def body(self) -> list[tuple[str, ...]]:
        """Every row as one text per column, the label first."""
        return [(label, *(cells or [""] * self.width)) for label, cells in self.rows]


def decimal(number: float, digits: int, sign: str = "") -> str:
    """A number with so many decimals and a typographical minus; with `sign` "+", always signed."""
    return f"{number:{sign}.{digits}f}".replace("-", "−")


def percent(values: Iterable[float]) -> str:
    """Fractions, one per seed, as `mean ± standard deviation` in percent; one seed has no ±.

    The standard deviation is that of a sample (n − 1). Without values: `NOT_RUN`; where none of
    them is a number: `MISSING`.
    """
    import pandas as pd  # which planning does without

    given = pd.Series(list(values), dtype=float)
    series = given.dropna()
    if series.empty:
        return NOT_RUN if given.empty else MISSING
    return percent_with_spread(series.mean(), series.std(ddof=1))


def percent_with_spread(mean: float, spread: float) -> str:
    """Two fractions as `mean ± spread` in percent; a spread that is not a number is left out."""
    return f"{100 * mean:.1f}" + ("" if math.isnan(spread) else f" ± {100 * spread:.1f}")


def to_markdown(table: Table) -> str:
    """A Markdown table; a title of a group goes before each of its columns."""
    header = [table.stub] + [
        f"{title}: {column}" if title else column
        for title, columns in table.groups
        for column in columns
    ]
    lines = [f"**{table.caption}**", "", _line(header)]
    # Columns of numbers stand under a group's title; columns of text do not.
    marks = ["---:" if title else "---" for title, columns in table.groups for _ in columns]
    lines.append("|---|" + "".join(f"{mark}|" for mark in marks))
    lines += [_line(row) for row in table.body]
    lines += ["", *table.notes] if table.notes else []
    return "\n".join(lines) + "\n"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def to_latex(table: Table) -> str:
    """A `table` environment for the booktabs package."""
    titles, rules, start = [""], [], 2
    for title, columns in table.groups:
        end = start + len(columns) - 1
        titles.append(rf"\multicolumn{{{len(columns)}}}{{c}}{{{_latex(title)}}}")
        rules.append(rf"\cmidrule(lr){{{start}-{end}}}")
        start = end + 1
    header = [table.stub, *(column for _, columns in table.groups for column in columns)]
    caption = " ".join([_sentence(table.caption), *map(_sentence, table.notes)])
    lines = [
        "% needs \\usepackage{booktabs}",
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{_latex(caption)}}}",
        rf"  \label{{tab:{table.name}}}",
        rf"  \begin{{tabular}}{{l{'r' * table.width}}}",
        r"    \toprule",
        _latex_line(titles),
        "    " + " ".join(rules),
        _latex_line(map(_latex, header)),
        r"    \midrule",
        *(_latex_line(map(_latex, row)) for row in table.body),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _latex_line(cells: Iterable[str]) -> str:
    return "    " + " & ".join(cells) + r" \\"


def _sentence(text: str) -> str:
    return text if text.endswith(".") else text + "."


_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "%": r"\%",
    "#": r"\#", "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "±": r"$\pm$", "−": r"$-$", "–": "--", "α": r"$\alpha$", "τ": r"$\tau$", "θ": r"$\theta$",
    "ξ": r"$\xi$", "Σ": r"$\Sigma$", "≥": r"$\geq$", "≤": r"$\leq$", "×": r"$\times$",
    "…": r"\ldots{}", "²": r"$^2$",
}  # fmt: skip


def _latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)
