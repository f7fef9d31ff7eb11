"""Registry of model sources: from an entry of the configuration to a model's folder."""

from __future__ import annotations

import difflib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tangent.jobs.errors import UserError, first_line
from tangent.jobs.files import (
    read_json,
    read_safetensors,
    sha256_file,
    write_json,
    write_safetensors,
    write_text,
)
from tangent.jobs.hub_cache import checked_sha256
from tangent.jobs.sources import Source, call
from tangent.models import closed_vocabulary, packages, t5
from tangent.models.clip import CONFIG_FILE, MODEL_FILE, load_model, quiet_root_logger
from tangent.models.families import ENCODER_FILE, FAMILIES, Family
from tangent.models.published.tensors import read_tensors
from tangent.models.t5_hub import fetch_t5
from tangent.models.t5_tokenizer import check_tokenizer, parse_tokenizer, read_tokenizer_file

if TYPE_CHECKING:
    from torch import Tensor, nn

SOURCE_MODEL_FILE = "model.safetensors"


@dataclass(frozen=True)
class Fetched:
    """A model as its source gives it.

    Attributes:
        family: its family.
        config: the content of the family's configuration file; `model_cfg` is the architecture.
        weights: state dict of the whole model, float32.
        encoder: state dict of the encoder alone, θ0.
        files: the local files it was read from.
        texts: content of the family's other files, by name.
    """

    family: Family
    config: dict[str, Any]
    weights: dict[str, Tensor]
    encoder: dict[str, Tensor]
    files: list[Path]
    texts: dict[str, str] = field(default_factory=dict)


def fetch(entry: Mapping[str, Any]) -> Fetched:
    """Get a model from its source.

    Args:
        entry: the model's value under the configuration's key `pretrained`.

    Raises:
        UserError: unknown source, missing or unknown option, or whatever the source finds wrong.
    """
    return call(SOURCES, entry, "pretrained")


def write(fetched: Fetched, folder: Path, metadata: Mapping[str, str]) -> None:
    """Write a model's folder, which `tangent.models.encoders` reads."""
    write_json(folder / fetched.family.config_file, fetched.config)
    write_safetensors(folder / fetched.family.weights_file, fetched.weights, metadata)
    write_safetensors(folder / ENCODER_FILE, fetched.encoder, metadata)
    for name, text in fetched.texts.items():
        write_text(folder / name, text)


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


def check_image_size(size: int | Sequence[int], expected: int) -> None:
    """Compare the size of a model's input with the configuration's.

    Raises:
        UserError: they differ.
    """
    if {expected} != set([size] if isinstance(size, int) else size):
        raise UserError(
            f"pretrained, key image_size: it says {expected}, but the model's input has {size} "
            "pixels (height and width). Correct the key."
        )


def _from_file(folder: str, sha256: str, image_size: int) -> Fetched:
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


def _from_open_clip(name: str, tag: str, image_size: int) -> Fetched:
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


def _random(name: str, seed: int, image_size: int) -> Fetched:
    """An architecture of open_clip at its random initialisation; nothing is fetched."""
    import open_clip
    import torch

    config = _architecture(name)
    torch.manual_seed(seed)
    with quiet_root_logger():
        model = open_clip.create_model(name, pretrained=None)
    return _clip(model, config, image_size, [])


def text_to_text(
    model: Mapping[str, Tensor], config: Mapping[str, Any], tokenizer: str, files: Sequence[Path]
) -> Fetched:
    """A T5 model, checked.

    Args:
        model: state dict of transformers' whole model.
        config: as `tangent.models.t5.configuration` makes it.
        tokenizer: content of its `tokenizer.json`.
        files: where these are from: the model, the tokenizer, and others.

    Raises:
        UserError: the weights do not fit the configuration, or the tokenizer does not fit both.
    """
    weights = t5.own_tensors(model)
    t5.check_model(weights, config, files[0])
    vocabulary = config["model_cfg"]["vocab_size"]
    check_tokenizer(parse_tokenizer(tokenizer, files[1]), vocabulary, (files[1], files[0]))
    return Fetched(
        FAMILIES["text_to_text"],
        dict(config),
        weights,
        t5.encoder_state(weights),
        list(files),
        {t5.TOKENIZER_FILE: tokenizer},
    )


