# Examples and labels of every task and the control task, with the protocol's splits: found, then
# decoded once per image size, or tokenised once per model.


def prepared(folder, splits):
    """The outputs of the preparation of some splits of a task."""
    base = f"<resources>/{folder}/{{task}}"
    files = {split: f"{base}/{split}.safetensors" for split in splits}
    return files | {"description": f"{base}/dataset.json"}


def splits_of(wildcards, output):
    return " ".join(name for name in output.keys() if name != "description")


rule data_source:
    output:
        located="<resources>/sources/{task}.json",
    log:
        "<resources>/logs/sources/{task}.log",
    # Downloads: nodes of a cluster often have no network.
    localrule: True
    params:
        sources=sources_of,
        sizes=official_sizes,
        code=code_of_data("locate_dataset"),
    message:
        "find the data of {wildcards.task}"
    shell:
        "python -m scripts.locate_dataset --task {wildcards.task} {params.sources} {params.sizes}"
        " --output {output.located}"
        " --code {params.code} --log {log}"


rule dataset:
    input:
        located="<resources>/sources/{task}.json",
    output:
        **prepared("datasets/{size}px", ["train", "validation", "test"]),
    wildcard_constraints:
        task=one_of(CONFIG.tasks),
    threads: decoding_threads
    params:
        splits=splits_of,
        settings=dataset_flags,
        code=code_of_data("prepare_dataset"),
    message:
        "prepare the images of {wildcards.task} in {wildcards.size} pixels"
    shell:
        "python -m scripts.prepare_dataset --task {wildcards.task} --located {input.located}"
        " --image-size {wildcards.size} --splits {params.splits} {params.settings}"
        " --threads {threads} --output-dir {params.output_dir}"
        " --code {params.code} --log {log}"


# No model is fine-tuned on the control task: its training images need not be decoded.
use rule dataset as control_dataset with:
    output:
        **prepared("datasets/{size}px", ["validation", "test"]),
    wildcard_constraints:
        task=one_of([CONFIG.control]),


# Linear probes are fitted on training images of the control task too.
use rule dataset as control_training with:
    output:
        **prepared("control_training/{size}px", ["train"]),
    wildcard_constraints:
        task=one_of([CONFIG.control]),


rule texts:
    input:
        located="<resources>/sources/{task}.json",
        config="<resources>/pretrained/{model}/t5_config.json",
        tokenizer="<resources>/pretrained/{model}/tokenizer.json",
    output:
        **prepared("datasets/{model}-tokens", ["train", "validation", "test"]),
    wildcard_constraints:
        task=one_of(CONFIG.tasks),
    params:
        splits=splits_of,
        settings=dataset_flags,
        code=code_of_data("prepare_text"),
    message:
        "tokenise the texts of {wildcards.task} for {wildcards.model}"
    shell:
        "python -m scripts.prepare_text --task {wildcards.task} --located {input.located}"
        " --pretrained-dir {params.pretrained_dir} --splits {params.splits} {params.settings}"
        " --output-dir {params.output_dir}"
        " --code {params.code} --log {log}"


use rule texts as control_texts with:
    output:
        **prepared("datasets/{model}-tokens", ["validation", "test"]),
    wildcard_constraints:
        task=one_of([CONFIG.control]),
