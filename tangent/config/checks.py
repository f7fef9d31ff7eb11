"""Checks that involve several keys of the configuration, or the names that the code knows."""

import difflib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from functools import partial
from operator import attrgetter

from tangent.arithmetic.alphas import SEARCH_BOX, alpha_grid
from tangent.arithmetic.merging import METHODS, SUM
from tangent.arithmetic.modes import MODES
from tangent.config.schema import RANDOM_SUFFIX, Config
from tangent.config.sections import Disentanglement
from tangent.data.sources.own_files import OwnImages
from tangent.jobs.errors import UserError
from tangent.models.export.exporters import EXPORTERS, unsupported
from tangent.tasks.task_files import task_kind, task_names

_NAMED_BY = {
    "pretrained": (
        "models", "architectures", "finetuning.models", "published", "probe.own_classifier",
    ),
    "datasets": ("tasks",),
    "models": (
        "disentanglement.models", "eigenfunctions.models", "combinations.models",
        "random_initialization.models", "emergence.steps", "rate_sensitivity.models",
    ),
    "tasks": ("eigenfunctions.tasks", "random_initialization.tasks"),
}  # fmt: skip
"""Keys that hold names, by the key that these must be of."""


def problems_across_keys(config: Config) -> list[str]:
    """Every problem that no single key shows, one line each; an empty list if there is none."""
    return [
        *_references(config),
        *_modes(config),
        *_names(config),
        *_own_tasks(config),
        *_kinds(config),
        *_sizes(config),
        *_ranges(config),
        *_emergence(config),
        *_finetuning(config),
        *_rate_sensitivity(config),
        *_pretraining(config),
        *_probe(config),
        *_export(config),
    ]


def _references(config: Config) -> Iterator[str]:
    """Names that are not defined where their key's are, or are listed twice."""
    tasks = _nameable(config.tasks, config.datasets)
    models = _nameable(config.models, config.pretrained)
    known = {**dict(config), "tasks": tasks, "models": models}
    for where, keys in _NAMED_BY.items():
        for key in keys:
            names = attrgetter(key)(config)
            yield from _not_in(key, names, known[where], where)
            if isinstance(names, list):
                yield from _repeated(key, names)
    yield from _repeated("seeds", config.seeds)
    yield from _not_in("control", [config.control], config.datasets, "datasets")
    trained = [task for task in config.tasks if task in config.datasets]
    own = config.finetuning.tasks
    trained = [task for task in trained if task not in own or own[task].epochs is None]
    yield from _not_in("tasks", trained, config.finetuning.epochs, "finetuning.epochs")
    strangers = [
        name
        for name, dataset in config.datasets.items()
        if dataset.task is None and not any(source.names_classes for source in dataset.sources)
    ]
    yield from _not_in("datasets", strangers, task_names(), "the folder tangent/tasks")
    everything = {*config.datasets, *task_names()}
    yield from _not_in("finetuning.epochs", config.finetuning.epochs, everything, "tangent/tasks")
    yield from _not_in("finetuning.tasks", own, everything, "tangent/tasks")
    for model, trainings in config.published.items():
        for training, of_tasks in trainings.items():
            key = f"published.{model}.{training}"
            yield from _not_in(key, of_tasks, everything, "tangent/tasks")
    classified = config.probe.own_classifier.values()
    yield from _not_in("probe.own_classifier", classified, config.datasets, "datasets")
    yield from _groups("disentanglement.pairs", config.disentanglement.pairs, tasks)
    yield from _groups("combinations.analogies", config.combinations.analogies, tasks)


def _groups(key: str, groups: list[list[str]], tasks: set[str]) -> Iterator[str]:
    """Pairs, which are the same in either order, and analogies, which are not."""
    seen: list[Collection[str]] = []
    for number, group in enumerate(groups):
        here, listed = f"{key}[{number}]", ", ".join(group)
        what, size, same = "an analogy", "four", group
        if len(group) == 2:
            what, size, same = "a pair", "two", frozenset(group)
        yield from _not_in(here, group, tasks, "tasks")
        if len(set(group)) < len(group):
            yield f"{here}: {what} needs {size} different tasks, not {listed}"
        elif same in seen:
            yield f"{here}: the {what.split()[1]} {listed} is there already"
        seen.append(same)


def _modes(config: Config) -> Iterator[str]:
    yield from _not_in("modes", config.modes, MODES, "tangent/arithmetic/modes.py")
    yield from _repeated("modes", config.modes)
    if not MODES.keys() >= set(config.modes):
        return
    rates = {"finetuning": config.finetuning.learning_rate}
    own = {model: config.finetuning_of(model).learning_rate for model in config.models}
    rates |= {f"finetuning.models.{model}": of_model for model, of_model in own.items() if of_model}
    if config.random_initialization.models:
        rates["random_initialization"] = config.random_initialization.learning_rate
    for section, of_trainings in rates.items():
        for mode in config.modes:
            if (training := MODES[mode].trained_as) not in of_trainings:
                yield f"{section}.learning_rate.{training} is missing; the mode {mode!r} needs it"


