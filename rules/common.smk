"""The configuration, and what rules share; no rules."""

import contextlib
import fcntl
import json
import os
import platform
import re
import shlex
import shutil
import sys
from pathlib import Path

from tangent.config.load import load_config
from tangent.config.sharing import shared_conflicts
from tangent.jobs.errors import UserError
from tangent.config.cost.budgets import budget, given_budget
from tangent.config.cost.study import Costs
from tangent.config.cost.throughput import CPU, Machine
from tangent.report.figures.catalogue import FIGURES, figures_of
from tangent.jobs.gpus import auto_device, visible_gpus
from tangent.arithmetic.modes import MODES
from tangent.results.columns import COMBINATIONS, TABLES, raw_results, tables_of
from tangent.jobs.yaml_files import read_yaml
from tangent.results.paper_tables import PAPER_TABLES


def checked_config(mapping):
    """The configuration as an object; a wrong one ends Snakemake with one message."""
    # In the order of merging: Snakemake lists the command line's first but merges them last.
    given = len(workflow.overwrite_configfiles)
    files = [*workflow.configfiles[given:], *workflow.configfiles[:given]]
    files = dict.fromkeys(map(os.path.relpath, files))
    try:
        # Snakemake has read them already, and kept the last of a key that stands twice.
        for file in files if workflow.is_main_process else ():
            if file.endswith((".yaml", ".yml")):
                read_yaml(file)
        checked = load_config(mapping, source=" with ".join(files))
    except UserError as error:
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
        machine = running.read()
        has_locks = locks.exists() and any(locks.iterdir())
        if has_locks and machine not in ("", platform.node()):
            print(
                f"the last Snakemake here ran on {machine} and left its locks: it may be alive. If"
                " it is not, `snakemake --unlock --cores 1` removes them",
                file=sys.stderr,
            )
        else:
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


def has_containers():
    """Whether Snakemake is asked to run jobs in containers."""
    methods = map(str, workflow.deployment_settings.deployment_method)
    return "apptainer" in methods


def image_of_jobs():
    """The container image of all jobs, where Snakemake is asked to run them in one."""
    image = "containers/tangent.sif"
    if has_containers() and not Path(image).exists():
        sys.exit(
            f"{image} does not exist: build it, or copy it there (docs/containers.md)"
        )
    return image


def resolved_device():
    """`cpu` or `cuda`: what `compute.device` means for every job of this workflow."""
    if CONFIG.compute.device != "auto":
        return CONFIG.compute.device
    if runs_elsewhere():
        sys.exit(
            "compute.device: auto asks this machine for its GPUs, but the jobs run on others; set "
            "compute.device to cuda or cpu"
        )
    try:
        return auto_device()
    except UserError as error:
        sys.exit(f"error: {error}")


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
CONFIG_JSON = CONFIG.model_dump_json(exclude={"extends"})
RESULTS = f"{CONFIG.paths.results}/{CONFIG.study}"
SPLITS = ["validation", "test"]
TABLES_OF_STUDY = tables_of(CONFIG)
FIGURES_OF_STUDY = figures_of(CONFIG)
TASKS_AND_CONTROL = [*CONFIG.tasks, CONFIG.control]
# Resolved here, so that a CPU's results are not taken for a GPU's: the device is a parameter.
DEVICE_NAME = resolved_device()
try:
    # What jobs take: their limits, by the functions of `snakemake estimate`.
    ON = CPU if DEVICE_NAME == "cpu" else CONFIG.estimate.gpu
    COSTS = Costs(CONFIG, Machine(ON, CONFIG.estimate.utilization))
except UserError as error:
    sys.exit(f"error: {error}")
prepare_shell()
if workflow.is_main_process:
    RUNNING = remove_stale_locks()
    if DEVICE_NAME == "cuda":
        limit_gpus()


def one_of(names):
    """A wildcard's constraint: one of these; of none, that nothing matches."""
    # Snakemake takes an empty constraint for none.
    return "|".join(re.escape(str(name)) for name in names) or "(?!)"


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


def given_settings(wildcards):
    """How this Snakemake was called, as flags of a script that asks another one."""
    settings = workflow.config_settings
    given = {
        # This one's Python is not in a container, but Snakemake is. It is not in conda's.
        "python": "python" if has_containers() else sys.executable,
        "rerun_triggers": sorted(map(str, workflow.rerun_triggers)),
    }
    if settings.configfiles:
        given["configfiles"] = [os.path.relpath(file) for file in settings.configfiles]
    if settings.config:
        given["config"] = json.dumps(dict(settings.config))
    return flags(**given)


LINEARIZED = one_of(CONFIG.linearized_modes)
DEVICE = {"device": DEVICE_NAME, "threads": CONFIG.compute.threads}
KERNELS = {"memory": budget(CONFIG, "kernels", DEVICE_NAME), **DEVICE}
EVALUATION = {
    "batch_size": CONFIG.compute.evaluation_batch_size,
    "autocast": CONFIG.compute.evaluation_autocast,
    **DEVICE,
}
