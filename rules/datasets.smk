# Decoded images and labels of every task and the control task, with the protocol's splits.


rule dataset:
    output:
        train="<resources>/datasets/{size}px/{task}/train.safetensors",
        validation="<resources>/datasets/{size}px/{task}/validation.safetensors",
        test="<resources>/datasets/{size}px/{task}/test.safetensors",
        description="<resources>/datasets/{size}px/{task}/dataset.json",
    log:
        "<logs>/datasets/{size}px/{task}.log",
    benchmark:
        "<benchmarks>/datasets/{size}px/{task}.tsv"
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        source=dataset_source,
        settings=flags(
            validation_fraction=CONFIG.validation.fraction,
            validation_maximum=CONFIG.validation.maximum,
        ),
        output_dir=subpath(output.description, parent=True),
        code=lambda wildcards: code("prepare_dataset", tasks=[wildcards.task]),
    message:
        "prepare the images of {wildcards.task}"
    shell:
        "python -m scripts.prepare_dataset --task {wildcards.task}"
        " --source {params.source:q} {params.settings} --output-dir {params.output_dir}"
        " --code {params.code} --log {log}"