def _names(config: Config) -> Iterator[str]:
    if config.control in config.tasks:
        yield (
            f"control: {config.control!r} is also in tasks; the control task must be one that no "
            "fine-tuning touches"
        )
    for task in config.tasks:
        if task in METHODS:
            yield f"tasks: {task!r} is the name of a way of merging task vectors; rename the task"
    yield from _not_in("merging", config.merging, METHODS, "the folder tangent/arithmetic/merging")
    yield from _repeated("merging", config.merging)
    if config.combinations.models and config.merging[0] != SUM:
        yield f"combinations.models: they go on from addition by {SUM!r}; list it first in merging"
    for model in config.models:
        if model.endswith(RANDOM_SUFFIX):
            yield (
                f"models: {model!r} ends in {RANDOM_SUFFIX!r}, the mark of models that start from "
                "random weights; rename it, or list the model in random_initialization.models"
            )


def _own_tasks(config: Config) -> Iterator[str]:
    """Tasks that are none of ours, of data that the study uses."""
    ours = set(task_names())
    for name in filter(config.datasets.__contains__, [*config.tasks, config.control]):
        dataset = config.datasets[name]
        if name not in ours and _has_sizes(config, name):
            try:
                config.task_of(name)
            except UserError as error:
                yield f"datasets.{name}: {error}"
        elif name in ours and (
            dataset.task or any(isinstance(source, OwnImages) for source in dataset.sources)
        ):
            yield f"datasets.{name}: {name!r} is one of our tasks; give yours another name"


def _has_sizes(config: Config, task: str) -> bool:
    """Whether its sizes are known; where they could not be counted, that is reported already."""
    dataset = config.datasets[task]
    return None not in (dataset.train_images, dataset.test_images)


def _kind(config: Config, task: str) -> str | None:
    """The kind of a task; None if nothing describes it, which is reported elsewhere."""
    if task in task_names():
        return task_kind(task)
    try:
        return config.task_of(task).kind
    except (UserError, KeyError):
        return None


def _kinds(config: Config) -> Iterator[str]:
    kinds = {task: _kind(config, task) for task in [*config.tasks, config.control]}
    kinds = {task: kind for task, kind in kinds.items() if kind is not None}
    for model in filter(lambda model: _is_described(config, model), config.models):
        read = config.reads(model)
        for task, kind in kinds.items():
            if kind != read:
                yield (
                    f"models: {model!r} reads {read}s, but the task {task!r} is about "
                    f"{kind}s: choose tasks and a control task about {read}s"
                )
    for task, kind in kinds.items():
        for place in config.datasets[task].sources if task in config.datasets else ():
            if kind not in place.gives:
                yield (
                    f"datasets.{task}.sources: the source {place.source!r} has "
                    f"{' and '.join(place.gives)}s, but the task is about {kind}s: name a source "
                    f"of {kind}s"
                )


def _is_described(config: Config, model: str) -> bool:
    """Whether it is known of which family `model` is; what is missing is reported elsewhere."""
    entry = config.pretrained.get(model)
    return entry is not None and getattr(entry, "recipe", None) in {None, *config.pretraining}


def _sizes(config: Config) -> Iterator[str]:
    used = [name for name in (*config.tasks, config.control) if name in config.datasets]
    for name in filter(partial(_has_sizes, config), used):
        key, splits = f"datasets.{name}.train_images", config.splits_of(name)
        batch = config.finetuning.batch_size
        if splits.validation < 1:
            yield (
                f"{key}: {splits.train} images leave no validation image at validation.fraction "
                f"{config.validation.fraction}"
            )
        if name in config.tasks and splits.train < batch:
            yield (
                f"{key}: the {splits.train} images that validation leaves are fewer than one batch "
                f"(finetuning.batch_size: {batch})"
            )
    if config.eigenfunctions.components > config.eigenfunctions.images:
        yield (
            f"eigenfunctions.components: {config.eigenfunctions.components} eigenfunctions cannot "
            f"come from eigenfunctions.images: {config.eigenfunctions.images}"
        )


def _ranges(config: Config) -> Iterator[str]:
    heat_map = config.disentanglement
    if heat_map.minimum >= heat_map.maximum:
        yield (
            f"disentanglement.minimum ({heat_map.minimum}) must be less than "
            f"disentanglement.maximum ({heat_map.maximum})"
        )
    elif not _samples_the_search_box(heat_map, heat_map.points):
        more = range(heat_map.points + 1, heat_map.points + 100)
        fitting = next((n for n in more if _samples_the_search_box(heat_map, n)), None)
        remedy = f"{fitting} points do" if fitting else "25 points from -3 to 3 do"
        yield (
            f"disentanglement.points: {heat_map.points} points from {heat_map.minimum} to "
            f"{heat_map.maximum} do not hold 0 and ±{SEARCH_BOX:g}, so the claims' mean of ξ would "
            f"not be over the search box [-{SEARCH_BOX:g}, {SEARCH_BOX:g}]²; {remedy}"
        )


def _samples_the_search_box(grid: Disentanglement, points: int) -> bool:
    """Whether this many points hold the centre and the border of the box in which α is searched."""
    return {-SEARCH_BOX, 0.0, SEARCH_BOX} <= set(alpha_grid(grid.minimum, grid.maximum, points))


