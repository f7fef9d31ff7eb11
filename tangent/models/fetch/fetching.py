"""Registry of model sources."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tangent.jobs.dependencies import Registry
from tangent.jobs.sources import described
from tangent.models.fetch import classifiers, clip_models, text_models
from tangent.models.fetch.model_source import ModelSource

if TYPE_CHECKING:
    from tangent.models.fetch.fetched import Fetched

OBJECTIVES: Registry[Callable[[Path], Fetched]] = {
    "contrastive": clip_models.from_pretraining,
    "supervised": classifiers.from_pretraining,
    "text": text_models.from_pretraining,
}
"""How the models of each objective of pre-training are read."""

MODEL_SOURCES: Registry[type[ModelSource]] = {
    "file": clip_models.PretrainedFile,
    "open_clip": clip_models.PretrainedOpenClip,
    "timm": classifiers.PretrainedTimm,
    "package": classifiers.PretrainedPackage,
    "transformers": text_models.PretrainedTransformers,
    "random": clip_models.PretrainedRandom,
}
"""By the value of an entry's key `source`."""


def fetch(entry: Mapping[str, Any]) -> Fetched:
    """Get a model from its source.

    Args:
        entry: as `tangent.config.schema.Config.source_of` gives it: the model's value under the key
            `pretrained`; of a model that this workflow pre-trains, `recipe` is the recipe itself,
            and `folder` is what the step `pretraining` wrote.

    Raises:
        UserError: unknown source, missing or unknown option, or whatever the source finds wrong.
    """
    if entry.get("source") == "pretraining":
        return OBJECTIVES[entry["recipe"]["objective"]](Path(entry["folder"]))
    return described(MODEL_SOURCES, entry, "pretrained").fetch()
