"""The study's configuration: every key with its meaning, unit and source.

The models are strict (no "3" for 3, no true for 1), closed (unknown keys are refused) and frozen.
Checks that need the code's registries (which tasks exist) are in `tangent.config.load`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
SHA256_PATTERN = r"^[0-9a-f]{64}$"
# Paths become parts of commands and of Snakemake's patterns.
PATH_PATTERN = r"^[\w./+@%=,:-]+$"

Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Folder = Annotated[str, Field(pattern=PATH_PATTERN)]
NonEmptyString = Annotated[str, Field(min_length=1)]
PositiveInteger = Annotated[int, Field(ge=1)]
NaturalNumber = Annotated[int, Field(ge=0)]
Number = Annotated[float, Field(allow_inf_nan=False)]
PositiveNumber = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegativeNumber = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
ShareOfOne = Annotated[float, Field(ge=0, le=1)]
Sha256 = Annotated[str, Field(pattern=SHA256_PATTERN)]
Names = Annotated[list[Name], Field(min_length=1)]

RANDOM_SUFFIX = "-random"
# The vector of task addition has this name where a task vector's folder has its task's.
SUM = "sum"


class Section(BaseModel):
    """A mapping of the configuration file."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, protected_namespaces=())


class Paths(Section):
    """Where results go. Relative paths are relative to the repository root."""

    results: Folder = Field(description="Folder of the results; the study's name is added to it.")
    resources: Folder = Field(
        description="Folder of pre-trained models and decoded data sets, shared by all studies."
    )


class Compute(Section):
    """How a job computes. These values can change the last bits of a result, so they re-run it."""

    device: Literal["auto", "cpu", "cuda"] = Field(
        description="Device of the jobs that run a model; `auto` takes a GPU if there is one."
    )
    threads: PositiveInteger = Field(
        description="CPU threads of each job that runs a model, whatever number of cores "
        "Snakemake is given: the bits of a sum depend on it."
    )
    autocast: Literal["bfloat16", "none"] = Field(
        description="Precision of the training's matrix products. Evaluation is always float32."
    )
    evaluation_batch_size: PositiveInteger = Field(
        description="Images per forward pass in evaluation."
    )


class PretrainedFile(Section):
    """An open_clip model in a folder: a weights file and `open_clip_config.json`."""

    source: Literal["file"] = Field(description="`file`: a folder of this machine.")
    folder: Folder = Field(
        description="Folder with `model.safetensors` and `open_clip_config.json`."
    )
    sha256: Sha256 = Field(description="SHA-256 of `model.safetensors`, in hexadecimal.")


class PretrainedOpenClip(Section):
    """A model that open_clip downloads."""

    source: Literal["open_clip"] = Field(description="`open_clip`: one of open_clip's own models.")
    name: NonEmptyString = Field(
        description="open_clip's name of the architecture. OpenAI's weights need the "
        "`-quickgelu` names (protocol)."
    )
    tag: NonEmptyString = Field(description="open_clip's tag of the weights, such as `openai`.")


Pretrained = Annotated[PretrainedFile | PretrainedOpenClip, Field(discriminator="source")]


class DemoDataset(Section):
    """Images of the demo world, rendered or cut from images that dependencies carry."""

    source: Literal["demo"] = Field(description="`demo`: the demo world's own images.")
    train_images: Annotated[int, Field(ge=2)] = Field(
        description="Images of the training set, validation images included."
    )
    test_images: PositiveInteger = Field(description="Images of the test set.")
    seed: NaturalNumber = Field(description="Seed of the rendering. Not the study's seed.")


class Validation(Section):
    """The validation split, cut from the training set with seed 0 (protocol)."""

    fraction: Fraction = Field(
        description="Share of the training images that become validation images (protocol: 0.1)."
    )
    maximum: PositiveInteger = Field(
        description="Largest number of validation images (protocol: 5000)."
    )


class LearningRates(Section):
    """Peak learning rates of AdamW, one per training."""

    standard: PositiveNumber = Field(description="Of ordinary fine-tuning (protocol: 1e-5).")
    linear: PositiveNumber = Field(description="Of the linearized model's (protocol: 1e-5).")


class Finetuning(Section):
    """Fine-tuning: AdamW, cosine decay to zero after a linear warm-up, frozen head (protocol)."""

    batch_size: PositiveInteger = Field(description="Images per step (protocol: 128).")
    weight_decay: NonNegativeNumber = Field(description="AdamW's weight decay (protocol: 0.1).")
    gradient_clip: PositiveNumber = Field(
        description="Largest global norm of the gradient (protocol: 1.0)."
    )
    warmup_steps: NaturalNumber = Field(
        description="Steps of the learning rate's linear warm-up (the authors' code: 500)."
    )
    epochs: dict[Name, PositiveInteger] = Field(
        description="Passes over the training images, one entry per task. Entries of tasks that "
        "are not selected are ignored."
    )
    learning_rate: LearningRates


class Alphas(Section):
    """The grid of scaling coefficients α on which validation chooses (protocol: 0, 0.05, …, 1)."""

    minimum: Number = Field(
        description="Smallest α; 0, so that the pre-trained model is always admissible (protocol)."
    )
    maximum: PositiveNumber = Field(description="Largest α (protocol: 1.0).")
    points: Annotated[int, Field(ge=2)] = Field(description="Points of the grid (protocol: 21).")


class Negation(Section):
    """Task negation (protocol)."""

    control_threshold: ShareOfOne = Field(
        description="Share of the pre-trained control accuracy that the edited model must keep on "
        "validation images (protocol: 0.95)."
    )