def _from_transformers(
    repository: str, revision: str, input_length: int, answer_length: int
) -> Fetched:
    """A T5 model of transformers on the hub."""
    return text_to_text(*fetch_t5(repository, revision, input_length, answer_length))


def _from_timm(name: str, image_size: int) -> Fetched:
    """A classifier of timm with weights on the hub, downloaded into the hub client's cache."""
    import timm
    from huggingface_hub import hf_hub_download

    known = timm.list_pretrained()
    if name not in known:
        raise UserError(
            f"pretrained: timm has no weights {name!r} (its names are <architecture>.<tag>)."
            f"{_nearest(name, known)}"
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


def _from_package(
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
            f"pretrained: timm has no architecture {architecture!r}.{_nearest(architecture, known)}"
        )
    config = _timm_config(architecture, settings, image_size)
    with torch.device("meta"):
        expected = closed_vocabulary.new_model(config).state_dict()
    config["model_cfg"]["memory_format"] = memory_format
    weights = packages.renamed(read_tensors(path), expected, path)
    return _closed_vocabulary(config, weights, [path])


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


def _from_pretraining(recipe: Mapping[str, Any], step: int, folder: str) -> Fetched:
    """What the step `pretraining` wrote into a folder, in the form of the recipe's objective."""
    return _OF_OBJECTIVE[recipe["objective"]](Path(folder))


def _pretrained_clip(folder: Path) -> Fetched:
    files = [folder / SOURCE_MODEL_FILE, folder / CONFIG_FILE]
    model, config = _read_clip(*files)
    return _clip(model, config, config["vision_cfg"]["image_size"], files)


def _pretrained_text_to_text(folder: Path) -> Fetched:
    files = [folder / name for name in (SOURCE_MODEL_FILE, t5.TOKENIZER_FILE, t5.CONFIG_FILE)]
    weights, _ = read_safetensors(files[0])
    return text_to_text(weights, read_json(files[2]), read_tokenizer_file(files[1]), files)


def _pretrained_classifier(folder: Path) -> Fetched:
    files = [folder / SOURCE_MODEL_FILE, folder / closed_vocabulary.CONFIG_FILE]
    weights, _ = read_safetensors(files[0])
    return _closed_vocabulary(read_json(files[1]), weights, files)


def _architecture(name: str) -> dict[str, Any]:
    import open_clip

    config = open_clip.get_model_config(name)
    if config is None:
        raise UserError(
            f"pretrained: open_clip has no model {name!r}.{_nearest(name, open_clip.list_models())}"
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


def _nearest(name: str, known: list[str]) -> str:
    matches = difflib.get_close_matches(name, known, n=3)
    return f" Did you mean {' or '.join(matches)}?" if matches else ""


_OF_OBJECTIVE = {
    "contrastive": _pretrained_clip,
    "supervised": _pretrained_classifier,
    "text": _pretrained_text_to_text,
}
SOURCES = {
    "file": Source(_from_file, ("folder", "sha256", "image_size")),
    "open_clip": Source(_from_open_clip, ("name", "tag", "image_size")),
    "timm": Source(_from_timm, ("name", "image_size")),
    "package": Source(
        _from_package,
        ("package", "file", "sha256", "architecture", "image_size", "memory_format"),
    ),
    "random": Source(_random, ("name", "seed", "image_size")),
    "transformers": Source(
        _from_transformers, ("repository", "revision", "input_length", "answer_length")
    ),
    "pretraining": Source(_from_pretraining, ("recipe", "step", "folder")),
}
