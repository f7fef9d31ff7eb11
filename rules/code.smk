"""What each step runs, and its fingerprint: a result depends on the code that makes it; no rules."""

from tangent.jobs.fingerprint import fingerprint

# What each script's results depend on: library modules (`tangent.` left out), scripts that scripts
# share, and data files. An edit re-runs the steps that list it, so editing a plot trains nothing.
# tests/rules/test_code.py compares the table with what the scripts import. Left out on purpose:
# modules that read, write, record or report a result but do not make it (errors, files,
# job_record, memory, progress, provenance, run_lock, scripts.cli), and those that pick the GPU
# (gpus, gpu_lease).
IMAGES = (
    "activation_checkpointing augment datasets.preprocess datasets.regions datasets.split datasets.token_split features"
    " linearize samples task_vector"
)
DEMO = (
    "demo.captions demo.characters demo.drawing demo.figures demo.handwriting"
    " demo.package_files demo.photographs demo.shifts demo.textures demo.world"
)
DEMO_TEXT = "demo.text.sentences demo.text.words demo.text.world"
TASKS = "tasks tasks.image tasks.labels tasks.text"
# Of the sources' modules, only those of a task's own sources and layout count for its images.
LAYOUT = "datasets.sources.layouts datasets.sources.layouts.layout"
SOURCE_CODE = {
    "hub": "datasets.sources.hub datasets.sources.parquet datasets.sources.parquet_texts"
    " datasets.sources.texts hub_cache",
    "folder": f"datasets.sources.folder {LAYOUT}",
    "torchvision": f"datasets.sources.from_torchvision {LAYOUT}",
    "demo": f"datasets.sources.demo {DEMO}",
    "demo_text": f"datasets.sources.demo_text datasets.sources.texts {DEMO_TEXT}",
    "json_lines": "datasets.sources.json_lines datasets.sources.texts",
    "package": f"datasets.sources.package {LAYOUT}",
    "synthetic": "datasets.sources.synthetic",
}
LAYOUT_CODE = {
    task: " ".join(f"datasets.sources.layouts.{name}" for name in names.split())
    for task, names in {
        "cars": "listed mat_file stanford_cars",
        "dtd": "class_folders dtd listed",
        "eurosat": "class_folders",
        "fashion_mnist": "mnist",
        "gtsrb": "class_folders gtsrb listed",
        "imagenet": "class_folders",
        "mnist": "mnist",
        "resisc45": "class_folders listed resisc45",
        "sun397": "class_folders",
        "svhn": "mat_file svhn",
    }.items()
}
OF_SOME_TASKS = set(" ".join([*SOURCE_CODE.values(), *LAYOUT_CODE.values()]).split())
SOURCES = (
    f"datasets.sources.base datasets.sources.registry datasets.sources.rows sources {TASKS}"
    f" {' '.join(sorted(OF_SOME_TASKS))}"
)
# Of the families' modules, only those of a model's own family count for what is made with it.
FAMILY_CODE = {
    "clip": "heads.zero_shot models.clip",
    "closed_vocabulary": "heads.probe models.closed_vocabulary",
    "text_to_text": "datasets.token_split finetune.texts heads.answers models.t5 models.t5_hub"
    " models.t5_tokenizer models.text_to_text",
}
OF_SOME_FAMILIES = set(" ".join(FAMILY_CODE.values()).split())
HEADS = "heads heads.answers heads.base heads.probe heads.zero_shot"
FAMILIES_CODE = (
    "models.clip models.closed_vocabulary models.families models.preprocessing models.t5"
    " models.t5_tokenizer models.text_to_text"
)
MODELS = f"{FAMILIES_CODE} models.load"
ENCODER = f"{IMAGES} {MODELS} runtime"
LOOKUPS = (
    f"edited edited.linearized edited.plain edited.tables evaluation.tasks {HEADS} metrics"
    " outcomes"
)
EDITED = f"{ENCODER} {LOOKUPS} modes selection scripts.edited_arguments"
COMBINED = (
    "evaluation.analogies evaluation.combinations evaluation.coordinates evaluation.directions"
    " evaluation.records evaluation.subsets evaluation.sweep"
)
KERNEL = f"{ENCODER} {LOOKUPS} ntk.gram ntk.memory scripts.encoder_arguments"
SCHEMA = (
    "config.base config.dataset_sources config.finetuning config.model_sources config.pretraining"
    " config.schema"
)
CONFIG_LOADER = f"config.checks config.load {SCHEMA} {TASKS} selection validation"
PAPER = "results.paper_numbers results/paper_numbers.yaml results/rerun_accuracies.yaml"
FIGURE = "figures figures.style modes results.load"
DERIVED = f"{SCHEMA} modes results.derived results.load results.studied"
PRETRAINING = (
    "demo.pretraining demo.pretraining.recipe demo.pretraining.training finetune.checkpoint"
    " runtime"
)
CODE = {
    "fetch_pretrained": f"compact_checkpoint hub_cache {MODELS} models.packages models.sources"
    " models.t5_hub published.fetched published.hub published.tensors sources",
    "initialize_random": MODELS,
    "locate_dataset": SOURCES,
    "prepare_dataset": f"{SOURCES} datasets.digest datasets.examined datasets.output"
    " datasets.parallel datasets.preparation datasets.preprocess datasets.regions datasets.split"
    " datasets.token_split datasets.writer validation",
    "prepare_text": f"{SOURCES} datasets.digest datasets.examined datasets.parallel"
    " datasets.preparation datasets.preprocess datasets.split datasets.token_split datasets.tokens"
    f" datasets.prompts heads.answers heads.base heads.candidates {MODELS} validation",
    "build_head": f"{HEADS} heads.prompts models.clip runtime {TASKS}",
    "build_answers": f"{HEADS} heads.candidates {MODELS} {TASKS}",
    "fit_probe": f"{ENCODER} {HEADS} heads.regression metrics scripts.encoder_arguments {TASKS}",
    "finetune": f"activation_checkpointing augment compile_cache compiling datasets.preprocess"
    " datasets.regions datasets.split datasets.token_split evaluation.chosen_rate finetune.batches finetune.checkpoint"
    " finetune.distributed finetune.engine finetune.examples finetune.forward_backward"
    " finetune.images finetune.loop finetune.record finetune.schedule finetune.texts"
    f" {HEADS} linearize {MODELS} modes runtime task_vector",
    "tuning_accuracy": f"{ENCODER} {LOOKUPS} learning_rates modes product_passes"
    " scripts.encoder_arguments",
    "choose_learning_rate": "learning_rates modes",
    "adopt_training": "evaluation.chosen_rate modes",
    "import_finetuned": f"hub_cache {MODELS} modes published.checkpoint published.clip"
    " published.fetched published.hugging_face published.hub published.layout published.sources"
    " published.tensors sources task_vector",
    "extract_task_vector": "task_vector",
    "initial_features": f"{ENCODER} scripts.encoder_arguments",
    "jacobian_products": f"{ENCODER} product_passes products scripts.encoder_arguments",
    "zero_shot": f"{IMAGES} {LOOKUPS} evaluation.single_task",
    "single_task": f"{EDITED} evaluation.single_task",
    "validate_addition": f"{EDITED} evaluation.addition evaluation.records evaluation.sweep",
    "addition": f"{EDITED} evaluation.addition evaluation.records evaluation.sweep",
    "validate_negation": f"{EDITED} evaluation.negation evaluation.sweep",
    "negation": f"{EDITED} evaluation.negation evaluation.records evaluation.sweep",
    "disentanglement": f"{EDITED} disentanglement",
    "validate_combinations": f"{EDITED} {COMBINED}",
    "evaluate_combinations": f"{EDITED} {COMBINED}",
    "eigenfunctions": f"{KERNEL} evaluation.eigenfunctions ntk.cost ntk.eigenfunctions ntk.lanczos"
    " ntk.localization ntk.matrix_free ntk.operator",
    "proposition1": f"{KERNEL} evaluation.proposition1 ntk.proposition1",
    "resolved_config": "",
    "collect_table": "learning_rates modes outcomes results.collect results.learning_rates"
    " results.load",
    "derive_table comparison": f"{DERIVED} results.comparison {PAPER}",
    "derive_table emergence": f"{DERIVED} results.emergence selection",
    "derive_table random_init": f"{DERIVED} results.random_init",
    "derive_table rate_sensitivity": "modes results.derived results.load results.rate_sensitivity",
    "derive_table claims": f"{DERIVED} outcomes results.claims results.claims_text"
    " results.images results.intervals results.measure results.measurement"
    f" {PAPER} results.render results.sampled",
    "paper_table": f"{SCHEMA} modes results.load results.paper_tables"
    " results.render results.studied",
    "plot figure2": f"{FIGURE} figures.figure2 figures.scatter",
    "plot figure3": f"{FIGURE} figures.figure3 selection",
    "plot figure5": f"{FIGURE} figures.figure5 figures.scatter",
    "plot figure6": f"{FIGURE} figures.figure6",
    "plot alpha_curves": f"{FIGURE} figures.alpha_curves",
    "plot proposition1": f"{FIGURE} figures.proposition1",
    "plot emergence": f"{FIGURE} figures.emergence",
    "plot rate_sensitivity": f"{FIGURE} figures.rate_sensitivity",
    "plot subsets": f"{FIGURE} figures.subsets",
    "report": f"{CONFIG_LOADER} learning_rates results.configuration figures modes report.build report.combination_tables report.comparison_tables"
    " report.inventory report.learning_rates report.report_tables report.svg report/report.html.j2 report/style.css"
    f" results.claims_text results.comparison results.load {PAPER}"
    " results.paper_tables results.render results.studied",
    "estimate": f"{SCHEMA} config.checks config.load datasets.regions estimate.disk estimate.memory"
    " estimate.models estimate.passes estimate.study estimate.table estimate.throughput figures"
    f" {MODELS} modes ntk.cost ntk.memory product_passes results.paper_tables"
    f" results.render results.studied {TASKS} selection validation"
    " estimate/datasets.yaml estimate/gpus.yaml estimate/measured.yaml",
    "verify": "verify.difference verify.hashes verify.plan verify.summary verify.verification",
    "on_gpus": "",
    "pretrain contrastive": f"{PRETRAINING} compact_checkpoint demo.pretraining.contrastive"
    f" demo.pretraining.pixels {DEMO} {TASKS}",
    "pretrain supervised": f"{PRETRAINING} demo.pretraining.pixels demo.pretraining.supervised"
    f" {DEMO} models.closed_vocabulary {TASKS}",
    "pretrain text": f"{PRETRAINING} datasets.prompts demo.pretraining.text demo.text.tokenizer"
    f" {DEMO_TEXT} heads.answers heads.base heads.candidates {MODELS} {TASKS}",
}