def _emergence(config: Config) -> Iterator[str]:
    steps = config.emergence.steps
    if len(steps) == 1:
        yield (
            f"emergence.steps: {', '.join(steps)} is one checkpoint; a curve needs two, or none to "
            "leave it out"
        )
    model_at: dict[int, str] = {}
    for model, step in steps.items():
        if (first := model_at.setdefault(step, model)) != model:
            yield (
                f"emergence.steps: {first!r} and {model!r} are both at step {step}; give each "
                "checkpoint its own"
            )


def _finetuning(config: Config) -> Iterator[str]:
    for model, own in config.finetuning.models.items():
        parts = own.accumulation_steps * own.processes
        if parts > config.finetuning.batch_size:
            yield (
                f"finetuning.models.{model}: {own.accumulation_steps} accumulation steps on "
                f"{own.processes} GPUs are more parts than a batch has images "
                f"(finetuning.batch_size: {config.finetuning.batch_size})"
            )


def _rate_sensitivity(config: Config) -> Iterator[str]:
    key, models = "rate_sensitivity.models", config.rate_sensitivity.models
    if len(models) == 1:
        yield f"{key}: {models[0]} is one point; a comparison needs two, or none to leave it out"
    for task, own in config.finetuning.tasks.items() if models else ():
        if task in config.tasks and own.learning_rate:
            yield (
                f"finetuning.tasks.{task}.learning_rate: it would be the same at all rates "
                f"that {key} compares; leave it out"
            )
    described = [model for model in models if model in config.pretrained]
    for model in described:
        own = config.finetuning.models.get(model)
        if own is None or not own.learning_rate:
            yield f"{key}: {model!r} has no finetuning.models.{model}.learning_rate; give it one"
        if config.pretrained[model] != config.pretrained[described[0]]:
            yield (
                f"{key}: {model!r} and {described[0]!r} are not the same weights; give them one "
                "entry in pretrained"
            )


def _pretraining(config: Config) -> Iterator[str]:
    for name, recipe in config.pretraining.items():
        if recipe.steps < 1:
            yield (
                f"pretraining.{name}: its {recipe.examples} examples are fewer than one batch "
                f"(batch_size: {recipe.batch_size})"
            )
    for name, entry in config.pretrained.items():
        if entry.source == "pretraining":
            recipe, key = config.pretraining.get(entry.recipe), f"pretrained.{name}"
            yield from _not_in(f"{key}.recipe", [entry.recipe], config.pretraining, "pretraining")
            if recipe and entry.step is not None and entry.step > recipe.steps:
                yield (
                    f"{key}.step: {entry.step} is beyond the schedule of pretraining."
                    f"{entry.recipe}, which has {recipe.steps} steps"
                )
            shown = config.emergence.steps.get(name)
            if recipe and shown is not None and shown != config.source_of(name)["step"]:
                yield (
                    f"emergence.steps.{name}: it says {shown}, but {key}.step is "
                    f"{config.source_of(name)['step']}"
                )


def _probe(config: Config) -> Iterator[str]:
    probe = config.probe
    if probe.minimum > probe.maximum:
        yield (
            f"probe.minimum ({probe.minimum:g}) must not be greater than probe.maximum "
            f"({probe.maximum:g})"
        )
    key = "probe.own_classifier"
    for model in probe.own_classifier:
        if _is_described(config, model) and not config.classifies(model):
            yield f"{key}: {model!r} has no classifier of its own; leave it out"


def _export(config: Config) -> Iterator[str]:
    known = {"models": config.models, "modes": config.modes, "seeds": config.seeds}
    for name, of_study in known.items():
        listed = [str(value) for value in getattr(config.export, name) or []]
        yield from _not_in(f"export.{name}", dict.fromkeys(listed), map(str, of_study), name)
        yield from _repeated(f"export.{name}", listed)
    yield from _not_in("export.negations", config.export.negations, config.tasks, "tasks")
    yield from _repeated("export.negations", config.export.negations)
    for model in config.export.models or []:
        if _is_described(config, model) and (family := config.family_of(model)) not in EXPORTERS:
            yield f"export.models: {unsupported(model, family)}"


def _nameable(chosen: Iterable[str], defined: Iterable[str]) -> set[str]:
    """The tasks or models that sections may name: those that the study has chosen.

    If one of these is misspelt, sections may name all that are defined: the slip is a problem of
    the key `tasks` or `models` alone.
    """
    is_misspelt = not set(chosen) <= set(defined)
    return {*chosen, *(defined if is_misspelt else [])}


def _not_in(key: str, names: Iterable[str], known: Iterable[str], where: str) -> Iterator[str]:
    known = sorted(known)
    for name in names:
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {nearest[0]!r}?" if nearest else f"known: {', '.join(known)}"
            yield f"{key}: {name!r} is not in {where}; {hint}"


def _repeated(key: str, values: list) -> Iterator[str]:
    for value, count in Counter(values).items():
        if count > 1:
            yield f"{key}: {value!r} is listed {count} times; list it once"
