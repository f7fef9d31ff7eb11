"""Sections of a study's configuration: every key with its meaning, unit and source."""

from typing import Annotated, Literal, Union

from pydantic import AfterValidator, Discriminator, Field, Tag
from pydantic_core import PydanticCustomError

from tangent.arithmetic.alphas import alpha_grid
from tangent.arithmetic.modes import TRAININGS
from tangent.data.sources.locating import DATA_SOURCES
from tangent.jobs import keys

TrainingName = Literal[*TRAININGS]


class Paths(keys.Section):
    """Where results go. Relative paths are relative to the repository root."""

    results: keys.Folder
    """Folder of the results; the study's name is added to it."""
    resources: keys.Folder
    """Folder of pre-trained models and decoded data sets, shared by all studies."""


class Memory(keys.Section):
    """Memory budgets in GiB: what does not fit is made or read again."""

    kernels: keys.PositiveNumber | None = None
    """Gradients or directions of a tangent kernel that are held at once, beside its eigenfunctions'
    directions; null: 1.25 on a CPU, 16 on a GPU. Changes last bits, so it re-runs kernels."""
    products: keys.PositiveNumber | None = None
    """Task vectors that share a pass of J(x)·τ; null: 2 on a CPU, 16 on a GPU. Changes last bits,
    so it re-runs products."""
    images: keys.PositiveNumber | None = None
    """Images that the standard mode keeps from one pass to the next; null: 1 on a CPU, on a GPU an
    eighth of its memory, at most 16. No result depends on it, and nothing runs again."""


class Compute(keys.Section):
    """How a job computes. These values can change the last bits of a result, so they re-run it."""

    device: Literal["auto", "cpu", "cuda"]
    """Device of the jobs that run a model; `auto` takes a GPU if this machine has one. Jobs on a
    cluster need `cuda` or `cpu`."""
    threads: keys.Threads
    """CPU threads of each job that runs a model, whatever number of cores Snakemake is given: the
    bits of a sum depend on it."""
    autocast: Literal["bfloat16", "none"]
    """Precision of the training's matrix products."""
    compile: dict[TrainingName, bool] = {}
    """Trainings that run by `torch.compile`'s code: hours of a large model gain by it, those of the
    linearized model most."""
    evaluation_autocast: Literal["bfloat16", "none"] = "none"
    """Precision of the matrix products of features, J(x)·τ and the standard mode's sweeps; kernels
    are always float32."""
    evaluation_batch_size: keys.PositiveInteger
    """Images per forward pass in evaluation."""
    memory: Memory = Memory()


DatasetSource = Annotated[Union[*DATA_SOURCES.values()], Field(discriminator="source")]


class Dataset(keys.Section):
    """Where a task's images or texts come from and how many there must be."""

    task: keys.Folder | None = None
    """File that describes the task, anywhere, named after it: `NAME.yaml`. Without one it is one of
    ours, or its classes are called as in the data, in a general prompt."""
    sources: Annotated[list[DatasetSource], Field(min_length=1)]
    """Places to look in, in this order; the first that has the data set is used."""
    train_images: Annotated[int, Field(ge=2, le=10**9)] | None = None
    """Images or texts of the training set, validation ones that are cut from it included. Another
    number found is an error; null: they are counted, in `class_folders`, `csv` and `json_lines`."""
    validation_images: keys.PositiveInteger | None = None
    """Images or texts of the data set's own validation split; none if it is cut from the training
    set. A copy without that split gets one by the section `validation`."""
    test_images: keys.PositiveInteger | None = None
    """Images or texts of the test set, likewise."""
    order: Literal["content", "name", "source"] = "content"
    """Order of the rows before the validation split is drawn. `content`: by hash, so that every
    copy of a data set gives the same split; `name`: by file name; `source`: the copy's own."""
    duplicates: Literal["refuse", "warn"] = "refuse"
    """What to do if more than 0.5 % of a split stand in another official split too, by content.
    `refuse`: an error, as accuracies would be too high; `warn`: a line in the log, for a data set
    that is known to be so."""


