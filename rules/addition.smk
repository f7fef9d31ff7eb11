# Task addition (table 1), tested once at the α that validation chose.


rule addition_plain:
    input:
        config=pretrained_config,
        encoder=initial_encoder,
        task_vectors=task_vectors(["{merging}"]),
        features=features(tasks_of, "test"),
        heads=heads(tasks_of),
        data=datasets(tasks_of, "test"),
        single_task=single_task(tasks_of),
        alpha="<results>/alpha/{model}/{mode}/{merging}/seed{seed}/alpha.json",
    output:
        result="<results>/addition/{model}/{mode}/{merging}/seed{seed}/result.json",
    log:
        "<logs>/addition/{model}/{mode}/{merging}/seed{seed}.log",
    benchmark:
        "<benchmarks>/addition/{model}/{mode}/{merging}/seed{seed}.tsv"
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
        tasks=tasks_of,
        single_task=lambda wildcards, input: named(input.single_task),
        code=code_of_model("addition"),
    message:
        "task addition by {wildcards.merging} ({wildcards.model}, {wildcards.mode}, seed {wildcards.seed})"
    shell:
        "python -m scripts.addition {params.evaluation} {params.edited_model} {params.compute}"
        " --merging {wildcards.merging} --tasks {params.tasks} --single-task {params.single_task} --alpha {input.alpha}"
        " --output {output.result} --code {params.code} --log {log}"


use rule addition_plain as addition_linearized with:
    input:
        products=merged_products(tasks_of, "test"),
        features=features(tasks_of, "test"),
        heads=heads(tasks_of),
        data=datasets(tasks_of, "test"),
        single_task=single_task(tasks_of),
        alpha="<results>/alpha/{model}/{mode}/{merging}/seed{seed}/alpha.json",
    wildcard_constraints:
        mode=LINEARIZED,
    threads: 1
    params:
        evaluation=evaluation_flags,
        edited_model=linearized_model,
        compute="",
        tasks=tasks_of,
        single_task=lambda wildcards, input: named(input.single_task),
        code=code_of_model("addition"),
