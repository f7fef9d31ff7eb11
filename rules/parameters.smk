"""Parameters, of the wildcards and inputs: what goes into a command beside paths; no rules.

Snakemake runs no job again for a parameter that is computed from inputs: those say only where files
are, and what the configuration says is in others.
"""

from tangent.data.sources.locating import contents
from tangent.data.sources.source import Absent


def datasets_dir(wildcards):
    return f"{CONFIG.paths.resources}/datasets/{form(wildcards)}"


def heads_dir(wildcards):
    return f"{RESULTS}/heads/{base_model(wildcards)}"


def official_sizes(wildcards):
    dataset = CONFIG.datasets[wildcards.task]
    keys = {"train_images", "validation_images", "test_images"}
    return flags(**dataset.model_dump(include=keys, exclude_none=True))


@cache
def listing(task):
    """Digest of the user's own files of a data set, so that others make it again."""
    # Where sizes are given nothing need be there yet; the job says what is wrong.
    with contextlib.suppress(Absent, UserError):
        if found := contents(task, CONFIG.datasets[task].sources):
            return found.listing


def source_flags(wildcards):
    """The places to look for a data set in, each as JSON, and what must be there."""
    dataset = CONFIG.datasets[wildcards.task]
    given = {"sources": [source.model_dump_json() for source in dataset.sources]}
    if dataset.task is not None:
        given["task_file"] = dataset.task
    if found := listing(wildcards.task):
        given["listing"] = found
    return f"{flags(**given)} {official_sizes(wildcards)}"


def dataset_flags(wildcards):
    cut = {f"validation_{key}": value for key, value in CONFIG.validation}
    dataset = CONFIG.datasets[wildcards.task]
    # No default is passed: what earlier versions prepared is not prepared again.
    accepted = {"duplicates": "warn"} if dataset.duplicates == "warn" else {}
    return (
        f"{official_sizes(wildcards)} {flags(order=dataset.order, **cut, **accepted)}"
    )


def splits_of(wildcards, output):
    return [name for name in output.keys() if name != "description"]