class Validation(keys.Section):
    """The validation split, cut from the training set with seed 0 (protocol)."""

    fraction: keys.Fraction
    """Share of the training images that become validation images (protocol: 0.1)."""
    maximum: keys.PositiveInteger
    """Largest number of validation images (protocol: 5000)."""


class Probe(keys.Section):
    """Linear probes, the heads of closed-vocabulary models: the grid on which validation chooses C.

    C is scikit-learn's: the weight of the sum of the images' losses against half the squared norm
    of the probe's weights (protocol).
    """

    minimum: keys.PositiveNumber = 1e-4
    """Smallest C."""
    maximum: keys.PositiveNumber = 10.0
    """Largest C."""
    points: keys.PositiveInteger = 6
    """Points of the grid, log-spaced."""
    deviation: Literal["own", "common"] = "own"
    """What features are divided by before the fit: each one's `own` standard deviation, or one
    `common` to all. `common` for networks that end in a ReLU: features that are nearly always zero
    get no huge weights then (families)."""
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the training images that probes are fitted to, drawn once; the control task, which
    is never fine-tuned, has all. A probe of all images is right on all of them where features are
    more numerous, and leaves little to learn (families)."""
    own_classifier: dict[keys.Name, keys.Name] = {}
    """Models whose own classifier is the head of a task, in a probe's place: the task, by the
    model's name. Its classes must be those of the pre-training, in their order."""


def _ascending(rates: list[float]) -> list[float]:
    if len(set(rates)) < len(rates):
        raise PydanticCustomError("repeated_rate", "must list each rate once")
    return sorted(rates)


class RateGrid(keys.Section):
    """Learning rates among which single-task validation accuracy chooses."""

    grid: Annotated[list[keys.LearningRate], Field(min_length=3), AfterValidator(_ascending)]
    """At least three rates, in any order. The best must lie inside: at an end of the grid nothing
    is chosen, and a message names the rate to add."""


# Which of the two it is decides what a message says; pydantic alone would complain about both.
RateOrGrid = Annotated[
    Annotated[keys.LearningRate, Tag("a number")] | Annotated[RateGrid, Tag("a grid")],
    Discriminator(lambda value: "a grid" if isinstance(value, dict | RateGrid) else "a number"),
]


class ModelFinetuning(keys.Section):
    """What differs for one model: its learning rates, and how its fine-tuning fits into memory.

    Numbers change in their last bits only by what concerns memory.
    """

    learning_rate: dict[TrainingName, keys.LearningRate] = {}
    """The model's own learning rates, in the place of `finetuning.learning_rate`."""
    accumulation_steps: keys.PositiveInteger = 1
    """Parts that a step's batch is computed in, one after the other."""
    activation_checkpointing: list[TrainingName] = []
    """Trainings that compute activations twice instead of keeping them all."""
    processes: keys.PositiveInteger = 1
    """GPUs of one machine that a step's batch is spread over."""


OwnRate = Annotated[
    Annotated[keys.LearningRate, Tag("a number")]
    | Annotated[dict[TrainingName, keys.LearningRate], Tag("a mapping")],
    Discriminator(lambda value: "a mapping" if isinstance(value, dict) else "a number"),
]


class TaskFinetuning(keys.Section):
    """What differs for one task, random twins included.

    What is given here wins over `finetuning` and `finetuning.models`, and is in no search; twins
    keep the learning rate and the epochs that `random_initialization` has.
    """

    epochs: keys.Epochs | None = None
    """Passes over the training images."""
    learning_rate: OwnRate | None = None
    """Peak learning rate of AdamW, of all trainings or of those named. Where others are chosen from
    a grid, this task has no say in the choice."""
    weight_decay: keys.NonNegativeNumber | None = None
    """AdamW's weight decay."""
    warmup_steps: keys.NaturalNumber | None = None
    """Steps of the learning rate's linear warm-up."""

    def rate_of(self, training: str) -> float | None:
        """Its learning rate of a training, if it has one."""
        rate = self.learning_rate
        return rate.get(training) if isinstance(rate, dict) else rate


