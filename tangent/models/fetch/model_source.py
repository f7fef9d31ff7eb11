"""Sources of models: their keys in the configuration, and how a model is fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

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
