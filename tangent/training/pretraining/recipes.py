"""Recipes of pre-trainings, as the configuration has them: a class per objective; no torch.

The module named as the objective has `prepare(recipe)`, which makes the examples and the untrained
model (`steps.Objective`).
"""

import importlib
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, TypeAdapter, ValidationError

from tangent.jobs.errors import UserError
from tangent.jobs.keys import Epochs, LearningRate, PositiveInteger, Seed, Threads
from tangent.models.fetch.model_source import ModelDescription

WEIGHTS_FILE = "model.safetensors"


class PretrainingRecipe(ModelDescription):
    """How the workflow pre-trains a model itself; a class per objective."""

    files: ClassVar[tuple[str, ...]]
    """What a model consists of."""
    warmup_steps: ClassVar[int] = 100
    weight_decay: ClassVar[float] = 0.1

    epochs: Epochs
    """Passes over the examples."""
    batch_size: Annotated[int, Field(ge=2)]
    """Examples per step."""
    learning_rate: LearningRate
    """Peak learning rate of AdamW: a warm-up of 100 steps, then a cosine to zero."""
    seed: Seed
    """Seed of examples, weights and data order."""
    threads: Threads
    """CPU threads of the pre-training."""

    @property
    def examples(self) -> int:
        """What an epoch passes over."""
        return self.images

    @property
    def steps_per_epoch(self) -> int:
        """An epoch's last, incomplete batch is left out."""
        return self.examples // self.batch_size

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole schedule."""
        return self.epochs * self.steps_per_epoch

    def decisive(self) -> dict[str, Any]:
        """Everything that decides the result, except versions and hardware."""
        constants = ("warmup_steps", "weight_decay")
        names = (*PretrainingRecipe.model_fields, *constants, *type(self).model_fields)
        return {name: getattr(self, name) for name in names if name != "objective"}


class Contrastive(PretrainingRecipe):
    """A CLIP: images are matched with their captions, those of their batch."""

    family: ClassVar[str] = "clip"
    image_size: ClassVar[int] = 32
    files: ClassVar[tuple[str, ...]] = (WEIGHTS_FILE, "open_clip_config.json")

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
    files: ClassVar[tuple[str, ...]] = (WEIGHTS_FILE, "t5_config.json", "tokenizer.json")
    weight_decay: ClassVar[float] = 0.01

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
    files: ClassVar[tuple[str, ...]] = (WEIGHTS_FILE, "timm_config.json")

    objective: Literal["supervised"]
    """`supervised`: a classifier of timm."""
    tower: Literal["vit", "convnext"]
    """Architecture of the classifier."""
    images: PositiveInteger
    """Labelled images rendered."""


# A further objective is a further class here.
Pretraining = Annotated[Contrastive | Supervised | Text, Field(discriminator="objective")]


def read_recipe(text: str) -> tuple[ModuleType, PretrainingRecipe]:
    """The module of a recipe's objective, and the recipe, from its entry in JSON.

    Raises:
        UserError: it is none: the objective is unknown, or a key is missing, unknown or wrong, or a
            batch is larger than the data.
    """
    try:
        recipe = TypeAdapter(Pretraining).validate_json(text)
    except ValidationError as error:
        # A location begins with the objective.
        wrong = [": ".join(map(str, [*of["loc"][1:], of["msg"]])) for of in error.errors()]
        raise UserError(f"{text} is no recipe of a pre-training: {'; '.join(wrong)}.") from error
    if recipe.steps == 0:
        raise UserError(
            "pre-training needs a batch_size from 2 to the number of examples "
            f"({recipe.examples}); it got {text}."
        )
    return importlib.import_module(f"{__package__}.{recipe.objective}"), recipe


def step_of(folder: Path) -> int:
    """After how many steps the model in a folder `step<N>` is kept.

    Raises:
        UserError: the folder has another name.
    """
    number = folder.name.removeprefix("step")
    if not number.isdecimal():
        raise UserError(f"{folder} must be named step<N>, by the number of steps.")
    return int(number)
