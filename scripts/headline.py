"""Print where a study's report lies, and its headline table: task addition."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from scripts import cli
from tangent.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Arguments(cli.Common):
    """Print where a study's report lies, and its headline table: task addition."""

    config: Path = cli.argument("the study's configuration (YAML)")


def run(arguments: Arguments) -> None:
    """Print both."""
    content = yaml.safe_load(arguments.config.read_text(encoding="utf-8"))
    folder = Path(content["paths"]["results"]) / content["study"]
    report, table = folder / "report" / "index.html", folder / "tables" / "table1.md"
    for path in (report, table):
        if not path.exists():
            raise UserError(f"{path} does not exist: run `snakemake --cores 2` first.")
    print(f"\n{table.read_text(encoding='utf-8').strip()}\n\nThe report: {report.resolve()}")


if __name__ == "__main__":
    cli.main(Arguments, run)
