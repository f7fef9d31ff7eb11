"""Get a pre-trained model from its source and write its folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from scripts import cli


@dataclass(frozen=True, kw_only=True)
class Arguments(cli.Common):
    """Get a pre-trained model from its source and write its folder."""

    source: str = cli.argument("the model's entry in the configuration, as JSON")
    output_dir: Path = cli.argument("folder for the configuration, the model and its encoder")


def run(arguments: Arguments) -> None:
    """Write the configuration, the model and its encoder."""
    from tangent.jobs import provenance, sources
    from tangent.models.sources import fetch, write

    fetched = fetch(sources.parse(arguments.source))
    block = provenance.record(fetched.files, arguments.settings(), arguments.code)
    metadata = {"model": arguments.output_dir.name, "provenance": json.dumps(block)}
    write(fetched, arguments.output_dir, metadata)


if __name__ == "__main__":
    cli.main(Arguments, run)
