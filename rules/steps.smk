"""What every step has beside what its rule says; no rules."""

from snakemake.io import apply_wildcards
from snakemake.resources import Resources

SITE = site_of_cluster()
SLOTS = getattr(workflow.global_resources.get("slots"), "value", 1)
LIMITS = {"mem_mb": memory, "runtime": minutes, "gpu": gpus, "slots": slots}
if SITE.partitions.gpu is not None:
    LIMITS["slurm_partition"] = partition
PARAMETERS = {
    "output_dir": lambda wildcards, output: str(Path(output[0]).parent),
    "pretrained_dir": lambda wildcards, input: str(Path(input.config).parent),
    "tables_dir": lambda wildcards, input: str(Path(input.tables[0]).parent),
    "splits": splits_of,
    "task": task_flags,
    "tasks": tasks_of,
    "task_vectors": vector_flags,
    "encoder": encoder_flags,
    "evaluation": evaluation_flags,
    "compute": compute_flags,
}
"""Of commands that name them."""
ABOUT = {name: f"{{wildcards.{name}}}" for name in ("model", "training", "mode")}
ABOUT["seed"] = "seed {wildcards.seed}"
"""What a message says of a job, by wildcard."""
WITHOUT_TORCH = ["tables"]
"""Files of rules whose steps need no torch."""


def complete(step):
    """Give a step its environment, group, limits, log, benchmark, and fingerprint of code.

    What its rule says itself stays. Its command, which Snakemake has compiled by now, names them.
    Its message ends with what it does not say of the job, in parentheses.
    """
    outputs = step.ruleinfo.output
    first, *_ = [*outputs.paths, *outputs.kwpaths.values()]
    stage = "report" if Path(step.snakefile).stem in WITHOUT_TORCH else "train"
    step.conda_env = step.conda_env or f"../envs/{stage}.yaml"
    step.resources.update(Resources.from_mapping(LIMITS))
    group = "summary" if stage == "report" else None
    if "{params.evaluation}" in step.shellcmd:
        group = lookups
    # A dry run on this machine would show groups, which its run does not have.
    is_grouped = runs_elsewhere() or not workflow.is_main_process
    step.group = (step.ruleinfo.group or group) if is_grouped else None
    # What a profile or `--set-resources` gives to the rule wins, as in Snakemake itself.
    given = workflow.resource_settings._parsed_overwrite_resources
    step.resources.update(given.get(step.name, {}))
    if step.log:
        (log,) = step.ruleinfo.log.paths
    else:
        # Of most jobs the outputs have a folder of their own, whose name is the log's.
        path = Path(first)
        path = path.with_suffix("") if "{" in path.name else path.parent
        path = str(path).replace("<resources>", "<resources>/logs")
        log = f"{path.replace('<results>', '<logs>')}.log"
        step.log_modifier = step.output_modifier
        step.set_log(log)
    step.benchmark_modifier = step.log_modifier
    path = re.sub(r"<logs>|<resources>/logs", "<benchmarks>", log)
    step.benchmark = path.removesuffix(".log") + ".tsv"
    (script,) = re.findall(r"python -m scripts (\w+)", step.shellcmd)
    log, code = str(step.log[0]), step.params.get("code", code_of(script))

    def recorded(wildcards):
        fingerprint = code(wildcards) if callable(code) else code
        return f"--code {fingerprint} --log {apply_wildcards(log, dict(wildcards.items()))}"

    for name, value in {"recorded": recorded, **PARAMETERS}.items():
        if f"{{params.{name}}}" in step.shellcmd and name not in step.params.keys():
            step.set_params(**{name: value})
    unsaid = [
        text
        for name, text in ABOUT.items()
        if name in step.wildcard_names and text not in step.message
    ]
    if unsaid:
        step.message += f" ({', '.join(unsaid)})"


STEPS = [
    step
    for step in workflow.rules
    if step.output and "python -m scripts " in (step.shellcmd or "")
]
for step in STEPS:
    complete(step)
check_groups(STEPS)
