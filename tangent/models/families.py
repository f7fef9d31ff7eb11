"""Registry of model families: what differs between them, and nowhere else.

A family's models are pre-trained encoders with frozen heads of one kind. A model's folder holds its
configuration, the whole model and the encoder by itself, because most steps need nothing else; the
name of the configuration's file says which family it is of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tangent.jobs.dependencies import Registry
from tangent.jobs.errors import UserError
from tangent.jobs.files import read_json
from tangent.models import clip, closed_vocabulary, t5, t5_tokenizer

if TYPE_CHECKING:
    from torch import nn

ENCODER_FILE = "encoder.safetensors"

_OF_IMAGES = ("size", "mean", "std", "interpolation", "resize_mode", "fill_color")


class Family(NamedTuple):
    """A kind of pre-trained model.

    Attributes:
        label: for people.
        head: kind of its heads, a key of `tangent.models.heads.stored.HEADS`.
        config_file: file of the configuration in a model's folder.
        weights_file: file of the whole model.
        new_encoder: from the configuration to an encoder as it is initialised.
        preprocessing: keys of what prepared data must fit, in the configuration's `preprocess_cfg`;
            of texts in the configuration itself.
        other_files: text files that the folder holds besides.
        constants: tensors of the encoder that are no weights, such as a frozen token table: random
            encoders have the pre-trained model's, as they have its heads.
    """

    label: str
    head: str
    config_file: str
    weights_file: str
    new_encoder: Callable[[Mapping[str, Any]], nn.Module]
    preprocessing: tuple[str, ...] = _OF_IMAGES
    other_files: tuple[str, ...] = ()
    constants: tuple[str, ...] = ()


FAMILIES: Registry[Family] = {
    "clip": Family(
        label="CLIP",
        head="zero_shot",
        config_file=clip.CONFIG_FILE,
        weights_file=clip.MODEL_FILE,
        new_encoder=clip.new_encoder,
    ),
    "closed_vocabulary": Family(
        label="closed vocabulary",
        head="probe",
        config_file=closed_vocabulary.CONFIG_FILE,
        weights_file=closed_vocabulary.MODEL_FILE,
        new_encoder=closed_vocabulary.new_encoder,
    ),
    "text_to_text": Family(
        label="text-to-text",
        head="answers",
        config_file=t5_tokenizer.CONFIG_FILE,
        weights_file=t5.MODEL_FILE,
        other_files=(t5_tokenizer.TOKENIZER_FILE,),
        new_encoder=t5.new_encoder,
        preprocessing=("input_length", "answer_length"),
        constants=("table",),
    ),
}


def family_of(folder: Path) -> Family:
    """The family of the model in a folder.

    Raises:
        UserError: the folder holds no model's configuration.
    """
    for family in FAMILIES.values():
        if (Path(folder) / family.config_file).exists():
            return family
    files = ", ".join(family.config_file for family in FAMILIES.values())
    raise UserError(
        f"{folder} holds no model (none of {files} is there): run the step `pretrained`."
    )


def config_path(folder: Path) -> Path:
    """The configuration file of the model in a folder; errors are those of `family_of`."""
    return Path(folder) / family_of(folder).config_file


def model_config(folder: Path) -> dict[str, Any]:
    """The configuration of the model in a folder.

    Raises:
        UserError: there is none, or it says nothing of the model.
    """
    path = config_path(folder)
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("model_cfg"), dict):
        raise UserError(
            f"{path}: model_cfg is missing: delete the folder and run the step `pretrained` again."
        )
    return content


def preprocess_config(folder: Path) -> dict[str, Any]:
    """What the model's input must be prepared as, without importing torch.

    Of images `size` as (height, width), `mean` and `std` as three numbers each, `interpolation`,
    `resize_mode` and `fill_color`; of texts `input_length` and `answer_length`, in tokens.

    Raises:
        UserError: the folder holds no model, or a setting is missing.
    """
    keys, content, where = family_of(folder).preprocessing, model_config(folder), ""
    if keys is _OF_IMAGES:
        content, where = content.get("preprocess_cfg", {}), ": preprocess_cfg"
    missing = [name for name in keys if name not in content]
    if missing:
        raise UserError(
            f"{config_path(folder)}{where} lacks {', '.join(missing)}. Run the step `pretrained` "
            "again."
        )
    found = {name: content[name] for name in keys}
    if isinstance(found.get("size"), int):
        found["size"] = [found["size"]] * 2
    return found | {n: tuple(found[n]) for n in ("size", "mean", "std") if n in found}
