"""Writing the tidy tables, reading them back, and computing tables from others."""

import importlib
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd

from tangent.jobs import files, provenance
from tangent.jobs.errors import UserError
from tangent.results.columns import TABLES, text_columns


def derived_table(name: str, tables: dict[str, pd.DataFrame], **settings: Any) -> pd.DataFrame:
    """The table `name` from those that its entry in `TABLES` names, with its settings."""
    return pd.DataFrame(module_of(name).derive(tables, **settings), columns=[*TABLES[name].columns])


def module_of(name: str) -> ModuleType:
    """Where `derive` of a table that is computed from others is."""
    return importlib.import_module(f"tangent.results.{name}_table")


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as CSV, numbers in full precision."""
    files.write_text(path, table.to_csv(index=False, lineterminator="\n"))


def read_tables(folder: Path, names: Iterable[str]) -> dict[str, pd.DataFrame]:
    """`load_tables` for a step, in whose record the tables stand as inputs."""
    tables = load_tables(folder, names)
    provenance.note_inputs(folder / f"{name}.csv" for name in tables)
    return tables


def load_tables(folder: Path, names: Iterable[str]) -> dict[str, pd.DataFrame]:
    """Read the tables `names` from `folder`.

    Raises:
        UserError: a table is missing, unreadable or has other columns than `TABLES` says.
    """
    return {name: _load(folder / f"{name}.csv", name) for name in names}


def _load(path: Path, name: str) -> pd.DataFrame:
    columns, text = list(TABLES[name].columns), text_columns(name)
    try:
        # Only an empty number is missing: a task may well be called "null" or "NA".
        table = pd.read_csv(
            path,
            dtype=dict.fromkeys(text, str),
            keep_default_na=False,
            na_values={column: [""] for column in columns if column not in text},
        )
    except FileNotFoundError:
        problem = "does not exist: the rules of rules/tables.smk make it;"
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        problem = f"cannot be read ({error}): delete it and"
    else:
        if list(table.columns) == columns:
            return table
        found, expected = ", ".join(table.columns), ", ".join(columns)
        problem = f"has the columns {found}, expected {expected}: delete it and"
    raise UserError(f"{path} {problem} run `snakemake --cores 2 tables`.")