class Disentanglement(Section):
    """The heat maps of the weight-disentanglement error ξ (figure 3)."""

    pairs: Annotated[
        list[Annotated[list[Name], Field(min_length=2, max_length=2)]], Field(min_length=1)
    ] = Field(description="Pairs of tasks, one heat map per pair, model and mode.")
    minimum: Number = Field(description="Smallest α1 and α2 (paper: -3).")
    maximum: Number = Field(description="Largest α1 and α2 (paper: 3).")
    points: Annotated[int, Field(ge=2)] = Field(
        description="Grid points per axis (paper: 20). The standard mode runs the model "
        "for each of their pairs."
    )
    images: PositiveInteger = Field(
        description="Test images per task; all of them if there are fewer (paper: 2048)."
    )


class Eigenfunctions(Section):
    """Localization of the neural tangent kernel's eigenfunctions (figure 6, proposition 1)."""

    tasks: Annotated[list[Name], Field(min_length=2)] = Field(
        description="Tasks whose kernels are analysed; proposition 1 needs two."
    )
    images: Annotated[int, Field(ge=2)] = Field(
        description="Images per data set: n of the kernel and of the held-out samples (paper: 200)."
    )
    components: PositiveInteger = Field(
        description="Eigenfunctions k in the local energy, at most `images`."
    )
    logits: PositiveInteger = Field(
        description="Output logits, one kernel each; at most the number of classes."
    )


class RandomInitialization(Section):
    """Table 3: the same study from random weights of the encoder, as the model `NAME-random`."""

    models: Annotated[list[Name], Field(min_length=1)] = Field(
        description="Models whose architecture and zero-shot head are used."
    )
    tasks: Names = Field(description="Tasks of the study from random weights.")
    epochs: PositiveInteger = Field(description="Passes over the training images, for every task.")
    learning_rate: LearningRates


class Pretraining(Section):
    """Contrastive pre-training of a demo model (`snakemake pretrain_demo`)."""

    images: PositiveInteger = Field(description="Captioned images rendered.")
    epochs: PositiveInteger = Field(description="Passes over them.")
    batch_size: Annotated[int, Field(ge=2)] = Field(
        description="Images per step, contrasted with each other's captions."
    )
    learning_rate: PositiveNumber = Field(description="Peak learning rate of AdamW.")
    seed: NaturalNumber = Field(description="Seed of images, weights and data order.")
    threads: PositiveInteger = Field(description="CPU threads of the pre-training.")


class Config(Section):
    """The configuration of a study, with the models, tasks and settings that follow from it."""

    study: Name = Field(description="Name of the study: the folder of its results.")
    models: Names = Field(description="Models to study, keys of `pretrained`.")
    tasks: Names = Field(description="Tasks to study, keys of `datasets` and `finetuning.epochs`.")
    control: Name = Field(
        description="Control task of negation, a key of `datasets`: it is never fine-tuned."
    )
    seeds: Annotated[list[NaturalNumber], Field(min_length=1)] = Field(
        description="Seeds of data order, augmentation and random weights; everything is reported "
        "per seed. Splits do not depend on them (protocol)."
    )
    paths: Paths
    compute: Compute
    pretrained: dict[Name, Pretrained] = Field(
        description="Where each model comes from, by the model's name."
    )
    datasets: dict[Name, DemoDataset] = Field(
        description="Where each task's images come from, by the task's name."
    )
    validation: Validation
    finetuning: Finetuning
    alphas: Alphas
    negation: Negation
    disentanglement: Disentanglement
    eigenfunctions: Eigenfunctions
    random_initialization: RandomInitialization
    pretraining: dict[Name, Pretraining] = Field(
        description="Recipes of the demo models, by the model's name."
    )

    @property
    def all_models(self) -> list[str]:
        """The models and, after them, `NAME-random` for each model of the random-weights study."""
        random = [model + RANDOM_SUFFIX for model in self.random_initialization.models]
        return [*self.models, *random]

    def is_random(self, model: str) -> bool:
        """Whether `model` starts from random weights (table 3)."""
        return model not in self.models

    def base_model(self, model: str) -> str:
        """The model that gives architecture and zero-shot head: `NAME` for `NAME-random`."""
        return model.removesuffix(RANDOM_SUFFIX) if self.is_random(model) else model

    def tasks_of(self, model: str) -> list[str]:
        """The tasks that `model` is fine-tuned on."""
        return self.random_initialization.tasks if self.is_random(model) else self.tasks

    def eigenfunction_tasks_of(self, model: str) -> list[str]:
        """The tasks whose kernels are analysed for `model`."""
        return [task for task in self.eigenfunctions.tasks if task in self.tasks_of(model)]

    def epochs_of(self, model: str, task: str) -> int:
        """Passes over the training images when `model` is fine-tuned on `task`."""
        if self.is_random(model):
            return self.random_initialization.epochs
        return self.finetuning.epochs[task]

    def learning_rate_of(self, model: str, training: str) -> float:
        """Peak learning rate when `model` is fine-tuned; `training` is `standard` or `linear`."""
        section = self.random_initialization if self.is_random(model) else self.finetuning
        return getattr(section.learning_rate, training)

    def partners(self, task: str) -> list[str]:
        """The tasks that share a heat map with `task` (figure 3)."""
        pairs = [pair for pair in self.disentanglement.pairs if task in pair]
        return sorted({other for pair in pairs for other in pair} - {task})
