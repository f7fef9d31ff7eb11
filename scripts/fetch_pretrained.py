"""Get a pre-trained model from its source and write its folder."""

from pathlib import Path

from scripts import cli


class Arguments(cli.Common):
    source: str = cli.argument("the model's entry in the configuration, as JSON")
    output_dir: Path = cli.argument("folder for the configuration, the model and its encoder")


def run(arguments: Arguments) -> None:
    from tangent.jobs import sources
    from tangent.models.fetch.fetching import fetch

    fetched = fetch(sources.parse(arguments.source))
    folder = arguments.output_dir
    fetched.write(folder, arguments.metadata(fetched.files, model=folder.name))
