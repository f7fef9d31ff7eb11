"""Costs of jobs: what each kind computes, holds and writes, by one function of its wildcards.

The rules' limits (rules/cluster.smk) and `snakemake estimate` call the same functions. A kind that
has none runs no model and writes little.
"""

from collections.abc import Callable, Iterable, Mapping
from math import inf
from typing import Any, NamedTuple

from tangent.arithmetic.alphas import alpha_grid
from tangent.arithmetic.modes import TRAININGS
from tangent.config.cost.budgets import budget, given_budget
from tangent.config.cost.downloads import side_of
from tangent.config.cost.model_sizes import BYTES, ModelSizes
from tangent.config.cost.throughput import COST, RECOMPUTATION, TANGENT, Pass, Work
from tangent.config.schema import Config
from tangent.data.regions import longest_side
from tangent.evaluation.kept_images import image_budget
from tangent.evaluation.product_passes import images_per_pass, tangents_per_pass
from tangent.kernels import kernel_cost

BFLOAT16_ACTIVATIONS = 0.56
"""Bytes of activations under bfloat16 autocast, relative to float32: norms stay in float32."""

TORCH = 4000
"""MB of main memory for Python, torch and a GPU's libraries."""

BATCH_SIZE = "compute.evaluation_batch_size"


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
        keys: of the configuration that lower the memory.
    """

    work: Work | None = None
    weights: int = 0
    memory: float = 0.0
    written: float = 0.0
    megabytes: int = 1000
    minutes: int = 30
    processes: int = 1
    keys: tuple[str, ...] = ()


class Job(NamedTuple):
    """A job of a study: what its cost depends on.

    Attributes:
        config, wildcards: the study's and the job's.
        sizes: of the model that it reads.
        device: `cpu` or `cuda`.
        gpu_memory: bytes of the GPU.
    """

    config: Config
    wildcards: Mapping[str, str]
    sizes: ModelSizes
    device: str
    gpu_memory: float = 0.0

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

    def forward(self, images: float, weights: int = 2, **others: Any) -> Cost:
        """Of a job that runs encoders over images; θ0 and edited weights unless it says so."""
        passing = self.config.compute.evaluation_batch_size * self.sizes.passing
        defaults = {"memory": passing, "megabytes": TORCH, "minutes": 60, "keys": (BATCH_SIZE,)}
        return Cost(Work("forward", images), weights, **defaults | others)

    def evaluation(self, images: int, passes: float = 1, weights: int = 3, **others: Any) -> Cost:
        """Of a job that runs edited encoders so many times over images, which it keeps.

        Of evaluations of a linearized mode nothing runs: products hold what they look up.
        """
        if self.wildcards["mode"] in self.config.linearized_modes:
            return Cost()
        fitting = given_budget(self.config, "images") or image_budget(self.device, self.gpu_memory)
        cost = self.forward(passes * images, weights, **others)
        kept = min(fitting, images * self.sizes.pixels)
        return cost._replace(memory=cost.memory + kept, keys=(*cost.keys, "compute.memory.images"))


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
    task = job.config.task_of(job.task)
    work = Work("text", len(task.classes) * len(task.templates))
    texts = max(0, job.sizes.whole - job.sizes.encoder)
    return Cost(work, weights=1, memory=texts, written=_head(job), megabytes=TORCH)


def _probe_head(job: Job) -> Cost:
    """The regression itself is small beside the features that it reads."""
    is_own = job.config.has_own_head(job.model, job.task)
    images = 0 if is_own else job.images([job.task], "train", "validation")
    return job.forward(images, written=_head(job), megabytes=6000, minutes=120)


def _head(job: Job) -> int:
    return len(job.config.task_of(job.task).classes) * job.sizes.row


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
    helping = ("accumulation_steps", "activation_checkpointing", "processes")
    return Cost(
        Work(step, images),
        weights=4 if is_plain else 7,
        memory=-(-config.finetuning.batch_size // parts) * kept,
        written=job.sizes.encoder,
        megabytes=TORCH,
        minutes=240,
        processes=settings.processes,
        keys=tuple(f"finetuning.models.{config.base_model(job.model)}.{key}" for key in helping),
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
    tangents = tangents_per_pass(most, encoder, budget(job.config, "products", job.device))
    batch_size = job.config.compute.evaluation_batch_size
    images = images_per_pass(batch_size, batch_size, tangents)
    return Cost(
        Work("tangent", forwards / COST["tangent"]),
        weights=2 + tangents,
        memory=(1 + tangents) * images * job.sizes.passing,
        written=sum(rows.values()) * job.sizes.row,
        megabytes=TORCH,
        minutes=120,
        keys=("compute.memory.products", BATCH_SIZE),
    )


def _evaluation(job: Job, tasks: Iterable[str], split: str) -> Cost:
    """On validation images at every α but 0, which is looked up in the features."""
    images = job.images(tasks, split)
    if split == "test":
        return job.evaluation(images)
    return job.evaluation(images, len(job.config.alphas) - 1, minutes=240)


def _disentanglement(job: Job) -> Cost:
    """A task's own edits, and all points where the other α is not 0."""
    grid = job.config.disentanglement
    pair = job.wildcards["task_1"], job.wildcards["task_2"]
    images = job.images(pair, "test", most=grid.images)
    changed = sum(alpha != 0 for alpha in alpha_grid(grid.minimum, grid.maximum, grid.points))
    passes = changed + changed * grid.points
    return job.evaluation(images, passes, weights=4, minutes=480)


