"""Tidy tables that are computed from others, each by `derive` of a module `NAME_table`."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import pandas as pd

from tangent.results.columns import TABLES


def derived_table(name: str, tables: dict[str, pd.DataFrame], **settings: Any) -> pd.DataFrame:
    """The table `name` from those that its entry in `TABLES` names, with its settings."""
    rows = _module(name).derive(tables, **settings)
    return pd.DataFrame.from_records(list(rows), columns=list(TABLES[name].columns))


def as_markdown(name: str, table: pd.DataFrame) -> str:
    """The table `name` for a person to read, of a table that has such a form: the claims'."""
    return _module(name).as_markdown(table)


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"tangent.results.{name}_table")
