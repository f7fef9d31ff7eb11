"""The configuration that a study keeps beside its results."""

from __future__ import annotations

from pathlib import Path

import yaml

from tangent.config.load import load_config
from tangent.config.schema import Config
from tangent.jobs.errors import UserError


def read_configuration(path: Path) -> Config:
    """Read and check a study's resolved configuration (config.yaml beside its results).

    Raises:
        UserError: the file is missing, is not YAML, or is not a valid configuration.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(
            f"{path} does not exist: `snakemake --cores 2 tables` writes the configuration there."
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} is not a mapping: delete it and run Snakemake again.")
    return load_config(content, source=str(path))
