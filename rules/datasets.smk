# Examples and labels of every task and the control task, with the protocol's splits: found, then
# decoded once per image size, or tokenised once per model.


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
        train="<resources>/datasets/{size}px/{task}/train.safetensors",
        validation="<resources>/datasets/{size}px/{task}/validation.safetensors",
        test="<resources>/datasets/{size}px/{task}/test.safetensors",
        description="<resources>/datasets/{size}px/{task}/dataset.json",
    wildcard_constraints:
        task=one_of(CONFIG.tasks),
    threads: decoding_threads
    params:
        splits="train validation test",
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
        validation="<resources>/datasets/{size}px/{task}/validation.safetensors",
        test="<resources>/datasets/{size}px/{task}/test.safetensors",
        description="<resources>/datasets/{size}px/{task}/dataset.json",
    wildcard_constraints:
        task=one_of([CONFIG.control]),
    params:
        splits="validation test",


# Linear probes are fitted on training images of the control task too.
use rule dataset as control_training with:
    output:
        train="<resources>/control_training/{size}px/{task}/train.safetensors",
        description="<resources>/control_training/{size}px/{task}/dataset.json",
    wildcard_constraints:
        task=one_of([CONFIG.control]),
    params:
        splits="train",


rule texts:
    input:
        located="<resources>/sources/{task}.json",
        config="<resources>/pretrained/{model}/t5_config.json",
        tokenizer="<resources>/pretrained/{model}/tokenizer.json",
    output:
        train="<resources>/datasets/{model}-tokens/{task}/train.safetensors",
        validation="<resources>/datasets/{model}-tokens/{task}/validation.safetensors",
        test="<resources>/datasets/{model}-tokens/{task}/test.safetensors",
        description="<resources>/datasets/{model}-tokens/{task}/dataset.json",
    wildcard_constraints:
        task=one_of(CONFIG.tasks),
    params:
        splits="train validation test",
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
        validation="<resources>/datasets/{model}-tokens/{task}/validation.safetensors",
        test="<resources>/datasets/{model}-tokens/{task}/test.safetensors",
        description="<resources>/datasets/{model}-tokens/{task}/dataset.json",
    wildcard_constraints:
        task=one_of([CONFIG.control]),
    params:
        splits="validation test",
