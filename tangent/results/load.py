"""Reading the tidy tables back."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from tangent import provenance
from tangent.errors import UserError
from tangent.results.columns import TABLES

_TEXT = {
    "family", "model", "mode", "task", "split", "operation", "dataset", "task_1", "task_2",
    "initialization", "claim", "statement", "criterion", "verdict", "quantity", "unit", "measured",
    "table", "within", "subset", "a", "b", "c", "d", "outcomes", "training", "unit_name", "covers",
}  # fmt: skip

# Numbers in other tables.
_TEXT_HERE = {"alpha_sweep": {"target"}, "claims": {"paper"}}


def read_tables(folder: Path, names: Iterable[str]) -> dict[str, pd.DataFrame]:
    """`load_tables` for a step, in whose record the tables stand as inputs."""
    tables = load_tables(folder, names)
    provenance.note_inputs(table_path(folder, name) for name in tables)
    return tables


def load_tables(folder: Path, names: Iterable[str]) -> dict[str, pd.DataFrame]:
    """Read the tables `names` from `folder`.

    Raises:
        UserError: a table is missing, unreadable or has other columns than `TABLES` says.
    """
    return {name: _load(table_path(folder, name), name) for name in names}


def table_path(folder: Path, name: str) -> Path:
    """The file of a tidy table."""
    return folder / f"{name}.csv"


def _load(path: Path, name: str) -> pd.DataFrame:
    columns = TABLES[name]
    text = _TEXT | _TEXT_HERE.get(name, set())
    try:
        # Only an empty number is missing: a task may well be called "null" or "NA".
        table = pd.read_csv(
            path,
            dtype={column: str for column in columns if column in text},
            keep_default_na=False,
            na_values={column: [""] for column in columns if column not in text},
        )
    except FileNotFoundError:
        raise UserError(
            f"{path} does not exist: the rules of rules/tables.smk make it; run "
            "`snakemake --cores 2 tables`."
        ) from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path} cannot be read ({error}): delete it and run `snakemake --cores 2 tables`."
        ) from error
    if tuple(table.columns) != columns:
        raise UserError(
            f"{path} has the columns {', '.join(table.columns)}, expected {', '.join(columns)}: "
            "delete it and run `snakemake --cores 2 tables`."
        )
    return table
