# The scaling coefficient α, chosen on validation images only: no test split is an input here.


rule validate_addition_plain:
    input:
        edited_model(tasks_of, "validation", vectors=["{merging}"]),
        single_task=single_task(tasks_of),
    output:
        sweep="<results>/alpha/{model}/{mode}/{merging}/seed{seed}/sweep.csv",
        alpha="<results>/alpha/{model}/{mode}/{merging}/seed{seed}/alpha.json",
    wildcard_constraints:
        mode=PLAIN,
    threads: CONFIG.compute.threads
    params:
        evaluation=evaluation_flags,
        settings=lambda wildcards: flags(
            tasks=tasks_of(wildcards), alphas=CONFIG.alphas
        ),
    message:
        "choose α of task addition by {wildcards.merging} ({wildcards.model}, {wildcards.mode}, seed"
        " {wildcards.seed})"
    shell:
        "python -m scripts.validate_addition {params.evaluation} {params.compute} --merging {wildcards.merging}"
        " {params.settings} --output-dir {params.output_dir}"
        " --code {params.code} --log {log}"


use rule validate_addition_plain as validate_addition_linearized with:
    wildcard_constraints:
        mode=LINEARIZED,
    threads: 1


rule validate_negation_plain:
    input:
        edited_model(["{task}", CONFIG.control], "validation", vectors=["{task}"]),
    output:
        sweep="<results>/alpha/{model}/{mode}/{task}/seed{seed}/sweep.csv",
        alpha="<results>/alpha/{model}/{mode}/{task}/seed{seed}/alpha.json",
    wildcard_constraints:
        mode=PLAIN,
    threads: CONFIG.compute.threads
    params:
        evaluation=evaluation_flags,
        settings=flags(
            control=CONFIG.control,
            alphas=CONFIG.alphas,
            **CONFIG.negation.model_dump(),
        ),
    message:
        "choose α of negating {wildcards.task} ({wildcards.model}, {wildcards.mode}, seed"
        " {wildcards.seed})"
    shell:
        "python -m scripts.validate_negation {params.evaluation} {params.compute} --task {wildcards.task}"
        " {params.settings} --output-dir {params.output_dir}"
        " --code {params.code} --log {log}"


use rule validate_negation_plain as validate_negation_linearized with:
    wildcard_constraints:
        mode=LINEARIZED,
    threads: 1
