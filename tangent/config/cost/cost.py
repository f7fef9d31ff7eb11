"""Costs of jobs: what each kind computes, holds and writes, by one function of its wildcards.

The rules' limits (rules/cluster.smk) and `snakemake estimate` call the same functions. A kind that
has none runs no model and writes little.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from math import inf
from typing import NamedTuple

from tangent.arithmetic.alphas import alpha_grid
from tangent.arithmetic.modes import TRAININGS
from tangent.config.cost.downloads import side_of
from tangent.config.cost.model_sizes import ModelSizes
from tangent.config.cost.throughput import COST, RECOMPUTATION, TANGENT, Pass, Work
from tangent.config.schema import Config
from tangent.data.regions import longest_side
from tangent.evaluation.product_passes import images_per_pass, tangents_per_pass
from tangent.kernels import kernel_cost
from tangent.tasks.task_files import load_task

BFLOAT16_ACTIVATIONS = 0.56
"""Bytes of activations under bfloat16 autocast, relative to float32: norms stay in float32."""

TORCH = 4000
"""MB of main memory for Python, torch and a GPU's libraries."""

_described = cache(load_task)


class Cost(NamedTuple):
    """What a job takes.

    Attributes:
        work: what it computes with a model; None if it runs none.
        weights: encoders that it holds at once.
        memory: bytes that its device holds beside them.
        written: bytes of weights, features, products and images; other files are small.
        megabytes: of main memory, for libraries and what it reads beside weights.
        minutes: that it is given at least.
        processes: that share the work; each holds the weights and the memory.
    """

    work: Work | None = None
    weights: int = 0
    memory: float = 0.0
    written: float = 0.0
    megabytes: int = 1000
    minutes: int = 30
    processes: int = 1


class Job(NamedTuple):
    """A job of a study: what its cost depends on; `sizes` are of the model that it reads."""

    config: Config
    wildcards: Mapping[str, str]
    sizes: ModelSizes
    device: str

    @property
    def model(self) -> str:
        """The model's name."""
        return self.wildcards["model"]

    @property
    def task(self) -> str:
        """The task's name."""
        return self.wildcards["task"]

    def images(self, tasks: Iterable[str], *splits: str, most: float = inf) -> int:
        """Images of splits of some tasks, at most so many of each split."""
        found = [self.config.splits_of(task) for task in tasks]
        return sum(min(most, getattr(one, split)) for one in found for split in splits)

    @property
    def tasks(self) -> list[str]:
        """The tasks that the model is fine-tuned on."""
        return self.config.tasks_of(self.model)

    def forward(self, images: float, weights: int = 2, **others: float) -> Cost:
        """Of a job that runs encoders over images; θ0 and edited weights unless it says so.

        Of evaluations of a linearized mode nothing runs: products hold what they look up.
        """
        if self.wildcards.get("mode") in self.config.linearized_modes:
            return Cost()
        passing = self.config.compute.evaluation_batch_size * self.sizes.passing
        defaults = {"memory": passing, "megabytes": TORCH, "minutes": 60}
        return Cost(Work("forward", images), weights, **defaults | others)


def cost_of(rule: str, job: Job) -> Cost:
    """The cost of a rule's job."""
    return COSTS.get(rule, COSTS.get(rule.partition("_")[0], lambda job: Cost()))(job)


def _images(job: Job) -> Cost:
    """Evaluated images are kept in the model's size; of the control task no others are decoded."""
    evaluated = int(job.wildcards["size"]) ** 2 * job.images([job.task], "validation", "test")
    train = Cost() if job.task == job.config.control else _training_images(job)
    return Cost(written=train.written + 3 * evaluated, megabytes=TORCH, minutes=240)


def _training_images(job: Job) -> Cost:
    side = min(longest_side(int(job.wildcards["size"])), side_of(job.config, job.task))
    written = 3 * side**2 * job.images([job.task], "train")
    return Cost(written=written, megabytes=TORCH, minutes=240)


def _model(job: Job, written: int) -> Cost:
    return Cost(weights=2, written=written, megabytes=TORCH, minutes=60)


