# The scaling coefficient α, chosen on validation images only: no test split is an input here.


rule validate_addition_plain:
    input:
        config=pretrained_config,
        encoder=initial_encoder,
        task_vectors=task_vectors(["{merging}"]),
        features=features(tasks_of, "validation"),
        heads=heads(tasks_of),
        data=datasets(tasks_of, "validation"),
        single_task=single_task(tasks_of),
    output:
        sweep="<results>/alpha/{model}/{mode}/{merging}/seed{seed}/sweep.csv",
        alpha="<results>/alpha/{model}/{mode}/{merging}/seed{seed}/alpha.json",
    log:
        "<logs>/alpha/{model}/{mode}/{merging}/seed{seed}.log",
    benchmark:
        "<benchmarks>/alpha/{model}/{mode}/{merging}/seed{seed}.tsv"
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
        settings=lambda wildcards: flags(
            tasks=tasks_of(wildcards), alphas=CONFIG.alphas
        ),
        single_task=lambda wildcards, input: named(input.single_task),
        output_dir=subpath(output.alpha, parent=True),
        code=code_of_model("validate_addition"),
    message:
        "choose α of task addition by {wildcards.merging} ({wildcards.model}, {wildcards.mode}, seed"
        " {wildcards.seed})"
    shell:
        "python -m scripts.validate_addition {params.evaluation} {params.edited_model}"
        " {params.compute} --merging {wildcards.merging} {params.settings} --single-task {params.single_task}"
        " --output-dir {params.output_dir} --code {params.code} --log {log}"


use rule validate_addition_plain as validate_addition_linearized with:
    input:
        products=merged_products(tasks_of, "validation"),
        features=features(tasks_of, "validation"),
        heads=heads(tasks_of),
        data=datasets(tasks_of, "validation"),
        single_task=single_task(tasks_of),
    wildcard_constraints:
        mode=LINEARIZED,
    threads: 1
    params:
        evaluation=evaluation_flags,
        edited_model=linearized_model,
        compute="",
        settings=lambda wildcards: flags(
            tasks=tasks_of(wildcards), alphas=CONFIG.alphas
        ),
        single_task=lambda wildcards, input: named(input.single_task),
        output_dir=subpath(output.alpha, parent=True),
        code=code_of_model("validate_addition"),


rule validate_negation_plain:
    input:
        config=pretrained_config,
        encoder=initial_encoder,
        task_vectors=task_vectors(["{task}"]),
        features=features(["{task}", CONFIG.control], "validation"),
        heads=heads(["{task}", CONFIG.control]),
        data=datasets(["{task}", CONFIG.control], "validation"),
    output:
        sweep="<results>/alpha/{model}/{mode}/{task}/seed{seed}/sweep.csv",
        alpha="<results>/alpha/{model}/{mode}/{task}/seed{seed}/alpha.json",
    log:
        "<logs>/alpha/{model}/{mode}/{task}/seed{seed}.log",
    benchmark:
        "<benchmarks>/alpha/{model}/{mode}/{task}/seed{seed}.tsv"
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
        settings=flags(
            control=CONFIG.control,
            alphas=CONFIG.alphas,
            **CONFIG.negation.model_dump(),
        ),
        output_dir=subpath(output.alpha, parent=True),
        code=code_of_model("validate_negation"),
    message:
        "choose α of negating {wildcards.task} ({wildcards.model}, {wildcards.mode}, seed"
        " {wildcards.seed})"
    shell:
        "python -m scripts.validate_negation {params.evaluation} {params.edited_model}"
        " {params.compute} --task {wildcards.task} {params.settings}"
        " --output-dir {params.output_dir} --code {params.code} --log {log}"


use rule validate_negation_plain as validate_negation_linearized with:
    input:
        products=products(["{task}", CONFIG.control], "validation"),
        features=features(["{task}", CONFIG.control], "validation"),
        heads=heads(["{task}", CONFIG.control]),
        data=datasets(["{task}", CONFIG.control], "validation"),
    wildcard_constraints:
        mode=LINEARIZED,
    threads: 1
    params:
        evaluation=evaluation_flags,
        edited_model=linearized_model,
        compute="",
        settings=flags(
            control=CONFIG.control,
            alphas=CONFIG.alphas,
            **CONFIG.negation.model_dump(),
        ),
        output_dir=subpath(output.alpha, parent=True),
        code=code_of_model("validate_negation"),
