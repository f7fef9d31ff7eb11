"""Registry of model sources."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tangent.jobs.dependencies import Registry
from tangent.jobs.sources import Source, call
from tangent.models.fetch import classifiers, clip_models, text_models
from tangent.models.fetch.fetched import Fetched

OBJECTIVES: Registry[Callable[[Path], Fetched]] = {
    "contrastive": clip_models.from_pretraining,
    "supervised": classifiers.from_pretraining,
    "text": text_models.from_pretraining,
}
"""How the models of each objective of pre-training are read."""


def _from_pretraining(recipe: Mapping[str, Any], step: int, folder: str) -> Fetched:
    """What the step `pretraining` wrote into a folder, in the form of the recipe's objective."""
    return OBJECTIVES[recipe["objective"]](Path(folder))


MODEL_SOURCES: Registry[Source] = {
    "file": Source(clip_models.from_file, ("folder", "sha256", "image_size")),
    "open_clip": Source(clip_models.from_open_clip, ("name", "tag", "image_size")),
    "timm": Source(classifiers.from_timm, ("name", "image_size")),
    "package": Source(
        classifiers.from_package,
        ("package", "file", "sha256", "architecture", "image_size", "memory_format"),
    ),
    "random": Source(clip_models.random, ("name", "seed", "image_size")),
    "transformers": Source(
        text_models.from_transformers, ("repository", "revision", "input_length", "answer_length")
    ),
    "pretraining": Source(_from_pretraining, ("recipe", "step", "folder")),
}


def fetch(entry: Mapping[str, Any]) -> Fetched:
    """Get a model from its source.

    Args:
        entry: the model's value under the configuration's key `pretrained`.

    Raises:
        UserError: unknown source, missing or unknown option, or whatever the source finds wrong.
    """
    return call(MODEL_SOURCES, entry, "pretrained")
