"""A model as its source gives it, and the folder that is written of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tangent.jobs.files import write_json, write_safetensors, write_text
from tangent.models.families import ENCODER_FILE, FAMILIES

if TYPE_CHECKING:
    from torch import Tensor

SOURCE_MODEL_FILE = "model.safetensors"


@dataclass(frozen=True)
class Fetched:
    """A model as its source gives it.

    Attributes:
        family: a key of `tangent.models.families.FAMILIES`.
        config: the content of the family's configuration file; `model_cfg` is the architecture.
        weights: state dict of the whole model, float32.
        encoder: state dict of the encoder alone, θ0.
        files: the local files it was read from.
        texts: content of the family's other files, by name.
    """

    family: str
    config: dict[str, Any]
    weights: dict[str, Tensor]
    encoder: dict[str, Tensor]
    files: list[Path]
    texts: dict[str, str] = field(default_factory=dict)

    def write(self, folder: Path, metadata: Mapping[str, str]) -> None:
        """Write the model's folder, which `tangent.models.encoders` reads."""
        family = FAMILIES[self.family]
        write_json(folder / family.config_file, self.config)
        write_safetensors(folder / family.weights_file, self.weights, metadata)
        write_safetensors(folder / ENCODER_FILE, self.encoder, metadata)
        for name, text in self.texts.items():
            write_text(folder / name, text)
