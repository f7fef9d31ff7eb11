"""Where models come from: pre-trained ones, and fine-tuned ones that others have published."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from tangent.jobs.keys import (
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

    image_size: PositiveInteger
    """Height and width of the model's input, in pixels. Images are decoded to it once; a model that
    wants another size is refused."""

    def form(self, name: str) -> str:
        """How data is prepared for the model `name`: the folder of its data sets."""
        return f"{self.image_size}px"


class PretrainedFile(PretrainedModel):
    """An open_clip model in a folder: a weights file and `open_clip_config.json`."""

    source: Literal["file"]
    """`file`: a folder of this machine."""
    folder: Folder
    """Folder with `model.safetensors` and `open_clip_config.json`."""
    sha256: Sha256
    """SHA-256 of `model.safetensors`, in hexadecimal."""


class PretrainedOpenClip(PretrainedModel):
    """A model that open_clip downloads."""

    source: Literal["open_clip"]
    """`open_clip`: one of open_clip's own models."""
    name: NonEmptyString
    """open_clip's name of the architecture. OpenAI's weights need the `-quickgelu` names
    (protocol)."""
    tag: NonEmptyString
    """open_clip's tag of the weights, such as `openai`."""


class PretrainedTimm(PretrainedModel):
    """A classifier of timm, from the hub: linear probes take the place of its last layer."""

    family: ClassVar[str] = "closed_vocabulary"
    classifies: ClassVar[bool] = True

    source: Literal["timm"]
    """`timm`: one of timm's models with weights."""
    name: NonEmptyString
    """timm's name of architecture and weights, such as `vit_base_patch16_224.augreg_in1k`."""


class PretrainedPackage(PretrainedModel):
    """A convolutional classifier of timm with the weights that a Python package carries.

    Linear probes take the place of its last layer.
    """

    family: ClassVar[str] = "closed_vocabulary"
    classifies: ClassVar[bool] = True

    source: Literal["package"]
    """`package`: weights in an installed Python package; its code is not run."""
    package: NonEmptyString
    """The package's name, as pip has it."""
    file: Folder
    """Path of the torch file in the folder of installed packages. It must hold tensors only, in the
    order of timm's architecture; their names do not matter."""
    sha256: Sha256
    """SHA-256 of the file, in hexadecimal."""
    architecture: NonEmptyString
    """timm's name of the architecture."""
    image_size: PositiveInteger
    """Height and width to which images are decoded, in pixels; it need not be that of the
    pre-training."""
    memory_format: Literal["contiguous", "channels_last"] = "contiguous"
    """Order of the convolutions' weights in memory, and with them of images. `channels_last` takes
    a seventh off a training step on a CPU; last bits differ."""


class PretrainedRandom(PretrainedModel):
    """An architecture of open_clip at random weights: to try a study out where there is no network.

    Its results mean nothing.
    """

    source: Literal["random"]
    """`random`: random weights, nothing is fetched."""
    name: NonEmptyString
    """open_clip's name of the architecture."""
    seed: NaturalNumber
    """Seed of the weights. Not the study's seed."""


class PretrainedTransformers(Section):
    """A T5 model of transformers on the Hugging Face hub, or in its client's local cache."""

    family: ClassVar[str] = "text_to_text"
    reads: ClassVar[str] = "text"
    classifies: ClassVar[bool] = False

    source: Literal["transformers"]
    """`transformers`: a T5 model of the hub."""
    repository: RepositoryId
    """Repository of the model, `owner/name`. It must hold `tokenizer.json`."""
    revision: NonEmptyString
    """Commit, tag or branch. A tag or branch may move."""
    input_length: PositiveInteger
    """Tokens of an input, to which all inputs are padded; the end token counts."""
    answer_length: PositiveInteger
    """Tokens of a candidate answer, to which all are padded; the end token counts. A longer answer
    is refused."""

    def form(self, name: str) -> str:
        """How data is prepared for the model `name`: the folder of its data sets."""
        return f"{name}-tokens"


class PretrainedByRecipe(Section):
    """A model that this workflow pre-trains; the recipe says of which family and for which data."""

    source: Literal["pretraining"]
    """`pretraining`: a recipe of the key `pretraining`."""
    recipe: Name
    """The recipe's name."""
    step: NaturalNumber | None
    """After how many steps of its schedule; 0 is the initialisation, null the end."""


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

    source: Literal["file"]
    """`file`: a file of this machine."""
    path: Folder
    """Safetensors, or a torch file that holds tensors only."""
    sha256: Sha256
    """SHA-256 of the file, in hexadecimal."""


class PublishedHub(Section):
    """Fine-tuned weights on the Hugging Face hub."""

    source: Literal["hub"]
    """`hub`: the Hugging Face hub, or its local cache."""
    repository: RepositoryId
    """Repository of the model, `owner/name`."""
    revision: NonEmptyString
    """Commit, tag or branch. The commit found is recorded with the weights."""
    file: Folder = "model.safetensors"
    """File in the repository."""


Published = Annotated[PublishedFile | PublishedHub, Field(discriminator="source")]


class PublishedTrainings(Section):
    """Published weights by training and task."""

    standard: dict[Name, Published] = {}
    """Of ordinary fine-tuning, by task."""
    linear: dict[Name, Published] = {}
    """Of fine-tuning in the tangent space, by task."""
