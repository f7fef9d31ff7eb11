"""How the report compares ways of merging task vectors."""

from __future__ import annotations

import pandas as pd

from tangent.results.render import Table, percent


def merging_tables(table: pd.DataFrame) -> list[Table]:
    """A table per model: test accuracies of every method, each at the α that validation chose."""
    return [_table(model, rows) for model, rows in table.groupby("model", sort=False)]


def _table(model: str, rows: pd.DataFrame) -> Table:
    modes = list(rows["mode"].unique())
    cells = []
    for method, of_method in rows.groupby("merging", sort=False):
        by_mode = of_method.groupby("mode")
        of_modes = [by_mode.get_group(mode) for mode in modes]
        values = [percent(of[name]) for of in of_modes for name in ("absolute", "normalized")]
        cells.append((method, tuple(values)))
    return Table(
        f"{model}-merging",
        f"{model}, ways of merging the task vectors: test accuracy in %, means over the tasks",
        "Method",
        tuple((mode, ("absolute", "normalised")) for mode in modes),
        tuple(cells),
    )
