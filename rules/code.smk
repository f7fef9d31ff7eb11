"""Fingerprints of what steps run: a result depends on the code that makes it; no rules."""

from functools import cache

from tangent.jobs.dependencies import dependencies
from tangent.models.families import FAMILIES
from tangent.tasks.task_files import task_kind


@cache
def code(script, *modules, tasks=(), **used):
    """Fingerprint of what a script runs.

    `modules` it imports by name, `tasks` are those whose files it reads, `used` are the entries
    that it uses of registries, by the registry's name.
    """
    # Whoever reads the configuration knows all sources; few steps get something from them.
    sources = "DATA_SOURCES", "MODEL_SOURCES", "OBJECTIVES", "PUBLISHED_SOURCES"
    used = dict.fromkeys(sources, ()) | {"TRAININGS": CONFIG.trainings} | used
    found = dependencies([f"scripts.{script}", *modules], used, workflow.basedir)
    return found.fingerprint(f"tangent/tasks/{task}.yaml" for task in tasks)


def entries_of_model(model):
    """The entries that a model's steps use: its family's, and those for its kind of inputs."""
    family = CONFIG.family_of(model)
    return {
        "FAMILIES": (family,),
        "HEADS": (FAMILIES[family].head,),
        "KINDS": (CONFIG.reads(model),),
    }


def training_used(wildcards):
    """The entry of the training whose weights a step makes or edits with, if it is of one."""
    is_of_one = {"training", "mode"} & {*wildcards.keys()}
    return {"TRAININGS": (training_of(wildcards),) if is_of_one else ()}


def code_of_model(script):
    """The fingerprint of a step of a model, as a function of its wildcards."""
    return lambda wildcards: code(
        script, **entries_of_model(wildcards.model), **training_used(wildcards)
    )


def code_of_head(script):
    """The same for a step that makes a model's head of a task, whose file it reads."""
    return lambda wildcards: code(
        script, tasks=(wildcards.task,), **entries_of_model(wildcards.model)
    )


def code_of_source(wildcards):
    """The same for the step that gets a model from its source."""
    source = CONFIG.source_of(wildcards.model)
    return code(
        "fetch_pretrained",
        MODEL_SOURCES=(source["source"],),
        OBJECTIVES=(source.get("recipe", {}).get("objective"),),
        **entries_of_model(wildcards.model),
    )


def code_of_published(wildcards):
    """The same for the step that takes published weights."""
    return code(
        "import_finetuned",
        PUBLISHED_SOURCES=(published(wildcards).source,),
        **entries_of_model(wildcards.model),
    )


def code_of_data(script):
    """The same for a step that reads a task's source, on behalf of one model or of all."""

    def of_task(wildcards):
        model, task = wildcards.get("model"), wildcards.task
        used = entries_of_model(model) if model else {"KINDS": (task_kind(task),)}
        for registry in ("LAYOUTS", "COPIES"):
            used[registry] = (task,)
        sources = tuple(source.source for source in CONFIG.datasets[task].sources)
        return code(script, tasks=(task,), DATA_SOURCES=sources, **used)

    return of_task


def code_of_table(wildcards):
    """The same for a table that is computed from others, by a module of its name."""
    return code("derive_table", f"tangent.results.{wildcards.table}_table")


def code_of_pretraining(recipe):
    """The same for a pre-training by a recipe, whose objective is a module."""
    objective = f"tangent.training.pretraining.{recipe.objective}"
    head = FAMILIES[recipe.family].head
    return code("pretrain", objective, FAMILIES=(recipe.family,), HEADS=(head,))
