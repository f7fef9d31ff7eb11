# Zero-shot heads: one job per model, because loading the text encoder costs more than a head.


rule heads:
    input:
        config="<resources>/pretrained/{model}/open_clip_config.json",
        weights="<resources>/pretrained/{model}/open_clip_model.safetensors",
    output:
        expand(
            "<results>/heads/{{model}}/{task}/head.safetensors",
            task=TASKS_AND_CONTROL,
        ),
    log:
        "<logs>/heads/{model}.log",
    benchmark:
        "<benchmarks>/heads/{model}.tsv"
    conda:
        "../envs/train.yaml"
    threads: CONFIG.compute.threads
    resources:
        mem_mb=memory(4000, 2, ["weights"]),
        runtime=minutes(30),
        gpu=GPUS,
    params:
        pretrained_dir=subpath(input.config, parent=True),
        output_dir=lambda wildcards, output: subpath(output[0], ancestor=2),
        settings=flags(tasks=TASKS_AND_CONTROL, **DEVICE),
        code=code("build_heads", tasks=TASKS_AND_CONTROL),
    message:
        "build the zero-shot heads of {wildcards.model}"
    shell:
        "python -m scripts.build_heads --pretrained-dir {params.pretrained_dir} {params.settings}"
        " --output-dir {params.output_dir} --code {params.code} --log {log}"
