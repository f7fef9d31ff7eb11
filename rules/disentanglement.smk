# Weight-disentanglement error ξ(α1, α2) of a pair of tasks: the heat maps of figure 3.


rule disentanglement_plain:
    input:
        config=pretrained_config,
        encoder=initial_encoder,
        task_vectors=task_vectors(["{task_1}", "{task_2}"]),
        features=features(["{task_1}", "{task_2}"], "test"),
        heads=heads(["{task_1}", "{task_2}"]),
        data=datasets(["{task_1}", "{task_2}"], "test"),
    output:
        error="<results>/disentanglement/{model}/{mode}/{task_1}/{task_2}/seed{seed}/error.csv",
        settings="<results>/disentanglement/{model}/{mode}/{task_1}/{task_2}/seed{seed}/error.json",
    log:
        "<logs>/disentanglement/{model}/{mode}/{task_1}/{task_2}/seed{seed}.log",
    benchmark:
        "<benchmarks>/disentanglement/{model}/{mode}/{task_1}/{task_2}/seed{seed}.tsv"
    wildcard_constraints:
        mode=PLAIN,
    conda:
        "../envs/train.yaml"
    threads: CONFIG.compute.threads
    resources:
        mem_mb=memory,
        runtime=minutes,
        gpu=gpus,
    params:
        evaluation=evaluation_flags,
        edited_model=plain_model,
        compute=flags(**EVALUATION),
        settings=flags(**CONFIG.disentanglement.model_dump(exclude={"models", "pairs"})),
        output_dir=subpath(output.error, parent=True),
        code=code_of_model("disentanglement"),
    message:
        "heat map of {wildcards.task_1} and {wildcards.task_2} ({wildcards.model},"
        " {wildcards.mode}, seed {wildcards.seed})"
    shell:
        "python -m scripts.disentanglement {params.evaluation} {params.edited_model}"
        " {params.compute} --task-1 {wildcards.task_1} --task-2 {wildcards.task_2}"
        " {params.settings} --output-dir {params.output_dir} --code {params.code} --log {log}"


use rule disentanglement_plain as disentanglement_linearized with:
    input:
        products=products(["{task_1}", "{task_2}"], "test"),
        features=features(["{task_1}", "{task_2}"], "test"),
        heads=heads(["{task_1}", "{task_2}"]),
        data=datasets(["{task_1}", "{task_2}"], "test"),
    wildcard_constraints:
        mode=LINEARIZED,
    threads: 1
    params:
        evaluation=evaluation_flags,
        edited_model=linearized_model,
        compute="",
        settings=flags(**CONFIG.disentanglement.model_dump(exclude={"models", "pairs"})),
        output_dir=subpath(output.error, parent=True),
        code=code_of_model("disentanglement"),
