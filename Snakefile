# From the repository root: snakemake --cores 2 [target] [--configfile overlay.yaml]
import gc
import getpass
import os
import sys

from snakemake.utils import min_version

from tangent.config.load import extended_files
from tangent.jobs.errors import UserError

min_version("9.19")

# Jobs run `python -m scripts …` and name files from here.
if not os.path.samefile(os.getcwd(), workflow.basedir):
    sys.exit(f"start Snakemake in the repository's folder: cd {workflow.basedir}")

# A container's user may have no name, but Snakemake and torch ask for one.
try:
    getpass.getuser()
except (KeyError, OSError):
    os.environ.update(USER=str(os.getuid()))

# Planning makes objects by the million that live on: looking for garbage among them takes a tenth
# of its time. Among what comes later it is looked for when jobs start (rules/runs.smk).
gc.disable()


configfile: "config.yaml"


try:
    EXTENDED = extended_files(config.get("extends"))
except UserError as error:
    sys.exit(str(error))

for extended in EXTENDED:

    # Snakemake applies the command line's files again after it: they change the extended one.
    configfile: extended


include: "rules/cluster.smk"
include: "rules/common.smk"
include: "rules/code.smk"
include: "rules/paths.smk"
include: "rules/parameters.smk"
include: "rules/runs.smk"


# With `--sdm apptainer` jobs run in this image (docs/containers.md); otherwise it need not exist.
container: image_of_jobs()


pathvars:
    resources=CONFIG.paths.resources,
    results=RESULTS,
    logs=f"{RESULTS}/logs",
    benchmarks=f"{RESULTS}/benchmarks",


wildcard_constraints:
    model=one_of(CONFIG.all_models),
    training=one_of(CONFIG.trainings),
    mode=one_of(CONFIG.modes),
    merging=one_of(CONFIG.merging),
    task=one_of(TASKS_AND_CONTROL),
    task_1=one_of(CONFIG.tasks),
    task_2=one_of(CONFIG.tasks),
    dataset=one_of(TASKS_AND_CONTROL),
    seed=one_of(CONFIG.seeds),
    rate=one_of({rate for pair in CONFIG.searches for rate in CONFIG.rate_grid(*pair)}),
    size=r"\d+",


include: "rules/models.smk"
include: "rules/datasets.smk"
include: "rules/heads.smk"
include: "rules/trainings.smk"
include: "rules/evaluations.smk"
include: "rules/eigenfunctions.smk"
include: "rules/export.smk"
include: "rules/tables.smk"
include: "rules/targets.smk"
include: "rules/steps.smk"


rule all:
    input:
        "<results>/report/index.html",
        expand("<results>/figures/{figure}.pdf", figure=FIGURES_OF_STUDY),
        expand("<results>/tables/{table}.tex", table=PAPER_TABLES),
