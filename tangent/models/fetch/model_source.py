"""Sources of models: their keys in the configuration, and what their messages have in common."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from tangent.jobs.errors import UserError, first_line, is_full_disk
from tangent.jobs.hub_cache import no_space
from tangent.jobs.keys import PositiveInteger, Section

if TYPE_CHECKING:
    from tangent.models.fetch.fetched import Fetched


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
    if is_full_disk(error):
        return no_space(f"pretrained: {what}")
    return UserError(
        f"pretrained: {what}: {first_line(error)}. Check the network (and a proxy's settings), or "
        "fetch the model once where there is a network and copy the cache folder (HF_HOME) here."
    )
