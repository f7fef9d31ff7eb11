"""Sources of models: pre-trained ones, and fine-tuned ones that others have published."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Union

from pydantic import Field

from tangent.jobs.keys import Name, NaturalNumber, PositiveInteger, PositiveNumber, Section
from tangent.models.fetch.fetching import MODEL_SOURCES
from tangent.models.fetch.model_source import ModelDescription
from tangent.models.published.fetch_published import PUBLISHED_SOURCES


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


class PretrainingRecipe(ModelDescription):
    """How the workflow pre-trains a model itself; a class per objective."""

    epochs: PositiveInteger
    """Passes over the examples."""
    batch_size: Annotated[int, Field(ge=2)]
    """Examples per step."""
    learning_rate: PositiveNumber
    """Peak learning rate of AdamW: a warm-up of 100 steps, then a cosine to zero."""
    seed: NaturalNumber
    """Seed of examples, weights and data order."""
    threads: PositiveInteger
    """CPU threads of the pre-training."""

    @property
    def examples(self) -> int:
        """What an epoch passes over."""
        return self.images

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole schedule; an epoch's incomplete last batch is left out."""
        return self.epochs * (self.examples // self.batch_size)


class Contrastive(PretrainingRecipe):
    """A CLIP: images are matched with their captions, those of their batch."""

    family: ClassVar[str] = "clip"
    image_size: ClassVar[int] = 32

    objective: Literal["contrastive"]
    """`contrastive`: a CLIP model."""
    tower: Literal["vit", "convnext"]
    """Architecture of the image encoder."""
    images: PositiveInteger
    """Captioned images rendered."""
    autocast: Literal["none", "bfloat16"] = "none"
    """Type of the matrix products. Processors without bfloat16 take some 60 times as long in it."""


class Text(PretrainingRecipe):
    """A T5: cut-out spans, and questions about the demo's world of text."""

    family: ClassVar[str] = "text_to_text"
    reads: ClassVar[str] = "text"

    objective: Literal["text"]
    """`text`: a T5 model."""
    texts: PositiveInteger
    """Texts written, with or without a question."""

    @property
    def examples(self) -> int:
        return self.texts


class Supervised(PretrainingRecipe):
    """A closed-vocabulary model: images are classified by domain and class."""

    family: ClassVar[str] = "closed_vocabulary"
    classifies: ClassVar[bool] = True
    image_size: ClassVar[int] = 32

    objective: Literal["supervised"]
    """`supervised`: a classifier of timm."""
    tower: Literal["vit", "convnext"]
    """Architecture of the classifier."""
    images: PositiveInteger
    """Labelled images rendered."""


# A further objective is a further class here.
Pretraining = Annotated[Contrastive | Supervised | Text, Field(discriminator="objective")]
