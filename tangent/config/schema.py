"""The study's configuration: every key with its meaning, unit and source.

The models are strict (no "3" for 3, no true for 1), closed (unknown keys are refused) and frozen.
Checks that need the code's registries (which tasks exist) are in `tangent.config.load`.
"""

from __future__ import annotations

from itertools import product
from typing import Annotated, Any, Literal, get_args

from pydantic import Field

from tangent.config.dataset_sources import Dataset
from tangent.config.finetuning import Finetuning, LearningRates, ModelFinetuning, RateGrid
from tangent.config.model_sources import Pretrained, Published, PublishedTrainings
from tangent.config.recipes import Pretraining
from tangent.config.types import (
    CountOrAll,
    Folder,
    Fraction,
    Name,
    Names,
    NaturalNumber,
    NonEmptyString,
    Number,
    PositiveInteger,
    PositiveNumber,
    Section,
    ShareOfOne,
    TrainingName,
)

RANDOM_SUFFIX = "-random"
# The vector of task addition has this name where a task vector's folder has its task's.
SUM = "sum"


class Paths(Section):
    """Where results go. Relative paths are relative to the repository root."""

    results: Folder = Field(description="Folder of the results; the study's name is added to it.")
    resources: Folder = Field(
        description="Folder of pre-trained models and decoded data sets, shared by all studies."
    )


class Compute(Section):
    """How a job computes. These values can change the last bits of a result, so they re-run it."""

    device: Literal["auto", "cpu", "cuda"] = Field(
        description="Device of the jobs that run a model; `auto` takes a GPU if this machine has "
        "one that torch can use. Jobs on a cluster need `cuda` or `cpu`."
    )
    threads: PositiveInteger = Field(
        description="CPU threads of each job that runs a model, whatever number of cores "
        "Snakemake is given: the bits of a sum depend on it."
    )
    autocast: Literal["bfloat16", "none"] = Field(
        description="Precision of the training's matrix products."
    )
    evaluation_autocast: Literal["bfloat16", "none"] = Field(
        default="none",
        description="Precision of the matrix products of features, J(x)·τ and the standard mode's "
        "sweeps; kernels are always float32.",
    )
    evaluation_batch_size: PositiveInteger = Field(
        description="Images per forward pass in evaluation."
    )


class Validation(Section):
    """The validation split, cut from the training set with seed 0 (protocol)."""

    fraction: Fraction = Field(
        description="Share of the training images that become validation images (protocol: 0.1)."
    )
    maximum: PositiveInteger = Field(
        description="Largest number of validation images (protocol: 5000)."
    )


class Probe(Section):
    """Linear probes, the heads of closed-vocabulary models: the grid on which validation chooses C.

    C is scikit-learn's: the weight of the sum of the images' losses against half the squared norm
    of the probe's weights (protocol).
    """

    minimum: PositiveNumber = Field(default=1e-4, description="Smallest C.")
    maximum: PositiveNumber = Field(default=10.0, description="Largest C.")
    points: PositiveInteger = Field(default=6, description="Points of the grid, log-spaced.")
    deviation: Literal["own", "common"] = Field(
        default="own",
        description="What features are divided by before the fit: each one's `own` standard "
        "deviation, or one `common` to all. `common` for networks that end in a ReLU: features "
        "that are nearly always zero get no huge weights then (families).",
    )
    share: Annotated[float, Field(gt=0, le=1)] = Field(
        default=1.0,
        description="Share of the training images that probes are fitted to, drawn once; the "
        "control task, which is never fine-tuned, has all. A probe of all images is right on all "
        "of them where features are more numerous, and leaves little to learn (families).",
    )
    own_classifier: dict[Name, Name] = Field(
        default={},
        description="Models whose own classifier is the head of a task, in a probe's place: the "
        "task, by the model's name. Its classes must be those of the pre-training, in their order.",
    )


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

    models: Names = Field(description="Models that get heat maps.")
    pairs: Annotated[
        list[Annotated[list[Name], Field(min_length=2, max_length=2)]], Field(min_length=1)
    ] = Field(description="Pairs of tasks, one heat map per pair, model and mode.")
    minimum: Number = Field(description="Smallest α1 and α2 (paper: -3).")
    maximum: Number = Field(description="Largest α1 and α2 (paper: 3).")
    points: Annotated[int, Field(ge=2)] = Field(
        description="Grid points per axis; they must hold 0 and ±1, the centre and the border of "
        "the search box, as 25 from -3 to 3 do (paper: 20, which hold none of them). The standard "
        "mode runs the model for each of their pairs."
    )
    images: PositiveInteger = Field(
        description="Test images per task; all of them if there are fewer (paper: 2048)."
    )


