"""Write one of the paper's three tables as Markdown and LaTeX."""

from pathlib import Path

from scripts import cli


class Arguments(cli.Common):
    table: str = cli.argument("table1, table2 or table3")
    tables_dir: Path = cli.argument("folder of the tidy tables")
    output_md: Path = cli.argument("the table in Markdown")
    output_tex: Path = cli.argument("the table in LaTeX")


def run(arguments: Arguments) -> None:
    from tangent.jobs import files
    from tangent.results import render
    from tangent.results.paper_tables import PAPER_TABLES, paper_table
    from tangent.results.read_tables import read_tables

    inputs = PAPER_TABLES[arguments.table].inputs
    table = paper_table(arguments.table, read_tables(arguments.tables_dir, inputs))
    files.write_text(arguments.output_md, render.to_markdown(table))
    files.write_text(arguments.output_tex, render.to_latex(table))
