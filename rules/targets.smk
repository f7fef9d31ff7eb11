# What a person asks for by name, beside `all` and `report`.


rule data:
    input:
        expand(
            "<resources>/datasets/{form}/{task}/dataset.json",
            form=sorted({CONFIG.form_of(model) for model in CONFIG.models}),
            task=TASKS_AND_CONTROL,
        ),


# What needs a network, before the jobs of a machine without one.
rule downloads:
    input:
        expand("<resources>/sources/{task}.json", task=TASKS_AND_CONTROL),
        expand(
            "<resources>/pretrained/{model}/encoder.safetensors", model=CONFIG.models
        ),
        [
            f"<results>/published/{model}/{training}/{task}/encoder.safetensors"
            for model in CONFIG.models
            for training in ["standard", "linear"]
            for task in CONFIG.tasks
            if CONFIG.published_weights(model, training, task)
        ],


rule tables:
    input:
        expand("<results>/tables/{table}.csv", table=[*COLLECTED, *DERIVED]),
        expand(
            "<results>/tables/{table}.{format}",
            table=PAPER_TABLES,
            format=["md", "tex"],
        ),


# Without inputs, or it would make what it is to judge; it writes no file. It asks Snakemake itself
# what every job would run, as `verify` does.
rule estimate:
    localrule: True
    handover: True
    conda:
        "../envs/train.yaml"
    resources:
        mem_mb=2000,
    params:
        study=CONFIG.model_dump_json(),
        settings=given_settings,
        device=DEVICE_NAME,
    message:
        "estimate what this study costs"
    shell:
        "python -m scripts.estimate {params.settings} --study {params.study:q}"
        " --device {params.device}"


# It asks Snakemake itself what every job would run today, and compares that with what ran.
rule verify:
    localrule: True
    handover: True
    conda:
        "../envs/train.yaml"
    threads: 8
    # Without resources it would be given all there are, which on a cluster is no number of cores.
    resources:
        mem_mb=2000,
    params:
        settings=given_settings,
    message:
        "verify where the results come from"
    shell:
        "python -m scripts.verify {params.settings} --threads {threads}"


rule figures:
    input:
        expand(
            "<results>/figures/{figure}.{format}",
            figure=FIGURES_OF_STUDY,
            format=["svg", "pdf"],
        ),


rule combinations:
    input:
        expand(
            "<results>/tables/{table}.csv",
            table=[name for name in COLLECTED if SECTIONS.get(name) == "combinations"],
        ),
        expand(
            "<results>/figures/{figure}.{format}",
            figure=[name for name in FIGURES_OF_STUDY if name == "subsets"],
            format=["svg", "pdf"],
        ),


rule learning_rates:
    input:
        [
            f"<results>/tables/{name}.csv"
            for name in COLLECTED
            if name == "learning_rates"
        ],


rule rate_sensitivity:
    input:
        expand(
            "<results>/figures/{figure}.{format}",
            figure=[name for name in FIGURES_OF_STUDY if name == "rate_sensitivity"],
            format=["svg", "pdf"],
        ),


rule claims:
    input:
        "<results>/tables/claims.csv",


rule comparison:
    input:
        "<results>/tables/comparison.csv",


for name in PAPER_TABLES:

    rule:
        name:
            name
        input:
            expand(
                "<results>/tables/{table}.{format}", table=name, format=["md", "tex"]
            ),


for name in PAPER_FIGURES:

    rule:
        name:
            name
        input:
            expand(
                "<results>/figures/{figure}.{format}",
                figure=name,
                format=["svg", "pdf"],
            ),
