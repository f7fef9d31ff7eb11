"""Configuration of a study, and the models, tasks and settings that follow from it.

Sections are strict (no "3" for 3, no true for 1), closed (unknown keys are refused) and frozen.
Checks that need the code's registries (which tasks exist) are in `tangent.config.load`.
"""

from itertools import product
from typing import Annotated, Any, NamedTuple

from pydantic import Field, PrivateAttr

from tangent.arithmetic.modes import MODES
from tangent.config import model_sources, sections
from tangent.data.sources import locating
from tangent.data.validation import held_out
from tangent.jobs.keys import Folder, Name, Names, NonEmptyString, Section, Seed
from tangent.tasks.task_files import AnyTask
from tangent.training.pretraining.recipes import Pretraining

RANDOM_SUFFIX = "-random"


class Splits(NamedTuple):
    """Images or texts of a data set's splits."""

    train: int
    validation: int
    test: int


class Config(Section):
    """The configuration of a study, with the models, tasks and settings that follow from it."""

    extends: Folder | None = None
    """Another such file whose keys this one changes, as `configs/paper.yaml`; that one may extend a
    further one."""
    study: Name
    """Name of the study: the folder of its results."""
    models: Names
    """Models to study, keys of `pretrained`."""
    tasks: Names
    """Tasks to study, keys of `datasets` and `finetuning.epochs`."""
    control: Name
    """Control task of negation, a key of `datasets`: it is never fine-tuned."""
    modes: Names = ["standard", "posthoc", "linear"]
    """Modes to study, entries of `tangent.arithmetic.modes`: the paper's three are ordinary
    fine-tuning, its post-hoc linearization, and fine-tuning in the tangent space."""
    seeds: Annotated[list[Seed], Field(min_length=1)]
    """Seeds of data order, augmentation and random weights; everything is reported per seed. Splits
    do not depend on them (protocol)."""
    paths: sections.Paths
    compute: sections.Compute
    pretrained: dict[Name, model_sources.Pretrained]
    """Where each model comes from, by the model's name."""
    architectures: dict[Name, NonEmptyString] = {}
    """Kind of network of a model, as the claims table names it after its family: `ViT`, `ConvNeXt`.
    Labels only; entries of models that are not selected are ignored."""
    datasets: dict[Name, sections.Dataset]
    """Where each task's images or texts come from, by the task's name."""
    validation: sections.Validation
    probe: sections.Probe = sections.Probe()
    finetuning: sections.Finetuning
    published: dict[Name, dict[sections.TrainingName, dict[Name, model_sources.Published]]] = {}
    """Fine-tuned weights to take instead of training, by model, training and task
    (docs/published.md)."""
    alphas: sections.Alphas
    """The grid of scaling coefficients α on which validation chooses (protocol: 0, 0.05, …, 1): a
    list of numbers, or an even grid. It must hold 0, where the pre-trained model is, and nothing
    smaller."""
    merging: Names = ["sum"]
    """How the task vectors of all tasks become the one that task addition scales: modules of
    `tangent.arithmetic.merging`. Tables, figures and claims are of the first; with several, the
    table `merging` compares them."""
    negation: sections.Negation
    disentanglement: sections.Disentanglement
    eigenfunctions: sections.EigenfunctionStudy
    combinations: sections.Combinations = sections.Combinations()
    random_initialization: sections.RandomInitialization
    pretraining: dict[Name, Pretraining] = {}
    """Recipes of models that the workflow pre-trains from nothing, by the recipe's name."""
    emergence: sections.Emergence = sections.Emergence()
    rate_sensitivity: sections.RateSensitivity = sections.RateSensitivity()
    export: sections.Export = sections.Export()
    estimate: sections.Estimate = sections.Estimate()
    # Costs ask for it job by job, and a user's own data may have to be read for it.
    _tasks: dict[str, AnyTask] = PrivateAttr(default_factory=dict)

    @property
    def trainings(self) -> list[str]:
        """The trainings that the modes need."""
        return list(dict.fromkeys(MODES[mode].trained_as for mode in self.modes))

    @property
    def linearized_modes(self) -> list[str]:
        """The modes that evaluate the linearized model: all of it is looked up."""
        return [mode for mode in self.modes if MODES[mode].evaluated_as == "linearized"]

    @property
    def combined_models(self) -> list[str]:
        """The models whose task vectors are also combined otherwise, in the linearized modes."""
        return self.combinations.models if self.linearized_modes else []

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
        return self.task_finetuning(task).epochs or self.finetuning.epochs[task]

    def task_finetuning(self, task: str) -> sections.TaskFinetuning:
        """What differs in the fine-tuning on `task`."""
        return self.finetuning.tasks.get(task, sections.TaskFinetuning())

    def finetuning_value(self, key: str, task: str) -> float:
        """A number of the section `finetuning`, or the task's own by that name."""
        own = getattr(self.task_finetuning(task), key)
        return getattr(self.finetuning, key) if own is None else own

    def finetuning_of(self, model: str) -> sections.ModelFinetuning:
        """How `model`'s fine-tuning fits into memory."""
        return self.finetuning.models.get(self.base_model(model), sections.ModelFinetuning())

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

    def has_plain_export(self, mode: str) -> bool:
        """Whether plain weights are exported of `mode` although it is linearized."""
        return self.export.plain_weights and mode in self.linearized_modes

    def _described(self, model: str) -> Any:
        """What says of which family a model is: its entry in `pretrained`, or that one's recipe."""
        entry = self.pretrained[model]
        return self.pretraining[entry.recipe] if entry.source == "pretraining" else entry

    def source_of(self, model: str) -> dict[str, Any]:
        """What `tangent.models.fetch.fetching.fetch` takes for `model`.

        A recipe stands for its name, so that another one under this name is another source.
        """
        entry = self.pretrained[model].model_dump(mode="json")
        if entry["source"] != "pretraining":
            return entry
        recipe, step = self.pretraining[entry["recipe"]], entry["step"]
        step = recipe.steps if step is None else step
        folder = f"{self.paths.resources}/pretraining/{entry['recipe']}/step{step}"
        return entry | {"recipe": recipe.model_dump(mode="json"), "step": step, "folder": folder}

    def task_of(self, name: str) -> AnyTask:
        """The description of a task, as first found; a `UserError` if it is wrong or lacking."""
        if name not in self._tasks:
            dataset = self.datasets[name]
            self._tasks[name] = locating.task_of(name, dataset.task, dataset.sources)
        return self._tasks[name]

    def splits_of(self, task: str) -> Splits:
        """The splits of a task by the protocol: what validation takes is not trained on."""
        dataset, rule = self.datasets[task], self.validation
        if dataset.validation_images is not None:
            return Splits(dataset.train_images, dataset.validation_images, dataset.test_images)
        cut = held_out(dataset.train_images, rule.fraction, rule.maximum)
        return Splits(dataset.train_images - cut, cut, dataset.test_images)

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

    def published_weights(
        self, model: str, training: str, task: str
    ) -> model_sources.Published | None:
        """Where fine-tuned weights come from that are not trained here; None: they are."""
        return self.published.get(model, {}).get(training, {}).get(task)

    def learning_rate_of(self, model: str, training: str, task: str | None = None) -> float | None:
        """Peak learning rate when `model` is fine-tuned; None where one is chosen from a grid.

        `task` is what it is fine-tuned on; None: one without a rate of its own.
        """
        if task is not None and not self.is_random(model):
            own = self.task_finetuning(task).rate_of(training)
            if own is not None:
                return own
        rate = self._rate_or_grid(model, training)
        return None if isinstance(rate, sections.RateGrid) else rate

    def rate_grid(self, model: str, training: str) -> list[float]:
        """The learning rates to choose from, ascending; none where nothing is searched.

        Where no task needs one there is none to choose.
        """
        rate = self._rate_or_grid(model, training)
        is_searched = isinstance(rate, sections.RateGrid) and self.tuned_tasks(model, training)
        return rate.grid if is_searched else []

    def tuned_tasks(self, model: str, training: str) -> list[str]:
        """The tasks by which a learning rate is chosen, and that have it then.

        Published weights and tasks with a number of their own have theirs.
        """
        return [
            task
            for task in self.tasks_of(model)
            if self.published_weights(model, training, task) is None
            and self.task_finetuning(task).rate_of(training) is None
        ]

    @property
    def searches(self) -> list[tuple[str, str]]:
        """Model and training wherever a learning rate is chosen from a grid."""
        pairs = product(self.models, self.trainings)
        return [pair for pair in pairs if self.rate_grid(*pair)]

    @property
    def tuning_seed(self) -> int:
        """The seed of the trainings among which a learning rate is chosen."""
        given = self.finetuning.tuning_seed
        return self.seeds[0] if given is None else given

    def _rate_or_grid(self, model: str, training: str) -> float | sections.RateGrid:
        if self.is_random(model):
            return self.random_initialization.learning_rate[training]
        own = self.finetuning_of(model).learning_rate
        return (own or self.finetuning.learning_rate)[training]

    def pairs_of(self, model: str) -> list[list[str]]:
        """The pairs of tasks that `model` has heat maps of (figure 3)."""
        return self.disentanglement.pairs if model in self.disentanglement.models else []

    def product_vectors(
        self, model: str, dataset: str, split: str, merging: str | None = None
    ) -> list[str]:
        """Whose products J(x)·τ are looked up on a split of `dataset`; a further method's own.

        Of addition by the first method and the task itself; negation looks at the control task; a
        heat map at the other task's vector, on test images; other combinations at all.
        """
        if merging is not None:
            return [merging]
        if dataset not in self.tasks_of(model):
            return self.tasks_of(model)
        if model in self.combinations.models:
            return [self.merging[0], *self.tasks_of(model)]
        pairs = self.pairs_of(model) if split == "test" else []
        partners = {task for pair in pairs if dataset in pair for task in pair} - {dataset}
        return [self.merging[0], dataset, *sorted(partners)]