def _zero_shot_head(job: Job) -> Cost:
    task = _described(job.task)
    work = Work("text", len(task.classes) * len(task.templates))
    texts = max(0, job.sizes.whole - job.sizes.encoder)
    return Cost(work, weights=1, memory=texts, written=_head(job), megabytes=TORCH)


def _probe_head(job: Job) -> Cost:
    """The regression itself is small beside the features that it reads."""
    is_own = job.config.has_own_head(job.model, job.task)
    images = 0 if is_own else job.images([job.task], "train", "validation")
    return job.forward(images, written=_head(job), megabytes=6000, minutes=120)


def _head(job: Job) -> int:
    return len(_described(job.task).classes) * job.sizes.row


def _finetuned(job: Job) -> Cost:
    """Weights, gradients, Adam's two moments; of a linearized model also θ0, point, direction."""
    config, training = job.config, job.wildcards["training"]
    is_plain = TRAININGS[training].model == "plain"
    settings, step = config.finetuning_of(job.model), "standard step" if is_plain else "linear step"
    images = config.epochs_of(job.model, job.task) * config.splits_of(job.task).train
    kept = job.sizes.kept
    if training in settings.activation_checkpointing:
        images *= 1 + RECOMPUTATION / COST[step]
        kept = job.sizes.kept_of_blocks
    if config.compute.autocast == "bfloat16":
        kept *= BFLOAT16_ACTIVATIONS
    parts = settings.accumulation_steps * settings.processes
    return Cost(
        Work(step, images),
        weights=4 if is_plain else 7,
        memory=-(-config.finetuning.batch_size // parts) * kept,
        written=job.sizes.encoder,
        megabytes=TORCH,
        minutes=240,
        processes=settings.processes,
    )


def _tuning_accuracy(job: Job) -> Cost:
    """Of a linearized model: features and one tangent, each in a pass of its own."""
    is_plain = TRAININGS[job.wildcards["training"]].model == "plain"
    passes = 1 if is_plain else COST["forward"] + COST["tangent"]
    return job.forward(passes * job.images([job.task], "validation"), weights=3)


def _features(job: Job) -> Cost:
    images = job.images([job.wildcards["dataset"]], "validation", "test")
    return job.forward(images, written=images * job.sizes.row)


def _products(job: Job) -> Cost:
    """J(x)·τ on validation and test images, as many τ as fit in a pass."""
    dataset, encoder = job.wildcards["dataset"], job.sizes.encoder
    splits = job.config.splits_of(dataset)
    vectors = {
        split: job.config.product_vectors(job.model, dataset, split, job.wildcards.get("merging"))
        for split in ("validation", "test")
    }
    rows = {split: getattr(splits, split) * len(names) for split, names in vectors.items()}
    forwards = splits.validation + splits.test + TANGENT * sum(rows.values())
    most = max(len(set(names)) for names in vectors.values())
    tangents = tangents_per_pass(most, encoder, job.device)
    batch_size = job.config.compute.evaluation_batch_size
    images = images_per_pass(batch_size, batch_size, tangents)
    return Cost(
        Work("tangent", forwards / COST["tangent"]),
        weights=2 + tangents,
        memory=(1 + tangents) * images * job.sizes.passing,
        written=sum(rows.values()) * job.sizes.row,
        megabytes=TORCH,
        minutes=120,
    )


def _evaluation(job: Job, tasks: Iterable[str], split: str) -> Cost:
    """On validation images at every α but 0, which is looked up in the features."""
    if split == "test":
        return job.forward(job.images(tasks, "test"), weights=3)
    images = (len(job.config.alphas) - 1) * job.images(tasks, "validation")
    return job.forward(images, weights=3, minutes=240)


def _disentanglement(job: Job) -> Cost:
    """A task's own edits, and all points where the other α is not 0."""
    grid = job.config.disentanglement
    pair = job.wildcards["task_1"], job.wildcards["task_2"]
    images = job.images(pair, "test", most=grid.images)
    changed = sum(alpha != 0 for alpha in alpha_grid(grid.minimum, grid.maximum, grid.points))
    passes = changed + changed * grid.points
    return job.forward(passes * images, weights=4, minutes=480)


def _eigenfunctions(job: Job) -> Cost:
    """Of the kernels of one task, and of the energies on the sample and on held-out images."""
    config, grid, held = job.config, job.config.eigenfunctions, _gradients_held(job)
    sample = job.images([job.task], "train", most=grid.images)
    held_out = job.images([*job.tasks, config.control], "test", most=grid.images)
    classes = len(_described(job.task).classes)
    is_of_all = grid.logits == "all"
    kernels, outputs = (1, classes) if is_of_all else (min(grid.logits, classes), 1)
    if kernel_cost.kernel_method(sample, outputs, grid.components, held) == "dense":
        passes = kernel_cost.dense_passes(sample, held_out, outputs, held)
        return _kernel(job, "gradient", kernels * passes, kernels)
    passes = kernel_cost.matrix_free_passes(sample, held_out, outputs, grid.components, held)
    return _kernel(job, "tangent", kernels * passes, kernels, outputs)


def _proposition1(job: Job) -> Cost:
    tasks = job.config.eigenfunction_tasks_of(job.model)
    images = job.images(tasks, "train", most=job.config.eigenfunctions.images)
    gradients = kernel_cost.gram_gradients(images, _gradients_held(job))
    return _kernel(job, "gradient", COST["gradient"] * gradients, 1)


def _kernel(job: Job, kind: Pass, forwards: float, kernels: int, outputs: int = 1) -> Cost:
    """Directions of all kernels and, dense, gradients; of products, what bounds them."""
    grid, encoder = job.config.eigenfunctions, job.sizes.encoder
    budget = kernel_cost.GRADIENT_BYTES[job.device]
    memory = kernels * grid.components * encoder + 1.25 * budget
    if kind == "tangent":
        kept = kernel_cost.BATCH_SIZE * job.sizes.kept
        memory = kernel_cost.matrix_free_bytes(
            grid.images, outputs, encoder, grid.components, budget, kept
        )
        memory -= encoder
    work = Work(kind, forwards / COST[kind])
    return Cost(work, weights=1, memory=memory, megabytes=6000, minutes=120)


def _gradients_held(job: Job) -> int:
    return kernel_cost.gradients_held(job.sizes.encoder, kernel_cost.GRADIENT_BYTES[job.device])


COSTS: dict[str, Callable[[Job], Cost]] = {
    # Downloads take as long as they take.
    "data_source": lambda job: Cost(megabytes=2000, minutes=1440),
    "dataset": _images,
    "control_dataset": _images,
    "control_training": _training_images,
    "texts": lambda job: Cost(megabytes=2 * TORCH, minutes=120),
    "control_texts": lambda job: Cost(megabytes=2 * TORCH, minutes=120),
    "pretraining": lambda job: Cost(megabytes=6000, minutes=480),
    "pretrained": lambda job: _model(job, job.sizes.whole + job.sizes.encoder),
    "initial": lambda job: _model(job, job.sizes.encoder),
    "published": lambda job: _model(job, job.sizes.encoder),
    "heads": _zero_shot_head,
    "probe_heads": _probe_head,
    # The answers are tokenised; nothing runs.
    "answer_heads": lambda job: Cost(weights=2, megabytes=TORCH),
    "finetuned": _finetuned,
    "tuning_training": _finetuned,
    "tuning_accuracy": _tuning_accuracy,
    "task_vector": lambda job: Cost(weights=3, written=job.sizes.encoder, megabytes=2000),
    "merged_vector": lambda job: Cost(
        weights=2 + len(job.tasks), written=job.sizes.encoder, megabytes=2000
    ),
    "features": _features,
    "products": _products,
    "merged_products": _products,
    "single_task": lambda job: job.forward(job.images([job.task], "validation", "test"), weights=3),
    "validate_addition": lambda job: _evaluation(job, job.tasks, "validation"),
    "addition": lambda job: _evaluation(job, job.tasks, "test"),
    "validate_negation": lambda job: _evaluation(job, [job.task, job.config.control], "validation"),
    "negation": lambda job: _evaluation(job, [job.task, job.config.control], "test"),
    "disentanglement": _disentanglement,
    "eigenfunctions": _eigenfunctions,
    "proposition1": _proposition1,
}
"""The kinds that run a model, write much or need much, by rule: its name, or what that begins with
(`pretrained_clip`)."""
