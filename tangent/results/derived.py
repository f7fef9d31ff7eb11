"""Tidy tables that are computed from others, each by `derive` of a module `NAME_table`."""

from __future__ import annotations

import importlib
from typing import Any

import pandas as pd

from tangent.results.columns import TABLES


def derived_table(name: str, tables: dict[str, pd.DataFrame], **settings: Any) -> pd.DataFrame:
    """The table `name` from those that its entry in `TABLES` names, with its settings."""
    module = importlib.import_module(f"tangent.results.{name}_table")
    rows = module.derive(tables, **settings)
    return pd.DataFrame.from_records(list(rows), columns=list(TABLES[name].columns))
