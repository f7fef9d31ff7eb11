"""Reports of made-up studies, by the scripts as the rules call them."""

import json

from scripts import cli, collect_table, derive_table, paper_table, plot, report
from tangent.jobs.files import write_text
from tangent.report.build import read_configuration
from tangent.report.figures.catalogue import figures_of
from tangent.results.columns import TABLES, raw_results, tables_of
from tangent.results.paper_tables import PAPER_TABLES


def make_report(folder, figures=None):
    """Everything after the evaluations, through the scripts as the rules call them."""
    tables, config = str(folder / "tables"), read_configuration(folder / "config.yaml")
    families = {model: f"CLIP, {config.architectures[model]}" for model in config.models}
    figures = figures or figures_of(config)
    steps = []
    for name in tables_of(config):
        entry, output = TABLES[name], ["--output", f"{tables}/{name}.csv"]
        if entry.results:
            listed = folder / "lists" / name
            write_text(listed, "".join(f"{folder / p}\n" for p in raw_results(config, name)))
            steps.append((collect_table, ["--table", name, "--results", str(listed), *output]))
        else:
            settings = entry.settings(config)
            if name == "claims":
                settings = {"families": families}
                output += ["--markdown", f"{tables}/claims.md"]
            settings = ["--settings-json", json.dumps(settings)]
            given = ["--table", name, "--tables-dir", tables, *settings]
            steps.append((derive_table, [*given, *output]))
    for name in PAPER_TABLES:
        outputs = [f"--output-{kind}={tables}/{name}.{kind}" for kind in ("md", "tex")]
        steps.append((paper_table, ["--table", name, "--tables-dir", tables, *outputs]))
    for name in figures:
        kinds = ("svg", "pdf", "png")
        outputs = [f"--output-{kind}={folder / 'figures' / name}.{kind}" for kind in kinds]
        steps.append((plot, ["--figure", name, "--tables-dir", tables, *outputs]))
    output = folder / "report" / "index.html"
    steps.append((report, ["--study-dir", str(folder), "--output", str(output)]))
    for module, argv in steps:
        module.run(cli.parse(module.Arguments, argv))
    return output.read_text(encoding="utf-8")
