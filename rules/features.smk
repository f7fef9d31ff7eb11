# What evaluations look up on each data set: features f(x; θ0), and J(x)·τ for the linearized modes.


rule features:
    input:
        config=pretrained_config,
        encoder=initial_encoder,
        data=datasets(["{dataset}"], SPLITS),
    output:
        validation="<results>/features/{model}/initial/{dataset}/seed{seed}/validation.safetensors",
        test="<results>/features/{model}/initial/{dataset}/seed{seed}/test.safetensors",
    log:
        "<logs>/features/{model}/initial/{dataset}/seed{seed}.log",
    benchmark:
        "<benchmarks>/features/{model}/initial/{dataset}/seed{seed}.tsv"
    conda:
        "../envs/train.yaml"
    threads: CONFIG.compute.threads
    resources:
        mem_mb=memory,
        runtime=minutes,
        gpu=gpus,
    params:
        pretrained_dir=subpath(input.config, parent=True),
        datasets_dir=datasets_dir,
        output_dir=subpath(output.test, parent=True),
        settings=flags(**EVALUATION),
        code=code_of_model("initial_features"),
    message:
        "features of {wildcards.dataset} at the initial weights ({wildcards.model}, seed"
        " {wildcards.seed})"
    shell:
        "python -m scripts.initial_features --pretrained-dir {params.pretrained_dir}"
        " --encoder {input.encoder} --datasets-dir {params.datasets_dir}"
        " --dataset {wildcards.dataset} {params.settings} --output-dir {params.output_dir}"
        " --code {params.code} --log {log}"


rule products:
    input:
        config=pretrained_config,
        encoder=initial_encoder,
        task_vectors=task_vectors(product_vectors),
        data=datasets(["{dataset}"], SPLITS),
    output:
        validation="<results>/products/{model}/{mode}/{dataset}/seed{seed}/validation.safetensors",
        test="<results>/products/{model}/{mode}/{dataset}/seed{seed}/test.safetensors",
    log:
        "<logs>/products/{model}/{mode}/{dataset}/seed{seed}.log",
    benchmark:
        "<benchmarks>/products/{model}/{mode}/{dataset}/seed{seed}.tsv"
    wildcard_constraints:
        mode=LINEARIZED,
    conda:
        "../envs/train.yaml"
    threads: CONFIG.compute.threads
    resources:
        mem_mb=memory,
        runtime=minutes,
        gpu=gpus,
    params:
        pretrained_dir=subpath(input.config, parent=True),
        datasets_dir=datasets_dir,
        output_dir=subpath(output.test, parent=True),
        task_vectors=lambda wildcards, input: named(input.task_vectors),
        settings=product_flags,
        code=code_of_model("jacobian_products"),
    message:
        "Jacobian-vector products on {wildcards.dataset} ({wildcards.model}, {wildcards.mode}, seed"
        " {wildcards.seed})"
    shell:
        "python -m scripts.jacobian_products --pretrained-dir {params.pretrained_dir}"
        " --encoder {input.encoder} --task-vectors {params.task_vectors}"
        " --datasets-dir {params.datasets_dir} --dataset {wildcards.dataset} {params.settings}"
        " --output-dir {params.output_dir} --code {params.code} --log {log}"


# A file of its own for each further method: with one more, what the others gave stays.
use rule products as merged_products with:
    input:
        config=pretrained_config,
        encoder=initial_encoder,
        task_vectors=task_vectors(["{merging}"]),
        data=datasets(["{dataset}"], SPLITS),
    output:
        validation="<results>/merged_products/{model}/{mode}/{merging}/{dataset}/seed{seed}/validation.safetensors",
        test="<results>/merged_products/{model}/{mode}/{merging}/{dataset}/seed{seed}/test.safetensors",
    log:
        "<logs>/merged_products/{model}/{mode}/{merging}/{dataset}/seed{seed}.log",
    benchmark:
        "<benchmarks>/merged_products/{model}/{mode}/{merging}/{dataset}/seed{seed}.tsv"
    params:
        pretrained_dir=subpath(input.config, parent=True),
        datasets_dir=datasets_dir,
        output_dir=subpath(output.test, parent=True),
        task_vectors=lambda wildcards, input: named(input.task_vectors),
        settings=lambda wildcards: flags(
            validation=wildcards.merging, test=wildcards.merging, **EVALUATION
        ),
        code=code_of_model("jacobian_products"),
    message:
        "Jacobian-vector products of {wildcards.merging} on {wildcards.dataset} ({wildcards.model},"
        " {wildcards.mode}, seed {wildcards.seed})"
