"""Functions of the wildcards: a model's tasks, input paths; no rules."""

from tangent.jobs.files import sha256_file
from tangent.models.export.exporters import EXPORTERS, unsupported
from tangent.models.families import FAMILIES
from tangent.tasks.task_files import task_names


def tasks_of(wildcards):
    return CONFIG.tasks_of(wildcards.model)


def tuned_tasks(wildcards):
    """The tasks by which a learning rate is chosen: those that have none of their own."""
    return CONFIG.tuned_tasks(wildcards.model, wildcards.training)


def tasks_and_control(wildcards):
    return [*tasks_of(wildcards), CONFIG.control]


def base_model(wildcards):
    return CONFIG.base_model(wildcards.model)


def models_with_heads(kind):
    return [m for m in CONFIG.models if FAMILIES[CONFIG.family_of(m)].head == kind]


def form(wildcards):
    """How a model's data is prepared: the folder of its data sets."""
    return CONFIG.form_of(wildcards.model)


def training_of(wildcards):
    """The training that gives the task vectors, of a mode or as the path has it."""
    return wildcards.get("training") or MODES[wildcards.mode].trained_as


def config_file(model):
    return FAMILIES[CONFIG.family_of(model)].config_file


def source_files(wildcards):
    """The files of this machine that a model is made from.

    For shipped ones, a fresh checkout must not look like a change, also where another one made the
    shared model: the parameters `source` and `architecture` hold their SHA-256.
    """
    entry = CONFIG.pretrained[wildcards.model]
    if entry.source == "pretraining":
        folder = CONFIG.source_of(wildcards.model)["folder"]
        return [f"{folder}/{file}" for file in CONFIG.pretraining[entry.recipe].files]
    if entry.source != "file":
        return []
    files = ["model.safetensors", config_file(wildcards.model)]
    if not Path(entry.folder, files[0]).exists():
        sys.exit(
            f"pretrained.{wildcards.model}.folder: {entry.folder} holds no {files[0]}:"
            " correct the key, or fetch the file."
        )
    return [ancient(f"{entry.folder}/{file}") for file in files]


def architecture_digest(wildcards):
    source = CONFIG.pretrained[wildcards.model]
    if source.source != "file":
        return "not shipped"
    return sha256_file(f"{source.folder}/{config_file(wildcards.model)}")


def pretrained_config(wildcards):
    base = base_model(wildcards)
    return f"<resources>/pretrained/{base}/{config_file(base)}"


def pretrained_constants(wildcards):
    """The file of a pre-trained encoder's constants, which random ones share: of most families none."""
    base = base_model(wildcards)
    if not FAMILIES[CONFIG.family_of(base)].constants:
        return []
    return f"<resources>/pretrained/{base}/encoder.safetensors"


def initial_encoder(wildcards):
    """θ0: a pre-trained encoder, or a random one."""
    if CONFIG.is_random(wildcards.model):
        return "<results>/initial/{model}/seed{seed}/encoder.safetensors"
    return "<resources>/pretrained/{model}/encoder.safetensors"


def published(wildcards):
    """The entry of weights that are taken as others have published them; None: trained here."""
    names = wildcards.model, wildcards.training, wildcards.task
    return CONFIG.published_weights(*names)


def published_files(wildcards):
    """The file of this machine that published weights come from; its SHA-256 is in `source`."""
    entry = published(wildcards)
    if entry.source != "file":
        return []
    if not Path(entry.path).exists():
        key = f"published.{wildcards.model}.{wildcards.training}.{wildcards.task}.path"
        sys.exit(
            f"{key}: {entry.path} does not exist: correct the key, or fetch the file."
        )
    return [ancient(entry.path)]


def finetuned_encoder(wildcards):
    """θ*: fine-tuned here, or by others and then the same for every seed."""
    if published(wildcards):
        return "<results>/published/{model}/{training}/{task}/encoder.safetensors"
    return (
        "<results>/finetuned/{model}/{training}/{task}/seed{seed}/encoder.safetensors"
    )


def choice(wildcards):
    folder = f"{RESULTS}/learning_rates/{wildcards.model}/{wildcards.training}"
    return f"{folder}/seed{CONFIG.tuning_seed}/chosen.json"


def rates(wildcards):
    """The learning rates that a training's is chosen from; none where it is a number."""
    return CONFIG.rate_grid(wildcards.model, wildcards.training)


def learning_rate(wildcards):
    """The learning rate that the configuration has for a training; None: it is chosen."""
    return CONFIG.learning_rate_of(wildcards.model, wildcards.training, wildcards.task)


def chosen_rate(wildcards):
    """The file of the learning rate where it is chosen from a grid."""
    if "rate" in wildcards.keys() or learning_rate(wildcards):  # a path may have it
        return []
    # What follows is planned when the choice is made: the same one as before trains nothing again.
    checkpoints.chosen_learning_rate.get(
        model=wildcards.model, training=wildcards.training, seed=str(CONFIG.tuning_seed)
    )
    return choice(wildcards)


TUNED = "<results>/learning_rates/{model}/{training}/{rate}/{task}/seed{seed}"
"""The folder of a training at a rate to choose from."""

