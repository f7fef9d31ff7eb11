"""Recipes of the models that the workflow pre-trains itself, one class per objective."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tangent.jobs.keys import NaturalNumber, PositiveInteger, PositiveNumber, Section


class PretrainingRecipe(Section):
    """What every recipe says.

    Attributes:
        family: name of the models' family, a key of `tangent.models.families.FAMILIES`.
        reads: the kind of tasks that the models are for.
        classifies: whether the models have a classifier of their own.
    """

    family: ClassVar[str]
    reads: ClassVar[str] = "image"
    classifies: ClassVar[bool] = False

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
        raise NotImplementedError

    def form(self, name: str) -> str:
        """How data is prepared for the model `name`: the folder of its data sets."""
        raise NotImplementedError

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole schedule; an epoch's incomplete last batch is left out."""
        return self.epochs * (self.examples // self.batch_size)


class ImageRecipe(PretrainingRecipe):
    """A recipe whose examples are images of the demo world."""

    image_size: ClassVar[int] = 32

    @property
    def examples(self) -> int:
        return self.images

    def form(self, name: str) -> str:
        return f"{self.image_size}px"


class Contrastive(ImageRecipe):
    """A CLIP: images are matched with their captions, those of their batch."""

    family: ClassVar[str] = "clip"

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

    def form(self, name: str) -> str:
        return f"{name}-tokens"


class Supervised(ImageRecipe):
    """A closed-vocabulary model: images are classified by domain and class."""

    family: ClassVar[str] = "closed_vocabulary"
    classifies: ClassVar[bool] = True

    objective: Literal["supervised"]
    """`supervised`: a classifier of timm."""
    tower: Literal["vit", "convnext"]
    """Architecture of the classifier."""
    images: PositiveInteger
    """Labelled images rendered."""


# A further objective is a further class here.
Pretraining = Annotated[Contrastive | Supervised | Text, Field(discriminator="objective")]
