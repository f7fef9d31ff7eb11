"""Print a study's claims with their intervals, its headline table and where its report lies."""

import textwrap
from pathlib import Path

import yaml

from scripts import cli
from tangent.jobs.errors import UserError


class Arguments(cli.Common):
    config: Path = cli.argument("the study's configuration (YAML)")


def run(arguments: Arguments) -> None:
    from tangent.results.claims_text import THESE_NOTE, claims_as_text
    from tangent.results.read_tables import load_tables

    content = yaml.safe_load(arguments.config.read_text(encoding="utf-8"))
    folder = Path(content["paths"]["results"]) / content["study"]
    report, table = folder / "report" / "index.html", folder / "tables" / "table1.md"
    claims = table.with_name("claims.csv")
    for path in (report, table, claims):
        if not path.exists():
            raise UserError(f"{path} does not exist: run `snakemake --cores 2` first.")
    found = load_tables(table.parent, ["claims"])["claims"]
    seeds = "1 seed" if found.seeds.max() == 1 else f"{found.seeds.max()} seeds"
    print(f"\nThe paper's claims in this study ({seeds})\n\n{claims_as_text(found)}\n")
    print(textwrap.fill(THESE_NOTE, 100))
    print(f"\n{table.read_text(encoding='utf-8').strip()}\n\nThe report: {report.resolve()}")
