# `snakemake pretrain_demo` makes the demo's model from nothing. Studies read the shipped one.


rule pretraining:
    output:
        weights="<resources>/pretraining/{model}/model.safetensors",
        config="<resources>/pretraining/{model}/open_clip_config.json",
        history="<resources>/pretraining/{model}/log.csv",
        metrics="<resources>/pretraining/{model}/metrics.json",
    log:
        "<logs>/pretraining/{model}.log",
    benchmark:
        "<benchmarks>/pretraining/{model}.tsv"
    wildcard_constraints:
        model=one_of(CONFIG.pretraining),
    conda:
        "../envs/train.yaml"
    threads: lambda wildcards: CONFIG.pretraining[wildcards.model].threads
    resources:
        mem_mb=memory(6000),
        runtime=minutes(480),
    params:
        output_dir=subpath(output.weights, parent=True),
        settings=lambda wildcards: flags(
            **CONFIG.pretraining[wildcards.model].model_dump()
        ),
        code=code("pretrain_demo"),
    message:
        "pre-train {wildcards.model} from nothing"
    shell:
        "python -m scripts.pretrain_demo {params.settings} --output-dir {params.output_dir}"
        " 2>&1 | tee {log}"


rule pretrain_demo:
    input:
        expand(
            "<resources>/pretraining/{model}/model.safetensors",
            model=CONFIG.pretraining,
        ),
