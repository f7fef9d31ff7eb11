"""Fingerprints of what steps run: a result depends on the code that makes it; no rules."""

from functools import cache

from tangent.jobs.dependencies import dependencies
from tangent.models.families import FAMILIES
from tangent.tasks.task_files import task_names


@cache
def code(script, *modules, files=(), **used):
    """Fingerprint of what a script runs.

    `modules` it imports by name, `files` describe the tasks that it reads, `used` are the entries
    that it uses of registries, by the registry's name.
    """
    # Whoever reads the configuration knows all of these; few steps get something from them.
    sources = "DATA_SOURCES", "MODEL_SOURCES", "OBJECTIVES", "PUBLISHED_SOURCES"
    known = dict.fromkeys((*sources, "EXPORTERS"), ())
    used = known | {"TRAININGS": CONFIG.trainings} | used
    found = dependencies([f"scripts.{script}", *modules], used, workflow.basedir)
    return found.fingerprint(files)


def entries_of_model(model):
    """The entries that a model's steps use: its family's, and those for its kind of inputs."""
    family = CONFIG.family_of(model)
    return {
        "FAMILIES": (family,),
        "HEADS": (FAMILIES[family].head,),
        "KINDS": (CONFIG.reads(model),),
    }


def entries_of_source(wildcards):
    """The entries that the step uses which gets a model from its source."""
    source = CONFIG.source_of(wildcards.model)
    objective = source.get("recipe", {}).get("objective")
    return {"MODEL_SOURCES": (source["source"],), "OBJECTIVES": (objective,)}


def entries_of_data(wildcards):
    """The same of a step that reads a task's source."""
    names = [source.source for source in CONFIG.datasets[wildcards.task].sources]
    of_task = dict.fromkeys(("LAYOUTS", "COPIES"), (wildcards.task,))
    return of_task | {"DATA_SOURCES": tuple(names)}


ENTRIES = {
    "fetch_pretrained": entries_of_source,
    "import_finetuned": lambda wildcards: {
        "PUBLISHED_SOURCES": (published(wildcards).source,)
    },
    "locate_dataset": entries_of_data,
    "prepare_dataset": entries_of_data,
    "prepare_text": entries_of_data,
    "export": lambda wildcards: {"EXPORTERS": (CONFIG.family_of(wildcards.model),)},
}
"""What scripts use of registries, beside the entries of the model and the training."""

MODULES = {
    "derive_table": "tangent.results.{table}_table",
    "merge_task_vectors": "tangent.arithmetic.merging.{merging}",
    "plot": "tangent.report.figures.{figure}",
}
"""The modules that scripts import by name."""

READ_TASKS = {
    *("locate_dataset", "prepare_dataset", "prepare_text"),
    *("build_head", "fit_probe"),
}
"""The scripts that read the file of their task."""


def task_files(script, task):
    """The files of a task that a script reads; of others than ours one script reads theirs."""
    if script not in READ_TASKS:
        return ()
    if task in task_names():
        return (f"tangent/tasks/{task}.yaml",)
    own = CONFIG.datasets[task].task
    return (own,) if own and script == "locate_dataset" else ()


def code_of(script):
    """The fingerprint of a step, as a function of its wildcards."""

    def of_job(wildcards):
        names = dict(wildcards.items())
        used = ENTRIES[script](wildcards) if script in ENTRIES else {}
        if "model" in names:
            used |= entries_of_model(wildcards.model)
        if {"training", "mode"} & names.keys():
            used["TRAININGS"] = (training_of(wildcards),)
        modules = [MODULES[script].format(**names)] if script in MODULES else []
        files = task_files(script, names.get("task"))
        return code(script, *modules, files=files, **used)

    return of_job


def code_of_pretraining(recipe):
    """The fingerprint of a pre-training by a recipe, whose objective is a module."""
    objective = f"tangent.training.pretraining.{recipe.objective}"
    return code("pretrain", objective, FAMILIES=(recipe.family,))
