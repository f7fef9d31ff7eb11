# Weight-disentanglement error ξ(α1, α2) of a pair of tasks: the heat maps of figure 3.


rule disentanglement_plain:
    input:
        edited_model(["{task_1}", "{task_2}"], "test"),
    output:
        error="<results>/disentanglement/{model}/{mode}/{task_1}/{task_2}/seed{seed}/error.csv",
        settings="<results>/disentanglement/{model}/{mode}/{task_1}/{task_2}/seed{seed}/error.json",
    wildcard_constraints:
        mode=PLAIN,
    threads: CONFIG.compute.threads
    params:
        evaluation=evaluation_flags,
        settings=flags(**CONFIG.disentanglement.model_dump(exclude={"models", "pairs"})),
    message:
        "heat map of {wildcards.task_1} and {wildcards.task_2} ({wildcards.model},"
        " {wildcards.mode}, seed {wildcards.seed})"
    shell:
        "python -m scripts.disentanglement {params.evaluation} {params.compute} --task-1 {wildcards.task_1} --task-2"
        " {wildcards.task_2} {params.settings} --output-dir {params.output_dir}"
        " --code {params.code} --log {log}"


use rule disentanglement_plain as disentanglement_linearized with:
    wildcard_constraints:
        mode=LINEARIZED,
    threads: 1
