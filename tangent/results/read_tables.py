"""Writing the tidy tables, and reading them back."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from tangent.jobs import files, provenance
from tangent.jobs.errors import UserError
from tangent.results.columns import TABLES, text_columns


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV, numbers in full precision."""
    files.write_text(path, table.to_csv(index=False, lineterminator="\n"))


def read_tables(folder: Path, names: Iterable[str]) -> dict[str, pd.DataFrame]:
    """`load_tables` for a step, in whose record the tables stand as inputs."""
    tables = load_tables(folder, names)
    provenance.note_inputs(table_path(folder, name) for name in tables)
    return tables


class TablesOf(dict[str, "pd.DataFrame"]):
    """The tidy tables in a folder, each read when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def __contains__(self, name: object) -> bool:
        return table_path(self.folder, str(name)).exists()

    def __missing__(self, name: str) -> pd.DataFrame:
        self[name] = _load(table_path(self.folder, name), name)
        return self[name]


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
    columns, text = TABLES[name].columns, text_columns(name)
    try:
        # Only an empty number is missing: a task may well be called "null" or "NA".
        table = pd.read_csv(
            path,
            dtype=dict.fromkeys(text, str),
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
