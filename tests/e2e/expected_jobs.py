"""The jobs of the small study by their messages: what a test of reruns expects to be planned."""

from __future__ import annotations

from itertools import product

from small_study import CONTROL, RANDOM_TASK, SEED, TASKS

from tangent.report.figures.catalogue import FIGURES
from tangent.results.columns import TABLES as ALL_TABLES

MODES = ("standard", "posthoc", "linear")
TRAININGS = ("standard", "linear")
LINEARIZED = ("posthoc", "linear")
PAIR = "shapes and counting"
# The small study has no checkpoints of a pre-training, one way of merging, and neither chooses nor
# compares rates.
TABLES = set(ALL_TABLES) - {"emergence", "learning_rates", "merging", "rate_sensitivity"}
TABLES -= {"claims", "comparison"}
PAPER_TABLES = {f"write table{number} of the paper" for number in (1, 2, 3)}
SUMMARY = {"test the paper's claims", "derive the tidy table comparison", "write the report"}
SUMMARY |= PAPER_TABLES
CONFIGURED = {"keep the study's configuration beside its results"}
ADDED = {"alpha_sweep", "addition", "addition_tasks", "negation", "random_init", "outcomes"}
ADDED |= {"subsets", "per_task_alpha", "analogies"}


def jobs(template, **values):
    """Messages with every combination of the values; one value may stand for itself."""
    lists = [[value] if isinstance(value, str | int) else value for value in values.values()]
    return {template.format(**dict(zip(values, of, strict=True))) for of in product(*lists)}


def at(what, model="tiny", modes=MODES, seed=SEED):
    """`what` with its place behind it; "{}" stays for names that are filled in before."""
    return jobs(f"{what} ({{model}}, {{mode}}, seed {{seed}})", model=model, mode=modes, seed=seed)


def about(what, names, **place):
    """The same of each task or data set."""
    return set().union(*(at(f"{what} {name}", **place) for name in names))


def trained(tasks, trainings=TRAININGS, model="tiny", seed=SEED):
    """Fine-tunings and their task vectors."""
    found = jobs(
        "fine-tune {model} on {task} ({training}, seed {seed})",
        model=model,
        task=tasks,
        training=trainings,
        seed=seed,
    )
    return found | about("task vector of", tasks, model=model, modes=trainings, seed=seed)


def tried(rates, tasks=TASKS, training="linear", seed=SEED):
    """Trainings and accuracies at the learning rates of a grid."""
    place = {"model": "tiny", "task": tasks, "rate": rates, "training": training, "seed": seed}
    at_rate = "{task} at learning rate {rate} ("
    return jobs("fine-tune {model} on " + at_rate + "{training}, seed {seed})", **place) | jobs(
        "validation accuracy on " + at_rate + "{model}, {training}, seed {seed})", **place
    )


def chosen(training="linear", seed=SEED):
    """The choice among them."""
    return {f"choose the learning rate of tiny ({training}, seed {seed})"}


def adopted(tasks=TASKS, training="linear", seed=SEED):
    """The winner's trainings, taken over."""
    what = (
        "take the training of tiny on {task} at the chosen learning rate ({training}, seed {seed})"
    )
    return jobs(what, task=tasks, training=training, seed=seed)


def alone(tasks, modes, **place):
    """What edits with one task's vector."""
    found = about("single-task accuracy on", tasks, modes=modes, **place)
    if place.get("model", "tiny").endswith("-random"):
        return found
    found |= about("choose α of negating", tasks, modes=modes, **place)
    return found | about("task negation of", tasks, modes=modes, **place)


def added(modes, **place):
    """What edits with the sum of all vectors, and with other sums of theirs."""
    found = at("choose α of task addition by sum", modes=modes, **place)
    found |= at("task addition by sum", modes=modes, **place)
    if place.get("model", "tiny") != "tiny":
        return found
    linearized = tuple(set(modes) & set(LINEARIZED))
    found |= at("choose α of other combinations", modes=linearized, **place)
    return found | at("other combinations of task vectors", modes=linearized, **place)


def merged(modes, **place):
    """The vectors of task addition, by the training that each mode edits with."""
    trainings = {"standard" if mode == "posthoc" else mode for mode in modes}
    return at("merge the task vectors by sum", modes=trainings, **place)


def heat_maps(modes, seed=SEED):
    """Of the study's one pair."""
    return at(f"heat map of {PAIR}", modes=modes, seed=seed)


def products(datasets, modes=LINEARIZED, **place):
    """J(x)τ."""
    return about("Jacobian-vector products on", datasets, modes=modes, **place)


def edits(retrained, tasks=TASKS, modes=MODES, seed=SEED):
    """What follows from other task vectors of `retrained`, in the modes that edit with them."""
    plain, linearized = (tuple(set(modes) & set(of)) for of in (("standard",), LINEARIZED))
    found = alone(retrained, plain, seed=seed) | alone(tasks, linearized, seed=seed)
    found |= products((*tasks, CONTROL), linearized, seed=seed)
    found |= merged(modes, seed=seed) | added(modes, seed=seed)
    if set(retrained) & set(TASKS):
        found |= heat_maps(plain, seed)
    return found | heat_maps(linearized, seed)


def of_random(modes=MODES, seed=SEED):
    """All that follows from the task vectors of the randomly initialised model's one task."""
    place = {"model": "tiny-random", "seed": seed}
    linearized = tuple(set(modes) & set(LINEARIZED))
    found = alone([RANDOM_TASK], modes, **place) | merged(modes, **place) | added(modes, **place)
    return found | products([RANDOM_TASK], linearized, **place)


def kernels(tasks=TASKS, seed=SEED):
    """Eigenfunctions, the random model's among them."""
    what = "eigenfunctions of {task} ({model}, seed {seed})"
    return jobs(what, task=tasks, model="tiny", seed=seed) | jobs(
        what, task=RANDOM_TASK, model="tiny-random", seed=seed
    )


def images_of(task):
    """A data set, from its source on."""
    return {f"find the data of {task}", f"prepare the images of {task} in 32 pixels"}


def of_model(what, models=("tiny", "tiny-random"), seed=SEED):
    """Once per model and seed."""
    return jobs(f"{what} of {{model}} (seed {{seed}})", model=models, seed=seed)


def features(datasets, model="tiny", seed=SEED):
    what = "features of {dataset} at the initial weights ({model}, seed {seed})"
    return jobs(what, dataset=datasets, model=model, seed=seed)


def summary(tables=TABLES):
    """Tables, the figures that read one of them, and the report."""
    figures = {name for name, inputs in FIGURES.items() if tables.intersection(inputs)}
    derived = {name for name in tables if ALL_TABLES[name].tables}
    found = {f"derive the tidy table {name}" for name in derived}
    found |= {f"collect the tidy table {name}" for name in tables - derived}
    return found | {f"draw {name}" for name in figures} | SUMMARY
