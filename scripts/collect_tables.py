"""Collect the raw results of a study into tidy CSV tables (docs/results.md)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from scripts import cli


@dataclass(frozen=True, kw_only=True)
class Arguments(cli.Common):
    """Collect the raw results of a study into tidy CSV tables."""

    config: str = cli.argument("the study's configuration (JSON)")
    study_dir: Path = cli.argument("folder of the study's results")
    tables: list[str] = cli.argument("names of the tables")
    output_dir: Path = cli.argument("folder for the tables")


def run(arguments: Arguments) -> None:
    from tangent.config.load import load_config
    from tangent.results.collect import collect, write_tables

    config = load_config(json.loads(arguments.config), source="--config")
    tables = collect(config, arguments.study_dir, arguments.tables)
    write_tables(tables, arguments.output_dir)


if __name__ == "__main__":
    cli.main(Arguments, run)
