"""Registry of model families: what differs between them, and nowhere else.

A family's models are pre-trained encoders with frozen heads of one kind. A model's folder holds its
configuration, the whole model and the encoder by itself, because most steps need nothing else; the
name of the configuration's file says which family it is of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tangent.jobs.errors import UserError
from tangent.jobs.files import read_json
from tangent.models import clip, closed_vocabulary, t5
from tangent.models.preprocessing import image_preprocessing

if TYPE_CHECKING:
    from torch import nn

ENCODER_FILE = "encoder.safetensors"


@dataclass(frozen=True)
class Family:
    """A kind of pre-trained model.

    Attributes:
        name: as the configuration's classes call it (`tangent.config.model_sources`).
        label: for people.
        head: kind of its heads, a key of `tangent.models.heads.stored.HEADS`.
        config_file: file of the configuration in a model's folder.
        weights_file: file of the whole model.
        other_files: text files that the folder holds besides.
        new_encoder: from the configuration to an encoder as it is initialised.
        preprocessing: from the configuration file's path to what prepared data must fit.
        fits_heads: whether heads are fitted on training data, so that the control task needs some.
        constants: tensors of the encoder that are no weights, such as a frozen token table: random
            encoders have the pre-trained model's, as they have its heads.
    """

    name: str
    label: str
    head: str
    config_file: str
    weights_file: str
    other_files: tuple[str, ...]
    new_encoder: Callable[[Mapping[str, Any]], nn.Module]
    preprocessing: Callable[[Path], dict[str, Any]]
    fits_heads: bool = False
    constants: tuple[str, ...] = ()


FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family(
            name="clip",
            label="CLIP",
            head="zero_shot",
            config_file=clip.CONFIG_FILE,
            weights_file=clip.MODEL_FILE,
            other_files=(),
            new_encoder=clip.new_encoder,
            preprocessing=image_preprocessing,
        ),
        Family(
            name="closed_vocabulary",
            label="closed vocabulary",
            head="probe",
            config_file=closed_vocabulary.CONFIG_FILE,
            weights_file=closed_vocabulary.MODEL_FILE,
            other_files=(),
            new_encoder=closed_vocabulary.new_encoder,
            preprocessing=image_preprocessing,
            fits_heads=True,
        ),
        Family(
            name="text_to_text",
            label="text-to-text",
            head="answers",
            config_file=t5.CONFIG_FILE,
            weights_file=t5.MODEL_FILE,
            other_files=(t5.TOKENIZER_FILE,),
            new_encoder=t5.new_encoder,
            preprocessing=t5.text_preprocessing,
            constants=("table",),
        ),
    )
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

    Raises:
        UserError: the folder holds no model, or a setting is missing.
    """
    return family_of(folder).preprocessing(config_path(folder))
