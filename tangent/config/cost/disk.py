"""Bytes on disk and bytes to download, by stage; float32 files in closed form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tangent.config.cost.model_sizes import BYTES, Architecture
from tangent.config.cost.passes import (
    TRAININGS,
    linearized_modes,
    product_sizes,
    sizes_of,
    trainings_of,
)
from tangent.config.schema import Config
from tangent.data.regions import longest_side
from tangent.tasks.task_files import load_task


@dataclass(frozen=True)
class Download:
    """Something to fetch.

    Attributes:
        what: for people.
        size: bytes; None if it is not known.
        source: where the size comes from.
    """

    what: str
    size: int | None
    source: str


def results(config: Config, architectures: Mapping[str, Architecture]) -> Counter[str]:
    """Bytes below the study's own folder, by stage.

    Tables, figures, logs and small files are left out: together some megabytes.

    Args:
        config: the study.
        architectures: of the base models.
    """
    stages: Counter[str] = Counter()
    heads = sum(len(load_task(task).classes) for task in [*config.tasks, config.control])
    for model in {config.base_model(model) for model in config.all_models}:
        stages["heads"] += BYTES * heads * architectures[model].embedding
    for model in config.all_models:
        architecture = architectures[config.base_model(model)]
        published = len(_published(config, model))
        stages["published"] += published * BYTES * architecture.encoder_parameters
        for training in TRAININGS:
            candidates = len(config.rate_grid(model, training)) * len(
                config.trained_tasks(model, training)
            )
            stages["learning_rates"] += candidates * BYTES * architecture.encoder_parameters
        of_seed = _of_model(config, model, architecture)
        stages.update({stage: size * len(config.seeds) for stage, size in of_seed.items()})
    return stages


def resources(config: Config, architectures: Mapping[str, Architecture]) -> Counter[str]:
    """Bytes in the folder that studies share: models, and data sets as they are kept decoded.

    Training images are kept with sides of at most `longest_side`: those of data sets whose images
    may be smaller are counted as if they were not.
    """
    stages: Counter[str] = Counter()
    used = {config.base_model(model) for model in config.all_models}
    for model in used:
        whole, encoder = architectures[model].parameters, architectures[model].encoder_parameters
        stages["pretrained"] += BYTES * (whole + encoder)
    for size in {config.pretrained[model].image_size for model in used}:
        for task in [*config.tasks, config.control]:
            stages["datasets"] += _decoded(config, task, size)
    return stages


def training_state(config: Config, architectures: Mapping[str, Architecture]) -> int:
    """Largest file that a running training keeps to resume from: weights and AdamW's moments."""
    used = [architectures[config.base_model(model)] for model in config.all_models]
    return 3 * BYTES * max(model.encoder_parameters for model in used)


def downloads(config: Config, architectures: Mapping[str, Architecture]) -> list[Download]:
    """What a machine without any of it fetches; files that are there already are not fetched."""
    found = []
    for model in dict.fromkeys(config.base_model(model) for model in config.all_models):
        entry = config.pretrained[model]
        if entry.source == "open_clip":
            size = BYTES * architectures[model].parameters
            found.append(Download(f"{entry.name}, {entry.tag}", size, "its weights in float32"))
        for training, task in _published(config, model):
            weights = config.published_weights(model, training, task)
            if weights.source == "hub":
                size = BYTES * architectures[model].encoder_parameters
                found.append(Download(weights.repository, size, "an encoder in float32"))
    known = _facts()["downloads"]
    for task in [*config.tasks, config.control]:
        for source in config.datasets[task].sources:
            if source.source == "hub":
                fact = known.get(source.repository, {"bytes": None, "source": "not known"})
                size = None if fact["bytes"] is None else int(fact["bytes"])
                found.append(Download(f"{task}: {source.repository}", size, fact["source"]))
                break
    return found


def _of_model(config: Config, model: str, architecture: Architecture) -> Counter[str]:
    """Bytes of one model and one seed."""
    tasks = config.tasks_of(model)
    encoder, row = BYTES * architecture.encoder_parameters, BYTES * architecture.embedding
    stages: Counter[str] = Counter()
    if config.is_random(model):
        stages["pretrained"] += encoder
    trained = len(trainings_of(config, model))
    stages["finetuned"] += (trained - len(_published(config, model))) * encoder
    stages["task_vectors"] += trained * encoder
    sizes = [sizes_of(config, task) for task in [*tasks, config.control]]
    stages["features"] += row * sum(size.validation + size.test for size in sizes)
    modes = linearized_modes()
    for dataset in config.product_datasets(model):
        rows = sum(images * vectors for images, vectors in product_sizes(config, model, dataset))
        stages["products"] += modes * row * rows
    return stages


def _published(config: Config, model: str) -> list[tuple[str, str]]:
    return [
        (training, task)
        for training, task in trainings_of(config, model)
        if config.published_weights(model, training, task)
    ]


def _decoded(config: Config, task: str, size: int) -> int:
    splits = sizes_of(config, task)
    evaluated = 3 * size**2 * (splits.validation + splits.test)
    if task == config.control:  # its training images are never decoded
        return evaluated
    side = min(longest_side(size), _side(config, task))
    return evaluated + 3 * side**2 * splits.train


def _side(config: Config, task: str) -> int:
    source = config.datasets[task].sources[0]
    if source.source == "demo":
        return 32
    if source.source == "synthetic":
        return max(source.height, source.width)
    return _facts()["sides"].get(task, 2**31)


@cache
def _facts() -> dict[str, Any]:
    path = Path(__file__).parent / "datasets.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8"))
