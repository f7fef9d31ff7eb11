# Zero-shot heads: one job per task, so that a new task leaves the heads of the others alone, and with
# them all that was trained on those.


rule heads:
    input:
        config="<resources>/pretrained/{model}/open_clip_config.json",
        weights="<resources>/pretrained/{model}/open_clip_model.safetensors",
    output:
        head="<results>/heads/{model}/{task}/head.safetensors",
    log:
        "<logs>/heads/{model}/{task}.log",
    benchmark:
        "<benchmarks>/heads/{model}/{task}.tsv"
    wildcard_constraints:
        model=one_of(models_with_heads("zero_shot")),
    conda:
        "../envs/train.yaml"
    threads: CONFIG.compute.threads
    resources:
        mem_mb=memory(4000, 2, ["weights"]),
        runtime=minutes(10),
        gpu=GPUS,
    params:
        pretrained_dir=subpath(input.config, parent=True),
        settings=flags(**DEVICE),
        code=lambda wildcards: code("build_head", tasks=[wildcards.task]),
    message:
        "build the zero-shot head of {wildcards.model} for {wildcards.task}"
    shell:
        "python -m scripts.build_head --pretrained-dir {params.pretrained_dir}"
        " --task {wildcards.task} {params.settings} --output {output.head}"
        " --code {params.code} --log {log}"
