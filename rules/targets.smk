# What a person asks for by name, beside `all` and `report`.


# Without inputs, or it would make what it is to judge; it writes no file. It asks Snakemake itself
# what every job would run, as `verify` does.
rule estimate:
    localrule: True
    handover: True
    resources:
        mem_mb=2000,
    params:
        study=lambda wildcards: CONFIG.model_dump_json(),
        settings=given_settings,
        device=DEVICE_NAME,
    message:
        "estimate what this study costs"
    shell:
        "python -m scripts estimate {params.settings} --study {params.study:q}"
        " --device {params.device}"


# It asks Snakemake itself what every job would run today, and compares that with what ran.
rule verify:
    localrule: True
    handover: True
    threads: 8
    # Without resources it would be given all there are, which on a cluster is no number of cores.
    resources:
        mem_mb=2000,
    params:
        settings=given_settings,
        results=RESULTS,
    message:
        "verify where the results come from"
    shell:
        "python -m scripts verify {params.settings} --results-dir {params.results}"
        " --threads {threads}"


COMBINED = [name for name in TABLES_OF_STUDY if COMBINATIONS in TABLES[name].results]
TARGETS = {
    "data": expand(
        "<resources>/datasets/{form}/{task}/dataset.json",
        form=sorted({CONFIG.form_of(model) for model in CONFIG.models}),
        task=TASKS_AND_CONTROL,
    ),
    # What needs a network, before the jobs of a machine without one.
    "downloads": [
        expand("<resources>/sources/{task}.json", task=TASKS_AND_CONTROL),
        expand(
            "<resources>/pretrained/{model}/encoder.safetensors", model=CONFIG.models
        ),
        [
            f"<results>/published/{model}/{training}/{task}/encoder.safetensors"
            for model in CONFIG.models
            for training in CONFIG.trainings
            for task in CONFIG.tasks
            if CONFIG.published_weights(model, training, task)
        ],
    ],
    "pretrain_demo": expand(
        "<resources>/pretraining/{recipe}/log.csv", recipe=CONFIG.pretraining
    ),
    "tables": [tidy(TABLES_OF_STUDY), written(PAPER_TABLES)],
    "figures": drawn(FIGURES_OF_STUDY),
    "combinations": [
        tidy(COMBINED),
        drawn([name for name in FIGURES_OF_STUDY if {*FIGURES[name]} & {*COMBINED}]),
    ],
    "learning_rates": tidy({"learning_rates"} & {*TABLES_OF_STUDY}),
    "claims": tidy(["claims"]),
    "export": exported_folders,
    "comparison": tidy(["comparison"]),
    **{name: written([name]) for name in PAPER_TABLES},
    # `proposition1` is also what the figure shows.
    **{name: drawn([name]) for name in FIGURES_OF_STUDY if not workflow.is_rule(name)},
}

for name, files in TARGETS.items():

    rule:
        name:
            name
        input:
            files,
