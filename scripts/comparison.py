"""Set a study's accuracies beside the paper's and independent re-runs'."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scripts import cli


@dataclass(frozen=True, kw_only=True)
class Arguments(cli.Common):
    """Set a study's accuracies beside the paper's and independent re-runs'."""

    tables_dir: Path = cli.argument("folder of the tidy tables")
    output: Path = cli.argument("table of the comparison (CSV)")


def run(arguments: Arguments) -> None:
    from tangent import files
    from tangent.results.comparison import INPUTS, comparison_table
    from tangent.results.load import read_tables

    table = comparison_table(read_tables(arguments.tables_dir, INPUTS))
    files.write_text(arguments.output, table.to_csv(index=False, lineterminator="\n"))


if __name__ == "__main__":
    cli.main(Arguments, run)
