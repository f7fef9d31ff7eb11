"""CLIP models: of open_clip by name and tag, at random, from a local folder or a pre-training."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tangent.jobs.errors import UserError, first_line
from tangent.jobs.files import (
    read_json,
    read_safetensors,
    sha256_file,
    write_json,
    write_safetensors,
)
from tangent.jobs.hub_cache import checked_sha256
from tangent.models.clip import CONFIG_FILE, MODEL_FILE, load_model, quiet_root_logger
from tangent.models.families import FAMILIES
from tangent.models.fetch.fetched import SOURCE_MODEL_FILE, Fetched, check_image_size, nearest

if TYPE_CHECKING:
    from torch import nn


def from_file(folder: str, sha256: str, image_size: int) -> Fetched:
    """A local folder with `model.safetensors` (whole or compact) and `open_clip_config.json`."""
    weights, config_file = Path(folder) / SOURCE_MODEL_FILE, Path(folder) / CONFIG_FILE
    found = sha256_file(weights)
    if found != sha256:
        raise UserError(
            f"{weights}: SHA-256 is {found}, but the configuration (pretrained, key sha256) "
            f"expects {sha256}. The file was damaged or replaced: fetch it again, or, if the new "
            "one is what you want, put its SHA-256 there."
        )
    return _clip(*_read_clip(weights, config_file), image_size, [weights, config_file])


def from_open_clip(name: str, tag: str, image_size: int) -> Fetched:
    """A model that open_clip knows by name and tag, downloaded into its own cache."""
    import open_clip

    config = _architecture(name)
    tags = open_clip.list_pretrained_tags_by_model(name)
    if tag not in tags:
        raise UserError(
            f"pretrained: open_clip has no tag {tag!r} for {name}; its tags are "
            f"{', '.join(tags) or '(none)'}."
        )
    _check_activation(name, tag, config)
    with quiet_root_logger():
        try:
            weights = open_clip.download_pretrained(open_clip.get_pretrained_cfg(name, tag))
            checked_sha256(Path(weights), f"pretrained: {name} ({tag})")
            model = open_clip.create_model(name, pretrained=tag)
        except UserError:
            raise
        except Exception as error:  # the hub's client has a dozen exceptions for "no network"
            raise UserError(
                f"pretrained: open_clip could not get {name} ({tag}): {first_line(error)}. Check "
                "the network (and a proxy's settings), or fetch the model once where there is a "
                "network and copy the cache folder (HF_HOME) here."
            ) from error
    return _clip(model, config, image_size, [])


def random(name: str, seed: int, image_size: int) -> Fetched:
    """An architecture of open_clip at its random initialisation; nothing is fetched."""
    import open_clip
    import torch

    config = _architecture(name)
    torch.manual_seed(seed)
    with quiet_root_logger():
        model = open_clip.create_model(name, pretrained=None)
    return _clip(model, config, image_size, [])


def from_pretraining(folder: Path) -> Fetched:
    """What a contrastive pre-training wrote into a folder."""
    files = [folder / SOURCE_MODEL_FILE, folder / CONFIG_FILE]
    model, config = _read_clip(*files)
    return _clip(model, config, config["vision_cfg"]["image_size"], files)


def _clip(
    model: nn.Module, config: Mapping[str, Any], image_size: int, files: list[Path]
) -> Fetched:
    """A CLIP model of open_clip; `config` is its `model_cfg`."""
    import open_clip

    preprocessing = dict(open_clip.get_model_preprocess_cfg(model))
    check_image_size(preprocessing["size"], image_size)
    model = model.float().eval()
    return Fetched(
        FAMILIES["clip"],
        {"model_cfg": dict(config), "preprocess_cfg": preprocessing},
        model.state_dict(),
        model.visual.state_dict(),
        files,
    )


def _read_clip(weights: Path, config_file: Path) -> tuple[nn.Module, dict[str, Any]]:
    """The model in a weights file (whole or compact), and its `model_cfg`."""
    from tangent.models import compact_checkpoint

    config = read_json(config_file)
    tensors, _ = read_safetensors(weights)
    if compact_checkpoint.TOKEN_IDS in tensors:
        text_config = config.get("model_cfg", {}).get("text_cfg", {})
        if "vocab_size" not in text_config:
            raise UserError(f"{config_file}: model_cfg.text_cfg.vocab_size is missing.")
        tensors = compact_checkpoint.expand(tensors, text_config["vocab_size"])
    with tempfile.TemporaryDirectory() as temporary:
        write_json(Path(temporary) / CONFIG_FILE, config)
        write_safetensors(Path(temporary) / MODEL_FILE, tensors)
        try:
            model = load_model(Path(temporary))
        except UserError as error:
            # The user knows the file he gave, not the temporary copy.
            message = str(error).replace(str(Path(temporary) / MODEL_FILE), str(weights))
            raise UserError(message) from error
    return model, config["model_cfg"]


def _architecture(name: str) -> dict[str, Any]:
    import open_clip

    config = open_clip.get_model_config(name)
    if config is None:
        raise UserError(
            f"pretrained: open_clip has no model {name!r}.{nearest(name, open_clip.list_models())}"
        )
    return config


def _check_activation(name: str, tag: str, config: Mapping[str, Any]) -> None:
    """open_clip only warns when weights trained with QuickGELU meet an architecture without it."""
    import open_clip

    needs_quick_gelu = open_clip.get_pretrained_cfg(name, tag).get("quick_gelu", False)
    if needs_quick_gelu and not config.get("quick_gelu", False):
        raise UserError(
            f"pretrained: the weights {tag!r} were trained with QuickGELU, which {name} does not "
            f"have: its outputs would be silently wrong. Set name to {name}-quickgelu."
        )
