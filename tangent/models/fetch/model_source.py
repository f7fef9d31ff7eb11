"""Where a model comes from: its keys in the configuration, and the model as its source gives it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tangent.jobs.errors import UserError, first_line
from tangent.jobs.files import write_json, write_safetensors, write_text
from tangent.jobs.keys import PositiveInteger, Section
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


class ModelDescription(Section):
    """What tells of which kind models are.

    Attributes:
        family: of the models, a key of `tangent.models.families.FAMILIES`.
        reads: the kind of tasks that they are for.
        classifies: whether they have a classifier of their own.
    """

    family: ClassVar[str]
    reads: ClassVar[str] = "image"
    classifies: ClassVar[bool] = False

    def form(self, name: str) -> str:
        """How data is prepared for the model `name`: the folder of its data sets."""
        return f"{name}-tokens" if self.reads == "text" else f"{self.image_size}px"


class ModelSource(ModelDescription):
    """Where a model comes from: an entry of the configuration's key `pretrained`."""

    def fetch(self) -> Fetched:
        """Get the model; this may download.

        Raises:
            UserError: it cannot be had, or is not what the entry says.
        """
        raise NotImplementedError


class ImageModelSource(ModelSource):
    """Where a model of images comes from."""

    image_size: PositiveInteger
    """Height and width of the model's input, in pixels. Images are decoded to it once; a model that
    wants another size is refused."""


def check_image_size(size: int | Sequence[int], expected: int) -> None:
    """Refuse a model whose input has another size than the configuration's."""
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