def _eigenfunctions(job: Job) -> Cost:
    """Of the kernels of one task, and of the energies on the sample and on held-out images."""
    config, grid, held = job.config, job.config.eigenfunctions, _gradients_held(job)
    sample = job.images([job.task], "train", most=grid.images)
    held_out = job.images([*job.tasks, config.control], "test", most=grid.images)
    classes = len(job.config.task_of(job.task).classes)
    is_of_all = grid.logits == "all"
    kernels, outputs = (1, classes) if is_of_all else (min(grid.logits, classes), 1)
    keys = "eigenfunctions.logits", "eigenfunctions.components"
    if kernel_cost.kernel_method(sample, outputs, grid.components, held) == "dense":
        passes = kernel_cost.dense_passes(sample, held_out, outputs, held)
        directions = kernels * grid.components * job.sizes.encoder
        memory = directions + _gradient_bytes(job, sample, kernels, outputs)
        return _kernel(job, "gradient", kernels * passes, memory, sample + held_out, keys)
    passes = kernel_cost.matrix_free_passes(sample, held_out, outputs, grid.components, held)
    kept = kernel_cost.BATCH_SIZE * job.sizes.kept
    sizes = sample, outputs, job.sizes.encoder, grid.components, _kernel_budget(job), kept
    memory = kernel_cost.matrix_free_bytes(*sizes) - job.sizes.encoder
    return _kernel(job, "tangent", kernels * passes, memory, sample + held_out, keys)


def _proposition1(job: Job) -> Cost:
    tasks = job.config.eigenfunction_tasks_of(job.model)
    images = job.images(tasks, "train", most=job.config.eigenfunctions.images)
    forwards = COST["gradient"] * kernel_cost.gram_gradients(images, _gradients_held(job))
    return _kernel(job, "gradient", forwards, _gradient_bytes(job, images), images)


def _kernel(
    job: Job, kind: Pass, forwards: float, memory: float, images: int, keys: tuple[str, ...] = ()
) -> Cost:
    """Of kernels that take such memory, beside the images, float32 and all at once."""
    return Cost(
        Work(kind, forwards / COST[kind]),
        weights=1,
        memory=memory + images * BYTES * job.sizes.pixels,
        megabytes=6000,
        minutes=120,
        keys=("compute.memory.kernels", *keys, "eigenfunctions.images"),
    )


def _gradient_bytes(job: Job, images: int, kernels: int = 1, outputs: int = 1) -> int:
    """Gradients of one kernel that are held, and those of a chunk of images for all kernels."""
    logits = kernels * outputs
    chunk = kernel_cost.images_per_chunk(job.sizes.encoder, _kernel_budget(job), logits)
    held = min(images * outputs, _gradients_held(job))
    return (held + chunk * logits) * job.sizes.encoder


def _kernel_budget(job: Job) -> int:
    return budget(job.config, "kernels", job.device)


def _gradients_held(job: Job) -> int:
    return kernel_cost.gradients_held(job.sizes.encoder, _kernel_budget(job))


def _exported(job: Job) -> Cost:
    """Plain weights of a linearized mode are run, though all else of the mode is looked up."""
    written = 2 * job.sizes.whole
    if not job.config.has_plain_export(job.wildcards["mode"]):
        return _model(job, written)
    tasks = [job.task, job.config.control] if "task" in job.wildcards else job.tasks
    plain = {name: of for name, of in job.wildcards.items() if name != "mode"}
    images = job.images(tasks, "test")
    return job._replace(wildcards=plain).forward(images, weights=4, written=2 * written)


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
    "single_task": lambda job: job.evaluation(job.images([job.task], "validation", "test")),
    "validate_addition": lambda job: _evaluation(job, job.tasks, "validation"),
    "addition": lambda job: _evaluation(job, job.tasks, "test"),
    "validate_negation": lambda job: _evaluation(job, [job.task, job.config.control], "validation"),
    "negation": lambda job: _evaluation(job, [job.task, job.config.control], "test"),
    "disentanglement": _disentanglement,
    "exported": _exported,
    "eigenfunctions": _eigenfunctions,
    "proposition1": _proposition1,
}
"""The kinds that run a model, write much or need much, by rule: its name, or what that begins with
(`pretrained_clip`)."""
