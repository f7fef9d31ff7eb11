"""The jobs of a study and what each has to compute, from the configuration alone.

Cost per image in forward passes: a forward pass is 1, a backward pass 2, a tangent 2. Trainings are
reckoned eager (`tangent.arithmetic.linearized` says what a compiled linear step shares).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from tangent.arithmetic.modes import MODES
from tangent.config.schema import Config
from tangent.data.validation import held_out
from tangent.kernels.cost import dense_passes, gram_gradients, kernel_method, matrix_free_passes
from tangent.models.families import FAMILIES
from tangent.report.figures.catalogue import figures_of
from tangent.results.columns import TABLES, tables_of
from tangent.results.paper_tables import PAPER_TABLES
from tangent.tasks.task_files import load_task

Pass = Literal["forward", "text", "tangent", "gradient", "standard step", "linear step"]

COST: dict[Pass, int] = {
    "forward": 1,
    "text": 1,
    "tangent": 3,
    "gradient": 3,
    "standard step": 3,
    "linear step": 6,
}
"""Forward passes that one image (of `text`: one prompt) costs; a compiled linear step costs 5."""

TANGENT = 2
"""Forward passes that a tangent adds to the one that it shares with others."""

RECOMPUTATION = 0.6
"""Forward passes that activation checkpointing adds to a step: each block again up to its last
product."""

TRAININGS = tuple(dict.fromkeys(mode.trained_as for mode in MODES.values()))


@dataclass(frozen=True)
class Work:
    """Passes of one kind.

    Attributes:
        kind: `forward` gives features, `tangent` J(x)·τ of one τ, `gradient` one logit's gradient
            of every image by itself, the steps are those of the two trainings. Products with
            several τ, eigenfunctions of several logits together, and those from products with the
            kernel count as so many `tangent`s and `gradient`s as have the same arithmetic.
        images: how many images go through it, repetitions counted; prompts for `text`.
    """

    kind: Pass
    images: float


@dataclass(frozen=True)
class Jobs:
    """Jobs of one rule that have the same work.

    Attributes:
        stage: the part of the study, as in docs/workflow.md.
        rule: Snakemake's rule.
        count: how many jobs.
        model: the model they run; empty if they run none.
        work: what each of them computes; None if it runs no model.
    """

    stage: str
    rule: str
    count: int
    model: str = ""
    work: Work | None = None


@dataclass(frozen=True)
class Sizes:
    """Images of a data set's splits."""

    train: int
    validation: int
    test: int


def sizes_of(config: Config, task: str) -> Sizes:
    """The splits of a task by the protocol: what validation takes is not trained on."""
    dataset = config.datasets[task]
    if dataset.validation_images is not None:
        return Sizes(dataset.train_images, dataset.validation_images, dataset.test_images)
    rule = config.validation
    cut = held_out(dataset.train_images, rule.fraction, rule.maximum)
    return Sizes(dataset.train_images - cut, cut, dataset.test_images)


def jobs_of(config: Config, held_gradients: Mapping[str, int]) -> list[Jobs]:
    """All jobs of the target `all` in a folder without results, in the workflow's order.

    Args:
        config: the study.
        held_gradients: images whose gradients of one logit fit into memory, by base model.
    """
    jobs = [*_resources(config)]
    for model in config.all_models:
        jobs += [
            Jobs("published", "published", 1, model)
            for training, task in trainings_of(config, model)
            if config.published_weights(model, training, task)
        ]
        for training in TRAININGS:
            jobs += _search(config, model, training)
        jobs += _trainings(config, model)
        held = held_gradients[config.base_model(model)]
        for of_seed in _of_model(config, model, held):
            jobs.append(replace(of_seed, model=model, count=of_seed.count * len(config.seeds)))
    return [*jobs, *_summary(config)]


def _resources(config: Config) -> Iterator[Jobs]:
    used = [config.base_model(model) for model in config.all_models]
    tasks = [*config.tasks, config.control]
    forms = {config.form_of(model) for model in used}
    yield Jobs("datasets", "data_source", len(tasks))
    for task in config.tasks:
        yield Jobs("datasets", DATASET_RULES[load_task(task).kind][0], len(forms))
    yield Jobs("datasets", DATASET_RULES[load_task(config.control).kind][1], len(forms))
    probed = {
        config.form_of(model)
        for model in used
        if FAMILIES[config.family_of(model)].fits_heads
        and not config.has_own_head(model, config.control)
    }
    if probed:
        yield Jobs("datasets", "control_training", len(probed))
    entries = [config.pretrained[model] for model in used]
    recipes = {entry.recipe for entry in entries if entry.source == "pretraining"}
    for recipe in sorted(recipes):
        yield Jobs("pretrained", f"pretraining_{recipe}", 1)
    for model in dict.fromkeys(used):
        family = FAMILIES[config.family_of(model)]
        yield Jobs("pretrained", f"pretrained_{family.name}", 1, model)
        for task in tasks:
            yield replace(HEAD_JOBS[family.head](config, model, task), model=model)


