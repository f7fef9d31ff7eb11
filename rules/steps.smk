"""What every step has beside what its rule says: an environment, a benchmark at its log's path; no rules."""

for step in workflow.rules:
    if step.shellcmd:
        step.conda_env = step.conda_env or "../envs/train.yaml"
    if step.log:
        (log,) = step.ruleinfo.log.paths
        place = log.replace("<resources>/logs", "<benchmarks>").replace(
            "<logs>", "<benchmarks>"
        )
        step.benchmark_modifier = step.log_modifier
        step.benchmark = place.removesuffix(".log") + ".tsv"
