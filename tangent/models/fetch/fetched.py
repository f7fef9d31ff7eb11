"""Models as their sources give them, and the folder that each is written to."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tangent.jobs.errors import UserError, first_line
from tangent.jobs.files import write_json, write_safetensors, write_text
from tangent.models.families import ENCODER_FILE, Family

if TYPE_CHECKING:
    from torch import Tensor

SOURCE_MODEL_FILE = "model.safetensors"


@dataclass(frozen=True)
class Fetched:
    """A model as its source gives it.

    Attributes:
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


def write(fetched: Fetched, folder: Path, metadata: Mapping[str, str]) -> None:
    """Write a model's folder, which `tangent.models.encoders` reads."""
    write_json(folder / fetched.family.config_file, fetched.config)
    write_safetensors(folder / fetched.family.weights_file, fetched.weights, metadata)
    write_safetensors(folder / ENCODER_FILE, fetched.encoder, metadata)
    for name, text in fetched.texts.items():
        write_text(folder / name, text)


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


def nearest(name: str, known: list[str]) -> str:
    """A question that names what `name` may have been meant to be, or nothing."""
    matches = difflib.get_close_matches(name, known, n=3)
    return f" Did you mean {' or '.join(matches)}?" if matches else ""


def not_fetched(what: str, error: Exception) -> UserError:
    """What to say where `what` happened because a hub's client raised `error`."""
    return UserError(
        f"pretrained: {what}: {first_line(error)}. Check the network (and a proxy's settings), or "
        "fetch the model once where there is a network and copy the cache folder (HF_HOME) here."
    )
