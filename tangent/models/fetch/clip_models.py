"""CLIP models: of open_clip by name and tag, at random, from a local folder or a pre-training."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from tangent.jobs.errors import UserError
from tangent.jobs.files import read_json, read_safetensors, write_json, write_safetensors
from tangent.jobs.hub_cache import checked_sha256
from tangent.jobs.keys import Folder, NonEmptyString, Seed, Sha256
from tangent.jobs.sources import check_sha256
from tangent.models.clip import CONFIG_FILE, MODEL_FILE, load_model, quiet_root_logger
from tangent.models.fetch import model_source
from tangent.models.fetch.fetched import SOURCE_MODEL_FILE, Fetched

if TYPE_CHECKING:
    from torch import nn


class PretrainedFile(model_source.ImageModelSource):
    """An open_clip model in a folder: a weights file and `open_clip_config.json`."""

    family: ClassVar[str] = "clip"

    source: Literal["file"]
    """`file`: a folder of this machine."""
    folder: Folder
    """Folder with `model.safetensors` and `open_clip_config.json`."""
    sha256: Sha256
    """SHA-256 of `model.safetensors`, in hexadecimal."""

    def fetch(self) -> Fetched:
        """Read the weights, whole or compact."""
        files = [Path(self.folder) / SOURCE_MODEL_FILE, Path(self.folder) / CONFIG_FILE]
        check_sha256(files[0], self.sha256, "pretrained, key sha256")
        return _clip(*_read_clip(*files), self.image_size, files)


class PretrainedOpenClip(model_source.ImageModelSource):
    """A model that open_clip downloads."""

    family: ClassVar[str] = "clip"

    source: Literal["open_clip"]
    """`open_clip`: one of open_clip's own models."""
    name: NonEmptyString
    """open_clip's name of the architecture. OpenAI's weights need the `-quickgelu` names
    (protocol)."""
    tag: NonEmptyString
    """open_clip's tag of the weights, such as `openai`."""

    def fetch(self) -> Fetched:
        """Download the weights into open_clip's own cache."""
        import open_clip

        name, tag, config = self.name, self.tag, _architecture(self.name)
        tags = open_clip.list_pretrained_tags_by_model(name)
        if tag not in tags:
            raise UserError(
                f"pretrained: open_clip has no tag {tag!r} for {name}; its tags are "
                f"{', '.join(tags) or '(none)'}."
            )
        settings = open_clip.get_pretrained_cfg(name, tag)
        # open_clip only warns of it.
        if settings.get("quick_gelu", False) and not config.get("quick_gelu", False):
            raise UserError(
                f"pretrained: the weights {tag!r} were trained with QuickGELU, which {name} does "
                f"not have: its outputs would be silently wrong. Set name to {name}-quickgelu."
            )
        with quiet_root_logger():
            try:
                weights = open_clip.download_pretrained(settings)
                checked_sha256(Path(weights), f"pretrained: {name} ({tag})")
                model = open_clip.create_model(name, pretrained=tag)
            except UserError:
                raise
            except Exception as error:  # the hub's client has a dozen exceptions for "no network"
                what = f"open_clip could not get {name} ({tag})"
                raise model_source.not_fetched(what, error) from error
        return _clip(model, config, self.image_size, [])


class PretrainedRandom(model_source.ImageModelSource):
    """An architecture of open_clip at random weights: to try a study out where there is no network.

    Its results mean nothing.
    """

    family: ClassVar[str] = "clip"

    source: Literal["random"]
    """`random`: random weights, nothing is fetched."""
    name: NonEmptyString
    """open_clip's name of the architecture."""
    seed: Seed
    """Seed of the weights. Not the study's seed."""

    def fetch(self) -> Fetched:
        """Draw the weights."""
        import open_clip
        import torch

        config = _architecture(self.name)
        torch.manual_seed(self.seed)
        with quiet_root_logger():
            model = open_clip.create_model(self.name, pretrained=None)
        return _clip(model, config, self.image_size, [])


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
    model_source.check_image_size(preprocessing["size"], image_size)
    model = model.float().eval()
    return Fetched(
        "clip",
        {"model_cfg": dict(config), "preprocess_cfg": preprocessing},
        model.state_dict(),
        model.visual.state_dict(),
        files,
    )


def _read_clip(weights: Path, config_file: Path) -> tuple[nn.Module, dict[str, Any]]:
    """The model in a weights file (whole or compact), and its `model_cfg`."""
    from tangent.models import compact_checkpoint

    config = read_json(config_file)
    if not isinstance(config, dict) or not isinstance(config.get("model_cfg"), dict):
        raise UserError(
            f"{config_file}: model_cfg is missing; the file must be in open_clip's hub format."
        )
    tensors, _ = read_safetensors(weights)
    if compact_checkpoint.TOKEN_IDS in tensors:
        text_config = config["model_cfg"].get("text_cfg", {})
        if "vocab_size" not in text_config:
            raise UserError(f"{config_file}: model_cfg.text_cfg.vocab_size is missing.")
        tensors = compact_checkpoint.expand(tensors, text_config["vocab_size"])
    with tempfile.TemporaryDirectory() as temporary:
        write_json(Path(temporary) / CONFIG_FILE, config)
        write_safetensors(Path(temporary) / MODEL_FILE, tensors)
        return load_model(Path(temporary), copied_from=weights), config["model_cfg"]


def _architecture(name: str) -> dict[str, Any]:
    import open_clip

    config = open_clip.get_model_config(name)
    if config is None:
        hint = model_source.nearest(name, open_clip.list_models())
        raise UserError(f"pretrained: open_clip has no model {name!r}.{hint}")
    return config
