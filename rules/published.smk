# θ* of others: published fine-tuned weights, checked and in our names (docs/published.md).


rule published:
    input:
        published_files,
        config=pretrained_config,
        initial="<resources>/pretrained/{model}/encoder.safetensors",
    output:
        encoder="<results>/published/{model}/{training}/{task}/encoder.safetensors",
    # Downloads: nodes of a cluster often have no network.
    localrule: True
    threads: CONFIG.compute.threads
    params:
        source=lambda wildcards: published(wildcards).model_dump_json(),
        code=code_of_published,
    message:
        "take published weights of {wildcards.model} on {wildcards.task} ({wildcards.training})"
    shell:
        "python -m scripts.import_finetuned --source {params.source:q} --pretrained-dir"
        " {params.pretrained_dir} --initial-encoder {input.initial} --training {wildcards.training}"
        " --task {wildcards.task} --model {wildcards.model} --output {output.encoder}"
        " --code {params.code} --log {log}"
