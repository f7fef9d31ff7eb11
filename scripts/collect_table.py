"""Collect raw results of a study into one of the tidy CSV tables (docs/tables.md)."""

from pathlib import Path

from scripts import cli


class Arguments(cli.Common):
    table: str = cli.argument("name of the table")
    results: Path = cli.argument("file with the paths of the raw results, one a line, in order")
    output: Path = cli.argument("the table (CSV)")


def run(arguments: Arguments) -> None:
    from tangent.jobs import provenance
    from tangent.results.collect import collect
    from tangent.results.read_tables import write_table

    paths = arguments.results.read_text(encoding="utf-8").splitlines()
    write_table(collect(arguments.table, map(Path, paths)), arguments.output)
    provenance.note_inputs(paths)
