"""Collect the raw results of a study into tidy CSV tables (docs/results.md)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts import cli


@dataclass(frozen=True, kw_only=True)
class Arguments(cli.Common):
    """Collect the raw results of a study into tidy CSV tables."""

    config: str = cli.argument("the study's configuration (JSON)")
    selection: str = cli.argument("what the tables depend on in it (JSON), recorded with them", "")
    study_dir: Path = cli.argument("folder of the study's results")
    tables: list[str] = cli.argument("names of the tables")
    output_dir: Path = cli.argument("folder for the tables")

    def settings(self) -> dict[str, Any]:
        """All arguments but the configuration, of which `selection` is what matters."""
        return {name: value for name, value in super().settings().items() if name != "config"}


def run(arguments: Arguments) -> None:
    from tangent.config.load import load_config
    from tangent.jobs import provenance
    from tangent.results.collect import collect, write_tables
    from tangent.results.raw import RawFiles

    config = load_config(json.loads(arguments.config), source="--config")
    raw = RawFiles(arguments.study_dir)
    tables = collect(config, raw, arguments.tables)
    provenance.note_inputs(raw.read)
    write_tables(tables, arguments.output_dir)


if __name__ == "__main__":
    cli.main(Arguments, run)
