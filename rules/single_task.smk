# Accuracy at α = 0 (zero-shot) and of each task's own model, α = 1 (figures 2 and 5).


rule zero_shot:
    input:
        features=features(tasks_and_control, SPLITS),
        heads=heads(tasks_and_control),
        data=datasets(tasks_and_control, SPLITS),
    output:
        accuracy="<results>/zero_shot/{model}/seed{seed}/zero_shot.json",
    log:
        "<logs>/zero_shot/{model}/seed{seed}.log",
    benchmark:
        "<benchmarks>/zero_shot/{model}/seed{seed}.tsv"
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=memory,
        runtime=minutes,
    params:
        features=lambda wildcards, input: flags(
            initial_features=named_folders(input.features)
        ),
        heads_dir=lambda wildcards, input: subpath(input.heads[0], ancestor=2),
        datasets_dir=datasets_dir,
        head_kind=head_kind,
        code=code_of_model("zero_shot"),
    message:
        "zero-shot accuracy of {wildcards.model} (seed {wildcards.seed})"
    shell:
        "python -m scripts.zero_shot --model {wildcards.model} --seed {wildcards.seed}"
        " {params.features} --heads-dir {params.heads_dir} --head-kind {params.head_kind}"
        " --datasets-dir {params.datasets_dir} --output {output.accuracy} --code {params.code} --log {log}"


rule single_task_plain:
    input:
        config=pretrained_config,
        encoder=initial_encoder,
        task_vectors=task_vectors(["{task}"]),
        features=features(["{task}"], SPLITS),
        heads=heads(["{task}"]),
        data=datasets(["{task}"], SPLITS),
    output:
        accuracy="<results>/single_task/{model}/{mode}/{task}/seed{seed}/accuracy.json",
    log:
        "<logs>/single_task/{model}/{mode}/{task}/seed{seed}.log",
    benchmark:
        "<benchmarks>/single_task/{model}/{mode}/{task}/seed{seed}.tsv"
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
        code=code_of_model("single_task"),
    message:
        "single-task accuracy on {wildcards.task} ({wildcards.model}, {wildcards.mode}, seed"
        " {wildcards.seed})"
    shell:
        "python -m scripts.single_task {params.evaluation} {params.edited_model} {params.compute}"
        " --task {wildcards.task} --output {output.accuracy} --code {params.code} --log {log}"


use rule single_task_plain as single_task_linearized with:
    input:
        products=products(["{task}"], SPLITS),
        features=features(["{task}"], SPLITS),
        heads=heads(["{task}"]),
        data=datasets(["{task}"], SPLITS),
    wildcard_constraints:
        mode=LINEARIZED,
    threads: 1
    params:
        evaluation=evaluation_flags,
        edited_model=linearized_model,
        compute="",
        code=code_of_model("single_task"),
