"""Sources of models: pre-trained ones, and fine-tuned ones that others have published."""

from typing import Annotated, Literal, Union

from pydantic import Field

from tangent.jobs.keys import Name, NaturalNumber, Section
from tangent.models.fetch.fetching import MODEL_SOURCES
from tangent.models.published.published_sources import PUBLISHED_SOURCES


class PretrainedByRecipe(Section):
    """A model that this workflow pre-trains; the recipe says of which family and for which data."""

    source: Literal["pretraining"]
    """`pretraining`: a recipe of the key `pretraining`."""
    recipe: Name
    """The recipe's name."""
    step: NaturalNumber | None
    """After how many steps of its schedule; 0 is the initialisation, null the end."""


Pretrained = Annotated[
    Union[*MODEL_SOURCES.values(), PretrainedByRecipe], Field(discriminator="source")
]

Published = Annotated[Union[*PUBLISHED_SOURCES.values()], Field(discriminator="source")]