def _zero_shot_head(config: Config, model: str, task: str) -> Jobs:
    described = load_task(task)
    prompts = len(described.classes) * len(described.templates)
    return Jobs("heads", "heads", 1, work=Work("text", prompts))


def _probe_head(config: Config, model: str, task: str) -> Jobs:
    """The regression itself is small beside the features that it reads."""
    sizes = sizes_of(config, task)
    images = 0 if config.has_own_head(model, task) else sizes.train + sizes.validation
    return Jobs("heads", "probe_heads", 1, work=Work("forward", images))


def _answers_head(config: Config, model: str, task: str) -> Jobs:
    """The answers are tokenised; nothing runs."""
    return Jobs("heads", "answer_heads", 1)


DATASET_RULES = {"image": ("dataset", "control_dataset"), "text": ("texts", "control_texts")}
"""The rules that prepare data, by the kind of task: of a task, and of the control task."""

HEAD_JOBS = {"zero_shot": _zero_shot_head, "probe": _probe_head, "answers": _answers_head}
"""The job that makes a head of each kind, for a model and a task."""


def _of_model(config: Config, model: str, held: int) -> Iterator[Jobs]:
    """Jobs of one model and one seed."""
    tasks = config.tasks_of(model)
    evaluated = [sizes_of(config, task) for task in [*tasks, config.control]]
    if config.is_random(model):
        yield Jobs("pretrained", "initial", 1)
    yield Jobs("task_vectors", "task_vector", len(trainings_of(config, model)))
    for size in evaluated:
        yield Jobs("features", "features", 1, work=Work("forward", size.validation + size.test))
    yield from _products(config, model)
    yield Jobs("single_task", "zero_shot", 1)
    for mode in MODES.values():
        yield from _evaluations(config, model, mode.evaluated_as)
    if model in config.combinations.models:
        yield Jobs("combinations", "validate_combinations", linearized_modes())
        yield Jobs("combinations", "evaluate_combinations", linearized_modes())
    yield from _kernels(config, model, held)


def trainings_of(config: Config, model: str) -> list[tuple[str, str]]:
    """Training and task of every fine-tuned encoder of a model, published ones included."""
    return [(training, task) for training in TRAININGS for task in config.tasks_of(model)]


def _trainings(config: Config, model: str) -> Iterator[Jobs]:
    """Of all seeds: where a rate is searched, the training at the chosen one is made by then."""
    for training, task in trainings_of(config, model):
        if config.published_weights(model, training, task):
            continue
        seeds = len(config.seeds)
        if config.rate_grid(model, training) and config.tuning_seed in config.seeds:
            yield Jobs("finetuned", "adopted_training", 1, model)
            seeds -= 1
        work = _training(config, model, training, task)
        yield Jobs("finetuned", "finetuned", seeds, model, work)


def _training(config: Config, model: str, training: str, task: str) -> Work:
    step: Pass = f"{training} step"
    images = config.epochs_of(model, task) * sizes_of(config, task).train
    if training in config.finetuning_of(model).activation_checkpointing:
        images *= 1 + RECOMPUTATION / COST[step]
    return Work(step, images)


def _search(config: Config, model: str, training: str) -> Iterator[Jobs]:
    """The trainings among which a learning rate is chosen, and their accuracies."""
    rates = len(config.rate_grid(model, training))
    if not rates:
        return
    for task in config.trained_tasks(model, training):
        work = _training(config, model, training, task)
        yield Jobs("learning_rates", "tuning_training", rates, model, work)
        images = sizes_of(config, task).validation
        is_plain = MODES[training].evaluated_as == "plain"
        # Linearized: features and one tangent, each in a pass of its own.
        forwards = images if is_plain else images * (COST["forward"] + COST["tangent"])
        yield Jobs("learning_rates", "tuning_accuracy", rates, model, Work("forward", forwards))
    yield Jobs("learning_rates", "chosen_learning_rate", 1, model)


def _products(config: Config, model: str) -> Iterator[Jobs]:
    modes = linearized_modes()
    for dataset in config.product_datasets(model):
        forwards = [
            images * (1 + TANGENT * vectors)
            for images, vectors in product_sizes(config, model, dataset)
        ]
        work = Work("tangent", sum(forwards) / COST["tangent"])
        yield Jobs("products", "products", modes, work=work)