class Finetuning(keys.Section):
    """Fine-tuning: AdamW, cosine decay to zero after a linear warm-up, frozen head (protocol)."""

    batch_size: keys.PositiveInteger
    """Images per step, over all parts and GPUs (protocol: 128)."""
    weight_decay: keys.NonNegativeNumber
    """AdamW's weight decay (protocol: 0.1)."""
    gradient_clip: keys.PositiveNumber
    """Largest global norm of the gradient (protocol: 1.0)."""
    warmup_steps: keys.NaturalNumber
    """Steps of the learning rate's linear warm-up (the authors' code: 500)."""
    epochs: dict[keys.Name, keys.Epochs]
    """Passes over the training images, one entry per task. Entries of tasks that are not selected
    are ignored."""
    learning_rate: dict[TrainingName, RateOrGrid]
    """Peak learning rate of AdamW for each training (protocol: 1e-5): a number, or a grid to choose
    from."""
    tuning_seed: keys.Seed | None = None
    """Seed of the trainings among which a learning rate is chosen; null: the study's first, whose
    training at the chosen rate is not made again."""
    models: dict[keys.Name, ModelFinetuning] = {}
    """What differs for a model, by the model's name."""
    tasks: dict[keys.Name, TaskFinetuning] = {}
    """What differs for a task, by the task's name."""


class EvenGrid(keys.Section):
    """Numbers at equal distances, both ends included."""

    minimum: keys.NonNegativeNumber
    """Smallest α (protocol: 0)."""
    maximum: keys.PositiveNumber
    """Largest α (protocol: 1.0)."""
    points: keys.Points
    """Points of the grid (protocol: 21)."""


def _numbers(value: list[float] | EvenGrid) -> list[float]:
    if isinstance(value, EvenGrid):
        if value.minimum >= value.maximum:
            raise PydanticCustomError("ends", "must have a minimum below its maximum")
        value = alpha_grid(value.minimum, value.maximum, value.points)
    if len(set(value)) < len(value):
        raise PydanticCustomError("repeated_alpha", "must list each number once")
    if 0 not in value:
        raise PydanticCustomError("zero", "must hold 0: the pre-trained model is always admissible")
    return sorted(value)


Alphas = Annotated[
    Annotated[list[keys.NonNegativeNumber], Field(min_length=2), Tag("a list")]
    | Annotated[EvenGrid, Tag("a grid")],
    Discriminator(lambda value: "a list" if isinstance(value, list) else "a grid"),
    AfterValidator(_numbers),
]
"""Ascending numbers, whichever way they were given."""


class Negation(keys.Section):
    """Task negation (protocol)."""

    control_threshold: keys.ShareOfOne
    """Share of the pre-trained control accuracy that the edited model must keep on validation
    images (protocol: 0.95)."""


class Disentanglement(keys.Section):
    """The heat maps of the weight-disentanglement error ξ (figure 3)."""

    models: keys.Names
    """Models that get heat maps."""
    pairs: Annotated[
        list[Annotated[list[keys.Name], Field(min_length=2, max_length=2)]], Field(min_length=1)
    ]
    """Pairs of tasks, one heat map per pair, model and mode."""
    minimum: keys.Number
    """Smallest α1 and α2 (paper: -3)."""
    maximum: keys.Number
    """Largest α1 and α2 (paper: 3)."""
    points: keys.Points
    """Grid points per axis; they must hold 0 and ±1, the centre and the border of the search box,
    as 25 from -3 to 3 do (paper: 20, which hold none of them). The standard mode runs the model for
    each of their pairs."""
    images: keys.PositiveInteger
    """Test images per task; all of them if there are fewer (paper: 2048)."""


