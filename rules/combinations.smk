# Beyond the paper, of the linearized modes: sums over subsets of the tasks, an α per task, analogies.


rule validate_combinations:
    input:
        products=products(tasks_of, "validation"),
        features=features(tasks_of, "validation"),
        heads=heads(tasks_of),
        data=datasets(tasks_of, "validation"),
        single_task=single_task(tasks_of),
    output:
        choices="<results>/combinations/{model}/{mode}/seed{seed}/choices.json",
    log:
        "<logs>/combinations/{model}/{mode}/seed{seed}/choices.log",
    benchmark:
        "<benchmarks>/combinations/{model}/{mode}/seed{seed}/choices.tsv"
    wildcard_constraints:
        mode=LINEARIZED,
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=memory,
        runtime=minutes,
        gpu=0,
    params:
        evaluation=evaluation_flags,
        edited_model=linearized_model,
        settings=combination_flags,
        single_task=lambda wildcards, input: named(input.single_task),
        code=code_of_model("validate_combinations"),
    message:
        "choose α of other combinations ({wildcards.model}, {wildcards.mode}, seed"
        " {wildcards.seed})"
    shell:
        "python -m scripts.validate_combinations {params.evaluation} {params.edited_model}"
        " {params.settings} --single-task {params.single_task} --output {output.choices}"
        " --code {params.code} --log {log}"


rule evaluate_combinations:
    input:
        products=products(tasks_of, "test"),
        features=features(tasks_of, "test"),
        heads=heads(tasks_of),
        data=datasets(tasks_of, "test"),
        single_task=single_task(tasks_of),
        choices="<results>/combinations/{model}/{mode}/seed{seed}/choices.json",
    output:
        result="<results>/combinations/{model}/{mode}/seed{seed}/result.json",
    log:
        "<logs>/combinations/{model}/{mode}/seed{seed}/result.log",
    benchmark:
        "<benchmarks>/combinations/{model}/{mode}/seed{seed}/result.tsv"
    wildcard_constraints:
        mode=LINEARIZED,
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=memory,
        runtime=minutes,
        gpu=0,
    params:
        evaluation=evaluation_flags,
        edited_model=linearized_model,
        tasks=tasks_of,
        single_task=lambda wildcards, input: named(input.single_task),
        code=code_of_model("evaluate_combinations"),
    message:
        "other combinations of task vectors ({wildcards.model}, {wildcards.mode}, seed"
        " {wildcards.seed})"
    shell:
        "python -m scripts.evaluate_combinations {params.evaluation} {params.edited_model}"
        " --tasks {params.tasks} --single-task {params.single_task} --choices {input.choices}"
        " --output {output.result} --code {params.code} --log {log}"