class Eigenfunctions(Section):
    """Localization of the neural tangent kernel's eigenfunctions (figure 6, proposition 1)."""

    models: Names = Field(
        description="Models whose kernels are analysed, their random twins included."
    )
    tasks: Annotated[list[Name], Field(min_length=2)] = Field(
        description="Tasks whose kernels are analysed; proposition 1 needs two."
    )
    images: Annotated[int, Field(ge=2)] = Field(
        description="Images per data set: n of the kernel and of the held-out samples (paper: 200)."
    )
    components: PositiveInteger = Field(
        description="Eigenfunctions k in the local energy, at most `images`."
    )
    logits: CountOrAll = Field(
        description="Output logits, one kernel each; at most the number of classes. `all`: one "
        "kernel of all logits together, with vector-valued eigenfunctions."
    )


class Combinations(Section):
    """Other combinations of task vectors than the sum of all, in the linearized modes (beyond the
    paper): sums of every number of tasks, an α per task, analogies."""

    models: list[Name] = Field(
        default=[], description="Models whose task vectors are combined so; none leaves this out."
    )
    subsets_per_size: PositiveInteger = Field(
        default=70,
        description="Subsets of each number of tasks: all of them if there are no more, otherwise "
        "this many, drawn once for all modes and seeds. Of 8 tasks 70 are all.",
    )
    analogies: list[Annotated[list[Name], Field(min_length=4, max_length=4)]] = Field(
        default=[],
        description="Tasks a, b, c, d, read “a is to b as c is to d”: θ0 + α(τ_c + τ_b − τ_a) is "
        "evaluated on d.",
    )


class RandomInitialization(Section):
    """Table 3: the same study from random weights of the encoder, as the model `NAME-random`."""

    models: list[Name] = Field(
        description="Models whose architecture and head are used; none leaves table 3 out."
    )
    tasks: Names = Field(description="Tasks of the study from random weights.")
    epochs: PositiveInteger | None = Field(
        description="Passes over the training images, for every task; null: those of "
        "`finetuning.epochs`."
    )
    learning_rate: LearningRates


class Emergence(Section):
    """When disentanglement emerges: the study of several checkpoints of one pre-training."""

    steps: dict[Name, NaturalNumber] = Field(
        default={},
        description="Steps of pre-training behind each checkpoint, by its name in `models`; 0 is "
        "the random initialisation. None leaves the table and figure `emergence` out.",
    )

    @property
    def models(self) -> list[str]:
        """The checkpoints, in the order of their steps."""
        return sorted(self.steps, key=self.steps.__getitem__)


class RateSensitivity(Section):
    """What hangs on the learning rate: the same weights under several names, with a rate each."""

    models: list[Name] = Field(
        default=[],
        description="Models of the same weights, each with rates of its own "
        "(`finetuning.models.NAME.learning_rate`). None leaves the table and figure "
        "`rate_sensitivity` out.",
    )


class Estimate(Section):
    """What `snakemake estimate` reckons with where nothing was measured."""

    gpu: NonEmptyString = Field(default="H200", description="GPU, one of those in docs/cost.md.")
    utilization: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.35, description="Assumed share of the GPU's peak arithmetic."
    )