class EigenfunctionStudy(keys.Section):
    """Localization of the neural tangent kernel's eigenfunctions (figure 6, proposition 1)."""

    models: keys.Names
    """Models whose kernels are analysed, their random twins included."""
    tasks: Annotated[list[keys.Name], Field(min_length=2)]
    """Tasks whose kernels are analysed; proposition 1 needs two."""
    images: Annotated[int, Field(ge=2)]
    """Images per data set: n of the kernel and of the held-out samples (paper: 200)."""
    components: keys.PositiveInteger
    """Eigenfunctions k in the local energy, at most `images`."""
    logits: keys.CountOrAll
    """Output logits, one kernel each; at most the number of classes. `all`: one kernel of all
    logits together, with vector-valued eigenfunctions."""


class Combinations(keys.Section):
    """Other combinations of task vectors than the sum of all, in the linearized modes (beyond the
    paper): sums of every number of tasks, an α per task, analogies."""

    models: list[keys.Name] = []
    """Models whose task vectors are combined so; none leaves this out."""
    subsets_per_size: keys.PositiveInteger = 70
    """Subsets of each number of tasks: all of them if there are no more, otherwise this many, drawn
    once for all modes and seeds. Of 8 tasks 70 are all."""
    analogies: list[Annotated[list[keys.Name], Field(min_length=4, max_length=4)]] = []
    """Tasks a, b, c, d, read “a is to b as c is to d”: θ0 + α(τ_c + τ_b − τ_a) is evaluated on
    d."""


class RandomInitialization(keys.Section):
    """Table 3: the same study from random weights of the encoder, as the model `NAME-random`."""

    models: list[keys.Name]
    """Models whose architecture and head are used; none leaves table 3 out."""
    tasks: keys.Names
    """Tasks of the study from random weights."""
    epochs: keys.Epochs | None
    """Passes over the training images, for every task; null: those of `finetuning.epochs`."""
    learning_rate: dict[TrainingName, keys.LearningRate]
    """Peak learning rate of AdamW for each training."""


class Emergence(keys.Section):
    """When disentanglement emerges: the study of several checkpoints of one pre-training."""

    steps: dict[keys.Name, keys.NaturalNumber] = {}
    """Steps of pre-training behind each checkpoint, by its name in `models`; 0 is the random
    initialisation. None leaves the table and figure `emergence` out."""

    @property
    def models(self) -> list[str]:
        """The checkpoints, in the order of their steps."""
        return sorted(self.steps, key=self.steps.__getitem__)


class RateSensitivity(keys.Section):
    """What hangs on the learning rate: the same weights under several names, with a rate each."""

    models: list[keys.Name] = []
    """Models of the same weights, each with rates of its own
    (`finetuning.models.NAME.learning_rate`). None leaves the table and figure `rate_sensitivity`
    out."""


class Export(keys.Section):
    """Edited models as folders that other programs load: the target `export` (docs/export.md)."""

    models: keys.Names | None = None
    """Models to export; null: all of the study that can be."""
    modes: keys.Names | None = None
    """Modes to export; null: all of the study."""
    seeds: Annotated[list[keys.Seed], Field(min_length=1)] | None = None
    """Seeds to export; null: the study's first."""
    negations: list[keys.Name] = []
    """Tasks to forget: a model each, beside the one of task addition."""
    plain_weights: bool = False
    """Of linearized modes, plain weights θ0 + ατ too, with a test of what accuracy they lose: they
    are another model than the one that was studied."""
    license: keys.NonEmptyString = "unknown"
    """Licence of the exported weights, as the hub abbreviates it: that of the base model and of the
    tasks' data bind it."""


class Estimate(keys.Section):
    """What `snakemake estimate` assumes where nothing was measured."""

    gpu: keys.NonEmptyString = "H200"
    """GPU, one of those in docs/cost.md."""
    utilization: Annotated[float, Field(gt=0, le=1)] = 0.35
    """Assumed share of the GPU's peak arithmetic."""
