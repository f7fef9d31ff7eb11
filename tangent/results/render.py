"""A table as the paper prints it, in Markdown and LaTeX; the report renders it as HTML."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

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
        sources: the tidy tables that its numbers are from.
    """

    name: str
    caption: str
    stub: str
    groups: Sequence[tuple[str, Sequence[str]]]
    rows: Sequence[Row]
    notes: Sequence[str] = ()
    sources: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name in ("groups", "rows"):
            texts = tuple((title, tuple(cells)) for title, cells in getattr(self, name))
            object.__setattr__(self, name, texts)
        width = len(self.columns)
        if any(len(cells) not in (0, width) for _, cells in self.rows):
            raise ValueError(f"table {self.name}: a row has not {width} cells")

    @property
    def columns(self) -> list[tuple[str, str]]:
        """(title of its group, header) of every column but the labels'."""
        return [(title, column) for title, columns in self.groups for column in columns]

    @property
    def body(self) -> list[tuple[str, ...]]:
        """Every row as one text per column, the label first."""
        return [(label, *(cells or [""] * len(self.columns))) for label, cells in self.rows]


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
    header = [f"{title}: {column}" if title else column for title, column in table.columns]
    # Columns of numbers stand under a group's title; columns of text do not.
    marks = ["---:" if title else "---" for title, _ in table.columns]
    rows = [(table.stub, *header), *table.body]
    lines = ["| " + " | ".join(map(_escaped, row)) + " |" for row in rows]
    lines.insert(1, "|".join(["", "---", *marks, ""]))
    notes = ["", *table.notes] if table.notes else []
    return "\n".join([f"**{table.caption}**", "", *lines, *notes]) + "\n"


def to_latex(table: Table) -> str:
    """A `table` environment for the booktabs package."""
    titles, rules, start = [""], [], 2
    for title, columns in table.groups:
        end = start + len(columns) - 1
        titles.append(rf"\multicolumn{{{len(columns)}}}{{c}}{{{title.translate(_LATEX)}}}")
        rules.append(rf"\cmidrule(lr){{{start}-{end}}}")
        start = end + 1
    header = [table.stub, *(column for _, column in table.columns)]
    caption = " ".join(text.rstrip(".") + "." for text in (table.caption, *table.notes))
    lines = [
        "% needs \\usepackage{booktabs}",
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{caption.translate(_LATEX)}}}",
        rf"  \label{{tab:{table.name}}}",
        rf"  \begin{{tabular}}{{l{'r' * len(table.columns)}}}",
        r"    \toprule",
        _latex_line(titles),
        "    " + " ".join(rules),
        _latex_line(cell.translate(_LATEX) for cell in header),
        r"    \midrule",
        *(_latex_line(cell.translate(_LATEX) for cell in row) for row in table.body),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _latex_line(cells: Iterable[str]) -> str:
    return "    " + " & ".join(cells) + r" \\"


# What Markdown would take for its own; an underscore within a word is none.
_escaped = partial(re.compile(r"[\\`*<>\[\]|]|(?<!\w)_|_(?!\w)").sub, r"\\\g<0>")
_LATEX = str.maketrans({
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "%": r"\%",
    "#": r"\#", "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "±": r"$\pm$", "−": r"$-$", "–": "--", "α": r"$\alpha$", "τ": r"$\tau$", "θ": r"$\theta$",
    "ξ": r"$\xi$", "Σ": r"$\Sigma$", "≥": r"$\geq$", "≤": r"$\leq$", "×": r"$\times$",
    "…": r"\ldots{}", "²": r"$^2$",
})  # fmt: skip
