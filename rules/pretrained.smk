# θ0: pre-trained models in the format of their family, and random encoders (table 3).


for kind, family in FAMILIES.items():

    rule:
        name:
            f"pretrained_{kind}"
        input:
            source_files,
        output:
            config=f"<resources>/pretrained/{{model}}/{family.config_file}",
            weights=f"<resources>/pretrained/{{model}}/{family.weights_file}",
            encoder="<resources>/pretrained/{model}/encoder.safetensors",
            others=[
                f"<resources>/pretrained/{{model}}/{name}"
                for name in family.other_files
            ],
        wildcard_constraints:
            model=one_of(m for m in CONFIG.models if CONFIG.family_of(m) == kind),
        # Downloads: nodes of a cluster often have no network.
        localrule: True
        threads: CONFIG.compute.threads
        params:
            source=lambda wildcards: json.dumps(CONFIG.source_of(wildcards.model)),
            architecture=architecture_digest,
            code=code_of_source,
        message:
            "get the model {wildcards.model}"
        shell:
            "python -m scripts.fetch_pretrained --source {params.source:q}"
            " --output-dir {params.output_dir}"
            " --code {params.code} --log {log}"


rule initial:
    input:
        config=pretrained_config,
        constants=pretrained_constants,
    output:
        encoder="<results>/initial/{model}/seed{seed}/encoder.safetensors",
    threads: CONFIG.compute.threads
    message:
        "draw random weights for {wildcards.model} (seed {wildcards.seed})"
    shell:
        "python -m scripts.initialize_random --pretrained-dir {params.pretrained_dir}"
        " --seed {wildcards.seed} --output {output.encoder}"
        " --code {params.code} --log {log}"
