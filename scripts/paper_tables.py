"""Write the paper's three tables as Markdown and LaTeX."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scripts import cli


@dataclass(frozen=True, kw_only=True)
class Arguments(cli.Common):
    """Write the paper's three tables as Markdown and LaTeX."""

    tables_dir: Path = cli.argument("folder of the tidy tables")
    output_dir: Path = cli.argument("folder for table1, table2, table3 as .md and .tex")


def run(arguments: Arguments) -> None:
    from tangent.jobs import files, provenance
    from tangent.results import paper_tables, render
    from tangent.results.read_tables import load_tables, table_path

    tables = load_tables(arguments.tables_dir, paper_tables.INPUTS)
    provenance.note_inputs(table_path(arguments.tables_dir, name) for name in paper_tables.INPUTS)
    for table in paper_tables.paper_tables(tables):
        path = arguments.output_dir / table.name
        files.write_text(path.with_suffix(".md"), render.to_markdown(table))
        files.write_text(path.with_suffix(".tex"), render.to_latex(table))


if __name__ == "__main__":
    cli.main(Arguments, run)
