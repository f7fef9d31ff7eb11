"""A whole CLIP model at edited weights, in open_clip's format and, if it has one, transformers'."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tangent.jobs.files import read_json, read_metadata, write_json, write_safetensors
from tangent.models.clip import CONFIG_FILE, MODEL_FILE, load_model
from tangent.models.export import transformers_clip

if TYPE_CHECKING:
    from tangent.arithmetic.task_vector import TaskVector

TRANSFORMERS = "transformers"
"""The folder of the other format."""


def write(
    folder: Path, output: Path, tau: TaskVector | None = None, coefficient: float = 1.0
) -> str | None:
    """Write the model of `folder` with its image encoder at θ0 + coefficient·τ.

    Without τ it is the base model in open_clip's format alone, to be linearized.

    Returns:
        Why it has no counterpart in transformers' format; None: it is there.

    Raises:
        UserError: the folder's files or τ do not fit each other.
    """
    model, config = load_model(folder), read_json(folder / CONFIG_FILE)
    if tau is not None:
        tau.add_to_(model.visual, coefficient)
    state = model.state_dict()
    write_json(output / CONFIG_FILE, config)
    write_safetensors(output / MODEL_FILE, state, {"format": "pt"})
    if odd := transformers_clip.without_counterpart(config):
        return f"its CLIPModel has no counterpart of {odd}"
    if tau is not None:
        transformers_clip.write(output / TRANSFORMERS, config, state)
    return None


def base(folder: Path) -> Mapping[str, Any]:
    """The entry of the configuration that the model in a folder is from; empty if unknown.

    Of a model of open_clip's with a `hub` repository of weights.
    """
    settings = json.loads(read_metadata(folder / MODEL_FILE).get("provenance", "{}"))
    entry = json.loads(settings.get("settings", {}).get("source", "{}"))
    if "tag" in entry:
        import open_clip

        known = open_clip.get_pretrained_cfg(entry["name"], entry["tag"])
        entry["hub"] = (known.get("hf_hub") or "").strip("/")
    return entry
