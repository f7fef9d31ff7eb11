"""Write the report of a study: one HTML file that opens offline."""

from pathlib import Path

from scripts import cli


class Arguments(cli.Common):
    study_dir: Path = cli.argument("folder of the study's results")
    output: Path = cli.argument("the report (HTML)")


def run(arguments: Arguments) -> None:
    from tangent.jobs import files
    from tangent.report.build import build_report

    files.write_text(arguments.output, build_report(arguments.study_dir))
