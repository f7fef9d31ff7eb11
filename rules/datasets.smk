# Examples and labels of every task and the control task, with the protocol's splits: found, then
# decoded once per image size, or tokenised once per model.


rule data_source:
    output:
        located="<resources>/sources/{task}.json",
    # Downloads: nodes of a cluster often have no network.
    localrule: True
    params:
        sources=source_flags,
    message:
        "find the data of {wildcards.task}"
    shell:
        "python -m scripts locate_dataset --task {wildcards.task} {params.sources}"
        " --output {output.located} {params.recorded}"


rule dataset:
    input:
        located="<resources>/sources/{task}.json",
    output:
        **data_set("<resources>/datasets/{size}px/{task}", ["train", *SPLITS]),
    wildcard_constraints:
        task=one_of(CONFIG.tasks),
    threads: decoding_threads
    params:
        settings=dataset_flags,
    message:
        "prepare the images of {wildcards.task} in {wildcards.size} pixels"
    shell:
        "python -m scripts prepare_dataset --task {wildcards.task} --located {input.located}"
        " --image-size {wildcards.size} --splits {params.splits} {params.settings}"
        " --threads {threads} --output-dir {params.output_dir} {params.recorded}"


# No model is fine-tuned on the control task: its training images need not be decoded.
use rule dataset as control_dataset with:
    output:
        **data_set("<resources>/datasets/{size}px/{task}", SPLITS),
    wildcard_constraints:
        task=one_of([CONFIG.control]),


# Linear probes are fitted on training images of the control task too.
use rule dataset as control_training with:
    output:
        **data_set("<resources>/control_training/{size}px/{task}", ["train"]),
    wildcard_constraints:
        task=one_of([CONFIG.control]),


rule texts:
    input:
        located="<resources>/sources/{task}.json",
        config="<resources>/pretrained/{model}/t5_config.json",
        tokenizer="<resources>/pretrained/{model}/tokenizer.json",
    output:
        **data_set("<resources>/datasets/{model}-tokens/{task}", ["train", *SPLITS]),
    wildcard_constraints:
        task=one_of(CONFIG.tasks),
    params:
        settings=dataset_flags,
    message:
        "tokenise the texts of {wildcards.task} for {wildcards.model}"
    shell:
        "python -m scripts prepare_text --task {wildcards.task} --located {input.located}"
        " --pretrained-dir {params.pretrained_dir} --splits {params.splits} {params.settings}"
        " --output-dir {params.output_dir} {params.recorded}"


use rule texts as control_texts with:
    output:
        **data_set("<resources>/datasets/{model}-tokens/{task}", SPLITS),
    wildcard_constraints:
        task=one_of([CONFIG.control]),
