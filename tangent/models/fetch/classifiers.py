"""Classifiers of timm: with weights of the hub, of a Python package, or of a pre-training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tangent.jobs.errors import UserError, first_line
from tangent.jobs.files import read_json, read_safetensors
from tangent.jobs.hub_cache import checked_sha256
from tangent.models import closed_vocabulary, packages
from tangent.models.families import FAMILIES
from tangent.models.fetch.fetched import SOURCE_MODEL_FILE, Fetched, check_image_size, nearest
from tangent.models.published.tensors import read_tensors

if TYPE_CHECKING:
    from torch import Tensor


def from_timm(name: str, image_size: int) -> Fetched:
    """A classifier of timm with weights on the hub, downloaded into the hub client's cache."""
    import timm
    from huggingface_hub import hf_hub_download

    known = timm.list_pretrained()
    if name not in known:
        raise UserError(
            f"pretrained: timm has no weights {name!r} (its names are <architecture>.<tag>)."
            f"{nearest(name, known)}"
        )
    settings = timm.get_pretrained_cfg(name)
    check_image_size(settings.input_size[1:], image_size)
    try:
        weights = Path(hf_hub_download(settings.hf_hub_id, SOURCE_MODEL_FILE))
    except Exception as error:  # the hub's client has a dozen exceptions for "no network"
        raise UserError(
            f"pretrained: {name} could not be fetched from the hub's {settings.hf_hub_id}: "
            f"{first_line(error)}. Check the network (and a proxy's settings), or fetch the model "
            "once where there is a network and copy the cache folder (HF_HOME) here."
        ) from error
    checked_sha256(weights, f"pretrained: {name}")
    overlay = {"file": str(weights)}
    model = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=overlay)
    config = _timm_config(name, settings, image_size)
    return _closed_vocabulary(config, model.float().state_dict(), [])


def from_package(
    package: str, file: str, sha256: str, architecture: str, image_size: int, memory_format: str
) -> Fetched:
    """A convolutional classifier of timm whose weights a Python package carries.

    Such networks read images of any size, so `image_size` need not be that of the pre-training.
    """
    import timm
    import torch

    path = packages.package_file(package, file, sha256)
    settings = timm.get_pretrained_cfg(architecture)
    if settings is None:
        known = timm.list_models()
        raise UserError(
            f"pretrained: timm has no architecture {architecture!r}.{nearest(architecture, known)}"
        )
    config = _timm_config(architecture, settings, image_size)
    with torch.device("meta"):
        expected = closed_vocabulary.new_model(config).state_dict()
    config["model_cfg"]["memory_format"] = memory_format
    weights = packages.renamed(read_tensors(path), expected, path)
    return _closed_vocabulary(config, weights, [path])


def from_pretraining(folder: Path) -> Fetched:
    """What a supervised pre-training wrote into a folder."""
    files = [folder / SOURCE_MODEL_FILE, folder / closed_vocabulary.CONFIG_FILE]
    weights, _ = read_safetensors(files[0])
    return _closed_vocabulary(read_json(files[1]), weights, files)


def _timm_config(name: str, settings: Any, image_size: int) -> dict[str, Any]:
    """The configuration of a model with timm's `settings`, for images of a size."""
    return {
        "model_cfg": {
            "architecture": name,
            "model_args": {},
            "num_classes": settings.num_classes,
        },
        "preprocess_cfg": {
            "size": [image_size, image_size],
            "mean": list(settings.mean),
            "std": list(settings.std),
            "interpolation": settings.interpolation,
            "resize_mode": "shortest",
            "fill_color": 0,
        },
    }


def _closed_vocabulary(
    config: dict[str, Any], weights: dict[str, Tensor], files: list[Path]
) -> Fetched:
    encoder = closed_vocabulary.encoder_weights(config, weights)
    return Fetched(FAMILIES["closed_vocabulary"], config, weights, encoder, files)
