"""Studies share what they prepare: one must not remake what another one was computed from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from tangent.config.schema import Config


def shared_conflicts(config: Config) -> list[str]:
    """What this study would make again in another way although another study uses it.

    Snakemake removes a step's old outputs before it runs. So without this a slip in one study's
    configuration would cost other studies their models and images, and all that depends on them.
    Other studies are those that have kept their configuration beside their results.

    Returns:
        One line per model and data set, with the remedy; an empty list if there is none.
    """
    mine = config.model_dump(mode="json")
    return [
        line
        for file in sorted(Path(config.paths.results).glob("*/config.yaml"))
        if file.parent.name != config.study
        for line in _differences(mine, _kept(file), file)
    ]


def _kept(file: Path) -> Mapping[str, Any]:
    """Another study's configuration; nothing if an older version of this software wrote it so."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        uses = content["models"], content["tasks"], content["paths"]["resources"]
        return content if all(uses) else {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError):
        return {}


def _differences(mine: Mapping[str, Any], other: Mapping[str, Any], file: Path) -> Iterator[str]:
    resources = Path(mine["paths"]["resources"])
    if not other or resources.resolve() != Path(other["paths"]["resources"]).resolve():
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
    sizes = {pretrained[name].get("image_size") for name in models}
    for task in (*config["tasks"], config.get("control")):
        if task in config["datasets"]:
            settings = _keys(f"datasets.{task}", config["datasets"][task])
            settings |= _keys("validation", config["validation"])
            settings["control"] = task == config.get("control")
            made |= {f"datasets/{size}px/{task}": settings for size in sizes}
    return made


def _keys(prefix: str, section: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{prefix}.{key}": value for key, value in section.items()}
