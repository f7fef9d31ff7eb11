# Task negation (table 2), tested once at the α that validation chose.


rule negation_plain:
    input:
        config=pretrained_config,
        encoder=initial_encoder,
        task_vectors=task_vectors(["{task}"]),
        features=features(["{task}", CONFIG.control], "test"),
        heads=heads(["{task}", CONFIG.control]),
        data=datasets(["{task}", CONFIG.control], "test"),
        alpha="<results>/alpha/{model}/{mode}/{task}/seed{seed}/alpha.json",
    output:
        result="<results>/negation/{model}/{mode}/{task}/seed{seed}/result.json",
    log:
        "<logs>/negation/{model}/{mode}/{task}/seed{seed}.log",
    benchmark:
        "<benchmarks>/negation/{model}/{mode}/{task}/seed{seed}.tsv"
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
        control=CONFIG.control,
        code=code_of_model("negation"),
    message:
        "task negation of {wildcards.task} ({wildcards.model}, {wildcards.mode}, seed"
        " {wildcards.seed})"
    shell:
        "python -m scripts.negation {params.evaluation} {params.edited_model} {params.compute}"
        " --task {wildcards.task} --control {params.control}"
        " --alpha {input.alpha} --output {output.result} --code {params.code} --log {log}"


use rule negation_plain as negation_linearized with:
    input:
        products=products(["{task}", CONFIG.control], "test"),
        features=features(["{task}", CONFIG.control], "test"),
        heads=heads(["{task}", CONFIG.control]),
        data=datasets(["{task}", CONFIG.control], "test"),
        alpha="<results>/alpha/{model}/{mode}/{task}/seed{seed}/alpha.json",
    wildcard_constraints:
        mode=LINEARIZED,
    threads: 1
    params:
        evaluation=evaluation_flags,
        edited_model=linearized_model,
        compute="",
        control=CONFIG.control,
        code=code_of_model("negation"),