TRAINED = {
    "encoder": "encoder.safetensors",
    "history": "log.csv",
    "metrics": "metrics.json",
    "events": "events",
}
"""What a training writes, by name."""


def training_files(folder):
    files = {name: f"{folder}/{file}" for name, file in TRAINED.items()}
    return files | {"events": directory(files["events"])}


def training_images(wildcards):
    return f"<resources>/datasets/{form(wildcards)}/{wildcards.task}/train.safetensors"


def probe_data(wildcards):
    """Images that a linear probe sees; none if the model's own classifier takes its place."""
    if CONFIG.has_own_head(wildcards.model, wildcards.task):
        return []
    # The control task's training images are prepared for probes alone.
    kind = "datasets" if wildcards.task in CONFIG.tasks else "control_training"
    train = f"<resources>/{kind}/{form(wildcards)}/{wildcards.task}/train.safetensors"
    return [train, f"{datasets_dir(wildcards)}/{wildcards.task}/validation.safetensors"]


def split_files(folder, splits):
    return {split: f"{folder}/{split}.safetensors" for split in splits}


def data_set(folder, splits):
    """The outputs of a preparation: its splits, and what they are."""
    return split_files(folder, splits) | {"description": f"{folder}/dataset.json"}


def whole_model(wildcards):
    """The model with what is no part of its encoder."""
    family = FAMILIES[CONFIG.family_of(wildcards.model)]
    return f"<resources>/pretrained/{{model}}/{family.weights_file}"


def exported_folders(wildcards):
    """The models that the study exports: of task addition by its first method, and negations."""
    models = CONFIG.export.models
    if models is None:
        models = [m for m in CONFIG.models if CONFIG.family_of(m) in EXPORTERS]
    if not models:
        first = CONFIG.models[0]
        sys.exit(f"export: {unsupported(first, CONFIG.family_of(first))}")
    return expand(
        "<results>/export/{model}/{mode}/{vector}/seed{seed}",
        model=models,
        mode=CONFIG.export.modes or CONFIG.modes,
        vector=[CONFIG.merging[0], *CONFIG.export.negations],
        seed=CONFIG.export.seeds or CONFIG.seeds[:1],
    )


def own_task(wildcards):
    """The file that describes a task which is none of ours."""
    is_ours = wildcards.task in task_names()
    return [] if is_ours else "<resources>/sources/{task}.json"


# Input functions. `tasks` is a list, which may hold wildcards, or a function of the wildcards.
def heads(tasks):
    pattern = "<results>/heads/{base}/{task}/head.safetensors"
    return collect(pattern, base=base_model, task=tasks)


def datasets(tasks, splits):
    pattern = "<resources>/datasets/{form}/{task}/{split}.safetensors"
    return collect(pattern, form=form, task=tasks, split=splits)


def tests_of_plain_weights(tasks):
    """The images that plain weights of a linearized mode are tested on, if they are forced."""
    images = datasets(tasks, "test")

    def of_mode(wildcards):
        return images(wildcards) if CONFIG.has_plain_export(wildcards.mode) else []

    return of_mode


def features(tasks, splits):
    """f(x; θ0) of the tasks."""
    pattern = (
        "<results>/features/{model}/initial/{dataset}/seed{seed}/{split}.safetensors"
    )
    return collect(pattern, dataset=tasks, split=splits, allow_missing=True)


def task_vectors(tasks):
    """Task vectors by the names of tasks, or of methods that merge those of all tasks."""
    pattern = "<results>/task_vectors/{model}/{training}/{task}/seed{seed}/task_vector.safetensors"
    return collect(pattern, training=training_of, task=tasks, allow_missing=True)


def products(tasks, splits):
    """J(x)·τ on data sets, of all the task vectors that are looked up there."""
    first = CONFIG.merging[0]  # its products are among those of the tasks

    def of_method(wildcards):
        folder = "products/{model}/{mode}"
        if wildcards.get("merging", first) != first:
            folder = f"merged_{folder}/{{merging}}"
        pattern = f"<results>/{folder}/{{dataset}}/seed{{seed}}/{{split}}.safetensors"
        found = collect(pattern, dataset=tasks, split=splits, allow_missing=True)
        return found(wildcards) if callable(found) else found

    return of_method


def edited_model(tasks, splits, vectors=None):
    """What an evaluation of edited models reads: of a plain mode weights, of others look-ups."""
    of_kind = {
        "plain": {
            "config": pretrained_config,
            "encoder": initial_encoder,
            "task_vectors": task_vectors(vectors or tasks),
        },
        "linearized": {"products": products(tasks, splits)},
    }
    of_all = {
        "features": features(tasks, splits),
        "heads": heads(tasks),
        "data": datasets(tasks, splits),
    }

    def of_mode(wildcards):
        files = of_kind[MODES[wildcards.mode].evaluated_as] | of_all
        return {
            name: of(wildcards) if callable(of) else of for name, of in files.items()
        }

    return unpack(of_mode)


def single_task(tasks):
    """A mode's own single-task accuracies, by which its accuracies are normalised."""
    pattern = "<results>/single_task/{model}/{mode}/{task}/seed{seed}/accuracy.json"
    return collect(pattern, task=tasks, allow_missing=True)
