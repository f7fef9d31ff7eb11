"""What every step has beside what its rule says; no rules."""

from snakemake.resources import Resources

LIMITS = {"mem_mb": memory, "runtime": minutes, "gpu": gpus}

for step in workflow.rules:
    if step.shellcmd:
        step.conda_env = step.conda_env or "../envs/train.yaml"
        if not step.ruleinfo.resources:
            step.resources.update(Resources.from_mapping(LIMITS))
            # What a profile or `--set-resources` gives to the rule wins, as in Snakemake itself.
            given = workflow.resource_settings._parsed_overwrite_resources
            step.resources.update(given.get(step.name, {}))
    if step.log:
        # A benchmark at the log's path, in a folder of its own.
        (log,) = step.ruleinfo.log.paths
        path = re.sub(r"<logs>|<resources>/logs", "<benchmarks>", log)
        step.benchmark_modifier = step.log_modifier
        step.benchmark = path.removesuffix(".log") + ".tsv"