def decoding_threads(wildcards):
    """More threads for more images; no result depends on them."""
    return min(8, 1 + CONFIG.datasets[wildcards.task].train_images // 2500)


def named(files):
    """NAME=FILE words; the name is the part of the path before the seed: a task."""
    return [f"{Path(file).parts[-3]}={file}" for file in files]


def named_folders(files):
    """The same of the files' folders; the name is a data set."""
    folders = {Path(file).parts[-3]: Path(file).parent for file in files}
    return [f"{name}={folder}" for name, folder in folders.items()]


def encoder_flags(wildcards, input):
    """What every step takes that runs the encoder at θ0, and, where it reads heads, for these."""
    given = {"pretrained_dir": Path(input.config).parent, "encoder": input.encoder}
    given["datasets_dir"] = datasets_dir(wildcards)
    if "heads" in input.keys():
        given |= {"model": wildcards.model, "seed": wildcards.seed}
        given["heads_dir"] = heads_dir(wildcards)
    return flags(**given)


def stored_features_flags(wildcards, input):
    """What every step takes that looks features at θ0 up."""
    return flags(
        model=wildcards.model,
        seed=wildcards.seed,
        heads_dir=heads_dir(wildcards),
        head_kind=FAMILIES[CONFIG.family_of(wildcards.model)].head,
        datasets_dir=datasets_dir(wildcards),
        initial_features=named_folders(input.features),
    )


def evaluation_flags(wildcards, input):
    """What every evaluation of an edited model takes, as weights or as look-ups."""
    given = {"mode": wildcards.mode}
    if "products" in input.keys():
        given["products"] = named_folders(input.products)
    else:
        given |= {"pretrained_dir": Path(input.config).parent, "encoder": input.encoder}
        given |= {"task_vectors": named(input.task_vectors)}
        if kept := given_budget(CONFIG, "images"):
            given["image_memory"] = kept
    if "single_task" in input.keys():
        given["single_task"] = named(input.single_task)
    return f"{stored_features_flags(wildcards, input)} {flags(**given)}"


def is_run(wildcards):
    """Whether a job runs a model: edited ones of linearized modes are looked up."""
    return wildcards.get("mode") not in CONFIG.linearized_modes


def lookups(wildcards):
    """The group of evaluations that run no model: short jobs."""
    return None if is_run(wildcards) else "lookups"


def evaluation_threads(wildcards):
    return CONFIG.compute.threads if is_run(wildcards) else 1


def compute_flags(wildcards):
    """How a model is run, where it is."""
    return flags(**EVALUATION) if is_run(wildcards) else ""


def task_flags(wildcards, input):
    """What a step takes that reads a task's description."""
    located = {"located": input.located} if input.located else {}
    return flags(task=wildcards.task, **located)


def vector_flags(wildcards, input):
    return flags(task_vectors=named(input.task_vectors))


def vectors_of_products(wildcards, split="test"):
    """The task vectors whose products are made on a split; test images have those of all."""
    place = wildcards.model, wildcards.dataset, split
    return CONFIG.product_vectors(*place, wildcards.get("merging"))


def product_flags(wildcards):
    """The task vectors whose products are made on each split of a data set, and how."""
    vectors = {split: vectors_of_products(wildcards, split) for split in SPLITS}
    memory = budget(CONFIG, "products", DEVICE_NAME)
    return flags(**vectors, memory=memory, **EVALUATION)


def combination_flags(wildcards):
    """The combinations of a model's task vectors, and the grid of their coefficients."""
    settings = {"tasks": tasks_of(wildcards), "alphas": CONFIG.alphas}
    settings["subsets_per_size"] = CONFIG.combinations.subsets_per_size
    if CONFIG.combinations.analogies:
        analogies = CONFIG.combinations.analogies
        settings["analogies"] = [":".join(tasks) for tasks in analogies]
    return flags(**settings)


def processes_of(wildcards):
    return CONFIG.finetuning_of(wildcards.model).processes


def finetuning_launcher(wildcards):
    """What goes before the command of several processes: torchrun; nothing for one."""
    processes = processes_of(wildcards)
    if processes == 1:
        return ""
    # After a signal torchrun waits this long for the state to be saved (in torch 2.11 30 s). It
    # would take some of our flags for abbreviations of its own, but for the dashes.
    on_gpus = (
        f"python -m tangent.jobs.gpus {processes} " if DEVICE_NAME == "cuda" else ""
    )
    return (
        f"TORCH_ELASTIC_SHUTDOWN_TIMEOUT=300 {on_gpus}python -m torch.distributed.run --standalone"
        f" --nproc-per-node {processes} --no-python -- "
    )


def learning_rate_flags(wildcards):
    """The rate that a path has, a number of the configuration, or the file of a chosen one."""
    rate = wildcards.get("rate", learning_rate(wildcards))
    if rate is None:
        return {"learning_rate_file": choice(wildcards)}
    return {"learning_rate": rate}


def adoption_flags(wildcards):
    """The trainings of which one is taken, and the file that says which."""
    pattern = TUNED.replace("<results>", RESULTS)
    folders = [
        f"{rate}={pattern.format(rate=rate, **dict(wildcards.items()))}"
        for rate in rates(wildcards)
    ]
    return flags(learning_rate_file=choice(wildcards), candidates=folders)


def finetuning_flags(wildcards):
    of_model = CONFIG.finetuning_of(wildcards.model)
    is_checkpointed = wildcards.training in of_model.activation_checkpointing
    is_compiled = CONFIG.compute.compile.get(wildcards.training, False)
    return flags(
        epochs=CONFIG.epochs_of(wildcards.model, wildcards.task),
        batch_size=CONFIG.finetuning.batch_size,
        **learning_rate_flags(wildcards),
        weight_decay=CONFIG.finetuning_value("weight_decay", wildcards.task),
        warmup_steps=CONFIG.finetuning_value("warmup_steps", wildcards.task),
        gradient_clip=CONFIG.finetuning.gradient_clip,
        autocast=CONFIG.compute.autocast,
        accumulation_steps=of_model.accumulation_steps,
        activation_checkpointing="on" if is_checkpointed else "off",
        # Among rates to choose from a training that diverges has its answer too.
        if_diverged="give_up" if "rate" in wildcards.keys() else "fail",
        compile="on" if is_compiled and not is_checkpointed else "off",
        processes=of_model.processes,
        **DEVICE,
    )


def probe_folder(wildcards, input):
    """Where the images are that a linear probe is fitted on, if it is."""
    return flags(train_dir=Path(input.data[0]).parent) if input.data else ""


def probe_flags(wildcards):
    probe = CONFIG.probe
    settings = {
        "strengths": [probe.minimum, probe.maximum, probe.points],
        "deviation": probe.deviation,
        # Of the control task, which is never fine-tuned, nothing need be left.
        "share": probe.share if wildcards.task in CONFIG.tasks else 1.0,
    }
    return flags(**settings, **EVALUATION)


def export_flags(wildcards):
    """The licence, and how plain weights of a linearized mode are tested, if they are forced."""
    given = {"license": CONFIG.export.license}
    if CONFIG.has_plain_export(wildcards.mode):
        given |= {"plain_tested_on": datasets_dir(wildcards), **EVALUATION}
    return flags(**given)


def eigenfunction_flags(wildcards):
    controls = [task for task in tasks_and_control(wildcards) if task != wildcards.task]
    sizes = CONFIG.eigenfunctions.model_dump(exclude={"models", "tasks"})
    return flags(control_tasks=controls, **sizes, **KERNELS)


# What tables and figures read and write.
def raw_results_of(wildcards):
    """The raw results that a tidy table concatenates, in order."""
    return [f"{RESULTS}/{path}" for path in raw_results(CONFIG, wildcards.table)]


def tidy(names):
    return expand("<results>/tables/{table}.csv", table=names)


def entry_of(wildcards):
    """What of a table's entry is in its content; an edit of another entry runs nothing again."""
    entry = TABLES[wildcards.table]
    return " ".join([*entry.columns, *entry.order])


def family_labels():
    """The block of the claims table that each model belongs to, such as `CLIP, ViT`."""
    labels = {model: FAMILIES[CONFIG.family_of(model)].label for model in CONFIG.models}
    return {
        model: ", ".join(filter(None, [label, CONFIG.architectures.get(model)]))
        for model, label in labels.items()
    }


def drawn(names):
    return expand(
        "<results>/figures/{figure}.{format}",
        figure=names,
        format=["svg", "pdf", "png"],
    )


def written(names):
    return expand(
        "<results>/tables/{table}.{format}", table=names, format=["md", "tex"]
    )
