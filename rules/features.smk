# What evaluations look up on each data set: features f(x; θ0), and J(x)·τ for the linearized modes.


rule features:
    input:
        config=pretrained_config,
        encoder=initial_encoder,
        data=datasets(["{dataset}"], SPLITS),
    output:
        validation="<results>/features/{model}/initial/{dataset}/seed{seed}/validation.safetensors",
        test="<results>/features/{model}/initial/{dataset}/seed{seed}/test.safetensors",
    threads: CONFIG.compute.threads
    params:
        encoder=encoder_flags,
        settings=flags(**EVALUATION),
    message:
        "features of {wildcards.dataset} at the initial weights ({wildcards.model}, seed"
        " {wildcards.seed})"
    shell:
        "python -m scripts.initial_features {params.encoder} --dataset {wildcards.dataset}"
        " {params.settings} --output-dir {params.output_dir}"
        " --code {params.code} --log {log}"


rule products:
    input:
        config=pretrained_config,
        encoder=initial_encoder,
        task_vectors=task_vectors(vectors_of_products),
        data=datasets(["{dataset}"], SPLITS),
    output:
        validation="<results>/products/{model}/{mode}/{dataset}/seed{seed}/validation.safetensors",
        test="<results>/products/{model}/{mode}/{dataset}/seed{seed}/test.safetensors",
    wildcard_constraints:
        mode=LINEARIZED,
    threads: CONFIG.compute.threads
    params:
        encoder=encoder_flags,
        task_vectors=vector_flags,
        settings=product_flags,
    message:
        "Jacobian-vector products on {wildcards.dataset} ({wildcards.model}, {wildcards.mode}, seed"
        " {wildcards.seed})"
    shell:
        "python -m scripts.jacobian_products {params.encoder} {params.task_vectors}"
        " --dataset {wildcards.dataset}"
        " {params.settings} --output-dir {params.output_dir}"
        " --code {params.code} --log {log}"


# A file of its own for each further method: with one more, what the others gave stays.
use rule products as merged_products with:
    output:
        validation="<results>/merged_products/{model}/{mode}/{merging}/{dataset}/seed{seed}/validation.safetensors",
        test="<results>/merged_products/{model}/{mode}/{merging}/{dataset}/seed{seed}/test.safetensors",
    message:
        "Jacobian-vector products of {wildcards.merging} on {wildcards.dataset} ({wildcards.model},"
        " {wildcards.mode}, seed {wildcards.seed})"