def code(step, tasks=(), without=()):
    """Fingerprint of what a step runs, the files of `tasks` included where it reads them."""
    names = [name for name in CODE[step].split() if name not in without]
    modules = [
        name if name.startswith("scripts.") else f"tangent.{name}"
        for name in names
        if "/" not in name
    ]
    data = [f"tangent/{name}" for name in names if "/" in name]
    data += [f"tangent/tasks/{task}.yaml" for task in tasks]
    return fingerprint([f"scripts.{step.split()[0]}", *modules], data, workflow.basedir)


def other_families(family):
    """Modules that models of a family do without: they are other families' own."""
    return OF_SOME_FAMILIES - set(FAMILY_CODE[family].split())


def code_of_data(step, task, model=None):
    """The same for a step that reads a task's source, on behalf of one model or of all."""
    sources = [entry.source for entry in CONFIG.datasets[task].sources]
    used = [SOURCE_CODE[source] for source in sources] + [LAYOUT_CODE.get(task, "")]
    without = OF_SOME_TASKS - set(" ".join(used).split())
    if model is not None:
        without |= other_families(CONFIG.family_of(model))
    return code(step, tasks=[task], without=without)


def code_of_model(step):
    """The same for a step of a model, as a function of its wildcards."""

    def of_family(wildcards):
        return code(step, without=other_families(CONFIG.family_of(wildcards.model)))

    return of_family


def code_of_head(step):
    """The same for a step that makes a model's head of a task, whose file it reads."""

    def of_family_and_task(wildcards):
        without = other_families(CONFIG.family_of(wildcards.model))
        return code(step, tasks=[wildcards.task], without=without)

    return of_family_and_task
