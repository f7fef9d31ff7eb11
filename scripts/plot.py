"""Draw one of the figures as SVG, PDF and PNG."""

from pathlib import Path

from scripts import cli


class Arguments(cli.Common):
    figure: str = cli.argument("name of the figure, as a module of tangent.report.figures")
    tables_dir: Path = cli.argument("folder of the tidy tables")
    output_svg: Path = cli.argument("the figure as SVG")
    output_pdf: Path = cli.argument("the figure as PDF")
    output_png: Path = cli.argument("the figure as PNG")


def run(arguments: Arguments) -> None:
    from tangent.report.figures import catalogue
    from tangent.results.read_tables import read_tables

    module = catalogue.load_figure(arguments.figure)
    tables = read_tables(arguments.tables_dir, module.INPUTS)
    seen = module.describe(tables) if hasattr(module, "describe") else None
    outputs = arguments.output_svg, arguments.output_pdf, arguments.output_png
    catalogue.save(module.draw(tables), *outputs, seen)