class Config(Section):
    """The configuration of a study, with the models, tasks and settings that follow from it."""

    extends: Folder | None = Field(
        default=None,
        description="Another such file whose keys this one changes, as `configs/paper.yaml`; "
        "that one may extend a further one.",
    )
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
    architectures: dict[Name, NonEmptyString] = Field(
        default={},
        description="Kind of network of a model, as the claims table names it after its family: "
        "`ViT`, `ConvNeXt`. Labels only; entries of models that are not selected are ignored.",
    )
    datasets: dict[Name, Dataset] = Field(
        description="Where each task's images or texts come from, by the task's name."
    )
    validation: Validation
    probe: Probe = Probe()
    finetuning: Finetuning
    published: dict[Name, PublishedTrainings] = Field(
        default={},
        description="Fine-tuned weights to take instead of training, by the model's name "
        "(docs/published.md).",
    )
    alphas: Alphas
    negation: Negation
    disentanglement: Disentanglement
    eigenfunctions: Eigenfunctions
    combinations: Combinations = Combinations()
    random_initialization: RandomInitialization
    pretraining: dict[Name, Pretraining] = Field(
        default={},
        description="Recipes of models that the workflow pre-trains from nothing, by the recipe's "
        "name.",
    )
    emergence: Emergence = Emergence()
    rate_sensitivity: RateSensitivity = RateSensitivity()
    estimate: Estimate = Estimate()

    @property
    def all_models(self) -> list[str]:
        """The models and, after them, `NAME-random` for each model of the random-weights study."""
        random = [model + RANDOM_SUFFIX for model in self.random_initialization.models]
        return [*self.models, *random]

    def is_random(self, model: str) -> bool:
        """Whether `model` starts from random weights (table 3)."""
        return model not in self.models

    def base_model(self, model: str) -> str:
        """The model that gives architecture and head: `NAME` for `NAME-random`."""
        return model.removesuffix(RANDOM_SUFFIX) if self.is_random(model) else model

    def tasks_of(self, model: str) -> list[str]:
        """The tasks that `model` is fine-tuned on."""
        return self.random_initialization.tasks if self.is_random(model) else self.tasks

    def eigenfunction_tasks_of(self, model: str) -> list[str]:
        """The tasks whose kernels are analysed for `model`; none if it is not among the models."""
        if self.base_model(model) not in self.eigenfunctions.models:
            return []
        return [task for task in self.eigenfunctions.tasks if task in self.tasks_of(model)]

    def epochs_of(self, model: str, task: str) -> int:
        """Passes over the training images when `model` is fine-tuned on `task`."""
        if self.is_random(model) and self.random_initialization.epochs is not None:
            return self.random_initialization.epochs
        return self.finetuning.epochs[task]

    def finetuning_of(self, model: str) -> ModelFinetuning:
        """How `model`'s fine-tuning fits into memory."""
        return self.finetuning.models.get(self.base_model(model), ModelFinetuning())

    def family_of(self, model: str) -> str:
        """The family of `model`, a key of `tangent.models.families.FAMILIES`."""
        return self._described(self.base_model(model)).family

    def reads(self, model: str) -> str:
        """The kind of tasks that `model` is for, as `tangent.tasks.task_files` calls it."""
        return self._described(self.base_model(model)).reads

    def classifies(self, model: str) -> bool:
        """Whether `model` has a classifier of its own, which `probe.own_classifier` may use."""
        return self._described(model).classifies

    def form_of(self, model: str) -> str:
        """How the data of `model` is prepared: the folder of its data sets."""
        base = self.base_model(model)
        return self._described(base).form(base)

    def _described(self, model: str) -> Any:
        """What says of which family a model is: its entry in `pretrained`, or that one's recipe."""
        entry = self.pretrained[model]
        return self.pretraining[entry.recipe] if entry.source == "pretraining" else entry

    def source_of(self, model: str) -> dict[str, Any]:
        """What `tangent.models.sources.fetch` takes for `model`.

        A recipe stands for its name, so that another one under this name is another source.
        """
        entry = self.pretrained[model].model_dump(mode="json")
        if entry["source"] != "pretraining":
            return entry
        recipe, step = self.pretraining[entry["recipe"]], entry["step"]
        step = recipe.steps if step is None else step
        folder = f"{self.paths.resources}/pretraining/{entry['recipe']}/step{step}"
        return entry | {"recipe": recipe.model_dump(mode="json"), "step": step, "folder": folder}

    def has_own_head(self, model: str, task: str) -> bool:
        """Whether the classifier of `model`'s pre-training is its head of `task`."""
        return self.probe.own_classifier.get(self.base_model(model)) == task

    def pretraining_steps(self, recipe: str) -> list[int]:
        """After how many steps of a recipe its models are wanted: the last ones if nobody says."""
        entries = [self.pretrained[model] for model in self.models]
        of_recipe = [entry for entry in entries if getattr(entry, "recipe", None) == recipe]
        named = [entry.step for entry in of_recipe]
        last = self.pretraining[recipe].steps
        return sorted({last if step is None else step for step in named or [last]})

    def published_weights(self, model: str, training: str, task: str) -> Published | None:
        """Where fine-tuned weights come from that are not trained here; None: they are."""
        trainings = self.published.get(model, PublishedTrainings())
        return getattr(trainings, training).get(task)

    def learning_rate_of(self, model: str, training: str) -> float | None:
        """Peak learning rate when `model` is fine-tuned; None where one is chosen from a grid.

        Args:
            model: a model of the study.
            training: `standard` or `linear`.
        """
        rate = self._rate_or_grid(model, training)
        return None if isinstance(rate, RateGrid) else rate

    def rate_grid(self, model: str, training: str) -> list[float]:
        """The learning rates to choose from, ascending; none where nothing is searched.

        Where all fine-tuned weights are published there is nothing to train, and no rate to choose.
        """
        rate = self._rate_or_grid(model, training)
        is_searched = isinstance(rate, RateGrid) and self.trained_tasks(model, training)
        return rate.grid if is_searched else []

    def trained_tasks(self, model: str, training: str) -> list[str]:
        """The tasks that `model` is fine-tuned on here, by none's published weights.

        A learning rate is chosen by these: those of published weights have theirs.
        """
        return [
            task
            for task in self.tasks_of(model)
            if self.published_weights(model, training, task) is None
        ]

    @property
    def searches(self) -> list[tuple[str, str]]:
        """Model and training wherever a learning rate is chosen from a grid."""
        pairs = product(self.models, get_args(TrainingName))
        return [pair for pair in pairs if self.rate_grid(*pair)]

    @property
    def tuning_seed(self) -> int:
        """The seed of the trainings among which a learning rate is chosen."""
        given = self.finetuning.tuning_seed
        return self.seeds[0] if given is None else given

    def _rate_or_grid(self, model: str, training: str) -> float | RateGrid:
        if self.is_random(model):
            rates = self.random_initialization.learning_rate
        else:
            rates = self.finetuning_of(model).learning_rate or self.finetuning.learning_rate
        return getattr(rates, training)

    def pairs_of(self, model: str) -> list[list[str]]:
        """The pairs of tasks that `model` has heat maps of (figure 3)."""
        return self.disentanglement.pairs if model in self.disentanglement.models else []

    def product_datasets(self, model: str) -> list[str]:
        """The data sets on which `model`'s products J(x)·τ are looked up."""
        return [*self.tasks_of(model), *([] if self.is_random(model) else [self.control])]

    def product_vectors(self, model: str, dataset: str, split: str) -> list[str]:
        """Whose products J(x)·τ are looked up on a split of `dataset`; `sum` is of all tasks.

        Of addition and the task itself; negation looks at the control task; a heat map at the other
        task's vector, on test images; other combinations at all.
        """
        if dataset not in self.tasks_of(model):
            return self.tasks_of(model)
        if model in self.combinations.models:
            return [SUM, *self.tasks_of(model)]
        partners = self.partners(model, dataset) if split == "test" else []
        return [SUM, dataset, *partners]

    def partners(self, model: str, task: str) -> list[str]:
        """The tasks that share a heat map of `model` with `task` (figure 3)."""
        pairs = [pair for pair in self.pairs_of(model) if task in pair]
        return sorted({other for pair in pairs for other in pair} - {task})
