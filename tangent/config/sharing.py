"""Studies share what they prepare: one must not remake what another one was computed from."""

import json
import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from tangent.config.model_sources import Pretrained
from tangent.config.schema import Config
from tangent.config.sections import Dataset
from tangent.jobs.errors import UserError
from tangent.jobs.files import read_json, read_metadata, read_regular
from tangent.models.families import ENCODER_FILE
from tangent.training.pretraining.recipes import Pretraining

logger = logging.getLogger("tangent")

_DAMAGED = (OSError, ValueError, LookupError, TypeError, AttributeError, UserError, yaml.YAMLError)
"""What comes of a file of another version, or that somebody has edited."""
_SIZES = ("train_images", "validation_images", "test_images")


def shared_conflicts(config: Config) -> list[str]:
    """What this study would make again in another way although another study uses it.

    Snakemake removes a step's old outputs before it runs. So without this a slip in one study's
    configuration would cost other studies their models and images, and all that depends on them.
    Other studies are those that have kept their configuration beside their results; a file that
    cannot be read so gets a warning. One line per model and data set, with the remedy.
    """
    mine = config.model_dump(mode="json")
    lines = []
    for file in sorted(Path(config.paths.results).glob("*/config.yaml")):
        if file.parent.name != config.study:
            try:
                other = yaml.safe_load(read_regular(file))
                lines += list(_differences(mine, other, file))
            except _DAMAGED:
                logger.warning(
                    "%s is damaged or of another version: what its study shares with this one may "
                    "be made again. Run that study again, or delete the file",
                    file,
                )
    return lines


def made_otherwise(config: Config, read: Collection[str]) -> list[str]:
    """Shared data sets and models that this study is about to read but would make otherwise.

    Snakemake knows what a file was made from only in the checkout that made it. `read` are the
    files that the next jobs read and that none of them makes. One line per folder, with the remedy.
    """
    lines = []
    folders = {Path(file).parent for file in read}
    resources = Path(config.paths.resources)
    for folder in sorted(folder for folder in folders if folder.is_relative_to(resources)):
        wanted, found = {}, {}
        if (folder / "dataset.json").exists() and folder.name in config.datasets:
            dataset = config.datasets[folder.name]
            wanted = dataset.model_dump(include=set(_SIZES) | {"order"})
            wanted |= {f"validation_{key}": value for key, value in config.validation}
            with suppress(*_DAMAGED):
                found = dict(read_json(folder / "dataset.json")["provenance"]["settings"])
        elif (folder / ENCODER_FILE).exists() and folder.name in config.pretrained:
            # Where a file lies may differ from user to user.
            wanted = config.source_of(folder.name)
            wanted.pop("folder", None)
            with suppress(*_DAMAGED):
                made = json.loads(read_metadata(folder / ENCODER_FILE)["provenance"])
                found = dict(json.loads(made["settings"]["source"]))
        differ = [key for key, value in wanted.items() if found.get(key) != value]
        if differ:
            values = ", ".join(f"{key} {found.get(key)}, not {wanted[key]}" for key in differ)
            values = values if found else "settings that its damaged record does not tell any more"
            lines.append(
                f"{folder} was made with {values}. Give this study a folder of its own (config key "
                "paths.resources), or the same values"
            )
    return lines


def _differences(mine: Mapping[str, Any], other: Mapping[str, Any], file: Path) -> Iterator[str]:
    resources = Path(mine["paths"]["resources"])
    if resources.resolve() != Path(other["paths"]["resources"]).resolve():
        return
    made, others = _made_from(mine), _made_from(other)
    for folder in sorted(made.keys() & others.keys()):
        if made[folder] != others[folder] and (resources / folder).exists():
            keys = (*made[folder], *others[folder])
            differ = [
                key for key in dict.fromkeys(keys)
                if made[folder].get(key) != others[folder].get(key)
            ]  # fmt: skip
            yield (
                f"{resources / folder} is used by the study {file.parent.name!r} with other values "
                f"of {', '.join(differ)}, and would be made again. Give this study a folder of its "
                f"own (paths.resources) or the same values; if {file.parent.name!r} is to change "
                f"too, delete {file}"
            )


def _made_from(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The settings that each shared folder is made from."""
    pretrained = config["pretrained"]
    models = [name for name in config["models"] if name in pretrained]
    made = {f"pretrained/{name}": _keys(f"pretrained.{name}", pretrained[name]) for name in models}
    forms = set()
    for name in models:
        entry = pretrained[name]
        recipe = config.get("pretraining", {}).get(entry.get("recipe"))
        if recipe:
            key = f"pretraining/{entry['recipe']}"
            made[key] = _keys(key.replace("/", "."), recipe)
        forms.add(_form(name, entry, recipe))
    for task in (*config["tasks"], config.get("control")):
        if task in config["datasets"]:
            settings = _keys(f"datasets.{task}", _dataset(config["datasets"][task]))
            settings |= _keys("validation", config["validation"])
            settings["control"] = task == config.get("control")
            made |= {f"datasets/{form}/{task}": settings for form in forms}
            made |= {f"control_training/{form}/{task}": settings for form in forms}
    return made


def _dataset(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """An entry of `datasets` with the keys that an older version of this software did not have."""
    try:
        return Dataset.model_validate(entry).model_dump(mode="json")
    except ValidationError:
        return entry


def _form(name: str, entry: Mapping[str, Any], recipe: Mapping[str, Any] | None) -> str | None:
    """How a model's data is prepared; None if an older version of this software wrote the entry."""
    try:
        if recipe:
            return TypeAdapter(Pretraining).validate_python(recipe).form(name)
        return TypeAdapter(Pretrained).validate_python(entry).form(name)
    except ValidationError:
        return None


def _keys(prefix: str, section: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{prefix}.{key}": value for key, value in section.items()}
