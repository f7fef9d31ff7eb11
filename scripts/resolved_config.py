"""Write the study's whole configuration, overlays merged, beside its results."""

import json
from pathlib import Path

import yaml

from scripts import cli
from tangent.jobs.files import write_text


class Arguments(cli.Common):
    config: str = cli.argument("the checked configuration, as JSON")
    output: Path = cli.argument("the same as YAML")


def run(arguments: Arguments) -> None:
    """Write it in the order of the schema."""
    content = json.loads(arguments.config)
    write_text(arguments.output, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
