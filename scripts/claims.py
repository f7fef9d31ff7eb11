"""Test the paper's claims on the tidy tables of a study."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scripts import cli


@dataclass(frozen=True, kw_only=True)
class Arguments(cli.Common):
    """Test the paper's claims on the tidy tables of a study."""

    tables_dir: Path = cli.argument("folder of the tidy tables")
    families: dict[str, str] = cli.argument("the label of each model's family")
    output: Path = cli.argument("table of the claims (CSV)")
    markdown: Path = cli.argument("the same table to read (Markdown)")


def run(arguments: Arguments) -> None:
    from tangent.jobs import files
    from tangent.results.claims import INPUTS, claims_table
    from tangent.results.claims_text import claims_as_table
    from tangent.results.read_tables import read_tables, write_table
    from tangent.results.render import to_markdown

    table = claims_table(read_tables(arguments.tables_dir, INPUTS), arguments.families)
    write_table(table, arguments.output)
    files.write_text(arguments.markdown, to_markdown(claims_as_table(table)))


if __name__ == "__main__":
    cli.main(Arguments, run)
