# θ0: pre-trained models in the format of their family, those that this workflow pre-trains from
# nothing, and random encoders (table 3).


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
        message:
            "get the model {wildcards.model}"
        shell:
            "python -m scripts fetch_pretrained --source {params.source:q}"
            " --output-dir {params.output_dir} {params.recorded}"


# A rule per recipe, with the steps of its models.
for name, recipe in CONFIG.pretraining.items():
    steps = [
        f"<resources>/pretraining/{name}/step{step}"
        for step in CONFIG.pretraining_steps(name)
    ]

    rule:
        name:
            f"pretraining_{name}"
        output:
            models=expand("{step}/{file}", step=steps, file=recipe.files),
            metrics=expand("{step}/metrics.json", step=steps),
            history=f"<resources>/pretraining/{name}/log.csv",
        log:
            f"<resources>/logs/pretraining/{name}.log",
        threads: recipe.threads
        params:
            # Not the steps, which change no bit: a study that wants fewer runs nothing again.
            recipe=recipe.model_dump_json(),
            code=code_of_pretraining(recipe),
        message:
            f"pre-train {name} from nothing"
        shell:
            # Threads that wait for each other sleep instead of spinning: cores may be shared.
            "GOMP_SPINCOUNT=2000 python -m scripts pretrain --recipe {params.recipe:q}"
            " --metrics {output.metrics} --history {output.history} {params.recorded}"


rule initial:
    input:
        config=pretrained_config,
        constants=pretrained_constants,
    output:
        encoder="<results>/initial/{model}/seed{seed}/encoder.safetensors",
    threads: CONFIG.compute.threads
    message:
        "draw random weights for {wildcards.model}"
    shell:
        "python -m scripts initialize_random --pretrained-dir {params.pretrained_dir}"
        " --seed {wildcards.seed} --output {output.encoder} {params.recorded}"
