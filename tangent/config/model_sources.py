"""Where models come from: pre-trained ones, and fine-tuned ones that others have published."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tangent.config.types import (
    Folder,
    Name,
    NaturalNumber,
    NonEmptyString,
    PositiveInteger,
    RepositoryId,
    Section,
    Sha256,
)


class PretrainedModel(Section):
    """What every source of a pre-trained model says, if its inputs are images.

    Attributes:
        family: of its models, a key of `tangent.models.families.FAMILIES`.
        reads: the kind of tasks that its models are for.
        classifies: whether its models have a classifier of their own.
    """

    family: ClassVar[str] = "clip"
    reads: ClassVar[str] = "image"
    classifies: ClassVar[bool] = False

    image_size: PositiveInteger = Field(
        description="Height and width of the model's input, in pixels. Images are decoded to it "
        "once; a model that wants another size is refused."
    )

    def form(self, name: str) -> str:
        """How data is prepared for the model `name`: the folder of its data sets."""
        return f"{self.image_size}px"


class PretrainedFile(PretrainedModel):
    """An open_clip model in a folder: a weights file and `open_clip_config.json`."""

    source: Literal["file"] = Field(description="`file`: a folder of this machine.")
    folder: Folder = Field(
        description="Folder with `model.safetensors` and `open_clip_config.json`."
    )
    sha256: Sha256 = Field(description="SHA-256 of `model.safetensors`, in hexadecimal.")


class PretrainedOpenClip(PretrainedModel):
    """A model that open_clip downloads."""

    source: Literal["open_clip"] = Field(description="`open_clip`: one of open_clip's own models.")
    name: NonEmptyString = Field(
        description="open_clip's name of the architecture. OpenAI's weights need the "
        "`-quickgelu` names (protocol)."
    )
    tag: NonEmptyString = Field(description="open_clip's tag of the weights, such as `openai`.")


class PretrainedTimm(PretrainedModel):
    """A classifier of timm, from the hub: linear probes take the place of its last layer."""

    family: ClassVar[str] = "closed_vocabulary"
    classifies: ClassVar[bool] = True

    source: Literal["timm"] = Field(description="`timm`: one of timm's models with weights.")
    name: NonEmptyString = Field(
        description="timm's name of architecture and weights, such as "
        "`vit_base_patch16_224.augreg_in1k`."
    )


class PretrainedPackage(PretrainedModel):
    """A convolutional classifier of timm with the weights that a Python package carries.

    Linear probes take the place of its last layer.
    """

    family: ClassVar[str] = "closed_vocabulary"
    classifies: ClassVar[bool] = True

    source: Literal["package"] = Field(
        description="`package`: weights in an installed Python package; its code is not run."
    )
    package: NonEmptyString = Field(description="The package's name, as pip has it.")
    file: Folder = Field(
        description="Path of the torch file in the folder of installed packages. It must hold "
        "tensors only, in the order of timm's architecture; their names do not matter."
    )
    sha256: Sha256 = Field(description="SHA-256 of the file, in hexadecimal.")
    architecture: NonEmptyString = Field(description="timm's name of the architecture.")
    image_size: PositiveInteger = Field(
        description="Height and width to which images are decoded, in pixels; it need not be that "
        "of the pre-training."
    )
    memory_format: Literal["contiguous", "channels_last"] = Field(
        default="contiguous",
        description="Order of the convolutions' weights in memory, and with them of images. "
        "`channels_last` takes a seventh off a training step on a CPU; last bits differ.",
    )


class PretrainedRandom(PretrainedModel):
    """An architecture of open_clip at random weights: to try a study out where there is no network.

    Its results mean nothing.
    """

    source: Literal["random"] = Field(description="`random`: random weights, nothing is fetched.")
    name: NonEmptyString = Field(description="open_clip's name of the architecture.")
    seed: NaturalNumber = Field(description="Seed of the weights. Not the study's seed.")


class PretrainedTransformers(Section):
    """A T5 model of transformers on the Hugging Face hub, or in its client's local cache."""

    family: ClassVar[str] = "text_to_text"
    reads: ClassVar[str] = "text"
    classifies: ClassVar[bool] = False

    source: Literal["transformers"] = Field(description="`transformers`: a T5 model of the hub.")
    repository: RepositoryId = Field(
        description="Repository of the model, `owner/name`. It must hold `tokenizer.json`."
    )
    revision: NonEmptyString = Field(description="Commit, tag or branch. A tag or branch may move.")
    input_length: PositiveInteger = Field(
        description="Tokens of an input, to which all inputs are padded; the end token counts."
    )
    answer_length: PositiveInteger = Field(
        description="Tokens of a candidate answer, to which all are padded; the end token counts. "
        "A longer answer is refused."
    )

    def form(self, name: str) -> str:
        """How data is prepared for the model `name`: the folder of its data sets."""
        return f"{name}-tokens"


class PretrainedByRecipe(Section):
    """A model that this workflow pre-trains; the recipe says of which family and for which data."""

    source: Literal["pretraining"] = Field(
        description="`pretraining`: a recipe of the key `pretraining`."
    )
    recipe: Name = Field(description="The recipe's name.")
    step: NaturalNumber | None = Field(
        description="After how many steps of its schedule; 0 is the initialisation, null the end."
    )


Pretrained = Annotated[
    PretrainedFile
    | PretrainedOpenClip
    | PretrainedTimm
    | PretrainedPackage
    | PretrainedTransformers
    | PretrainedRandom
    | PretrainedByRecipe,
    Field(discriminator="source"),
]


class PublishedFile(Section):
    """Fine-tuned weights in a file of this machine."""

    source: Literal["file"] = Field(description="`file`: a file of this machine.")
    path: Folder = Field(description="Safetensors, or a torch file that holds tensors only.")
    sha256: Sha256 = Field(description="SHA-256 of the file, in hexadecimal.")


class PublishedHub(Section):
    """Fine-tuned weights on the Hugging Face hub."""

    source: Literal["hub"] = Field(description="`hub`: the Hugging Face hub, or its local cache.")
    repository: RepositoryId = Field(description="Repository of the model, `owner/name`.")
    revision: NonEmptyString = Field(
        description="Commit, tag or branch. The commit found is recorded with the weights."
    )
    file: Folder = Field(default="model.safetensors", description="File in the repository.")


Published = Annotated[PublishedFile | PublishedHub, Field(discriminator="source")]


class PublishedTrainings(Section):
    """Published weights by training and task."""

    standard: dict[Name, Published] = Field(
        default={}, description="Of ordinary fine-tuning, by task."
    )
    linear: dict[Name, Published] = Field(
        default={}, description="Of fine-tuning in the tangent space, by task."
    )