def linearized_modes() -> int:
    """How many modes are evaluated through the linearization."""
    return sum(mode.evaluated_as == "linearized" for mode in MODES.values())


def product_sizes(config: Config, model: str, dataset: str) -> list[tuple[int, int]]:
    """Images and task vectors of a data set's products, on validation and on test images."""
    sizes = sizes_of(config, dataset)
    return [
        (images, len(config.product_vectors(model, dataset, split)))
        for split, images in (("validation", sizes.validation), ("test", sizes.test))
    ]


def _evaluations(config: Config, model: str, evaluated_as: str) -> Iterator[Jobs]:
    """Of one mode: look-ups for a linearized one, passes over the images for the plain one."""
    tasks = config.tasks_of(model)
    sizes = {task: sizes_of(config, task) for task in [*tasks, config.control]}
    control = sizes[config.control]
    # α = 0 is looked up in the features.
    alphas = config.alphas.points - 1

    def jobs(stage: str, step: str, images: float) -> Jobs:
        work = Work("forward", images) if evaluated_as == "plain" else None
        return Jobs(stage, f"{step}_{evaluated_as}", 1, work=work)

    for task in tasks:
        yield jobs("single_task", "single_task", sizes[task].validation + sizes[task].test)
    validation = sum(sizes[task].validation for task in tasks)
    yield jobs("alpha", "validate_addition", alphas * validation)
    yield jobs("addition", "addition", sum(sizes[task].test for task in tasks))
    if config.is_random(model):
        return
    for task in tasks:
        images = sizes[task].validation + control.validation
        yield jobs("alpha", "validate_negation", alphas * images)
        yield jobs("negation", "negation", sizes[task].test + control.test)
    for pair in config.pairs_of(model):
        images = sum(min(config.disentanglement.images, sizes[task].test) for task in pair)
        yield jobs("disentanglement", "disentanglement", _heat_map_passes(config) * images)


def _heat_map_passes(config: Config) -> int:
    """Passes over a task's images: its own edits, and all points where the other α is not 0."""
    grid = config.disentanglement
    alphas = np.linspace(grid.minimum, grid.maximum, grid.points)
    changed = int(np.count_nonzero(alphas))
    return changed + changed * grid.points


def _kernels(config: Config, model: str, held: int) -> Iterator[Jobs]:
    tasks = config.eigenfunction_tasks_of(model)
    wanted = config.eigenfunctions.images
    for task in tasks:
        sample = min(wanted, sizes_of(config, task).train)
        others = [*config.tasks_of(model), config.control]
        held_out = sum(min(wanted, sizes_of(config, other).test) for other in others)
        work = _eigenfunctions(config, task, sample, held_out, held)
        yield Jobs("eigenfunctions", "eigenfunctions", 1, work=work)
    if tasks and not config.is_random(model):
        images = sum(min(wanted, sizes_of(config, task).train) for task in tasks)
        work = Work("gradient", gram_gradients(images, held))
        yield Jobs("eigenfunctions", "proposition1", 1, work=work)


def _eigenfunctions(config: Config, task: str, sample: int, held_out: int, held: int) -> Work:
    """Of the kernels of one task, and of the energies on the sample and on held-out images."""
    components = config.eigenfunctions.components
    kernels, outputs = kernels_of(config, task)
    if kernel_method(sample, outputs, components, held) == "dense":
        kind, passes = "gradient", dense_passes(sample, held_out, outputs, held)
    else:
        kind = "tangent"
        passes = matrix_free_passes(sample, held_out, outputs, components, held)
    return Work(kind, kernels * passes / COST[kind])


def kernels_of(config: Config, task: str) -> tuple[int, int]:
    """Kernels of a task's eigenfunctions, and logits of each."""
    classes, logits = len(load_task(task).classes), config.eigenfunctions.logits
    return (1, classes) if logits == "all" else (min(logits, classes), 1)


def _summary(config: Config) -> Iterator[Jobs]:
    yield Jobs("tables", "resolved_config", 1)
    collected = [name for name in tables_of(config) if TABLES[name].results]
    yield Jobs("tables", "collect_table", len(collected))
    # The claims' table has a rule of its own.
    yield Jobs("tables", "derived_table", len(tables_of(config)) - len(collected) - 1)
    yield Jobs("tables", "claims_table", 1)
    yield Jobs("tables", "paper_table", len(PAPER_TABLES))
    yield Jobs("figures", "plot", len(figures_of(config)))
    yield Jobs("report", "report", 1)
