"""Downloads of a study, and what is known of the hub's copies of data sets."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tangent.config.cost.model_sizes import ModelSizes
from tangent.config.schema import Config


class Download(NamedTuple):
    """Something to fetch: its size in bytes, None if not known, and where that comes from."""

    what: str
    size: int | None
    source: str


def downloads(config: Config, sizes: Mapping[str, ModelSizes]) -> list[Download]:
    """What a machine without any of it fetches; files that are there already are not fetched."""
    found = []
    for model in config.models:
        entry = config.pretrained[model]
        if entry.source == "open_clip":
            what = f"{entry.name}, {entry.tag}"
            found.append(Download(what, sizes[model].whole, "its weights in float32"))
        for training in config.trainings:
            for task in config.tasks:
                weights = config.published_weights(model, training, task)
                if weights is not None and weights.source == "hub":
                    size = sizes[model].encoder
                    found.append(Download(weights.repository, size, "an encoder in float32"))
    known = facts("datasets.yaml")["downloads"]
    for task in [*config.tasks, config.control]:
        for source in config.datasets[task].sources:
            if source.source == "hub":
                fact = known.get(source.repository, {"bytes": None, "source": "not known"})
                size = None if fact["bytes"] is None else int(fact["bytes"])
                found.append(Download(f"{task}: {source.repository}", size, fact["source"]))
                break
    return found


def side_of(config: Config, task: str) -> int:
    """Longest side of a data set's images, in pixels; endless where it is not known."""
    source = config.datasets[task].sources[0]
    if source.source == "demo":
        return 32
    if source.source == "synthetic":
        return max(source.height, source.width)
    return facts("datasets.yaml")["sides"].get(task, 2**31)


@cache
def facts(name: str) -> Any:
    """The content of a YAML file of this folder."""
    return yaml.safe_load(Path(__file__).with_name(name).read_text(encoding="utf-8"))
