# Heads from texts: one job per task, so that a new task leaves the heads of the others alone, and with
# them all that was trained on those.


rule heads:
    input:
        config="<resources>/pretrained/{model}/open_clip_config.json",
        weights="<resources>/pretrained/{model}/open_clip_model.safetensors",
        located=own_task,
    output:
        head="<results>/heads/{model}/{task}/head.safetensors",
    wildcard_constraints:
        model=one_of(models_with_heads("zero_shot")),
    group:
        "heads"
    threads: CONFIG.compute.threads
    params:
        settings=flags(**DEVICE),
    message:
        "build the zero-shot head of {wildcards.model} for {wildcards.task}"
    shell:
        "python -m scripts build_head --pretrained-dir {params.pretrained_dir}"
        " {params.task} {params.settings} --output {output.head} {params.recorded}"


# The answers of text-to-text models, as tokens beside the language-model head; nothing runs.
use rule heads as answer_heads with:
    input:
        config="<resources>/pretrained/{model}/t5_config.json",
        weights="<resources>/pretrained/{model}/t5_model.safetensors",
        tokenizer="<resources>/pretrained/{model}/tokenizer.json",
        located=own_task,
    wildcard_constraints:
        model=one_of(models_with_heads("answers")),
    params:
        settings="",
    message:
        "build the head of answers of {wildcards.model} for {wildcards.task}"


# The linear probes of closed-vocabulary models, from the training images of each task.
rule probe_heads:
    input:
        config=pretrained_config,
        encoder="<resources>/pretrained/{model}/encoder.safetensors",
        data=probe_data,
        located=own_task,
    output:
        head="<results>/heads/{model}/{task}/head.safetensors",
    wildcard_constraints:
        model=one_of(models_with_heads("probe")),
    threads: CONFIG.compute.threads
    params:
        folder=probe_folder,
        settings=probe_flags,
    message:
        "fit the linear probe of {wildcards.model} for {wildcards.task}"
    shell:
        "python -m scripts fit_probe {params.encoder} {params.task}"
        " {params.folder} {params.settings} --output {output.head} {params.recorded}"
