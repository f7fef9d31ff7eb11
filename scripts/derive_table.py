"""Compute a tidy table from others (docs/tables.md)."""

import json
from pathlib import Path

from scripts import cli


class Arguments(cli.Common):
    table: str = cli.argument("name of the table")
    settings_json: str = cli.argument("what it also needs of the study's configuration (JSON)")
    tables_dir: Path = cli.argument("folder of the tidy tables")
    output: Path = cli.argument("the table (CSV)")
    markdown: Path | None = cli.argument("of the claims: the same table to read (Markdown)", None)


def run(arguments: Arguments) -> None:
    from tangent.jobs import files
    from tangent.results.columns import TABLES
    from tangent.results.read_tables import derived_table, module_of, read_tables, write_table

    tables = read_tables(arguments.tables_dir, TABLES[arguments.table].tables)
    settings = json.loads(arguments.settings_json)
    table = derived_table(arguments.table, tables, **settings)
    write_table(table, arguments.output)
    if arguments.markdown:
        files.write_text(arguments.markdown, module_of(arguments.table).as_markdown(table))
