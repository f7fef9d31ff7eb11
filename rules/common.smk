"""The configuration, what results depend on, and the functions that rules share; no rules."""

import contextlib
import fcntl
import os
import platform
import re
import shlex
import shutil
import sys
from pathlib import Path

from tangent.config.load import ConfigError, load_config
from tangent.config.sharing import shared_conflicts
from tangent.fingerprint import fingerprint
from tangent.gpus import auto_device, visible_gpus
from tangent.modes import MODES
from tangent.results.columns import COLLECTED, DERIVED

# What each script's results depend on: library modules (`tangent.` left out), scripts that scripts
# share, and data files. An edit re-runs the steps that list it, so editing a plot trains nothing.
# tests/rules/test_code.py compares the table with what the scripts import. Left out on purpose:
# modules that read, write, record or report a result but do not make it (errors, files, memory,
# progress, provenance, scripts.cli), and those that pick the GPU (gpus, gpu_lease).
IMAGES = (
    "activation_checkpointing augment datasets.preprocess datasets.regions datasets.split features"
    " linearize samples task_vector"
)
DEMO = (
    "demo.captions demo.characters demo.drawing demo.figures demo.handwriting"
    " demo.package_files demo.photographs demo.shifts demo.textures demo.world"
)
# Of the sources' modules, only those of a task's own sources and layout count for its images.
LAYOUT = "datasets.sources.layouts datasets.sources.layouts.layout"
SOURCE_CODE = {
    "hub": "datasets.sources.hub datasets.sources.parquet hub_cache",
    "folder": f"datasets.sources.folder {LAYOUT}",
    "torchvision": f"datasets.sources.from_torchvision {LAYOUT}",
    "demo": f"datasets.sources.demo {DEMO}",
    "synthetic": "datasets.sources.synthetic",
}
LAYOUT_CODE = {
    task: " ".join(f"datasets.sources.layouts.{name}" for name in names.split())
    for task, names in {
        "cars": "listed mat_file stanford_cars",
        "dtd": "class_folders dtd listed",
        "eurosat": "class_folders",
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
    "datasets.sources.base datasets.sources.registry datasets.sources.rows sources tasks"
    f" {' '.join(sorted(OF_SOME_TASKS))}"
)
ENCODER = f"{IMAGES} models.load runtime"
LOOKUPS = "edited edited.linearized edited.plain edited.tables evaluation.tasks heads metrics tasks"
EDITED = f"{ENCODER} {LOOKUPS} modes selection scripts.edited_arguments"
KERNEL = f"{ENCODER} {LOOKUPS} ntk.gram ntk.memory scripts.encoder_arguments"
SCHEMA = "config.base config.dataset_sources config.model_sources config.schema"
CONFIG_READER = (
    f"config.checks config.load {SCHEMA} results.configuration tasks validation"
)
PAPER = "results.paper_numbers results/paper_numbers.yaml results/rerun_accuracies.yaml"
FIGURE = "figures figures.style results.columns results.load"
CODE = {
    "fetch_pretrained": "compact_checkpoint models.load models.sources sources",
    "initialize_random": "models.load",
    "locate_dataset": SOURCES,
    "prepare_dataset": f"{SOURCES} datasets.digest datasets.examined datasets.output"
    " datasets.parallel datasets.preparation datasets.preprocess datasets.regions datasets.split"
    " datasets.writer validation",
    "build_heads": "heads models.load runtime tasks",
    "finetune": "activation_checkpointing augment compile_cache compiling datasets.preprocess"
    " datasets.regions datasets.split finetune.batches finetune.checkpoint finetune.distributed"
    " finetune.engine finetune.forward_backward finetune.images finetune.loop finetune.record"
    " finetune.schedule heads linearize models.load modes runtime task_vector tasks",
    "import_finetuned": "hub_cache models.load modes published.checkpoint published.clip"
    " published.fetched published.hugging_face published.hub published.layout published.sources"
    " published.tensors sources task_vector",
    "extract_task_vector": "task_vector",
    "initial_features": f"{ENCODER} scripts.encoder_arguments",
    "jacobian_products": f"{ENCODER} product_passes products scripts.encoder_arguments",
    "zero_shot": f"{IMAGES} {LOOKUPS} evaluation.single_task",
    "single_task": f"{EDITED} evaluation.single_task",
    "validate_addition": f"{EDITED} evaluation.addition evaluation.records evaluation.sweep",
    "addition": f"{EDITED} evaluation.addition evaluation.records evaluation.sweep",
    "validate_negation": f"{EDITED} evaluation.negation evaluation.records evaluation.sweep",
    "negation": f"{EDITED} evaluation.negation evaluation.records evaluation.sweep",
    "disentanglement": f"{EDITED} disentanglement",
    "eigenfunctions": f"{KERNEL} evaluation.eigenfunctions ntk.cost ntk.eigenfunctions ntk.lanczos"
    " ntk.localization ntk.matrix_free ntk.operator",
    "proposition1": f"{KERNEL} evaluation.proposition1 ntk.proposition1",
    "resolved_config": "",
    "collect_tables": f"{CONFIG_READER} modes results.columns results.collect"
    " results.random_init results.raw",
    "claims": f"{SCHEMA} results.claims results.columns results.load results.measure"
    f" results.claims_text {PAPER} results.render results.studied",
    "comparison": f"{SCHEMA} modes results.columns results.comparison results.load {PAPER}"
    " results.studied",
    "paper_tables": f"{SCHEMA} modes results.columns results.load results.paper_tables"
    " results.render results.studied",
    "plot figure2": f"{FIGURE} figures.figure2 figures.scatter modes",
    "plot figure3": f"{FIGURE} figures.figure3 modes",
    "plot figure5": f"{FIGURE} figures.figure5 figures.scatter modes",
    "plot figure6": f"{FIGURE} figures.figure6",
    "plot alpha_curves": f"{FIGURE} figures.alpha_curves modes",
    "plot proposition1": f"{FIGURE} figures.proposition1",
    "report": f"{CONFIG_READER} modes report.build report.captions report.comparison_tables"
    " report.inventory report.report_tables report.svg report/report.html.j2 report/style.css"
    f" results.claims_text results.columns results.comparison results.load {PAPER}"
    " results.paper_tables results.render results.studied",
    "estimate": f"{SCHEMA} config.checks config.load datasets.regions estimate.disk estimate.memory"
    " estimate.models estimate.passes estimate.study estimate.table estimate.throughput figures"
    " models.load modes ntk.cost ntk.memory product_passes results.columns tasks validation"
    " estimate/datasets.yaml estimate/gpus.yaml estimate/measured.yaml",
    "on_gpus": "",
    "pretrain_demo": f"compact_checkpoint {DEMO} demo.pretraining tasks",
}
PAPER_TABLES = ["table1", "table2", "table3"]
PAPER_FIGURES = ["figure2", "figure3", "figure5", "figure6"]
FIGURES = [*PAPER_FIGURES, "alpha_curves", "proposition1"]
# The tidy tables that each of these reads, as its module's INPUTS.
TABLES_READ = {
    "figure2": ["single_task", "addition"],
    "figure3": ["disentanglement"],
    "figure5": ["single_task", "addition"],
    "figure6": ["eigenfunctions", "random_init"],
    "alpha_curves": ["alpha_sweep", "addition", "negation"],
    "proposition1": ["proposition1"],
    "paper_tables": ["single_task", "addition", "negation", "random_init"],
    "comparison": ["single_task", "addition", "negation"],
    "claims": [
        "single_task",
        "addition",
        "negation",
        "disentanglement",
        "eigenfunctions",
        "random_init",
    ],
}


def checked_config(mapping):
    """The configuration as an object; a wrong one ends Snakemake with one message."""
    # In the order of merging: Snakemake lists the command line's first but merges them last.
    given = len(workflow.overwrite_configfiles)
    files = [*workflow.configfiles[given:], *workflow.configfiles[:given]]
    files = dict.fromkeys(map(os.path.relpath, files))
    try:
        checked = load_config(mapping, source=" with ".join(files))
    except ConfigError as error:
        sys.exit(str(error))
    # Not again in the jobs that this one starts: it would end them, whatever they have done.
    if workflow.is_main_process and (conflicts := shared_conflicts(checked)):
        sys.exit("\n".join(conflicts))
    return checked


def remove_stale_locks(folder=Path(".snakemake")):
    """Remove locks that a killed Snakemake left behind: a killed run is simply started again.

    Each Snakemake shares a lock on one file while it lives, and the kernel drops it however it
    ends: who gets that lock for himself is alone on this machine. Another machine's name in the
    file says that the locks may be those of a Snakemake that lives there.
    """
    locks = folder / "locks"
    folder.mkdir(exist_ok=True)
    running = open(folder / "running", "a+")
    try:
        fcntl.flock(running, fcntl.LOCK_EX | fcntl.LOCK_NB)
        running.seek(0)
        is_ours = running.read() in ("", platform.node())
        if is_ours or not locks.exists() or not any(locks.iterdir()):
            shutil.rmtree(locks, ignore_errors=True)
            running.truncate(0)
            running.write(platform.node())
            running.flush()
    except OSError:
        pass  # another Snakemake is alive, or the file system knows no such locks
    with contextlib.suppress(OSError):
        fcntl.flock(running, fcntl.LOCK_SH)
    return running


def prepare_shell():
    """What every job's shell sees."""
    # `python` is the interpreter that runs Snakemake, also where its environment is not activated
    # (`.venv/bin/snakemake`). A rule's conda environment comes before it.
    os.environ.update(
        PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    )
    # Snakemake sets these to `threads`, which it scales down to the cores at hand, but the last
    # bits of a sum depend on them.
    names = ["OMP", "MKL", "OPENBLAS", "NUMEXPR", "VECLIB"]
    threads = " ".join(f"{name}_NUM_THREADS={CONFIG.compute.threads}" for name in names)
    # Several jobs share the terminal: their progress bars take turns of a second.
    shell.prefix(f"set -euo pipefail; export {threads} TQDM_MININTERVAL=1; ")


def resolved_device():
    """`cpu` or `cuda`: what `compute.device` means for every job of this workflow."""
    if CONFIG.compute.device != "auto":
        return CONFIG.compute.device
    if runs_elsewhere():
        sys.exit(
            "compute.device: auto asks this machine for its GPUs, but the jobs run on others; set "
            "compute.device to cuda or cpu"
        )
    return auto_device()


def runs_elsewhere():
    """Whether an executor sends jobs to other machines: only then Snakemake counts nodes."""
    return workflow.resource_settings.nodes is not None


def limit_gpus():
    """At most as many GPU jobs at a time as there are GPUs, unless --resources says how many.

    Snakemake takes a resource without a limit as unlimited. GPUs that nvidia-smi does not list
    cannot be told apart, so jobs use them one at a time.
    """
    if not runs_elsewhere() and "gpu" not in workflow.global_resources:
        workflow.register_resource("gpu", max(1, len(visible_gpus())))


CONFIG = checked_config(config)
RESULTS = f"{CONFIG.paths.results}/{CONFIG.study}"
SPLITS = ["validation", "test"]
TASKS_AND_CONTROL = [*CONFIG.tasks, CONFIG.control]
# Resolved here, so that a CPU's results are not taken for a GPU's: the device is a parameter.
DEVICE_NAME = resolved_device()
GPUS = 1 if DEVICE_NAME == "cuda" else 0  # what a job asks a scheduler for
prepare_shell()
if workflow.is_main_process:
    RUNNING = remove_stale_locks()
    if GPUS:
        limit_gpus()


def one_of(names):
    """A wildcard's constraint: one of these."""
    return "|".join(re.escape(str(name)) for name in names)


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


def code_of_images(step, task):
    """The same for a step that reads a task's source."""
    sources = [entry.source for entry in CONFIG.datasets[task].sources]
    used = [SOURCE_CODE[source] for source in sources] + [LAYOUT_CODE.get(task, "")]
    without = OF_SOME_TASKS - set(" ".join(used).split())
    return code(step, tasks=[task], without=without)


def flags(**values):
    """Command-line flags; a list becomes several values of one flag.

    Snakemake compares the *set* of a job's parameters with the last run's, so two that swap values
    would go unnoticed as parameters of their own. One string with their names shows it.
    """
    words = []
    for name, value in values.items():
        words.append(f"--{name}".replace("_", "-"))
        words += map(str, value if isinstance(value, list) else [value])
    return shlex.join(words)


PLAIN = one_of(name for name, mode in MODES.items() if mode.evaluated_as == "plain")
LINEARIZED = one_of(
    name for name, mode in MODES.items() if mode.evaluated_as == "linearized"
)
DEVICE = {"device": DEVICE_NAME, "threads": CONFIG.compute.threads}
EVALUATION = {
    "batch_size": CONFIG.compute.evaluation_batch_size,
    "autocast": CONFIG.compute.evaluation_autocast,
    **DEVICE,
}
ALPHAS = list(CONFIG.alphas.model_dump().values())
